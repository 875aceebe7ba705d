// Several bases: adjusted this pointers, thunks, covariant results, empty bases, pure functions with bodies.
static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

struct A {
    long a = 1;
    virtual ~A() { destroyed = destroyed * 10 + 1; }
    virtual int f(int x) { return x + int(a); }
    virtual A *self() { return this; }
    static unsigned destroyed;
};
unsigned A::destroyed = 0;
struct B {
    long b = 2;
    virtual ~B() { A::destroyed = A::destroyed * 10 + 2; }
    virtual int g(int x) = 0;
    virtual int f(int x) { return x * int(b); }
    virtual B *self() { return this; }
    virtual int variable(int n, ...) { return n; }
};
int B::g(int x) { return x - 100; }
struct Empty {
    int h() const { return 9; }
};
struct C : A, B, Empty {
    long c = 3;
    ~C() override { destroyed = destroyed * 10 + 3; }
    int f(int x) override { return x * 10 + int(a + b + c); }
    int g(int x) override { return B::g(x) + int(c); }
    C *self() override { return this; }
};
struct D : C {
    int g(int x) override { return C::g(x) * 2; }
    int h() const { return Empty::h() + 1; }
};

struct Big { int v[10]; };
struct Maker {
    virtual ~Maker() = default;
    virtual Big make(int x) const { return Big{{x}}; }
};
struct Other {
    virtual ~Other() = default;
    int o = 5;
    virtual Big make_other(Big b) const { b.v[0] += o; return b; }
};
struct Both : Maker, Other {
    Big make(int x) const override { return Big{{x, x + 1, 7}}; }
    Big make_other(Big b) const override
    {
        b.v[1] = o * 2;
        return b;
    }
};

NOINLINE static int call_f(A *a, int x) { return a->f(x); }
NOINLINE static int call_f(B *b, int x) { return b->f(x); }
NOINLINE static int call_g(B &b, int x) { return b.g(x); }
NOINLINE static B *self_of(B *b) { return b->self(); }
NOINLINE static A *to_a(C *c) { return c; }
NOINLINE static B *to_b(C *c) { return c; }
NOINLINE static C *down(B *b) { return static_cast<C *>(b); }
NOINLINE static int sum(const Maker &m, const Other &o) { return o.make_other(m.make(4)).v[0] * 100 + o.make_other(m.make(4)).v[1]; }

int main()
{
    C c;
    D d;
    d.a = 5;
    CHECK(call_f(static_cast<A *>(&c), 1) == 16 && call_f(static_cast<B *>(&c), 2) == 26 && call_f(to_b(&d), 0) == 10);
    CHECK(call_g(c, 100) == 3 && call_g(d, 100) == 6);
    A plain;
    CHECK(call_f(&plain, 1) == 2 && plain.self() == &plain);
    CHECK(self_of(&c) == static_cast<B *>(&c) && down(self_of(&d)) == &d && c.self() == &c);
    CHECK(to_b(nullptr) == nullptr && down(nullptr) == nullptr && to_a(&c) == &c);
    CHECK(reinterpret_cast<char *>(to_b(&c)) != reinterpret_cast<char *>(to_a(&c)));
    CHECK(to_b(&c) == static_cast<B *>(&c) && c.h() == 9 && d.h() == 10 && to_b(&c)->variable(4, 1, 2) == 4);
    Both both;
    CHECK(sum(both, both) == 410 && sum(Maker(), both) == 410 && sum(both, Other()) == 905);
    B *p = new D;
    A::destroyed = 0;
    delete p;
    CHECK(A::destroyed == 321u);
    A *volatile q = new A;
    delete q;
    CHECK(A::destroyed == 3211u);
    return bad;
}
