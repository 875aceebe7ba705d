// Order of catch clauses, bases and pointers, rethrow, nested handlers, the object of the exception and its copies.
#include <exception>
#include <stdexcept>
#include <cstring>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

struct Base {
    int code;
    static int alive;
    explicit Base(int c) : code(c) { alive++; }
    Base(const Base &other) : code(other.code) { alive++; }
    virtual ~Base() { alive--; }
    virtual int kind() const { return 1; }
};
int Base::alive = 0;
struct Derived : Base {
    using Base::Base;
    int kind() const override { return 2; }
};
struct Private : private Base {
    Private() : Base(5) {}
};

NOINLINE static void fail(int how)
{
    static Derived lasting(99);
    switch (how) {
    case 0: throw Base(10);
    case 1: throw Derived(20);
    case 2: throw &lasting;
    case 3: throw Private();
    case 4: throw std::out_of_range("range");
    case 5: throw nullptr;
    case 6: throw 'c';
    default: return;
    }
}

NOINLINE static int handler(int how)
{
    try {
        fail(how);
    } catch (const Derived &d) {
        return 100 + d.kind() + d.code;
    } catch (const Base &b) {
        return 200 + b.kind() + b.code;
    } catch (const Base *p) {
        return p ? 300 + p->kind() + p->code : 350;
    } catch (const std::logic_error &e) {
        return 400 + int(std::strlen(e.what()));
    } catch (int) {
        return 500;
    } catch (...) {
        return 600;
    }
    return 0;
}

NOINLINE static int rethrown(int how)
{
    int trace = 0;
    try {
        try {
            try {
                fail(how);
            } catch (Base &b) {
                b.code += 1; // the object itself
                throw;
            } catch (...) {
                trace += 7;
                throw;
            }
        } catch (Base b) { // a copy, perhaps sliced
            b.code += 1000;
            trace += b.kind() * 10;
            throw;
        }
    } catch (const Base &b) {
        return trace + b.kind() + b.code * 100;
    } catch (...) {
        return trace;
    }
    return -1;
}

NOINLINE static int replaced()
{
    try {
        try {
            throw Base(1);
        } catch (const Base &) {
            throw Derived(2);
        }
    } catch (const Derived &d) {
        return d.code;
    } catch (...) {
        return -1;
    }
}

struct Finally {
    int *runs;
    ~Finally()
    {
        try {
            throw 1;
        } catch (int) {
            *runs += 1 + 10 * std::uncaught_exceptions();
        }
    }
};

NOINLINE static int while_unwinding()
{
    int runs = 0;
    try {
        Finally f{&runs};
        throw 2.5;
    } catch (double d) {
        return runs * 10 + int(d * 2);
    }
}

int main()
{
    static const int want[] = {211, 122, 401, 600, 405, 350, 600, 0};
    CHECK(handler(0) == want[0] && handler(1) == want[1] && handler(2) == 300 + 2 + 99 && handler(3) == want[3]);
    CHECK(handler(4) == want[4] && handler(5) == want[5] && handler(6) == want[6] && handler(7) == want[7]);
    CHECK(rethrown(0) == 1111 && rethrown(1) == 2112 && rethrown(6) == 7 && rethrown(7) == -1);
    CHECK(replaced() == 2 && while_unwinding() == 115 && std::uncaught_exceptions() == 0);
    CHECK(Base::alive == 1);
    std::exception_ptr kept;
    try {
        fail(1);
    } catch (...) {
        kept = std::current_exception();
    }
    CHECK(Base::alive == 2);
    try {
        std::rethrow_exception(kept);
    } catch (const Base &b) {
        CHECK(b.code == 20);
    }
    kept = nullptr;
    CHECK(Base::alive == 1);
    return bad;
}
