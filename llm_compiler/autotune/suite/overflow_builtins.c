/* __builtin_*_overflow on all widths and signs, used for branches, for values, and in loops. */
#include <limits.h>
#include <stdint.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

NOINLINE static int add(int a, int b, int *r) { return __builtin_add_overflow(a, b, r); }
NOINLINE static int sub(int a, int b, int *r) { return __builtin_sub_overflow(a, b, r); }
NOINLINE static int mul(int a, int b, int *r) { return __builtin_mul_overflow(a, b, r); }
NOINLINE static int addu(unsigned a, unsigned b, unsigned *r) { return __builtin_add_overflow(a, b, r); }
NOINLINE static int mul64(int64_t a, int64_t b, int64_t *r) { return __builtin_mul_overflow(a, b, r); }
NOINLINE static int mulu64(uint64_t a, uint64_t b, uint64_t *r) { return __builtin_mul_overflow(a, b, r); }
NOINLINE static int mixed(int a, unsigned b, int8_t *r) { return __builtin_add_overflow(a, b, r); }

NOINLINE static int saturate(int a, int b)
{
    int r;
    if (__builtin_add_overflow(a, b, &r))
        return a < 0 ? INT_MIN : INT_MAX;
    return r;
}

NOINLINE static int parse(const char *s, int *out)
{
    int v = 0;
    for (; *s; s++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *s - '0', &v))
            return -1;
    *out = v;
    return 0;
}

NOINLINE static unsigned long add_many(const unsigned long *a, const unsigned long *b, unsigned long *r, int n)
{
    unsigned long carry = 0;
    for (int i = 0; i < n; i++) {
        unsigned long t;
        int c = __builtin_add_overflow(a[i], b[i], &t);
        c |= __builtin_add_overflow(t, carry, &r[i]);
        carry = (unsigned long)c;
    }
    return carry;
}

/* The hand-written idiom for the same. */
NOINLINE static int wraps(unsigned a, unsigned b) { return a + b < a; }

int main(void)
{
    static const int edges[] = {INT_MIN, INT_MIN + 1, -46341, -1, 0, 1, 2, 46340, 46341, INT_MAX - 1, INT_MAX};
    enum { N = sizeof edges / sizeof *edges };
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            int64_t a = edges[i], b = edges[j];
            int r = 1;
            CHECK(add(edges[i], edges[j], &r) == (a + b != (int)(a + b)) && r == (int)(a + b));
            CHECK(sub(edges[i], edges[j], &r) == (a - b != (int)(a - b)) && r == (int)(a - b));
            CHECK(mul(edges[i], edges[j], &r) == (a * b != (int)(a * b)) && r == (int)(a * b));
            CHECK(saturate(edges[i], edges[j]) == (a + b > INT_MAX ? INT_MAX : a + b < INT_MIN ? INT_MIN : a + b));
            unsigned u = (unsigned)edges[i], v = (unsigned)edges[j], w;
            CHECK(addu(u, v, &w) == wraps(u, v) && w == u + v);
        }
    int64_t r64;
    CHECK(mul64(INT64_MIN, -1, &r64) && r64 == INT64_MIN && !mul64(INT64_C(3037000499), INT64_C(3037000499), &r64));
    CHECK(mul64(INT64_C(3037000500), INT64_C(3037000500), &r64) && mul64(INT64_MAX, 2, &r64) && r64 == -2);
    uint64_t ru;
    CHECK(mulu64(UINT64_C(1) << 32, UINT64_C(1) << 32, &ru) && ru == 0 && !mulu64(UINT32_MAX, UINT32_MAX, &ru));
    int8_t narrow;
    CHECK(!mixed(-5, 100, &narrow) && narrow == 95 && mixed(-5, 200, &narrow) && mixed(-200, 10, &narrow));
    CHECK(!mixed(-128, 0, &narrow) && narrow == -128 && mixed(-1, UINT_MAX, &narrow));
    int out = 5;
    CHECK(!parse("2147483647", &out) && out == INT_MAX && parse("2147483648", &out) && parse("99999999999", &out));
    CHECK(out == INT_MAX);
    unsigned long x[3] = {~0ul, ~0ul, 5}, y[3] = {1, 0, 6}, z[3];
    CHECK(add_many(x, y, z, 3) == 0 && z[0] == 0 && z[1] == 0 && z[2] == 12 && add_many(x, x, z, 2) == 1 &&
          z[0] == ~1ul);
    return bad;
}
