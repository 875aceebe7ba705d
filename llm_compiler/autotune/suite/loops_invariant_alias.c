/* Loads that look invariant but are written through another pointer, and ones that really are. */
static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

struct list { int n; int *items; int step; };

NOINLINE static int fill(struct list *p, int value)
{
    int i;
    for (i = 0; i < p->n; i++)
        p->items[i] = value;
    return i;
}

NOINLINE static int accumulate(int *total, const int *x, const int *n)
{
    *total = 0;
    for (int i = 0; i < *n; i++)
        *total += x[i];
    return *total;
}

static int global_limit, global_calls;
NOINLINE static void maybe_lower(int i)
{
    global_calls++;
    if (i == 3)
        global_limit = 5;
}
NOINLINE static int calls_change_limit(void)
{
    int i;
    for (i = 0; i < global_limit; i++)
        maybe_lower(i);
    return i;
}

NOINLINE static int sink_store(int *out, const int *x, int n)
{
    int zeros = 0;
    for (int i = 0; i < n; i++) {
        *out = x[i]; /* only the last one matters, unless x and out overlap */
        if (x[i] == 0)
            zeros++;
        if (x[i] < 0)
            return -zeros - 1;
    }
    return zeros;
}

NOINLINE static int conditional_store(int *best, const int *x, int n)
{
    /* A store may not be invented for a loop that never stores. */
    for (int i = 0; i < n; i++)
        if (x[i] > 100)
            *best = x[i];
    return n;
}

NOINLINE static int pointer_changes(int **where, int n)
{
    int sum = 0;
    for (int i = 0; i < n; i++) {
        sum += **where;
        ++*where;
    }
    return sum;
}

NOINLINE static double invariant(const double *x, int n, const double *a, const double *b)
{
    double s = 0;
    for (int i = 0; i < n; i++)
        s += x[i] * (*a * *b) + *a / *b;
    return s;
}

NOINLINE static int rows(int (*m)[4], const int *row, int n)
{
    for (int i = 0; i < n; i++)
        m[*row][i] = i + 1;
    return m[0][0];
}

int main(void)
{
    int items[12] = {0};
    struct list l = {12, items, 1};
    CHECK(fill(&l, 7) == 12 && items[11] == 7);
    int x[] = {2, 3, 4, 5, 6}, n = 5;
    CHECK(accumulate(&n, x, &n) == 0);
    n = 5;
    CHECK(accumulate(&x[2], x, &n) == 5 + 5 + 5 + 6 && x[2] == 21);
    global_limit = 100;
    CHECK(calls_change_limit() == 5 && global_calls == 5);
    int y[] = {0, 1, 0, 2, -3, 9};
    int out = 77;
    CHECK(sink_store(&out, y, 6) == -3 && out == -3 && sink_store(&out, y, 0) == 0 && out == -3);
    CHECK(sink_store(&y[3], y, 4) == 3 && y[3] == 0);
    static const int constant[] = {5};
    CHECK(conditional_store((int *)&constant[0], x, 5) == 5 && constant[0] == 5);
    CHECK(conditional_store(0, x, 5) == 5);
    x[4] = 500;
    CHECK(conditional_store(&out, x, 5) == 5 && out == 500);
    int *walk = x;
    CHECK(pointer_changes(&walk, 3) == 26 && walk == x + 3);
    double d[] = {1, 2, 3}, two = 2, half = 0.5;
    CHECK(invariant(d, 3, &two, &half) == 18 && invariant(d, 3, &d[1], &d[0]) == 18);
    int m[4][4] = {{0}};
    CHECK(rows(m, &m[0][1], 4) == 1 && m[0][1] == 2 && m[2][2] == 3 && m[2][3] == 4 && m[0][2] == 0);
    return bad;
}
