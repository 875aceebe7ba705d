/* Calls in tail position: with swapped arguments, with addresses of locals, of other types, through pointers. */
#include <stdint.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

NOINLINE static long gcd(long a, long b) { return b ? gcd(b, a % b) : a; }
static uint32_t collatz(uint32_t n, uint32_t steps)
{
    if (n == 1)
        return steps;
    return n % 2 ? collatz(3 * n + 1, steps + 1) : collatz(n / 2, steps + 1);
}

/* Each frame hands on the address of its own local: frames must not be merged. */
NOINLINE static int chain(int n, const int *previous)
{
    int mine = previous ? *previous + n : n;
    if (n == 0)
        return mine;
    return chain(n - 1, &mine);
}

NOINLINE static int compare_frames(int n, int *outer)
{
    int local = n;
    if (outer && *outer != n + 1)
        return -1;
    if (n == 0)
        return outer && outer != &local;
    int r = compare_frames(n - 1, &local);
    return local == n ? r : -2;
}

static int fetch(int *p, int i) { return p[i]; }
NOINLINE static int fetch_local(int i)
{
    int table[4] = {i, i + 1, i + 2, i + 3};
    return fetch(table, i & 3);
}

NOINLINE static unsigned char narrow(unsigned x) { return (unsigned char)x; }
NOINLINE static int widen(unsigned x) { return narrow(x * 3); }
NOINLINE static signed char narrow_signed(int x) { return (signed char)(x & 127) - (x & 128 ? 128 : 0); }
NOINLINE static long widen_signed(int x) { return narrow_signed(x); }

struct state {
    int (*next)(struct state *, int);
    int total;
};

static int stop(struct state *s, int n) { return s->total * 10 + n; }
static int grow(struct state *s, int n)
{
    s->total += n;
    s->next = n > 4 ? stop : grow;
    return s->next(s, n + 1);
}

static int many(int a, int b, int c, int d, int e, int f, int g, int h)
{
    if (a == 0)
        return b + 2 * c + 3 * d + 4 * e + 5 * f + 6 * g + 7 * h;
    return many(a - 1, h, b, c, d, e, f, g);
}

NOINLINE static double few(int n) { return n ? -few(n - 1) : 1.5; }

int main(void)
{
    CHECK(gcd(1071, 462) == 21 && gcd(17, 5) == 1 && gcd(0, 9) == 9);
    CHECK(collatz(27, 0) == 111 && collatz(1, 5) == 5);
    CHECK(chain(10, 0) == 55 && compare_frames(12, 0) == 1);
    CHECK(fetch_local(2) == 4 && fetch_local(7) == 10);
    CHECK(widen(100) == 44 && widen_signed(200) == -56 && widen_signed(255) == -1 && widen_signed(100) == 100);
    struct state s = {grow, 0};
    CHECK(s.next(&s, 1) == 156 && s.next == stop);
    CHECK(many(0, 1, 2, 3, 4, 5, 6, 7) == 140 && many(7, 1, 2, 3, 4, 5, 6, 7) == 140);
    CHECK(many(3, 1, 2, 3, 4, 5, 6, 7) == 98 && many(10, 1, 2, 3, 4, 5, 6, 7) == 98);
    CHECK(few(10) == 1.5 && few(7) == -1.5);
    return bad;
}
