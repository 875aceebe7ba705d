/* noinline, always_inline, static inline, extern inline with an external definition, and recursion under each. */
static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

__attribute__((always_inline)) static inline int forced(int x, int *effect)
{
    if (x < 0)
        return -1;
    ++*effect;
    return x * 2;
}

static inline int suggested(int x)
{
    int local[3] = {x, x + 1, x + 2};
    for (int i = 0; i < 3; i++)
        local[i] *= local[2 - i];
    return local[0] + local[1] * 100 + local[2] * 10000;
}

inline int external(int x) { return x ^ 0x55; }
extern inline int external(int x);

NOINLINE static int kept(int x) { return x + 1; }
static int recursive(int n, int a) { return n <= 0 ? a : recursive(n - 1, a + n); }
static int used_once(const char *s)
{
    int h = 7;
    while (*s)
        h = h * 31 + *s++;
    return h;
}
__attribute__((cold, noinline)) static int cold(int x) { return x - 1000; }
__attribute__((hot)) static int hot(int x) { return __builtin_expect(x > 100, 0) ? cold(x) : x; }
__attribute__((pure, noinline)) static int pure(const int *p) { return *p * 3; }
__attribute__((const, noinline)) static int constant(int x) { return x * x; }
__attribute__((noreturn, noinline)) static void die(void) { __builtin_trap(); }
NOINLINE static int checked(int x)
{
    if (x > 1000000)
        die();
    return x / 2;
}
NOINLINE static int many_calls(int x)
{
    int e = 0;
    int a = forced(x, &e), b = forced(-x, &e), c = forced(a, &e), d = forced(b, &e);
    return a * 1000 + b * 100 + c * 10 + d + e * 100000;
}
__attribute__((flatten)) static int flat(int x) { return suggested(x) - recursive(4, x) + external(x); }
NOINLINE static int early(int x, int *p)
{
    switch (x) {
    case 0: return forced(*p, p);
    case 1: return forced(*p, p) + forced(*p, p);
    default: return forced(-1, p);
    }
}

int main(void)
{
    volatile int three = 3;
    CHECK(many_calls(three) == 6000 - 100 + 120 - 1 + 200000 && many_calls(0) == 400000);
    CHECK(suggested(three) == 15 + 1600 + 5 * 15 * 10000);
    CHECK(external(three) == 0x56 && kept(three) == 4 && recursive(three, 1) == 7 &&
          used_once("ab") == (7 * 31 + 'a') * 31 + 'b');
    int (*volatile p)(int) = external;
    CHECK(p(0x55) == 0 && p == external);
    CHECK(hot(three) == 3 && hot(three + 100) == -897);
    int x = three, before = pure(&x);
    x++;
    CHECK(before == 9 && pure(&x) == 12 && pure(&x) + pure(&x) == 24 && constant(three) + constant(three) == 18);
    CHECK(checked(three) == 1 && checked(1000000) == 500000);
    CHECK(flat(three) == suggested(3) - 13 + 0x56);
    CHECK(early(0, &x) == 8 && x == 5 && early(1, &x) == 22 && x == 7 && early(2, &x) == -1 && x == 7);
    return bad;
}
