// Lifetimes of temporaries: to the end of the full expression, extended by references, in conditions and loops.
#include <cstring>
#include <initializer_list>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

static char events[96];
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

struct T {
    char name;
    explicit T(char c) : name(c) { event(c); }
    T(const T &o) : name(o.name) { event('='); }
    ~T() { event(char(name - 32)); }
    explicit operator bool() const { return name < 'm'; }
    int value() const { return name - 'a'; }
    const T &self() const { return *this; }
};
struct Pair { const T &left; T right; };

NOINLINE static T make(char c) { return T(c); }
NOINLINE static int sum(const T &a, const T &b)
{
    event('+');
    return a.value() + b.value();
}
NOINLINE static int loop()
{
    int n = 0;
    for (char c = 'k'; T t = T(c); c++) {
        if (c == 'l')
            continue;
        n += t.value();
    }
    return n;
}
NOINLINE static int early(int x)
{
    T a('a');
    if (x == 0)
        return 0;
    {
        T b('b');
        if (x == 1)
            return 1;
        T c('c');
        if (x == 2)
            goto out;
    }
    event('-');
out:
    T d('d');
    return x;
}
NOINLINE static int switched(int x)
{
    switch (T t('s'); x) {
    case 1: {
        T u('u');
        break;
    }
    case 2: return make('r').value();
    default: event('.');
    }
    return -1;
}

int main()
{
    CHECK(make('a').value() == 0);
    CHECK(happened("aA"));
    int v = make('b').self().self().value();
    CHECK(v == 1 && happened("bB"));
    {
        const T &extended = make('c');
        T &&moved = make('d');
        event('.');
        CHECK(extended.value() == 2 && moved.value() == 3);
    }
    CHECK(happened("cd.DC"));
    {
        Pair p{T('e'), T('f')};
        event('.');
        CHECK(p.left.value() == 4 && p.right.value() == 5);
    }
    CHECK(!std::strncmp(events, "ef.", 3) && count == 5); // in which order both go, compilers do not agree
    count = 0;
    CHECK(loop() == 10 && happened("kKlLmM"));
    CHECK(early(0) == 0 && happened("aA") && early(1) == 1 && happened("abBA"));
    CHECK(early(2) == 2 && happened("abcCBdDA") && early(3) == 3 && happened("abcCB-dDA"));
    CHECK(switched(1) == -1 && happened("suUS") && switched(2) == 17 && happened("srRS") && switched(3) == -1 &&
          happened("s.S"));
    bool b = make('x') || make('g');
    CHECK(b && happened("xgGX"));
    b = make('h') || make('i');
    CHECK(b && happened("hH"));
    int r = v ? make('j').value() : make('k').value();
    CHECK(r == 9 && happened("jJ"));
    {
        T copy = v ? T('l') : T('m');
        T again = copy;
        CHECK(again.value() == 11);
    }
    CHECK(happened("l=LL"));
    T array[2] = {T('n'), T('o')};
    CHECK(sum(array[0], array[1]) == 27 && happened("no+"));
    const char *text = "";
    for (char c : {'p', 'q'}) {
        T t(c);
        text = t.value() > 15 ? "late" : "early";
    }
    CHECK(text[0] == 'l' && happened("pPqQ"));
    return bad;
}
