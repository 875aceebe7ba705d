// Guarded statics: constructed at first use, once, tried again after an exception, destroyed in reverse order.
#include <cstdlib>
#include <unistd.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

static int made, destroyed;

struct Thing {
    int id;
    explicit Thing(int i) : id(i * 10 + made++) {}
    ~Thing() { destroyed = destroyed * 10 + id % 10 + 1; }
};

NOINLINE static Thing &lazy(int i)
{
    static Thing thing(i);
    return thing;
}
NOINLINE static Thing *conditional(bool use)
{
    if (!use)
        return nullptr;
    static Thing thing(7);
    return &thing;
}

static int attempts;
NOINLINE static int stubborn()
{
    static int value = [] {
        if (++attempts < 3)
            throw attempts;
        return attempts * 100;
    }();
    return value;
}

template <int N> NOINLINE static int &per_instance()
{
    static int value = N * made;
    return value;
}
inline int &shared()
{
    static int value = 40 + made;
    return value;
}
NOINLINE static int chain(int n)
{
    static const int first = lazy(9).id;
    static const int second = first + n;
    return second;
}
NOINLINE static const char *text(int i)
{
    static const char *const table[] = {"zero", "one", "two"};
    static int uses[3];
    return table[i] + (uses[i]++ > 1);
}

static void verdict()
{
    CHECK(destroyed == 21); // what was made last goes first
    if (bad)
        _exit(bad);
}

int main()
{
    if (std::atexit(verdict))
        return 0;
    CHECK(made == 0 && conditional(false) == nullptr && made == 0);
    CHECK(lazy(3).id == 30 && lazy(4).id == 30 && made == 1);
    CHECK(conditional(true)->id == 71 && conditional(true) == conditional(true) && made == 2);
    int thrown = 0;
    for (int i = 0; i < 5; i++) {
        try {
            CHECK(stubborn() == 300);
        } catch (int x) {
            thrown = thrown * 10 + x;
        }
    }
    CHECK(thrown == 12 && attempts == 3);
    CHECK(per_instance<1>() == 2 && per_instance<2>() == 4 && &per_instance<1>() != &per_instance<2>());
    per_instance<1>() = 50;
    CHECK(per_instance<1>() == 50 && per_instance<2>() == 4 && shared()++ == 42 && shared() == 43);
    CHECK(chain(5) == 35 && chain(6) == 35);
    CHECK(*text(0) == 'z' && *text(0) == 'z' && *text(0) == 'e' && *text(2) == 't');
    return bad;
}
