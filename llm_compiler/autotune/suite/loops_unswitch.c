/* Conditions that a loop does not change: hoisted, partly known, guarding divisions, with early exits. */
#include <stddef.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

enum mode { ADD, MUL, CUT };

NOINLINE static int by_mode(const int *x, int n, enum mode mode, int negate)
{
    int r = mode == MUL;
    for (int i = 0; i < n; i++) {
        int v = negate ? -x[i] : x[i];
        if (mode == ADD)
            r += v;
        else if (mode == MUL)
            r *= v;
        else if (v > 2)
            break;
        else
            r++;
    }
    return r;
}

/* The division must not run before its guard has let it. */
NOINLINE static int guarded_division(const int *x, int n, int d)
{
    int s = 0;
    for (int i = 0; i < n; i++) {
        if (d != 0)
            s += x[i] / d;
        else
            s -= 1;
    }
    return s;
}

/* Nor a load through a null pointer. */
NOINLINE static int guarded_load(const int *x, int n, const int *offset)
{
    int s = 0;
    for (int i = 0; i < n; i++) {
        if (x[i] < 0)
            continue;
        if (offset)
            s += *offset;
        s += x[i];
    }
    return s;
}

NOINLINE static int two_conditions(const char *s, int a, int b)
{
    int n = 0;
    while (*s) {
        if (a && b)
            n += *s == 'x';
        else if (a || b)
            n += *s == 'y';
        else
            return -n - 1;
        s++;
    }
    return n;
}

NOINLINE static int nested(int n, int m, int skip_outer, int skip_inner)
{
    int c = 0;
    for (int i = 0; i < n; i++) {
        if (skip_outer && i % 2)
            continue;
        for (int j = 0; j < m; j++) {
            if (skip_inner) {
                if (j == i)
                    break;
            } else if (skip_outer)
                c += 100;
            c++;
        }
    }
    return c;
}

NOINLINE static int changes_inside(int *flag, const int *x, int n)
{
    int s = 0;
    for (int i = 0; i < n; i++) {
        if (*flag)
            s += x[i];
        else
            s -= x[i];
        if (x[i] == 3)
            *flag = !*flag;
    }
    return s;
}

NOINLINE static int with_switch(const int *x, int n, int kind)
{
    int s = 0;
    for (int i = 0; i < n; i++)
        switch (kind) {
        case 0: s += x[i]; break;
        case 1: s ^= x[i]; /* fall through */
        case 2: s *= 2; break;
        case 3: return i - x[i];
        default: if (s > 4) goto done; s += 3;
        }
done:
    return s;
}

int main(void)
{
    static const int x[] = {1, 2, 3, -4, 5};
    CHECK(by_mode(x, 5, ADD, 0) == 7 && by_mode(x, 5, ADD, 1) == -7 && by_mode(x, 5, MUL, 0) == -120);
    CHECK(by_mode(x, 5, MUL, 1) == 120 && by_mode(x, 5, CUT, 0) == 2 && by_mode(x, 5, CUT, 1) == 3 &&
          by_mode(x, 0, MUL, 0) == 1);
    CHECK(guarded_division(x, 5, 2) == 0 + 1 + 1 - 2 + 2 && guarded_division(x, 5, 0) == -5 &&
          guarded_division(x, 0, 0) == 0);
    CHECK(guarded_load(x, 5, NULL) == 11 && guarded_load(x, 5, &x[4]) == 31 && guarded_load(x + 3, 1, NULL) == 0);
    CHECK(two_conditions("xxyx", 1, 1) == 3 && two_conditions("xxyx", 0, 1) == 1 && two_conditions("x", 0, 0) == -1);
    CHECK(two_conditions("", 0, 0) == 0);
    CHECK(nested(3, 4, 0, 0) == 12 && nested(3, 4, 1, 0) == 808 && nested(3, 4, 0, 1) == 3 && nested(3, 4, 1, 1) == 2);
    int flag = 1;
    CHECK(changes_inside(&flag, x, 5) == 1 + 2 + 3 + 4 - 5 && flag == 0);
    CHECK(with_switch(x, 5, 0) == 7 && with_switch(x, 5, 1) == -30 && with_switch(x, 5, 2) == 0 &&
          with_switch(x, 5, 3) == -1);
    CHECK(with_switch(x, 5, 9) == 6 && with_switch(x, 1, 9) == 3 && with_switch(x, 0, 3) == 0);
    return bad;
}
