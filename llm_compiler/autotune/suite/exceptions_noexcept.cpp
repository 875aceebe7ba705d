// noexcept: asked at compile time, kept at run time, and a violation that ends in the terminate handler.
#include <cstdlib>
#include <exception>
#include <utility>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

static int handler_calls;

NOINLINE static int may_throw(int x)
{
    if (x > 5)
        throw x;
    return x + 1;
}
NOINLINE static int never(int x) noexcept { return x * 2; }
NOINLINE static int guarded(int x) noexcept
{
    try {
        return may_throw(x);
    } catch (int i) {
        return -i;
    }
}
template <class F> static int called(F f, int x) noexcept(noexcept(f(x))) { return f(x); }

struct Quiet {
    Quiet() noexcept = default;
    Quiet(Quiet &&) noexcept {}
    ~Quiet() {}
};
struct Loud {
    Loud() = default;
    Loud(Loud &&) noexcept(false) {}
    ~Loud() noexcept(false)
    {
        if (armed)
            throw 77;
    }
    bool armed = false;
};

NOINLINE static int throwing_destructor(bool arm)
{
    try {
        Loud l;
        l.armed = arm;
    } catch (int i) {
        return i;
    }
    return 0;
}

NOINLINE static int violates(int x) noexcept { return may_throw(x) + 1; }

static void on_terminate()
{
    handler_calls++;
    CHECK(handler_calls == 1 && std::current_exception() != nullptr);
    try {
        throw;
    } catch (int i) {
        CHECK(i == 9);
    } catch (...) {
        CHECK(false);
    }
    std::_Exit(bad); // success comes from here
}

int main()
{
    static_assert(noexcept(never(1)) && !noexcept(may_throw(1)) && noexcept(guarded(1)), "specifications");
    static_assert(noexcept(Quiet(std::declval<Quiet>())) && !noexcept(Loud(std::declval<Loud>())), "constructors");
    auto quiet = [](int x) noexcept { return x; };
    static_assert(noexcept(called(quiet, 1)) && !noexcept(called(may_throw, 1)), "templates");
    CHECK(guarded(3) == 4 && guarded(8) == -8 && never(4) == 8 && called(quiet, 6) == 6);
    CHECK(throwing_destructor(true) == 77 && throwing_destructor(false) == 0);
    int caught = 0;
    try {
        called(may_throw, 6);
    } catch (int i) {
        caught = i;
    }
    CHECK(caught == 6 && violates(2) == 4);
    std::set_terminate(on_terminate);
    try {
        violates(9);
    } catch (...) {
        return __LINE__;
    }
    return __LINE__;
}
