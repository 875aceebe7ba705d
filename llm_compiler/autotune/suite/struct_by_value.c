/* A callee's copy is its own: modified arguments, arrays in structures, copies before and after changes. */
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

struct small { int x, y; };
struct big { int v[16]; struct small s; };

NOINLINE static int spoil_small(struct small s)
{
    s.x = -s.x;
    s.y += s.x;
    return s.x * s.y;
}

NOINLINE static int spoil_big(struct big b, int depth)
{
    int sum = 0;
    for (int i = 0; i < 16; i++) {
        sum += b.v[i];
        b.v[i] = 0;
    }
    b.s.x = depth;
    return depth ? sum + spoil_big(b, depth - 1) + b.s.x : sum;
}

static struct big shared;

/* The argument was copied before the global changed. */
NOINLINE static int sees_old(struct big b)
{
    shared.v[3] = 1000;
    return b.v[3];
}

NOINLINE static int aliased(struct big copy, struct big *original)
{
    original->v[0] = 50;
    copy.v[0] += original->v[0];
    original->s = copy.s;
    copy.s.x = 4;
    return copy.v[0] * 100 + original->s.x;
}

NOINLINE static void twice(struct big *out, struct big in)
{
    for (int i = 0; i < 16; i++)
        out->v[i] = in.v[15 - i];
    out->s = (struct small){in.s.y, in.s.x};
}

NOINLINE static int swap_in_array(struct small *a, int i, int j)
{
    struct small t = a[i];
    a[i] = a[j];
    a[j] = t;
    return a[i].x - a[j].x;
}

NOINLINE static struct big chosen(int which, struct big a, struct big b)
{
    struct big *p = which ? &a : &b;
    p->v[which] += 7;
    return *p;
}

int main(void)
{
    struct small s = {3, 4};
    CHECK(spoil_small(s) == -3 && s.x == 3 && s.y == 4);
    struct big b = {{0}, {21, 22}};
    for (int i = 0; i < 16; i++)
        b.v[i] = i;
    CHECK(spoil_big(b, 0) == 120 && spoil_big(b, 3) == 126 && b.v[15] == 15 && b.s.x == 21);
    shared = b;
    CHECK(sees_old(shared) == 3 && shared.v[3] == 1000);
    struct big c = b;
    CHECK(aliased(c, &c) == 5021 && c.v[0] == 50 && c.s.x == 21);
    c = b;
    twice(&c, c);
    CHECK(c.v[0] == 15 && c.v[15] == 0 && c.v[7] == 8 && c.s.x == 22 && c.s.y == 21);
    struct small a[3] = {{1, 2}, {3, 4}, {5, 6}};
    CHECK(swap_in_array(a, 0, 2) == 4 && a[0].y == 6 && a[2].y == 2 && swap_in_array(a, 1, 1) == 0);
    struct big d = chosen(1, b, c), e = chosen(0, b, c);
    CHECK(d.v[1] == 8 && d.v[0] == 0 && e.v[0] == 22 && e.v[1] == 14 && b.v[1] == 1 && c.v[0] == 15);
    CHECK(memcmp(&d, &b, sizeof d) != 0 && (d.v[1] -= 7, memcmp(&d, &b, sizeof d)) == 0);
    return bad;
}
