/* Population count, leading and trailing zeros, parity, byte swaps: builtins and the loops that compilers recognise. */
#include <stdint.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

NOINLINE static int ones(uint32_t x) { return __builtin_popcount(x); }
NOINLINE static int ones64(uint64_t x) { return __builtin_popcountll(x); }
NOINLINE static int leading(uint32_t x) { return x ? __builtin_clz(x) : 32; }
NOINLINE static int leading64(uint64_t x) { return x ? __builtin_clzll(x) : 64; }
NOINLINE static int trailing(uint32_t x) { return x ? __builtin_ctz(x) : 32; }
NOINLINE static int trailing64(uint64_t x) { return x ? __builtin_ctzll(x) : -1; }
NOINLINE static int first_set(int x) { return __builtin_ffs(x); }
NOINLINE static int parity(uint32_t x) { return __builtin_parity(x); }

NOINLINE static int ones_by_loop(uint32_t x)
{
    int n = 0;
    while (x) {
        x &= x - 1;
        n++;
    }
    return n;
}
NOINLINE static int ones_by_sums(uint32_t x)
{
    x -= x >> 1 & 0x55555555;
    x = (x & 0x33333333) + (x >> 2 & 0x33333333);
    return (int)(((x + (x >> 4)) & 0x0f0f0f0f) * 0x01010101 >> 24);
}
NOINLINE static int leading_by_loop(uint32_t x)
{
    int n = 32;
    for (; x; x >>= 1)
        n--;
    return n;
}
NOINLINE static int trailing_by_loop(uint64_t x)
{
    int n = 0;
    while (!(x & 1)) {
        x >>= 1;
        if (++n == 64)
            break;
    }
    return n;
}
NOINLINE static uint32_t reversed(uint32_t x)
{
    uint32_t r = 0;
    for (int i = 0; i < 32; i++)
        r |= (x >> i & 1) << (31 - i);
    return r;
}
NOINLINE static uint8_t reversed8(uint8_t x) { return (uint8_t)((x * UINT64_C(0x0202020202) & UINT64_C(0x010884422010)) % 1023); }
NOINLINE static int is_power(uint32_t x) { return x && !(x & (x - 1)); }
NOINLINE static int is_power_by_count(uint32_t x) { return __builtin_popcount(x) == 1; }
NOINLINE static int log_table(uint32_t x)
{
    static const uint8_t table[32] = {0, 1, 28, 2, 29, 14, 24, 3, 30, 22, 20, 15, 25, 17, 4, 8,
                                      31, 27, 13, 23, 21, 19, 16, 7, 26, 12, 18, 6, 11, 5, 10, 9};
    return table[((x & -x) * 0x077cb531u) >> 27];
}
NOINLINE static uint32_t round_up(uint32_t x)
{
    x--;
    for (int s = 1; s < 32; s *= 2)
        x |= x >> s;
    return x + 1;
}
NOINLINE static int test_bit(const uint32_t *set, unsigned i) { return set[i / 32] >> (i % 32) & 1; }

int main(void)
{
    uint32_t x = 1;
    for (int i = 0; i < 200; i++) {
        x = i < 32 ? UINT32_C(1) << i : i < 64 ? UINT32_MAX >> (i - 32) : x * 1664525u + 1013904223u;
        CHECK(ones(x) == ones_by_loop(x) && ones(x) == ones_by_sums(x) &&
              ones64((uint64_t)x << 20 | 1) == ones(x << 20) + ones(x >> 12) + 1);
        CHECK(leading(x) == leading_by_loop(x) && leading64(x) == leading(x) + 32 &&
              leading(reversed(x)) == trailing(x));
        CHECK(trailing(x) == trailing_by_loop(x) && trailing64((uint64_t)x << 32) == trailing(x) + 32);
        CHECK(parity(x) == (ones(x) & 1) && reversed(reversed(x)) == x && is_power(x) == is_power_by_count(x));
        CHECK(log_table(x) == trailing(x) && first_set((int)x) == trailing(x) + 1);
        CHECK(reversed(x) >> 24 == reversed8((uint8_t)x) && __builtin_bswap32(__builtin_bswap32(x)) == x);
        CHECK(x > 0x80000000u || (round_up(x) >= x && round_up(x) / 2 < x && is_power(round_up(x))));
    }
    CHECK(ones(0) == 0 && leading(0) == 32 && trailing(0) == 32 && first_set(0) == 0 && leading64(0) == 64 &&
          trailing64(0) == -1);
    CHECK(trailing_by_loop(0) == 64 && leading_by_loop(0) == 32 && !is_power(0) && !is_power_by_count(0));
    CHECK(__builtin_clrsb(0) == 31 && __builtin_clrsb(-1) == 31 && __builtin_clrsb(x > 0 ? -256 : 0) == 23);
    static const uint32_t set[3] = {1, 0x80000000u, 6};
    CHECK(test_bit(set, 0) && test_bit(set, 63) && test_bit(set, 65) && !test_bit(set, 64) && !test_bit(set, 31));
    return bad;
}
