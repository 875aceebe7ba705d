/* Arguments unused, constant, by pointer but only read, and results nobody reads: in internal functions. */
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

struct vector { int x, y, z; };

NOINLINE static int unused_middle(int a, int unused, int b) { return a - b; }
NOINLINE static int always_seven(int x, int seven) { return x * seven + seven; }
NOINLINE static int by_pointer(const int *p) { return *p * 2; }
NOINLINE static int by_structure(const struct vector *v) { return v->x + 10 * v->z; }
NOINLINE static int reads_then_writes(const int *p, int *q)
{
    *q = 100;
    return *p; /* p may be q: no loading it in the caller */
}
NOINLINE static int reads_sometimes(int c, const int *p) { return c ? *p : -1; }
NOINLINE static int result_unread(int *count, int x)
{
    *count += x;
    return *count * 3;
}
NOINLINE static struct vector half_used(int x)
{
    struct vector v = {x, x * x, -x};
    return v;
}
NOINLINE static int by_value(struct vector v) { return v.y; }
NOINLINE static int recursive(int n, int unused, const int *step) { return n <= 0 ? 0 : *step + recursive(n - *step,
    unused + 1, step); }
NOINLINE static int mutual_b(int n, int dead);
NOINLINE static int mutual_a(int n, int dead) { return n ? mutual_b(n - 1, dead * 2) + 1 : 0; }
NOINLINE static int mutual_b(int n, int dead) { return n ? mutual_a(n - 1, dead + 3) + 2 : 0; }
NOINLINE static int same_returned(int *p, int x)
{
    *p = x;
    return x;
}
NOINLINE static int always_four(int x)
{
    if (x > 100)
        return 4;
    return x < -100 ? 4 : 2 + 2;
}
NOINLINE static char *returns_argument(char *s, char c)
{
    *s = c;
    return s;
}
NOINLINE static double mixed(int a, double unused, float b, long c, double d) { return a + b + (double)c * d; }
static int taken(int x, int unused) { return x + 1; }
static int (*volatile pointer)(int, int) = taken;
NOINLINE static int with_array(const int (*m)[3], int row) { return m[row][0] + m[row][2]; }
NOINLINE static int flags(unsigned bits, int verbose)
{
    if (verbose)
        return -1;
    return (int)(bits & 3);
}

int main(void)
{
    volatile int five = 5;
    int x = five, count = 0;
    CHECK(unused_middle(x, x * 2, 3) == 2 && unused_middle(1, 0, 1) == 0);
    CHECK(always_seven(x, 7) == 42 && always_seven(-1, 7) == 0 && by_pointer(&x) == 10);
    struct vector v = {1, 2, 3};
    CHECK(by_structure(&v) == 31 && by_structure(&(struct vector){x, 0, -x}) == -45 && by_value(v) == 2);
    CHECK(reads_then_writes(&x, &x) == 100 && x == 100 && reads_then_writes(&v.x, &x) == 1);
    CHECK(reads_sometimes(0, 0) == -1 && reads_sometimes(1, &v.y) == 2);
    for (int i = 0; i < 4; i++)
        result_unread(&count, i);
    CHECK(count == 6 && half_used(five).y == 25 && half_used(five).z == -5);
    int step = 3;
    CHECK(recursive(10, 0, &step) == 12 && mutual_a(5, 1) == 7 && mutual_b(4, 9) == 6);
    CHECK(same_returned(&count, 9) + count == 18 && always_four(five) == 4 && always_four(500) == 4 &&
          always_four(-500) == 4);
    char text[] = "x";
    CHECK(returns_argument(text, 'y') == text && !strcmp(text, "y"));
    CHECK(mixed(1, 99.5, 0.5f, 4, 0.25) == 2.5 && pointer(five, 0) == 6 && taken(1, 2) == 2);
    static const int m[2][3] = {{1, 2, 3}, {4, 5, 6}};
    CHECK(with_array(m, 0) == 4 && with_array(m, five - 4) == 10 && flags(7, 0) == 3 && flags(8, 0) == 0);
    return bad;
}
