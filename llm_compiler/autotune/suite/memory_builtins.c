/* memcpy, memmove over itself, memset, memcmp, memchr: constant and unknown lengths,
    hand-written loops for the same. */
#include <stdint.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

static unsigned char a[300], b[300];

static void fill(void)
{
    for (int i = 0; i < 300; i++) {
        a[i] = (unsigned char)(i * 7 + 1);
        b[i] = 0xee;
    }
}

NOINLINE static int copied(size_t n, size_t from, size_t to)
{
    fill();
    memcpy(b + to, a + from, n);
    for (size_t i = 0; i < 300; i++)
        if (b[i] != (i >= to && i < to + n ? (unsigned char)((i - to + from) * 7 + 1) : 0xee))
            return 0;
    return 1;
}

NOINLINE static int moved(size_t n, size_t from, size_t to)
{
    fill();
    memmove(a + to, a + from, n);
    for (size_t i = 0; i < 300; i++)
        if (a[i] != (unsigned char)((i >= to && i < to + n ? i - to + from : i) * 7 + 1))
            return 0;
    return 1;
}

/* Copies byte by byte forwards: over itself it repeats a pattern, which memmove would not. */
NOINLINE static void repeat(unsigned char *to, const unsigned char *from, int n)
{
    for (int i = 0; i < n; i++)
        to[i] = from[i];
}

NOINLINE static void zero_loop(int *p, int n)
{
    for (int i = 0; i < n; i++)
        p[i] = 0;
}

NOINLINE static void pattern_loop(uint32_t *p, int n)
{
    while (n-- > 0)
        *p++ = 0x01010101;
}

NOINLINE static int order(const void *x, const void *y, size_t n)
{
    int r = memcmp(x, y, n);
    return (r > 0) - (r < 0);
}

int main(void)
{
    static const size_t lengths[] = {0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 33, 64, 65, 100};
    for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        CHECK(copied(lengths[i], 3, 5) && copied(lengths[i], 0, 0));
        CHECK(moved(lengths[i], 10, 13) && moved(lengths[i], 13, 10) && moved(lengths[i], 8, 8) &&
              moved(lengths[i], 150, 9));
        memset(b + 1, (int)lengths[i] + 512, lengths[i]);
        CHECK(lengths[i] == 0 || (b[1] == (unsigned char)lengths[i] && b[lengths[i]] == (unsigned char)lengths[i]));
        memcpy(b, a, 120);
        CHECK(order(a, b, lengths[i]) == 0);
        if (lengths[i]) {
            a[lengths[i] - 1] = 0x80;
            b[lengths[i] - 1] = 0x7f;
            CHECK(order(a, b, lengths[i]) == 1 && order(b, a, lengths[i]) == -1 && order(a, b, lengths[i] - 1) == 0);
        }
    }
    memcpy(a, "abc", 3);
    repeat(a + 3, a, 60);
    CHECK(a[62] == 'c' && a[61] == 'b' && a[30] == 'a');
    memmove(a + 1, a, 9);
    CHECK(!memcmp(a, "aabcabcabcbc", 12));
    int numbers[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    zero_loop(numbers + 2, 5);
    zero_loop(numbers, -3);
    CHECK(numbers[1] == 2 && numbers[2] == 0 && numbers[6] == 0 && numbers[7] == 8);
    uint32_t words[4] = {9, 9, 9, 9};
    pattern_loop(words, 3);
    CHECK(words[2] == 0x01010101 && words[3] == 9 && memchr(words, 9, 16) == &words[3] && !memchr(words, 8, 16));
    CHECK(memcmp("\0a", "\0b", 2) < 0 && memcmp("x", "y", 0) == 0);
    return bad;
}
