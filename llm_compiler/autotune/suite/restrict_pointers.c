/* restrict where it is true, and the same loops without it where pointers do overlap. */
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

NOINLINE static void scale_into(float *restrict to, const float *restrict from, const float *restrict by, int n)
{
    for (int i = 0; i < n; i++)
        to[i] = from[i] * *by;
}

NOINLINE static void scale_may_overlap(float *to, const float *from, const float *by, int n)
{
    for (int i = 0; i < n; i++)
        to[i] = from[i] * *by;
}

NOINLINE static int sums(const int *restrict a, const int *restrict b, int *restrict out, int n)
{
    *out = 0;
    for (int i = 0; i < n; i++)
        *out += a[i] * b[n - 1 - i];
    return *out;
}

NOINLINE static void prefix(int *x, const int *y, int n)
{
    for (int i = 1; i < n; i++)
        x[i] = x[i - 1] + y[i];
}

NOINLINE static void shift_down(int *x, const int *y, int n)
{
    for (int i = 0; i < n; i++)
        x[i] = y[i];
}

struct view { int *restrict data; int n; };
NOINLINE static int both(struct view a, struct view b)
{
    int s = 0;
    for (int i = 0; i < a.n && i < b.n; i++) {
        a.data[i]++;
        s += b.data[i];
    }
    return s;
}

NOINLINE static void interleave(int *restrict x, int n)
{
    /* Even and odd elements through one restrict pointer. */
    for (int i = 0; i + 1 < n; i += 2) {
        int t = x[i];
        x[i] = x[i + 1];
        x[i + 1] = t;
    }
}

static int helper(int *restrict p, int *restrict q)
{
    *p = 3;
    *q = 4;
    return *p;
}
/* Inlined twice: the promises of one call are not those of the other. */
NOINLINE static int two_scopes(int *a, int *b)
{
    int first = helper(a, b);
    *b += *a;
    int second = helper(b, a);
    return first * 1000 + second * 100 + *a * 10 + *b;
}

int main(void)
{
    float f[20], g[20], by = 2.0f;
    for (int i = 0; i < 20; i++)
        f[i] = (float)i;
    scale_into(g, f, &by, 20);
    CHECK(g[19] == 38.0f && g[0] == 0.0f && f[19] == 19.0f);
    memcpy(g, f, sizeof f);
    scale_may_overlap(g, f, &g[3], 20); /* g[3] becomes 9 on the way */
    CHECK(g[2] == 6.0f && g[3] == 9.0f && g[4] == 36.0f && g[19] == 171.0f);
    scale_may_overlap(f + 1, f, &by, 10);
    CHECK(f[1] == 0.0f && f[10] == 0.0f && f[11] == 11.0f);

    int a[] = {1, 2, 3, 4, 5, 6, 7, 8}, b[] = {8, 7, 6, 5, 4, 3, 2, 1}, out;
    CHECK(sums(a, b, &out, 8) == 204 && out == 204 && sums(a, a, &out, 8) == 120 && sums(a, b, &out, 0) == 0);
    prefix(a, a, 8);
    CHECK(a[7] == 36 && a[1] == 3);
    prefix(b + 1, b, 7);
    CHECK(b[1] == 7 && b[2] == 14 && b[3] == 28 && b[7] == 448);
    shift_down(a, a + 1, 7);
    CHECK(a[0] == 3 && a[6] == 36 && a[7] == 36);
    shift_down(a + 1, a, 7);
    CHECK(a[1] == 3 && a[7] == 3);
    CHECK(both((struct view){a, 8}, (struct view){b, 4}) == 8 + 7 + 14 + 28 && a[3] == 4 && a[7] == 3);
    interleave(b, 5);
    CHECK(b[0] == 7 && b[1] == 8 && b[2] == 28 && b[3] == 14);
    int p, q;
    CHECK(two_scopes(&p, &q) == 3343);
    return bad;
}
