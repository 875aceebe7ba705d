/* Stores that are overwritten, partly overwritten, read in between, or visible only through another name. */
#include <stdlib.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

static int seen;
static int *leaked;

NOINLINE static void look(void)
{
    if (leaked)
        seen = seen * 10 + *leaked;
}

NOINLINE static int overwritten(int n)
{
    int x = 0;
    leaked = &x;
    for (int i = 1; i <= n; i++) {
        x = 9; /* dead */
        x = i;
        look();
        x = 8;
        if (i == 2)
            look();
    }
    leaked = 0;
    return x;
}

struct pair { short a, b; };
NOINLINE static int partial(struct pair *p)
{
    memset(p, 0xff, sizeof *p);
    p->a = 5;
    int before = p->b;
    p->b = 6;
    memset(p, 0, sizeof p->a);
    return before * 100 + p->a * 10 + p->b;
}

NOINLINE static int last_iteration(int n)
{
    int a[8];
    for (int i = 0; i < 8; i++)
        a[i] = -1;
    for (int i = 0; i < n; i++)
        a[i % 8] = i;
    int s = 0;
    for (int i = 0; i < 8; i++)
        s = s * 3 + a[i];
    return s;
}

NOINLINE static int diamond(int c, int *p)
{
    *p = 1;
    if (c > 5)
        *p = 2;
    else if (c > 3)
        return *p + 10;
    int r = *p;
    *p = 3;
    return r;
}

NOINLINE static int early_exit(int *p, const int *x, int n)
{
    for (int i = 0; i < n; i++) {
        *p = i;
        if (x[i] < 0)
            return -1; /* here the store is the last */
    }
    *p = 1000;
    return 0;
}

NOINLINE static int heap(int n)
{
    int *p = malloc(sizeof *p * 4), r;
    if (!p)
        return 6;
    for (int i = 0; i < 4; i++)
        p[i] = i;
    p[n] = 6;
    r = p[1] * 100 + p[2] * 10 + p[n];
    p[0] = 99;
    free(p);
    return r % 10;
}

NOINLINE static int zeroed(size_t n)
{
    unsigned char *p = calloc(n, 4);
    int s = 0;
    if (!p)
        return 0;
    for (size_t i = 0; i < n * 4; i++)
        s += p[i]++;
    for (size_t i = 0; i < n * 4; i++)
        s += p[i];
    free(p);
    return s;
}

NOINLINE static int copy_chain(const char *s)
{
    char a[16], b[16], c[16];
    memcpy(a, s, 16);
    memcpy(b, a, 16);
    a[0] = '!';
    memcpy(c, b, 16);
    b[1] = '?';
    return c[0] * 10000 + c[1] * 10 + (a[0] == '!') + (b[1] == '?');
}

int main(void)
{
    CHECK(overwritten(3) == 8 && seen == 1283 && overwritten(0) == 0 && seen == 1283);
    struct pair p;
    CHECK(partial(&p) == -94 && p.a == 0 && p.b == 6);
    CHECK(last_iteration(0) == -3280 && last_iteration(8) == 1636);
    CHECK(last_iteration(11) == 1636 + 8 * (2187 + 729 + 243));
    int x;
    CHECK(diamond(9, &x) == 2 && x == 3 && diamond(4, &x) == 11 && x == 1 && diamond(0, &x) == 1 && x == 3);
    static const int with[] = {1, 2, -3, 4};
    CHECK(early_exit(&x, with, 4) == -1 && x == 2 && early_exit(&x, with, 2) == 0 && x == 1000);
    CHECK(heap(2) == 6 && heap(0) == 6 && zeroed(10) == 40 && zeroed(1) == 4);
    CHECK(copy_chain("abcdefghijklmno") == 970982);
    return bad;
}
