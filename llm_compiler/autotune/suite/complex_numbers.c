// flags: -lm
/* C's complex type: arithmetic on exact values, passing and returning in float, double and long double. */
#include <complex.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

NOINLINE static double complex square(double complex z) { return z * z; }
NOINLINE static float complex rotate(float complex z) { return z * I; }
NOINLINE static long double complex sum(long double complex a, float complex b) { return a + b; }

NOINLINE static int escape(double complex c, int limit)
{
    double complex z = 0;
    int n = 0;
    while (n < limit && creal(z) * creal(z) + cimag(z) * cimag(z) <= 4.0) {
        z = square(z) + c;
        n++;
    }
    return n;
}

NOINLINE static void transform(const double complex *in, double complex *out, int n)
{
    static const double complex turn[4] = {1, -I, -1, I};
    for (int k = 0; k < n; k++) {
        out[k] = 0;
        for (int j = 0; j < n; j++)
            out[k] += in[j] * turn[(j * k) % 4];
    }
}

int main(void)
{
    volatile double three = 3;
    double complex z = three + 4 * I;
    CHECK(square(z) == -7 + 24 * I);
    CHECK(cabs(z / (1 + 2 * I) - (2.2 - 0.4 * I)) < 1e-15);
    CHECK(cabs(z) == 5.0 && conj(z) == 3 - 4 * I && creal(z * conj(z)) == 25.0);
    float complex f = 1.5f + 2.5f * I;
    for (int i = 0; i < 4; i++)
        f = rotate(f);
    CHECK(f == 1.5f + 2.5f * I);
    CHECK(rotate(f) == -2.5f + 1.5f * I);
    CHECK(sum(1.25L - 2.0L * I, f) == 2.75L + 0.5L * I);
    CHECK(escape(0, 50) == 50 && escape(-1, 50) == 50 && escape(1, 50) == 3 && escape(2 + 2 * I, 50) == 1);

    double complex x[4] = {1, 2 - I, -I, -1 + 2 * I}, y[4];
    transform(x, y, 4);
    CHECK(y[0] == 2 && y[1] == -2 - 2 * I && y[2] == -2 * I && y[3] == 4 + 4 * I);
    return bad;
}
