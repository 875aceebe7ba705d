// flags: -lm
/* NaN, infinities and signed zeros through comparisons, arithmetic and library calls. */
#include <float.h>
#include <math.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

NOINLINE static int relation(double a, double b)
{
    return (a < b) | (a <= b) << 1 | (a > b) << 2 | (a >= b) << 3 | (a == b) << 4 | (a != b) << 5;
}

/* `!(a < b)` is not `a >= b`: shapes which a careless inversion of a branch gets wrong. */
NOINLINE static int not_less(double a, double b)
{
    if (!(a < b))
        return 1;
    return 2;
}

NOINLINE static double larger(double a, double b) { return a > b ? a : b; }
NOINLINE static double clamp(double x)
{
    if (x < 0.0)
        x = 0.0;
    else if (x > 1.0)
        x = 1.0;
    return x;
}

NOINLINE static double add_zero(double x) { return x + 0.0; }
NOINLINE static double sub_zero(double x) { return x - 0.0; }
NOINLINE static double times_zero(double x) { return x * 0.0; }
NOINLINE static double minus_self(double x) { return x - x; }
NOINLINE static double over_self(double x) { return x / x; }
NOINLINE static double negate(double x) { return -x; }
NOINLINE static double zero_minus(double x) { return 0.0 - x; }

int main(void)
{
    volatile double zero = 0.0, inf = INFINITY, not_a_number = NAN, one = 1.0;
    double nan = not_a_number;

    CHECK(relation(one, 2) == (1 | 2 | 32));
    CHECK(relation(one, one) == (2 | 8 | 16));
    CHECK(relation(inf, one) == (4 | 8 | 32));
    CHECK(relation(nan, one) == 32 && relation(one, nan) == 32 && relation(nan, nan) == 32);
    CHECK(relation(zero, -zero) == (2 | 8 | 16));
    CHECK(not_less(nan, one) == 1 && not_less(one, nan) == 1 && not_less(zero, one) == 2 && not_less(one, zero) == 1);

    CHECK(isnan(larger(one, nan)) && larger(nan, one) == one);
    CHECK(isnan(clamp(nan)) && clamp(inf) == 1.0 && clamp(-inf) == 0.0);
    CHECK(signbit(clamp(-zero)));
    CHECK(fmax(nan, one) == one && fmin(one, nan) == one && isnan(fmin(nan, nan)));

    CHECK(!signbit(add_zero(-zero)) && signbit(sub_zero(-zero)));
    CHECK(isnan(times_zero(inf)) && signbit(times_zero(-one)) && !signbit(times_zero(one)));
    CHECK(isnan(minus_self(inf)) && !signbit(minus_self(-one)) && isnan(minus_self(nan)));
    CHECK(isnan(over_self(zero)) && isnan(over_self(inf)) && over_self(3.0) == 1.0);
    CHECK(signbit(negate(zero)) && !signbit(zero_minus(zero)));

    CHECK(one / zero == inf && one / -zero == -inf && one / inf == 0.0 && signbit(one / -inf));
    CHECK(isnan(inf - inf) && inf + inf == inf && -inf * inf == -inf);
    CHECK(DBL_MAX * 2 * one == inf && inf > DBL_MAX);
    CHECK(fpclassify(nan) == FP_NAN && fpclassify(inf + one) == FP_INFINITE && fpclassify(-zero) == FP_ZERO);
    CHECK(copysign(3.0, -zero) == -3.0 && fabs(-inf) == inf && !signbit(fabs(-zero)));
    CHECK(isunordered(nan, one) && !isless(nan, one) && !isgreaterequal(nan, one) && !islessgreater(one, nan));
    CHECK(isnan(sqrt(-one)) && signbit(sqrt(-zero)));
    return bad;
}
