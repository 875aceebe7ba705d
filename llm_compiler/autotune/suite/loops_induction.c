/* Induction variables: wrap-around, several at once, strides, downwards, zero trips, exit values, non-unit steps. */
#include <stdint.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

NOINLINE static int count_up(int from, int to, int step)
{
    int n = 0;
    for (int i = from; i < to; i += step)
        n++;
    return n;
}

NOINLINE static int count_unsigned(unsigned from, unsigned to)
{
    int n = 0;
    for (unsigned i = from; i != to; i++)
        n++;
    return n;
}

NOINLINE static int wrapping_byte(uint8_t from, uint8_t step)
{
    int n = 0;
    uint8_t i = from;
    do {
        i = (uint8_t)(i + step);
        n++;
    } while (i != from && n < 1000);
    return n;
}

NOINLINE static int backwards(const char *s, int n, char c)
{
    for (unsigned i = (unsigned)n; i-- > 0;)
        if (s[i] == c)
            return (int)i;
    return -1;
}

NOINLINE static int exit_value(int n)
{
    int i, j = 100;
    for (i = 0; i < n; i += 3)
        j -= 2;
    return i * 1000 + j;
}

NOINLINE static unsigned quadratic(unsigned n)
{
    unsigned s = 0, square = 0, odd = 1;
    for (unsigned i = 0; i < n; i++) {
        s += square == i * i;
        square += odd;
        odd += 2;
    }
    return s;
}

NOINLINE static int meet(int n)
{
    int i = 0, j = n, steps = 0;
    while (i < j) {
        i += 2;
        j -= 1;
        steps++;
    }
    return steps * 100 + i - j;
}

NOINLINE static uint64_t doubling(int n)
{
    uint64_t bits = 0;
    for (uint32_t i = 1; i; i <<= 1)
        if (n-- > 0)
            bits += i;
    return bits;
}

NOINLINE static long index_64(const int8_t *p, int start, int n)
{
    long s = 0;
    for (int i = start; i < n; i++)
        s = s * 2 + p[i + 3];
    return s;
}

NOINLINE static int floating(float from, float to, float step)
{
    int n = 0;
    for (float x = from; x < to; x += step)
        n++;
    return n;
}

NOINLINE static int nearly_all(unsigned limit)
{
    int n = 0;
    for (unsigned i = UINT32_MAX - 5; i >= limit; i++) { /* ends by wrapping round */
        n++;
        if (i == UINT32_MAX && n > 100)
            break;
    }
    return n;
}

int main(void)
{
    CHECK(count_up(0, 10, 3) == 4 && count_up(0, 9, 3) == 3 && count_up(5, 5, 1) == 0 && count_up(7, -7, 2) == 0);
    CHECK(count_up(INT32_MAX - 10, INT32_MAX, 1) == 10 && count_up(INT32_MIN, INT32_MIN + 7, 2) == 4);
    CHECK(count_unsigned(UINT32_MAX - 4, 6) == 11 && count_unsigned(3, 3) == 0);
    CHECK(wrapping_byte(7, 1) == 256 && wrapping_byte(0, 2) == 128 && wrapping_byte(9, 96) == 8 &&
          wrapping_byte(1, 0) == 1);
    CHECK(backwards("hello", 5, 'l') == 3 && backwards("hello", 5, 'x') == -1 && backwards("x", 0, 'x') == -1);
    CHECK(exit_value(0) == 100 && exit_value(1) == 3098 && exit_value(9) == 9094 && exit_value(10) == 12092);
    CHECK(quadratic(0) == 0 && quadratic(70000) == 70000 && meet(9) == 300 && meet(10) == 402 && meet(-1) == 1);
    CHECK(doubling(0) == 0 && doubling(8) == 255 && doubling(40) == UINT32_MAX);
    int8_t bytes[] = {1, -1, 2, -2, 3, -3, 4, -4};
    CHECK(index_64(bytes, -3, 5) == 112 && index_64(bytes + 4, -2, 0) == -2 && index_64(bytes, 4, 4) == 0);
    CHECK(floating(0.0f, 1.0f, 0.125f) == 8 && floating(0.0f, 0.0f, 1.0f) == 0 && floating(1.0f, 2.0f, 0.75f) == 2);
    CHECK(nearly_all(10) == 6 && nearly_all(UINT32_MAX) == 0);
    return bad;
}
