// Closures: captures by value and reference, mutable, generic, recursive, converted to pointers, returned, nested.
#include <cstddef>
#include <utility>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

template <class F> NOINLINE static int apply(F f, int n)
{
    int s = 0;
    for (int i = 0; i < n; i++)
        s = s * 2 + f(i);
    return s;
}
NOINLINE static auto adder(int by)
{
    return [by](int x) { return x + by; };
}
NOINLINE static auto counter()
{
    return [n = 0]() mutable { return ++n; };
}
NOINLINE static int through_pointer(int (*f)(int), int x) { return f(f(x)); }

struct Account {
    int balance = 100;
    auto withdraw()
    {
        return [this](int x) { return x <= balance ? balance -= x : -1; };
    }
    auto snapshot() const
    {
        return [*this](int x) { return balance + x; };
    }
};
struct Moved {
    int *p;
    explicit Moved(int *q) : p(q) {}
    Moved(Moved &&o) noexcept : p(o.p) { o.p = nullptr; }
    Moved(const Moved &) = delete;
};
struct Any { // type erasure by hand
    void *object;
    int (*call)(void *, int);
    template <class F> explicit Any(F &f) : object(&f), call([](void *o, int x) { return (*static_cast<F *>(o))(x);
    }) {}
    int operator()(int x) const { return call(object, x); }
};

NOINLINE static int statics()
{
    auto next = [] {
        static int n = 10;
        return n++;
    };
    next();
    return next();
}

int main()
{
    volatile int five = 5;
    int by_value = five, by_reference = five;
    auto both = [by_value, &by_reference](int x) { return by_value * 10 + by_reference + x; };
    by_value = by_reference = 7;
    CHECK(both(0) == 57 && apply(both, 2) == 2 * 57 + 58);
    auto add = adder(3), more = adder(30);
    CHECK(add(1) == 4 && more(1) == 31 && apply(add, 3) == 3 * 4 + 4 * 2 + 5);
    auto count = counter();
    auto copy = count;
    CHECK(count() == 1 && count() == 2 && copy() == 1 && count() == 3);
    CHECK(through_pointer([](int x) { return x * x + 1; }, 2) == 26);
    int (*p)(int) = [](int x) { return -x; };
    int (*q)(int) = [](int x) { return -x; };
    CHECK(p(five) == -5 && q(five) == -5);
    Account account;
    auto withdraw = account.withdraw();
    auto before = account.snapshot();
    CHECK(withdraw(30) == 70 && withdraw(80) == -1 && account.balance == 70 && before(1) == 101);
    auto generic = [](auto x, auto... rest) { return double(x) + double(sizeof...(rest)); };
    CHECK(generic(1) == 1 && generic(2.5, 1, 'c') == 4.5);
    auto fibonacci = [](auto self, int n) -> int { return n < 2 ? n : self(self, n - 1) + self(self, n - 2); };
    CHECK(fibonacci(fibonacci, 12) == 144);
    int target = 9;
    Moved moved(&target);
    auto owns = [m = std::move(moved)] { return *m.p; };
    CHECK(owns() == 9 && !moved.p);
    auto compose = [](auto f, auto g) { return [=](int x) { return f(g(x)); }; };
    CHECK(compose(add, more)(1) == 34 && compose(compose(p, add), more)(0) == -33);
    int state = 0;
    auto accumulate = [&state](int x) { return state += x; };
    Any any[] = {Any(accumulate), Any(add), Any(accumulate)};
    int s = 0;
    for (const Any &a : any)
        s = s * 100 + a(4);
    CHECK(s == 40000 + 700 + 8 && state == 8 && statics() == 11 && statics() == 13);
    std::size_t size = sizeof(adder(1));
    CHECK(size == sizeof(int) && [](int x) { return [x] { return [x] { return x; }; }; }(6)()() == 6);
    return bad;
}
