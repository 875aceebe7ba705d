/* Switches over 64-bit, narrow, negative and boolean values, with ranges, only a default, inside loops. */
#include <limits.h>
#include <stdint.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

NOINLINE static int wide(uint64_t x)
{
    switch (x) {
    case 0: return 1;
    case UINT64_C(1) << 32: return 2;
    case UINT64_C(2) << 32: return 3;
    case UINT64_C(3) << 32: return 4;
    case (UINT64_C(3) << 32) + 1: return 5;
    case UINT64_MAX: return 6;
    case UINT64_C(1) << 63: return 7;
    }
    return 0;
}

NOINLINE static int negative(int x)
{
    switch (x) {
    case -5 ... -3: return 'a';
    case -2: return 'b';
    case -1: return 'c';
    case INT_MIN: return 'd';
    case INT_MIN + 1: return 'e';
    case 0: return 'f';
    }
    return '?';
}

NOINLINE static int narrow(signed char c)
{
    switch (c) {
    case -128: return 1;
    case -1: return 2;
    case 127: return 3;
    case 65: return 4;
    default: return c < 0 ? 5 : 6;
    }
}

NOINLINE static int only_default(int x)
{
    switch (x) {
    default:
        x += 3;
    }
    switch (x & 0)
    case 0:
        return x;
    return -1;
}

NOINLINE static int masked(unsigned x)
{
    switch (x & 3) { /* all four: the default cannot happen */
    case 0: return 8;
    case 1: return 4;
    case 2: return 2;
    case 3: return 1;
    default: return 100;
    }
}

NOINLINE static long same_target(long x)
{
    switch (x) {
    case 1: case 2: case 4: case 8: case 16: case 32: return x * 2;
    case 3: case 5: case 7: case 11: case 13: return x - 100;
    default: return 0;
    }
}

NOINLINE static int device(int n, char *from, const char *with)
{
    int rounds = (n + 3) / 4;
    char *to = from;
    if (!n)
        return 0;
    switch (n % 4) {
    case 0: do { *to++ = *with++; /* fall through */
    case 3: *to++ = *with++; /* fall through */
    case 2: *to++ = *with++; /* fall through */
    case 1: *to++ = *with++;
        } while (--rounds > 0);
    }
    return (int)(to - from);
}

int main(void)
{
    CHECK(wide(0) == 1 && wide(UINT64_C(1) << 32) == 2 && wide(UINT64_C(2) << 32) == 3 && wide(UINT64_C(3) << 32) == 4);
    CHECK(wide((UINT64_C(3) << 32) + 1) == 5 && wide(UINT64_MAX) == 6 && wide(UINT64_C(1) << 63) == 7);
    CHECK(wide(1) == 0 && wide(UINT32_MAX) == 0 && wide(UINT64_C(1) << 31) == 0 && wide(3) == 0);
    CHECK(negative(-6) == '?' && negative(-5) == 'a' && negative(-3) == 'a' && negative(-2) == 'b');
    CHECK(negative(-1) == 'c' && negative(INT_MIN) == 'd' && negative(INT_MIN + 1) == 'e' && negative(0) == 'f');
    CHECK(negative(1) == '?' && negative(INT_MAX) == '?' && negative(INT_MIN + 2) == '?');
    for (int i = -128; i < 128; i++)
        CHECK(narrow((signed char)i) == (i == -128 ? 1 : i == -1 ? 2 : i == 127 ? 3 : i == 65 ? 4 : i < 0 ? 5 : 6));
    CHECK(only_default(4) == 7);
    for (unsigned i = 0; i < 9; i++)
        CHECK(masked(i) == 8 >> (i & 3) && masked(~i) == 1 << (i & 3));
    CHECK(same_target(16) == 32 && same_target(32) == 64 && same_target(13) == -87 && same_target(6) == 0);
    CHECK(same_target(0) == 0 && same_target(33) == 0 && same_target(1L << 40) == 0 && same_target(-1) == 0);
    char buffer[16] = "...............";
    for (int n = 0; n < 12; n++) {
        CHECK(device(n, buffer, "abcdefghijkl") == n && buffer[n] == '.');
        CHECK(n == 0 || buffer[n - 1] == "abcdefghijkl"[n - 1]);
    }
    return bad;
}
