/* Variadic functions: integers, doubles, pointers, more of each than there are registers, and va_list handed on. */
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

NOINLINE static long sum_ints(int n, ...)
{
    va_list args;
    va_start(args, n);
    long s = 0;
    while (n-- > 0)
        s = s * 3 + va_arg(args, int);
    va_end(args);
    return s;
}

NOINLINE static double by_format_list(const char *format, va_list args)
{
    double s = 0;
    for (; *format; format++) {
        switch (*format) {
        case 'i': s = s * 2 + va_arg(args, int); break;
        case 'u': s = s * 2 + va_arg(args, unsigned); break;
        case 'l': s = s * 2 + (double)va_arg(args, long long); break;
        case 'd': s = s * 2 + va_arg(args, double); break;
        case 's': s = s * 2 + (double)strlen(va_arg(args, const char *)); break;
        case 'p': s = s * 2 + *va_arg(args, int *); break;
        }
    }
    return s;
}

NOINLINE static double by_format(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    double s = by_format_list(format, args);
    va_end(args);
    return s;
}

NOINLINE static int never_reads(int first, ...) { return first + 1; }

NOINLINE static int last_before(int stop, ...)
{
    va_list args;
    int last = 0, x;
    va_start(args, stop);
    while ((x = va_arg(args, int)) != stop)
        last = x;
    va_end(args);
    return last;
}

int main(void)
{
    volatile int seven = 7;
    CHECK(sum_ints(0) == 0 && sum_ints(1, seven) == 7);
    CHECK(sum_ints(10, 1, 0, 2, 1, 0, 2, 1, 0, 2, seven) == 24988);
    CHECK(by_format("") == 0.0);
    CHECK(by_format("iiii", 1, 2, 3, seven) == 8 + 8 + 6 + 7);
    CHECK(by_format("dddddddddddd", 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., .5) == 4094.5);
    CHECK(by_format("idisdlp", 1, 0.5, seven, "four", 0.25, -(1LL << 40), &(int){9}) == 234 - 2199023255552.0);
    CHECK(by_format("ididididididididid", 1, 1., 1, 1., 1, 1., 1, 1., 1, 1., 1, 1., 1, 1., 1, 1., 1, 1.) == 262143);
    CHECK(by_format("u", 4000000000u) == 4e9 && by_format("l", -5LL) == -5);
    CHECK(by_format("ii", (char)-3, (short)4) == -2 && by_format("d", 1.5f) == 1.5);
    CHECK(never_reads(1, 2, 3.0, "x") == 2);
    CHECK(last_before(-1, 5, 6, seven, -1) == 7 && last_before(5, 5) == 0);
    CHECK(last_before(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0) == 11);
    return bad;
}
