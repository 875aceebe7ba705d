// Pointers to members: data and functions, virtual and not, through derived classes, null, in tables.
static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

struct Point {
    int x, y, z;
    int sum() const { return x + y + z; }
    int scaled(int by) const { return x * by; }
    int moved(int by) const { return y + by; }
};
struct Base {
    virtual ~Base() = default;
    virtual int first(int a) { return a + 1; }
    virtual int second(int a) { return a + 2; }
    int plain(int a) { return a + value; }
    int value = 100;
};
struct Side {
    virtual ~Side() = default;
    virtual int third(int a) { return a + 3; }
    int side = 7;
};
struct Derived : Side, Base {
    int first(int a) override { return a * 10; }
    int third(int a) override { return a * 30 + side; }
};

NOINLINE static int total(const Point *p, int n, int Point::*field)
{
    int s = 0;
    for (int i = 0; i < n; i++)
        s = s * 2 + p[i].*field;
    return s;
}
NOINLINE static int apply(const Point &p, int (Point::*f)(int) const, int x) { return f ? (p.*f)(x) : -1; }
NOINLINE static int call(Base *b, int (Base::*f)(int), int x) { return (b->*f)(x); }
NOINLINE static int call_derived(Derived *d, int (Derived::*f)(int), int x) { return (d->*f)(x); }
NOINLINE static bool is_null(int Point::*p) { return p == nullptr; }
NOINLINE static int *locate(Derived &d, int Derived::*field) { return &(d.*field); }
template <class T, class R, R T::*Field> static R get(const T &t) { return t.*Field; }

struct Machine {
    using State = int (Machine::*)(char);
    State state = &Machine::start;
    int letters = 0, digits = 0;
    int start(char c)
    {
        if (c >= '0' && c <= '9')
            state = &Machine::number;
        else
            letters++;
        return 0;
    }
    int number(char c)
    {
        digits++;
        if (c < '0' || c > '9') {
            state = &Machine::start;
            return start(c);
        }
        return 1;
    }
    int run(const char *s)
    {
        int in_number = 0;
        for (; *s; s++)
            in_number += (this->*state)(*s);
        return in_number * 100 + digits * 10 + letters;
    }
};

int main()
{
    const Point points[] = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}};
    CHECK(total(points, 3, &Point::x) == 19 && total(points, 3, &Point::z) == 33 && total(points, 0, &Point::y) == 0);
    int Point::*const fields[] = {&Point::z, &Point::y, &Point::x};
    int s = 0;
    for (auto field : fields)
        s = s * 10 + points[1].*field;
    CHECK(s == 654 && !is_null(&Point::x) && is_null(nullptr));
    CHECK(apply(points[2], &Point::scaled, 3) == 21 && apply(points[2], &Point::moved, 3) == 11 &&
          apply(points[0], nullptr, 1) == -1);
    auto with_none = &Point::sum;
    CHECK((points[1].*with_none)() == 15 && with_none == &Point::sum);
    Base base;
    Derived derived;
    CHECK(call(&base, &Base::first, 5) == 6 && call(&derived, &Base::first, 5) == 50 &&
          call(&derived, &Base::second, 5) == 7);
    CHECK(call(&derived, &Base::plain, 5) == 105 && call_derived(&derived, &Derived::third, 2) == 67 &&
          call(&derived, &Base::plain, 2) == 102);
    CHECK(call_derived(&derived, static_cast<int (Derived::*)(int)>(&Base::second), 1) == 3);
    CHECK(&Base::first != &Base::second && locate(derived, &Derived::value) == &derived.value &&
          locate(derived, &Derived::side) == &derived.side);
    CHECK((get<Point, int, &Point::y>(points[2]) == 8));
    Machine m;
    CHECK(m.run("ab12c345d") == 352 + 2 * 1 && m.state == &Machine::start);
    return bad;
}
