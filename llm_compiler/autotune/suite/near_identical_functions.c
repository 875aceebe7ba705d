/* Functions alike but for a constant, a type, an operator or nothing at all: merged or not, addresses stay apart. */
#include <stdint.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

#define ALIKE(NAME, TYPE, OP, K) \
    NOINLINE static TYPE NAME(TYPE x, TYPE y) \
    { \
        TYPE r = K; \
        for (int i = 0; i < 5; i++) { \
            if (x > y) \
                r = (TYPE)(r OP x); \
            else \
                r = (TYPE)(r + y - K); \
            x = (TYPE)(x - 3); \
            y = (TYPE)(y + 1); \
        } \
        return r; \
    }

ALIKE(plus_1, int, +, 1)
ALIKE(plus_1_again, int, +, 1)
ALIKE(plus_2, int, +, 2)
ALIKE(minus_1, int, -, 1)
ALIKE(xor_1, int, ^, 1)
ALIKE(long_plus_1, long, +, 1)
ALIKE(unsigned_plus_1, unsigned, +, 1)
ALIKE(short_plus_1, short, +, 1)
ALIKE(byte_plus_1, unsigned char, +, 1)
ALIKE(double_plus_1, double, +, 1)
ALIKE(float_plus_1, float, +, 1)

int exported_twin_a(int x) { return x * 7 + 3; }
int exported_twin_b(int x) { return x * 7 + 3; }
NOINLINE static int get_first(const int *p) { return p[0] + p[1] * 2; }
NOINLINE static int get_second(const int *p) { return p[0] + p[2] * 2; }
NOINLINE static long get_long(const long *p) { return p[0] + p[1] * 2; }
NOINLINE static void nothing_a(void) {}
NOINLINE static void nothing_b(void) {}
NOINLINE static int *identity_int(int *p) { return p; }
NOINLINE static void *identity_void(void *p) { return p; }

static int store_a, store_b;
NOINLINE static void set_a(int x) { store_a = x; }
NOINLINE static void set_b(int x) { store_b = x; }
NOINLINE static int self_a(int n) { return n ? self_a(n - 1) + 2 : 1; }
NOINLINE static int self_b(int n) { return n ? self_b(n - 1) + 2 : 1; }
NOINLINE static int cross_b(int n);
NOINLINE static int cross_a(int n) { return n ? cross_b(n - 1) + 1 : 0; }
NOINLINE static int cross_b(int n) { return n ? cross_a(n - 1) + 1 : 0; }

typedef int (*function)(int, int);
typedef int (*unary)(int);

int main(void)
{
    function volatile same[] = {plus_1, plus_1_again, plus_2, minus_1, xor_1};
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 5; j++)
            CHECK((same[i] == same[j]) == (i == j));
    static const int want[] = {35, 35, 34, -19, 9};
    for (int i = 0; i < 5; i++)
        CHECK(same[i](12, 1) == want[i]);
    CHECK(same[0](1, 12) == 66 && same[1](1, 12) == 66 && same[2](1, 12) == 62);
    CHECK(long_plus_1(12, 1) == 35 && double_plus_1(12, 1) == 35 && float_plus_1(12, 1) == 35 &&
          short_plus_1(12, 1) == 35);
    CHECK(unsigned_plus_1(1, 0) == 4294967272u);
    CHECK(byte_plus_1(250, 100) == (unsigned char)(1 + 250 + 247 + 244 + 241 + 238));

    unary volatile twins[] = {exported_twin_a, exported_twin_b, self_a, self_b, cross_a, cross_b};
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++)
            CHECK((twins[i] == twins[j]) == (i == j));
    CHECK(twins[0](5) == 38 && twins[1](5) == 38 && twins[2](4) == 9 && twins[3](4) == 9 && twins[4](7) == 7 &&
          twins[5](8) == 8);
    void (*volatile empty[])(void) = {nothing_a, nothing_b};
    CHECK(empty[0] != empty[1]);
    empty[0]();
    empty[1]();
    int x[] = {1, 2, 3};
    long y[] = {1L << 40, 5};
    CHECK(get_first(x) == 5 && get_second(x) == 7 && get_long(y) == (1L << 40) + 10);
    CHECK(identity_int(x) == x && identity_void(y) == y);
    set_a(1);
    set_b(2);
    CHECK(store_a == 1 && store_b == 2);
    return bad;
}
