/* _Bool and enumerations: normalisation, arithmetic on truth, ranges, sets of flags, logic without branches. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

enum colour { RED = -2, GREEN, BLUE = 5, WHITE };
enum big { HUGE_ONE = 0x7fffffff, SMALL = -1 };
enum flags { A = 1, B = 2, C = 4, ALL = A | B | C };
struct packed { bool a : 1, b : 1; enum colour c : 5; unsigned rest : 3; };

NOINLINE static bool truth(int x) { return x; }
NOINLINE static bool from_pointer(const void *p) { return p; }
NOINLINE static bool from_wide(uint64_t x) { return x; }
NOINLINE static int count(bool a, bool b, bool c) { return a + b + c; }
NOINLINE static int majority(bool a, bool b, bool c) { return (a & b) | (a & c) | (b & c); }
NOINLINE static int exactly_one(bool a, bool b, bool c) { return (a ^ b ^ c) && !(a && b && c); }
NOINLINE static int choose(bool a, int x, int y) { return a * x + !a * y; }
NOINLINE static int mask(bool a) { return -(int)a; }
NOINLINE static const char *name(enum colour c)
{
    switch (c) {
    case RED: return "red";
    case GREEN: return "green";
    case BLUE: return "blue";
    case WHITE: return "white";
    }
    return "none";
}
NOINLINE static enum colour next(enum colour c) { return c == WHITE ? RED : c == GREEN ? BLUE : (enum colour)(c + 1); }
NOINLINE static int implies(bool a, bool b) { return a <= b; }
static int calls;
NOINLINE static bool effect(bool result)
{
    calls++;
    return result;
}
NOINLINE static int order(int x) { return (x > 0) - (x < 0) + (x != 0) * 10 + !x * 100 + !!x * 1000; }
NOINLINE static int flag_names(enum flags f) { return (f & A ? 1 : 0) + (f & B ? 10 : 0) + (f & C ? 100 : 0) + (f == ALL) * 1000; }

int main(void)
{
    CHECK(truth(256) == 1 && truth(-1) == 1 && truth(0) == 0 && from_wide(UINT64_C(1) << 40) == 1 &&
          from_pointer(&bad) && !from_pointer(0));
    for (int i = 0; i < 8; i++) {
        bool a = i & 1, b = i & 2, c = i & 4;
        int n = (i & 1) + (i >> 1 & 1) + (i >> 2);
        CHECK(count(a, b, c) == n && majority(a, b, c) == (n >= 2) && exactly_one(a, b, c) == (n == 1));
        CHECK(choose(a, 30, 40) == (a ? 30 : 40) && mask(b) == (b ? -1 : 0) && implies(a, c) == (!a || c));
        struct packed p = {a, b, (enum colour)(i - 2), (unsigned)i & 7};
        CHECK(p.a == a && p.b == b && p.c == i - 2 && p.rest == (unsigned)i);
        unsigned char raw;
        memcpy(&raw, &a, 1);
        CHECK(raw == (i & 1));
        CHECK(flag_names((enum flags)i) == (i & 1) + (i >> 1 & 1) * 10 + (i >> 2) * 100 + (i == 7) * 1000);
    }
    volatile bool b = false;
    b += 2;
    CHECK(b == 1);
    b = b - 1;
    CHECK(b == 0 && !b);
    b = 0.1;
    CHECK(b);
    CHECK(name(RED)[0] == 'r' && name(WHITE)[0] == 'w' && name((enum colour)0)[0] == 'n' &&
          name((enum colour)(RED - 1))[0] == 'n');
    CHECK(next(RED) == GREEN && next(GREEN) == BLUE && next(BLUE) == WHITE && next(next(WHITE)) == GREEN);
    CHECK(sizeof(enum big) == 4 && (enum big)HUGE_ONE > SMALL);
    CHECK((effect(false) && effect(true)) == 0 && calls == 1 && (effect(true) || effect(true)) && calls == 2);
    CHECK((effect(false) & effect(true)) == 0 && calls == 4 && (effect(true) ? effect(false) : effect(true)) == 0 &&
          calls == 6);
    CHECK(order(5) == 1011 && order(-5) == 1009 && order(0) == 100);
    return bad;
}
