/* 128-bit integers: products, division, shifts by variable amounts, comparisons, conversions. */
#include <stdint.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

typedef __int128 i128;
typedef unsigned __int128 u128;

#define MAKE(high, low) ((u128)(uint64_t)(high) << 64 | (uint64_t)(low))

NOINLINE static u128 multiply(uint64_t a, uint64_t b) { return (u128)a * b; }
NOINLINE static uint64_t high_half(uint64_t a, uint64_t b) { return (uint64_t)((u128)a * b >> 64); }
NOINLINE static i128 multiply_signed(int64_t a, int64_t b) { return (i128)a * b; }
NOINLINE static u128 left(u128 x, int n) { return x << n; }
NOINLINE static u128 right(u128 x, int n) { return x >> n; }
NOINLINE static i128 right_signed(i128 x, int n) { return x >> n; }
NOINLINE static u128 divide(u128 a, u128 b) { return a / b; }
NOINLINE static u128 modulo(u128 a, u128 b) { return a % b; }
NOINLINE static i128 divide_signed(i128 a, i128 b) { return a / b; }
NOINLINE static int less(i128 a, i128 b) { return a < b; }
NOINLINE static int less_unsigned(u128 a, u128 b) { return a < b; }

NOINLINE static uint64_t modular_power(uint64_t base, uint64_t n, uint64_t m)
{
    u128 r = 1, b = base % m;
    for (; n; n >>= 1) {
        if (n & 1)
            r = r * b % m;
        b = b * b % m;
    }
    return (uint64_t)r;
}

NOINLINE static int digits(u128 x, char *out)
{
    int n = 0;
    do
        out[n++] = (char)('0' + (int)(x % 10));
    while (x /= 10);
    return n;
}

int main(void)
{
    CHECK(multiply(UINT64_MAX, UINT64_MAX) == MAKE(UINT64_MAX - 1, 1));
    CHECK(high_half(UINT64_C(1) << 63, 6) == 3 && high_half(UINT32_MAX, UINT32_MAX) == 0);
    CHECK(multiply_signed(INT64_MIN, INT64_MIN) == (i128)MAKE(UINT64_C(1) << 62, 0));
    CHECK(multiply_signed(INT64_MIN, 3) == -(i128)MAKE(1, UINT64_C(1) << 63));
    for (int n = 0; n < 128; n++) {
        u128 one = left(1, n);
        CHECK(n < 64 ? one == (u128)(UINT64_C(1) << n) : one == MAKE(UINT64_C(1) << (n - 64), 0));
        CHECK(right(one, n) == 1 && (n == 127 || right(one, n + 1) == 0));
        CHECK(right_signed(-(i128)left(1, 126), n) == (n < 126 ? -(i128)left(1, 126 - n) : -1));
        CHECK(n == 0 || divide(left(1, 127), left(1, n)) == left(1, 127 - n));
    }
    u128 a = MAKE(0x0123456789abcdef, 0xfedcba9876543210), b = MAKE(3, 7);
    CHECK(divide(a, b) * b + modulo(a, b) == a && modulo(a, b) < b && divide(a, a) == 1);
    CHECK(divide(a, 10) * 10 + modulo(a, 10) == a && modulo(a, UINT64_C(1) << 32) == 0x76543210);
    CHECK(divide_signed(-100, 7) == -14 && divide_signed((i128)MAKE(-1, -100), -7) == 14);
    CHECK(less(-1, 0) && !less_unsigned((u128)-1, 0) && less((i128)MAKE(1, 0), (i128)MAKE(1, 1)) && !less(5, -5));
    CHECK(modular_power(3, UINT64_C(18446744073709551556), UINT64_C(18446744073709551557)) == 1);
    CHECK(modular_power(2, 64, UINT64_C(1000000000000000003)) == UINT64_C(446744073709551562));
    CHECK((double)MAKE(1, 0) == 18446744073709551616.0 && (u128)18446744073709551616.0 == MAKE(1, 0));
    CHECK((i128)-1.5e30 < -(i128)MAKE(1, 0) && (double)(i128)-5 == -5.0);
    char text[40];
    CHECK(digits((u128)-1, text) == 39 && text[0] == '5' && text[38] == '3' && text[37] == '4' && digits(0, text) == 1);
    return bad;
}
