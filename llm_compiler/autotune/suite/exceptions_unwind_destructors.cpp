// Unwinding through frames with destructors: each is run once, in reverse order, and none that was not constructed.
#include <cstring>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

static char events[64];
static int count;
static void event(char c)
{
    events[count++] = c;
    events[count] = 0;
}
static bool happened(const char *want)
{
    bool same = !std::strcmp(events, want);
    count = 0;
    events[0] = 0;
    return same;
}

struct Guard {
    char name;
    explicit Guard(char c) : name(c) { event(c); }
    Guard(const Guard &other) : name(char(other.name - 32)) { event(name); }
    ~Guard() { event(char(name ^ 0x60)); } // 'a' leaves '\1' behind; see `left`
};

static char left(char c) { return char(c ^ 0x60); }

NOINLINE static int innermost(int x)
{
    Guard g('c');
    if (x == 1)
        throw 10;
    if (x == 2)
        throw "text";
    return x;
}

NOINLINE static int middle(int x)
{
    Guard g('b');
    int r = innermost(x);
    Guard late('d');
    if (r == 3)
        throw 30L;
    return r + 1;
}

NOINLINE static int outer(int x)
{
    try {
        Guard g('a');
        return middle(x) * 2;
    } catch (int i) {
        return -i;
    } catch (const char *s) {
        return -s[0];
    }
}

NOINLINE static int loop(int n)
{
    int caught = 0;
    for (int i = 0; i < n; i++) {
        try {
            Guard g('x');
            if (i % 3 == 0)
                throw i;
            if (i == 4)
                break;
            continue;
        } catch (int value) {
            caught = caught * 10 + value + 1;
        }
    }
    return caught;
}

NOINLINE static void by_value(Guard g, bool fail)
{
    if (fail)
        throw g.name;
}

int main()
{
    const char abc[] = {'a', 'b', 'c', left('c'), left('b'), left('a'), 0};
    CHECK(outer(1) == -10 && happened(abc));
    CHECK(outer(2) == -'t' && happened(abc));
    const char abcd[] = {'a', 'b', 'c', left('c'), 'd', left('d'), left('b'), left('a'), 0};
    CHECK(outer(5) == 12 && happened(abcd));
    long seen = 0;
    try {
        outer(3);
    } catch (long l) {
        seen = l;
    }
    CHECK(seen == 30 && happened(abcd));
    const char xs[] = {'x', left('x'), 'x', left('x'), 'x', left('x'), 'x', left('x'), 'x', left('x'), 0};
    CHECK(loop(9) == 14 && happened(xs) && loop(0) == 0 && happened(""));
    char name = 0;
    try {
        Guard g('q');
        by_value(g, false);
        by_value(g, true);
    } catch (char c) {
        name = c;
    }
    const char copies[] = {'q', 'Q', left('Q'), 'Q', left('Q'), left('q'), 0};
    CHECK(name == 'Q' && happened(copies));
    return bad;
}
