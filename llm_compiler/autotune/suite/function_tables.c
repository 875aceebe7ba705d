/* Function pointers: tables, callbacks with context, chosen at run time, compared, stored in structures, returned. */
#include <stdlib.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

typedef int (*binary)(int, int);

static int plus(int a, int b) { return a + b; }
static int minus(int a, int b) { return a - b; }
static int times(int a, int b) { return a * b; }
static int smaller(int a, int b) { return a < b ? a : b; }
static int first(int a, int b) { (void)b; return a; }

static const struct { char name; binary call; } operations[] = {
    {'+', plus}, {'-', minus}, {'*', times}, {'<', smaller}, {'1', first}, {0, 0},
};

NOINLINE static binary find(char name)
{
    for (int i = 0; operations[i].call; i++)
        if (operations[i].name == name)
            return operations[i].call;
    return 0;
}

NOINLINE static int evaluate(const char *polish)
{
    int stack[16], n = 0;
    for (; *polish; polish++) {
        binary call = find(*polish == '1' ? 0 : *polish);
        if (call) {
            n--;
            stack[n - 1] = call(stack[n - 1], stack[n]);
        } else
            stack[n++] = *polish - '0';
    }
    return stack[0];
}

NOINLINE static int fold(binary call, const int *x, int n, int start)
{
    while (n-- > 0)
        start = call(start, *x++);
    return start;
}

struct visitor {
    void (*visit)(struct visitor *, int);
    int data;
};
static void add_up(struct visitor *v, int x) { v->data += x; }
static void count_down(struct visitor *v, int x)
{
    if (--v->data == 0)
        v->visit = add_up;
    (void)x;
}
NOINLINE static void each(struct visitor *v, int n)
{
    for (int i = 0; i < n; i++)
        v->visit(v, i);
}

static int by_last_digit(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return x % 10 != y % 10 ? x % 10 - y % 10 : (x > y) - (x < y);
}

NOINLINE static binary choose(int positive, binary fallback) { return positive > 0 ? plus : positive < 0 ? minus : fallback; }
static int called;
static int counted(int a, int b)
{
    called++;
    return a ^ b;
}

/* Called only with one constant, and only indirectly. */
static int only_with_three(int (*f)(int), int x) { return f(x) + f(3); }
static int triple(int x) { return 3 * x; }

int main(void)
{
    CHECK(find('+') == plus && find('-') == minus && find('?') == 0 && find('*') != find('<'));
    CHECK(find('1')(8, 9) == 8 && evaluate("34+5*2-") == 33 && evaluate("93<8-") == -5);
    static const int x[] = {5, 3, 8, 1};
    CHECK(fold(plus, x, 4, 0) == 17 && fold(times, x, 4, 1) == 120 && fold(smaller, x, 4, 9) == 1 &&
          fold(minus, x, 0, 6) == 6);
    struct visitor v = {count_down, 3};
    each(&v, 6);
    CHECK(v.data == 3 + 4 + 5 && v.visit == add_up);
    int numbers[] = {31, 12, 22, 40, 11, 25};
    static const int sorted[] = {40, 11, 31, 12, 22, 25};
    qsort(numbers, 6, sizeof *numbers, by_last_digit);
    CHECK(!memcmp(numbers, sorted, sizeof sorted));
    volatile int which = -1;
    CHECK(choose(which, counted)(7, 2) == 5 && choose(which + 2, counted)(7, 2) == 9 && called == 0);
    CHECK(choose(which + 1, counted)(7, 2) == 5 && called == 1 && choose(0, 0) == 0);
    CHECK(only_with_three(triple, which) == 6);
    int (*const volatile p)(int) = triple;
    CHECK(p(5) == 15 && (*p)(6) == 18 && (**p)(7) == 21 && p == triple);
    return bad;
}
