// flags: -lm
/* Subnormal numbers: gradual underflow, scaling, and float and double limits. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

NOINLINE static int halvings(double x)
{
    int n = 0;
    while (x > 0.0) {
        x *= 0.5;
        n++;
    }
    return n;
}

NOINLINE static int halvings_float(float x)
{
    int n = 0;
    for (; x != 0.0f; n++)
        x /= 2.0f;
    return n;
}

NOINLINE static uint64_t ordered(double x)
{
    uint64_t b;
    memcpy(&b, &x, sizeof b);
    return b >> 63 ? ~b : b | UINT64_C(1) << 63;
}

int main(void)
{
    volatile double least = 4.9406564584124654e-324, small = DBL_MIN, one = 1.0;
    volatile float leastf = 1.40129846e-45f, smallf = FLT_MIN;

    CHECK(halvings(one) == 1075);
    CHECK(halvings_float(1.0f) == 150);
    CHECK(least > 0 && least / 2 == 0 && least * 0.75 == least && least * 1.5 == 2 * least);
    CHECK(leastf > 0 && leastf / 2 == 0);
    CHECK(small / 2 * 2 == small);
    CHECK((small + least) - small == least);
    CHECK(small - (small - least) == least);
    CHECK(fpclassify(small / 2) == FP_SUBNORMAL && fpclassify(small * one) == FP_NORMAL);
    CHECK(fpclassify(smallf / 4) == FP_SUBNORMAL);
    CHECK((double)leastf == ldexp(one, -149));
    CHECK((float)(least * one) == 0.0f);
    CHECK((float)ldexp(one, -149) == leastf);
    CHECK((float)ldexp(1.5, -150) == leastf);
    CHECK((float)ldexp(one, -150) == 0.0f);

    /* x != y implies x - y != 0 only because of gradual underflow. */
    double x = small * 1.5, y = small * 1.25;
    CHECK(x != y && x - y != 0.0 && y + (x - y) == x);

    CHECK(nextafter(0.0, one) == least && nextafter(small, 0.0) == small - least);
    CHECK(ordered(least) - ordered(0.0 * one) == 1 && ordered(-least) < ordered(least));
    int e;
    volatile double odd = least * 3;
    CHECK(frexp(odd, &e) == 0.75 && e == -1072);
    CHECK(ldexp(frexp(odd, &e), e) == odd);

    double total = 0;
    for (int i = 0; i < 1000; i++)
        total += least;
    CHECK(total == least * 1000 && total / least == 1000.0);
    return bad;
}
