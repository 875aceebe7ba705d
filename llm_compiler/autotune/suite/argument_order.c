/* Side effects in an order that the language fixes: sequence points, commas, logic, compound assignment, callees. */
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

static char log_text[64];
static int at;

NOINLINE static int note(char c, int value)
{
    log_text[at++] = c;
    log_text[at] = 0;
    return value;
}
static int logged(const char *want)
{
    int same = !strcmp(log_text, want);
    at = 0;
    log_text[0] = 0;
    return same;
}

static int counter;
NOINLINE static int tick(void) { return ++counter; }
NOINLINE static int reads_global(int x) { return x * 100 + counter; }
NOINLINE static int combine(int a, int b, int c) { return a * 10000 + b * 100 + c; }
NOINLINE static int *slot(int i)
{
    static int slots[4];
    note((char)('0' + i), 0);
    return &slots[i];
}

NOINLINE static int short_circuit(int a, int b, int c)
{
    return (note('a', a) && note('b', b)) || note('c', c);
}
NOINLINE static int ternary(int a) { return note('t', a) ? note('y', 1) : note('n', 2); }
NOINLINE static int walk(const int *p, int n)
{
    int s = 0;
    while (n--)
        s = s * 10 + *p++;
    return s;
}
NOINLINE static int swap_and_sum(int *a, int *b)
{
    int t = *a;
    *a = *b, *b = t;
    return t = *a - *b, t * 2;
}
NOINLINE static void copy_text(char *to, const char *from)
{
    while ((*to++ = *from++))
        ;
}

int main(void)
{
    CHECK(short_circuit(1, 1, 1) == 1 && logged("ab"));
    CHECK(short_circuit(0, 1, 1) == 1 && logged("ac"));
    CHECK(short_circuit(1, 0, 0) == 0 && logged("abc"));
    CHECK(ternary(5) == 1 && logged("ty") && ternary(0) == 2 && logged("tn"));
    CHECK((note('1', 1), note('2', 2), note('3', 3)) == 3 && logged("123"));

    int first = tick(), second = tick(), third = tick();
    CHECK(combine(first, second, third) == 10203);
    int t = tick();
    CHECK(reads_global(t) == 404);
    counter = 7;
    CHECK(reads_global(counter) == 707 && combine(counter, counter, counter) == 70707);

    *slot(1) = 5;
    *slot(1) += 6;
    CHECK(*slot(1) == 11 && logged("111"));
    ++*slot(2);
    (*slot(2))--;
    CHECK(*slot(2) == 0 && logged("222"));
    int i = 0, a[4] = {0, 0, 0, 0};
    a[i] = 1, i++;
    a[i++] = 5;
    a[i] = i;
    i += a[i] + 1;
    CHECK(i == 5 && walk(a, 4) == 1520);
    for (int j = note('i', 0); note('c', j < 2); note('s', j++))
        note('b', 0);
    CHECK(logged("icbscbsc"));
    int k = 3;
    do
        note('d', 0);
    while (note('w', --k > 1));
    CHECK(logged("dwdw") && k == 1);
    switch (note('s', 2)) {
    case 2: note('2', 0); break;
    default: note('x', 0);
    }
    CHECK(logged("s2"));
    int x = 3, y = 10;
    CHECK(swap_and_sum(&x, &y) == 14 && x == 10 && y == 3 && swap_and_sum(&x, &x) == 0 && x == 10);
    char text[8];
    copy_text(text, "copied");
    CHECK(!strcmp(text, "copied"));
    CHECK(sizeof(note('!', 1)) == sizeof(int) && logged(""));
    return bad;
}
