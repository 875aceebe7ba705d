/* Structures by value through an ellipsis, and va_copy in the middle of a list. */
#include <stdarg.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

struct one { char c; };
struct two { double x, y; };
struct mixed { int i; float f; double d; };
struct large { long v[5]; };
struct odd { char text[3]; };

NOINLINE static double read_all(int rounds, ...)
{
    va_list args;
    double s = 0;
    va_start(args, rounds);
    for (int i = 0; i < rounds; i++) {
        s += va_arg(args, struct one).c;
        struct two t = va_arg(args, struct two);
        s += t.x - t.y;
        struct mixed m = va_arg(args, struct mixed);
        s += m.i * m.f + m.d;
        struct large l = va_arg(args, struct large);
        s += (double)(l.v[0] + 10 * l.v[4]);
        struct odd o = va_arg(args, struct odd);
        s += o.text[0] * 2 + o.text[2];
    }
    va_end(args);
    return s;
}

/* The spread of the values: one walk to find the smallest, a second for the sum above it. */
NOINLINE static int above_least(int n, ...)
{
    va_list args, again;
    int least, sum = 0;
    va_start(args, n);
    least = va_arg(args, int);
    va_copy(again, args);
    for (int i = 1; i < n; i++) {
        int x = va_arg(args, int);
        if (x < least)
            least = x;
    }
    va_end(args);
    for (int i = 1; i < n; i++)
        sum += va_arg(again, int) - least;
    va_end(again);
    return sum;
}

static int consume(va_list *args, int n)
{
    int s = 0;
    while (n--)
        s += va_arg(*args, int);
    return s;
}

NOINLINE static int in_parts(int a, int b, ...)
{
    va_list args;
    va_start(args, b);
    int first = consume(&args, a), second = consume(&args, b);
    va_end(args);
    return first * 1000 + second;
}

int main(void)
{
    struct one c = {'\5'};
    struct two t = {3.5, 1.25};
    struct mixed m = {4, 0.5f, 8.25};
    struct large l = {{1, 2, 3, 4, 5}};
    struct odd o = {{10, 20, 30}};
    double once = 5 + 2.25 + 10.25 + 51 + 50;
    CHECK(read_all(0) == 0);
    CHECK(read_all(1, c, t, m, l, o) == once);
    CHECK(read_all(3, c, t, m, l, o, c, t, m, l, o, c, t, m, l, o) == 3 * once);
    CHECK(l.v[0] == 1 && o.text[1] == 20);
    CHECK(above_least(4, 9, 5, 7, 6) == 3 && above_least(1, 3) == 0);
    CHECK(above_least(9, 1, 2, 3, 4, 5, 6, 7, 8, 9) == 36);
    CHECK(in_parts(3, 4, 1, 2, 3, 4, 5, 6, 7) == 6022);
    return bad;
}
