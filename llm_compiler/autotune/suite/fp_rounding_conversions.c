// flags: -lm
/* Rounding of arithmetic and of conversions between float and double; round to nearest even throughout. */
#include <math.h>
#include <stdint.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

static uint64_t bits(double x)
{
    uint64_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}

static uint32_t bits32(float x)
{
    uint32_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}

NOINLINE static float narrow(double x) { return (float)x; }
NOINLINE static double sum3(double a, double b, double c) { return a + b + c; }
NOINLINE static float product(float a, float b) { return a * b; }

int main(void)
{
    volatile double tenth = 0.1, fifth = 0.2, big = 9007199254740992.0, one = 1.0;
    CHECK(bits(tenth + fifth) == 0x3fd3333333333334u);
    CHECK(bits(0.1 + 0.2) == 0x3fd3333333333334u);
    CHECK(big + one == big);
    CHECK(big + one + one == big);
    CHECK(one + one + big == big + 2.0);
    CHECK(sum3(big, one, one) == big);
    CHECK(sum3(one, one, big) == 9007199254740994.0);

    /* Double to float: ties go to even, and the sticky bit below breaks a tie. */
    CHECK(bits32(narrow(16777217.0)) == bits32(16777216.0f));
    CHECK(bits32(narrow(16777219.0)) == bits32(16777220.0f));
    CHECK(bits32(narrow(16777217.0 + 1.0 / 1024)) == bits32(16777218.0f));
    CHECK(narrow(3.4028235677973366e38) > 3.4e38f && isinf(narrow(3.4028235677973366e38)));
    CHECK(!isinf(narrow(3.4028235677973362e38)));
    CHECK(narrow(1e-46) == 0.0f && !signbit(narrow(1e-46)) && signbit(narrow(-1e-46)));

    /* A float product rounds to float before it is widened. */
    volatile float third = 1.0f / 3.0f;
    CHECK((double)product(third, third) != (double)third * (double)third);
    CHECK(product(third, 3.0f) == 1.0f);

    volatile double values[] = {2.5, 3.5, -2.5, -3.5, 0.5, -0.5, 1.4999999999999998};
    static const double even[] = {2, 4, -2, -4, 0, -0.0, 1};
    static const double away[] = {3, 4, -3, -4, 1, -1, 1};
    static const double down[] = {2, 3, -3, -4, 0, -1, 1};
    static const double up[] = {3, 4, -2, -3, 1, -0.0, 2};
    static const double cut[] = {2, 3, -2, -3, 0, -0.0, 1};
    for (int i = 0; i < 7; i++) {
        CHECK(bits(rint(values[i])) == bits(even[i]));
        CHECK(bits(round(values[i])) == bits(away[i]));
        CHECK(bits(floor(values[i])) == bits(down[i]));
        CHECK(bits(ceil(values[i])) == bits(up[i]));
        CHECK(bits(trunc(values[i])) == bits(cut[i]));
    }
    volatile double two = 2.0;
    CHECK(bits(sqrt(two)) == 0x3ff6a09e667f3bcdu);
    CHECK(bits(fma(0.1, 10.0, -1.0)) == 0x3c90000000000000u);
    CHECK(tenth * 10.0 - 1.0 == 0.0);
    return bad;
}
