/* Internal functions that call each other only through pointers: none is dead, none is unreachable. */
#include <stddef.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

typedef int step(int n, void *rest);
struct pair { step *first, *second; int uses; };

static int down(int n, void *rest)
{
    struct pair *p = rest;
    p->uses++;
    return n <= 0 ? 1 : p->second(n - 1, rest) + 1;
}
static int twice(int n, void *rest)
{
    struct pair *p = rest;
    p->uses++;
    return n <= 0 ? 2 : 2 * p->first(n - 1, rest);
}
static int leaf(int n, void *rest)
{
    (void)rest;
    return n * 100;
}

static int fix(int (*f)(int (*)(void *, int), void *, int), int n);
struct knot { int (*f)(int (*)(void *, int), void *, int); };
static int again(void *k, int n) { return ((struct knot *)k)->f(again, k, n); }
static int fix(int (*f)(int (*)(void *, int), void *, int), int n)
{
    struct knot k = {f};
    return again(&k, n);
}
static int factorial(int (*self)(void *, int), void *k, int n) { return n < 2 ? 1 : n * self(k, n - 1); }
static int fibonacci(int (*self)(void *, int), void *k, int n) { return n < 2 ? n : self(k, n - 1) + self(k, n - 2); }

struct tree { const struct tree *left, *right; int value; };
typedef int fold(const struct tree *t, const void *self);
struct folder { fold *call; int (*join)(int, int); };
static int visit(const struct tree *t, const void *self)
{
    const struct folder *f = self;
    if (!t)
        return 0;
    return f->join(f->call(t->left, self), f->join(t->value, f->call(t->right, self)));
}
static int sum(int a, int b) { return a + b; }
static int most(int a, int b) { return a > b ? a : b; }
static int one(int a, int b) { return (a > b ? a : b) + 1; }

typedef struct result { struct result (*next)(int *); } result;
static result ping(int *n);
static result pong(int *n)
{
    *n = *n * 2 + 1;
    return (result){*n > 100 ? NULL : ping};
}
static result ping(int *n)
{
    *n = *n + 3;
    return (result){pong};
}

int main(void)
{
    struct pair p = {down, twice, 0};
    CHECK(p.first(6, &p) == 15 && p.uses == 7);
    p.second = leaf;
    CHECK(p.first(6, &p) == 501 && p.uses == 8);
    p.second = p.first;
    CHECK(p.first(20, &p) == 21 && p.uses == 29);
    CHECK(fix(factorial, 10) == 3628800 && fix(fibonacci, 15) == 610);

    struct tree nodes[7];
    for (int i = 0; i < 7; i++)
        nodes[i] = (struct tree){i < 3 ? &nodes[2 * i + 1] : NULL, i < 3 ? &nodes[2 * i + 2] : NULL, (i * 5) % 7};
    CHECK(visit(&nodes[0], &(struct folder){visit, sum}) == 21 && visit(&nodes[0], &(struct folder){visit, most}) == 6);
    CHECK(visit(&nodes[1], &(struct folder){visit, sum}) == 5 + 1 + 6 &&
          visit(NULL, &(struct folder){visit, one}) == 0);
    int n = 1, calls = 0;
    for (result r = {ping}; r.next; calls++)
        r = r.next(&n);
    CHECK(n == 121 && calls == 8);
    return bad;
}
