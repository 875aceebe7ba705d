/* Conditions known from earlier branches: correlated tests, phis of constants, flags carried round loops, ranges. */
static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

static int trace;
NOINLINE static void mark(int x) { trace = trace * 10 + x; }
static int traced(int want)
{
    int same = trace == want;
    trace = 0;
    return same;
}

NOINLINE static int correlated(int a, int b)
{
    int state;
    if (a > 10) {
        state = 1;
        mark(1);
    } else if (b) {
        state = 2;
        mark(2);
    } else
        state = 0;
    if (state == 1)
        mark(3);
    if (state != 0 && a < 20)
        mark(4);
    return state == 2 ? b : state;
}

NOINLINE static int flag_in_loop(const int *x, int n)
{
    int found = 0, first = -1, quit = 0;
    for (int i = 0; i < n && !quit; i++) {
        if (!found && x[i] > 5) {
            found = 1;
            first = i;
            continue;
        }
        if (found) {
            if (x[i] == 0)
                quit = 1;
            else if (x[i] < 0)
                found = 0;
        }
    }
    return first * 100 + found * 10 + quit;
}

NOINLINE static int ranges(unsigned x)
{
    if (x < 10)
        return x < 20 ? (x >= 10 ? 1 : 2) : 3;
    if (x < 100)
        return x <= 9 ? 4 : x == 100 ? 5 : x > 50 ? 6 : 7;
    return (int)x < 0 ? 8 : x != 99 ? 9 : 10;
}

NOINLINE static int repeated(int *p, int c)
{
    int r = 0;
    if (c)
        *p += 1;
    r = *p;
    if (c)
        *p += 2;
    if (!c)
        r = -r;
    if (c)
        r += *p;
    return r;
}

NOINLINE static int machine(const char *s)
{
    int state = 0, n = 0;
    for (;;) {
        char c = *s++;
        switch (state) {
        case 0: state = c == 'a' ? 1 : c ? 0 : 3; break;
        case 1: state = c == 'b' ? 2 : c == 'a' ? 1 : c ? 0 : 3; break;
        case 2: n++; state = c == 'a' ? 1 : c ? 0 : 3; break;
        }
        if (state == 3)
            return n;
    }
}

NOINLINE static int pointer_tests(const int *p)
{
    int r = p ? *p : -1;
    if (p)
        r *= 2;
    if (r < 0)
        return p ? 1 : 2;
    return !p ? 3 : r;
}

NOINLINE static int selects(int a, int b)
{
    int low = a < b ? a : b, high = a < b ? b : a;
    int r = low == a ? 1 : 2;
    if (high == low)
        return r + 10;
    return high == a ? r + 20 : r + 30;
}
NOINLINE static int chain(int a, int b, int c) { return a && b ? c ? 1 : 2 : a || c ? b ? 3 : 4 : 5; }

int main(void)
{
    CHECK(correlated(15, 0) == 1 && traced(134) && correlated(25, 7) == 1 && traced(13) && correlated(5, 7) == 7 &&
          traced(24));
    CHECK(correlated(5, 0) == 0 && traced(0));
    static const int x[] = {1, 6, 7, -1, 8, 3, 0, 9};
    CHECK(flag_in_loop(x, 8) == 411 && flag_in_loop(x, 3) == 110 && flag_in_loop(x, 4) == 100 &&
          flag_in_loop(x, 1) == -100);
    CHECK(ranges(0) == 2 && ranges(9) == 2 && ranges(10) == 7 && ranges(51) == 6 && ranges(100) == 9 &&
          ranges(1u << 31) == 8);
    int v = 5;
    CHECK(repeated(&v, 1) == 14 && v == 8 && repeated(&v, 0) == -8 && v == 8);
    CHECK(machine("") == 0 && machine("ab") == 1 && machine("aabxabab") == 3 && machine("ba") == 0);
    int minus = -4;
    CHECK(pointer_tests(0) == 2 && pointer_tests(&v) == 16 && pointer_tests(&minus) == 1);
    CHECK(selects(1, 2) == 31 && selects(2, 1) == 22 && selects(3, 3) == 11);
    static const int want[] = {5, 4, 5, 2, 4, 4, 3, 1};
    for (int i = 0; i < 8; i++)
        CHECK(chain(i & 1, i & 2, i & 4) == want[i]);
    return bad;
}
