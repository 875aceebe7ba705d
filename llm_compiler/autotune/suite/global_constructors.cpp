// Objects with static storage: order within a unit, dynamic after constant initialisation, destructors in reverse.
#include <cstring>
#include <unistd.h>

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

struct Verdict { // constructed first, destroyed last
    ~Verdict()
    {
        CHECK(!std::strcmp(events, "ab1cdmnNDCBA"));
        if (bad)
            _exit(bad);
    }
};
static Verdict verdict;

struct Object {
    char name;
    int seen;
    explicit Object(char c);
    ~Object() { event(char(name - 32)); }
};
extern int later;
Object::Object(char c) : name(c), seen(later) { event(c); }

static Object a('a'), b('b');
static int from_call = event('1') + 1;
int later = from_call * 2; // zero before its turn
static Object c('c');
static const int constant = 5 * 5;
static constexpr int table[] = {1, 2, 3};
static int folded = constant + table[2];

NOINLINE static Object &local()
{
    static Object n('n');
    return n;
}

template <class T> struct Holder { static T value; };
template <class T> T Holder<T>::value = T(folded + 4);

struct Trivial {
    int x = 3;
    constexpr Trivial(int y) : x(y) {}
};
static Trivial early(8);
static Object d('d');
static Object *const pointer = &d;
static int &reference = later;
namespace { struct Pair { Trivial one{1}, two{folded}; } pair; }
inline int inlined = event('x') - 'x';
thread_local int per_thread = folded;

int main()
{
    CHECK(a.seen == 0 && b.seen == 0 && c.seen == ('1' + 1) * 2 && d.seen == later && from_call == '1' + 1);
    CHECK(folded == 28 && early.x == 8 && Holder<long>::value == 32 && Holder<int>::value == 32);
    CHECK(pointer->name == 'd' && &reference == &later && pair.one.x == 1 && pair.two.x == 28 && inlined == 0 &&
          per_thread == 28);
    CHECK(count >= 5 && std::strchr(events, 'x') != nullptr);
    char *x = std::strchr(events, 'x'); // where an inline variable comes in the order is not promised
    std::memmove(x, x + 1, std::strlen(x));
    count--;
    CHECK(!std::strcmp(events, "ab1cd"));
    event('m');
    CHECK(local().name == 'n' && local().seen == later);
    return bad;
}
