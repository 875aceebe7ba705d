// Scoped enumerations with fixed types, switches over them, flags by operators, visitors, variants by hand.
#include <cstdint>
#include <cstring>
#include <new>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

enum class Op : uint8_t { add, sub, mul, neg, push, dup = 200, drop, halt = 255 };
enum class Signed : int8_t { low = -128, minus = -1, zero, high = 127 };
enum class Wide : uint64_t { small = 1, large = UINT64_C(1) << 40, largest = UINT64_MAX };
enum class Access : unsigned { none = 0, read = 1, write = 2, all = 3 };

constexpr Access operator|(Access a, Access b) { return Access(unsigned(a) | unsigned(b)); }
constexpr Access operator&(Access a, Access b) { return Access(unsigned(a) & unsigned(b)); }
constexpr Access operator~(Access a) { return Access(~unsigned(a) & 3u); }

NOINLINE static int run(const uint8_t *code)
{
    int stack[16], n = 0;
    for (;;)
        switch (Op(*code++)) {
        case Op::add: n--; stack[n - 1] += stack[n]; break;
        case Op::sub: n--; stack[n - 1] -= stack[n]; break;
        case Op::mul: n--; stack[n - 1] *= stack[n]; break;
        case Op::neg: stack[n - 1] = -stack[n - 1]; break;
        case Op::push: stack[n++] = int8_t(*code++); break;
        case Op::dup: stack[n] = stack[n - 1]; n++; break;
        case Op::drop: n--; break;
        case Op::halt: return stack[n - 1] * 10 + n;
        default: return -1;
        }
}
NOINLINE static int of(Signed s)
{
    switch (s) {
    case Signed::low: return 1;
    case Signed::minus: return 2;
    case Signed::zero: return 3;
    case Signed::high: return 4;
    }
    return int(s);
}
NOINLINE static int of(Wide w)
{
    switch (w) {
    case Wide::small: return 1;
    case Wide::large: return 2;
    case Wide::largest: return 3;
    }
    return 0;
}
NOINLINE static const char *name(Access a)
{
    switch (a) {
    case Access::none: return "none";
    case Access::read: return "read";
    case Access::write: return "write";
    case Access::all: return "all";
    }
    return "?";
}

class Variant {
    enum class Kind : uint8_t { empty, integer, real, text } kind = Kind::empty;
    union {
        int64_t i;
        double d;
        char s[16];
    };

public:
    Variant() : i(0) {}
    Variant(int64_t x) : kind(Kind::integer), i(x) {}
    Variant(double x) : kind(Kind::real), d(x) {}
    Variant(const char *x) : kind(Kind::text) { std::strncpy(s, x, sizeof s); }
    template <class F> int visit(F f) const
    {
        switch (kind) {
        case Kind::integer: return f(i);
        case Kind::real: return f(d);
        case Kind::text: return f(s);
        case Kind::empty: break;
        }
        return -1;
    }
};
struct Measure {
    int operator()(int64_t i) const { return int(i % 1000); }
    int operator()(double d) const { return int(d * 4); }
    int operator()(const char *s) const { return int(std::strlen(s)); }
};
NOINLINE static int measure(const Variant &v) { return v.visit(Measure()); }

int main()
{
    const uint8_t program[] = {4, 6, 200, 2, 4, uint8_t(-3), 0, 3, 4, 1, 201, 255}; // -(6 * 6 - 3)
    const uint8_t wrong[] = {4, 1, 77};
    CHECK(run(program) == -329 && run(wrong) == -1);
    CHECK(of(Signed::low) == 1 && of(Signed::minus) == 2 && of(Signed::zero) == 3 && of(Signed::high) == 4 &&
          of(Signed(-2)) == -2);
    CHECK(of(Wide::small) == 1 && of(Wide::large) == 2 && of(Wide::largest) == 3 &&
          of(Wide(UINT64_C(1) << 41)) == 0 && of(Wide(0)) == 0);
    CHECK(*name(Access::read | Access::write) == 'a' && *name(~Access::read) == 'w' &&
          *name(Access::all & ~Access::all) == 'n');
    CHECK(*name(Access(8)) == '?' && sizeof(Op) == 1 && sizeof(Wide) == 8 && Signed::low < Signed::minus &&
          Op::halt > Op::dup);
    Variant list[] = {Variant(), Variant(int64_t(-7005)), Variant(2.75), Variant("sixteen chars!!")};
    int s = 0;
    for (const Variant &v : list)
        s = s * 100 + measure(v);
    CHECK(s == ((-1 * 100 - 5) * 100 + 11) * 100 + 15);
    list[0] = list[3];
    list[3] = list[2];
    CHECK(measure(list[0]) == 15 && measure(list[3]) == 11);
    return bad;
}
