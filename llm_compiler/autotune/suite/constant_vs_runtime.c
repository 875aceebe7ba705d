// flags: -lm
/* What the compiler folds must equal what the machine computes: each expression on constants and on volatile copies. */
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

static volatile int vi;
static volatile unsigned vu;
static volatile int64_t vl;
static volatile double vd;
static volatile float vf;

static int same(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}
static int samef(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

/* E is an expression in x: once with x known, once with x out of a volatile. */
#define INT(VALUE, E) do { int64_t k, r; { const int x = (VALUE); k = (int64_t)(E); } vi = (VALUE); { int x = vi; r = (int64_t)(E); } CHECK(k == r); } while (0)
#define UNSIGNED(VALUE, E) do { uint64_t k, r; { const unsigned x = (VALUE); k = (E); } vu = (VALUE); { unsigned x = vu; r = (E); } CHECK(k == r); } while (0)
#define LONG(VALUE, E) do { int64_t k, r; { const int64_t x = (VALUE); k = (int64_t)(E); } vl = (VALUE); { int64_t x = vl; r = (int64_t)(E); } CHECK(k == r); } while (0)
#define DOUBLE(VALUE, E) do { double k, r; { const double x = (VALUE); k = (E); } vd = (VALUE); { double x = vd; r = (E); } CHECK(same(k, r)); } while (0)
#define FLOAT(VALUE, E) do { float k, r; { const float x = (VALUE); k = (E); } vf = (VALUE); { float x = vf; r = (E); } CHECK(samef(k, r)); } while (0)

int main(void)
{
    INT(-7, x / 2); INT(-7, x % 3); INT(INT_MIN, x >> 31); INT(INT_MIN, x / 10); INT(INT_MAX, x % 1000);
    INT(-1, (unsigned)x / 3); INT(300, (signed char)(x - 256)); INT(-300, (uint8_t)x); INT(-300, (uint16_t)x * 3);
    INT(77, x * x - x / 7 + (x ^ 0x55)); INT(-5, x < 0 ? -x : x); INT(40, 1LL << x); INT(INT_MIN, (int64_t)x * x);
    INT(-9, (x & -x) + (x | 3) + ~x); INT(1000, (short)(x * 33)); INT(12345, x % 7 * 7 + x / 7 * 49 % 11);
    UNSIGNED(UINT_MAX, x + 2u); UNSIGNED(UINT_MAX, (uint64_t)x * x); UNSIGNED(7, 0u - x);
    UNSIGNED(3000000000u, x / 7u + x % 7u);
    UNSIGNED(3000000000u, x * 3u); UNSIGNED(0x80000001u, x << 1 | x >> 31); UNSIGNED(5, (x - 6u) / 2u);
    UNSIGNED(99, x > 100u ? 1u : x);
    UNSIGNED(0x12345678u, __builtin_bswap32(x) + (unsigned)__builtin_popcount(x) + (unsigned)__builtin_clz(x));
    LONG(INT64_MIN, x / 3); LONG(INT64_MIN, x >> 40); LONG(INT64_MAX, x % 1000007); LONG(-1, (uint64_t)x >> 60);
    LONG(-123456789012, x / 1000 * 1000 + x % 1000); LONG(1LL << 40, (int32_t)(x >> 9)); LONG(-3, (double)x * 1.5);
    DOUBLE(0.1, x * 3.0); DOUBLE(0.1, x + 0.2 - 0.3); DOUBLE(1e308, x * 10.0); DOUBLE(-0.0, x + x);
    DOUBLE(-0.0, x * 2.0 - 0.0);
    DOUBLE(3.0, 1.0 / x); DOUBLE(1e-310, x / 3.0); DOUBLE(2.5, (double)(int)x + (double)(unsigned char)x);
    DOUBLE(-2.5, (double)(int)x);
    DOUBLE(2.0, sqrt(x)); DOUBLE(-2.5, floor(x)); DOUBLE(-2.5, ceil(x)); DOUBLE(2.5, trunc(x) + round(x));
    DOUBLE(-7.5, fabs(x));
    DOUBLE(5.5, fmod(x, 2.0)); DOUBLE(-5.5, fmod(x, 2.0)); DOUBLE(3.0, ldexp(x, -1073)); DOUBLE(1e17, (double)(float)x);
    DOUBLE(7.0, copysign(x, -0.0)); DOUBLE(7.0, fmin(x, 3.0) + fmax(x, 3.0)); DOUBLE(16777217.0, (double)(float)x);
    DOUBLE(0.30000000000000004, x == 0.1 + 0.2 ? 1.0 : 0.0); DOUBLE(INFINITY, 1.0 / x);
    DOUBLE(INFINITY, x > 1e308 ? x : 0.0);
    FLOAT(0.1f, x * 3.0f); FLOAT(0.1f, x + 0.2f); FLOAT(16777216.0f, x + 1.0f); FLOAT(3e38f, x * 2.0f);
    FLOAT(1e-40f, x / 7.0f);
    FLOAT(1.0f, x / 3.0f); FLOAT(0.1f, (float)((double)x * 10.0)); FLOAT(8388609.0f, x * 0.5f);
    FLOAT(-1.5f, (float)(int)x);
    return bad;
}
