// Function-try-blocks of functions and constructors, and objects that fail half-way through their construction.
#include <cstring>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

static char events[64];
static int count;
static int event(char c)
{
    events[count++] = c;
    events[count] = 0;
    return c;
}
static bool happened(const char *want)
{
    bool same = !std::strcmp(events, want);
    count = 0;
    events[0] = 0;
    return same;
}

struct Part {
    char name;
    Part(char c, bool fail) : name(c)
    {
        event(c);
        if (fail)
            throw c;
    }
    ~Part() { event(char(name - 32)); }
};

struct Base {
    Part p;
    explicit Base(int fail) : p('a', fail == 1) {}
    ~Base() { event('!'); }
};

struct Whole : Base {
    Part q, r;
    explicit Whole(int fail)
    try : Base(fail), q('b', fail == 2), r('c', fail == 3) {
        event('{');
        if (fail == 4)
            throw 'd';
        event('}');
    } catch (char c) {
        event('~');
        if (c == 'c')
            throw 3.5; // else the same exception goes on by itself
    }
    ~Whole() { event('?'); }
};

NOINLINE static int make(int fail)
try {
    Whole w(fail);
    return 0;
} catch (char c) {
    return c;
} catch (double d) {
    return int(d * 2);
}

NOINLINE static int body(int x)
try {
    if (x > 3)
        throw x;
    return x;
} catch (int &i) {
    return x * 100 + i; // arguments are still there
}

struct Counted {
    static int alive, limit;
    Counted()
    {
        if (alive == limit)
            throw alive;
        alive++;
    }
    ~Counted() { alive--; }
};
int Counted::alive = 0, Counted::limit = 0;

NOINLINE static int array_of(int n, int limit)
{
    Counted::limit = limit;
    int most = -1;
    try {
        Counted *p = new Counted[unsigned(n)];
        most = Counted::alive;
        delete[] p;
    } catch (int i) {
        return 1000 + i * 10 + Counted::alive;
    }
    return most * 10 + Counted::alive;
}

struct Delegating {
    int value;
    explicit Delegating(int v) : value(v) { event('1'); }
    explicit Delegating(bool) : Delegating(5)
    {
        event('2');
        throw 'x'; // the object is complete by now: its destructor runs
    }
    ~Delegating() { event('3'); }
};

int main()
{
    CHECK(make(0) == 0 && happened("abc{}?CB!A"));
    CHECK(make(1) == 'a' && happened("a~"));
    CHECK(make(2) == 'b' && happened("ab!A~"));
    CHECK(make(3) == 7 && happened("abcB!A~"));
    CHECK(make(4) == 'd' && happened("abc{CB!A~"));
    CHECK(body(2) == 2 && body(7) == 707);
    CHECK(array_of(5, 100) == 50 && array_of(5, 3) == 1030 && array_of(0, 0) == 0 && array_of(2, 0) == 1000);
    try {
        Delegating d(true);
        CHECK(false);
    } catch (char c) {
        CHECK(c == 'x');
    }
    CHECK(happened("123"));
    return bad;
}
