/* long double, whatever its format is: exact small numbers, precision beyond the arguments, passing and returning. */
#include <float.h>
#include <stdarg.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

struct pair {
    long double big;
    char tag;
};

NOINLINE static long double power(long double base, unsigned n)
{
    long double r = 1;
    for (; n; n >>= 1) {
        if (n & 1)
            r *= base;
        base *= base;
    }
    return r;
}

NOINLINE static long double total(int n, ...)
{
    va_list args;
    long double s = 0;
    va_start(args, n);
    for (int i = 0; i < n; i++)
        s += i % 2 ? va_arg(args, double) : va_arg(args, long double);
    va_end(args);
    return s;
}

NOINLINE static struct pair scale(struct pair p, int by)
{
    p.big *= by;
    p.tag++;
    return p;
}

NOINLINE static double average(const long double *x, int n)
{
    long double s = 0;
    for (int i = n; i-- > 0;)
        s += x[i];
    return (double)(s / n);
}

int main(void)
{
    volatile long double one = 1.0L, half = 0.5L;
    CHECK(power(2.0L, 62) == (long double)(1LL << 62));
    CHECK(power(3.0L, 30) == 205891132094649.0L);
    CHECK(power(half, 10) * 1024 == one);
    CHECK(one + LDBL_EPSILON != one && one + LDBL_EPSILON / 2 == one);
    CHECK((double)(one + LDBL_EPSILON) == 1.0 || LDBL_MANT_DIG == DBL_MANT_DIG);
    if (LDBL_MANT_DIG >= 64) {
        volatile unsigned long long all = ~0ULL;
        CHECK((unsigned long long)(long double)all == all);
        CHECK((long double)all + 1 == 18446744073709551616.0L);
    }
    CHECK(total(4, 1.5L, 2.5, 3.25L, -0.25) == 7.0L);
    CHECK(total(0) == 0.0L && total(1, -one) == -1.0L);

    struct pair p = {1.25L, 'a'};
    for (int i = 1; i <= 5; i++)
        p = scale(p, i);
    CHECK(p.big == 150.0L && p.tag == 'f');

    long double x[7];
    for (int i = 0; i < 7; i++)
        x[i] = i * half;
    CHECK(average(x, 7) == 1.5 && average(x + 2, 1) == 1.0);
    CHECK((int)(x[5] * -one) == -2 && (long long)power(10.0L, 15) == 1000000000000000LL);
    CHECK(-x[0] == 0 && !(x[1] < x[0]) && x[1] > x[0] && x[3] >= x[3]);
    return bad;
}
