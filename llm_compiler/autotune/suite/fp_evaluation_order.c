/* Sums and products in the order in which they are written: no reassociation, no contraction, no reciprocal. */
#include <stdint.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

NOINLINE static double forwards(const double *x, int n)
{
    double s = 0;
    for (int i = 0; i < n; i++)
        s += x[i];
    return s;
}

NOINLINE static double backwards(const double *x, int n)
{
    double s = 0;
    while (n-- > 0)
        s += x[n];
    return s;
}

NOINLINE static double compensated(const double *x, int n)
{
    double s = 0, c = 0;
    for (int i = 0; i < n; i++) {
        double y = x[i] - c, t = s + y;
        c = (t - s) - y;
        s = t;
    }
    return s;
}

NOINLINE static double error_of_sum(double a, double b)
{
    double s = a + b, z = s - a;
    return (a - (s - z)) + (b - z);
}

NOINLINE static int divide_all(double *x, int n, double by)
{
    int same = 0;
    for (int i = 0; i < n; i++) {
        double inverse = 1.0 / by;
        same += x[i] / by == x[i] * inverse;
        x[i] /= by;
    }
    return same;
}

int main(void)
{
    double x[64];
    for (int i = 0; i < 64; i++)
        x[i] = i % 4 == 0 ? 1e16 : i % 4 == 2 ? -1e16 : 1.0;
    CHECK(forwards(x, 64) == 1.0);
    CHECK(backwards(x, 64) == 0.0);
    CHECK(forwards(x, 0) == 0.0 && forwards(x, 2) == 1e16 && backwards(x, 3) == 0.0);

    double ones[11] = {1.0};
    for (int i = 1; i < 11; i++)
        ones[i] = 1e-16;
    CHECK(forwards(ones, 11) == 1.0);
    CHECK(backwards(ones, 11) > 1.0);
    CHECK(compensated(ones, 11) == backwards(ones, 11));

    CHECK(error_of_sum(1.0, 1e-20) == 1e-20 && error_of_sum(1e16, 1.0) == 1.0 && error_of_sum(2.0, 3.0) == 0.0);

    double y[10];
    for (int i = 0; i < 10; i++)
        y[i] = i;
    CHECK(divide_all(y, 10, 49.0) < 10);
    CHECK(y[0] == 0 && y[7] == 1.0 / 7.0);
    CHECK(y[3] == 3.0 / 49.0);

    volatile double a = 1.0 + 1.0 / (1 << 30), b = 1.0 - 1.0 / (1 << 30), c = 1.0;
    CHECK(a * b - c == 0.0); /* a fused multiply-add would say -2**-60 */
    volatile double big = 1e308;
    CHECK(big * 10 / 10 != big && big / 10 * 10 == big);
    CHECK((big + big) - big != big);
    return bad;
}
