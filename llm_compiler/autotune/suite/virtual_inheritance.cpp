// Virtual bases: one shared part, order of construction, offsets, calls during construction, conversions.
#include <cstring>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

static char events[64];
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

struct Top {
    int top;
    explicit Top(int t) : top(t) { event(id()); }
    virtual ~Top() { event(char(id() - 32)); }
    virtual char id() const { return 't'; }
};
struct Left : virtual Top {
    int left = 1;
    Left() : Top(10) { event(id()); }
    ~Left() override { event(char(id() - 32)); }
    char id() const override { return 'l'; }
    virtual int area() const { return left + top; }
};
struct Right : virtual Top {
    int right[3] = {2, 3, 4};
    explicit Right(int t) : Top(t) { event('r'); }
    ~Right() override { event('R'); }
    virtual int area() const { return right[1] * top; }
};
struct Bottom : Left, Right {
    double bottom = 0.5;
    Bottom() : Top(30), Right(20) { event(id()); }
    ~Bottom() override { event('B'); }
    char id() const override { return 'b'; }
    int area() const override { return Left::area() * 100 + Right::area(); }
};
struct Lower final : Bottom {
    Lower() : Top(40) {}
    char id() const override { return 'w'; }
};

NOINLINE static int by_left(const Left &l) { return l.area() + l.top; }
NOINLINE static int by_right(const Right &r) { return r.area() + r.right[2]; }
NOINLINE static char by_top(const Top &t) { return t.id(); }
NOINLINE static Top *upcast(Bottom *b) { return b; }
NOINLINE static void change(Top &t) { t.top += 5; }

int main()
{
    {
        Left l;
        CHECK(by_left(l) == 21 && by_top(l) == 'l' && happened("tl"));
    }
    CHECK(happened("LT"));
    {
        Bottom b;
        CHECK(happened("tlrb") && b.top == 30 && by_top(b) == 'b');
        CHECK(by_left(b) == 31 * 100 + 90 + 30 && by_right(b) == 3190 + 4);
        change(b);
        CHECK(b.Left::top == 35 && b.Right::top == 35);
        CHECK(upcast(&b) == static_cast<Top *>(static_cast<Left *>(&b)) &&
              upcast(&b) == static_cast<Top *>(static_cast<Right *>(&b)));
        CHECK(upcast(nullptr) == nullptr);
        CHECK(static_cast<void *>(static_cast<Left *>(&b)) != static_cast<void *>(static_cast<Right *>(&b)));
        CHECK(dynamic_cast<Right *>(static_cast<Left *>(&b)) == &b && dynamic_cast<Bottom *>(upcast(&b)) == &b);
        CHECK(dynamic_cast<void *>(static_cast<Right *>(&b)) == &b && !dynamic_cast<Lower *>(upcast(&b)));
        Bottom copy(b);
        copy.bottom = 1.5;
        copy.right[1] = 7;
        b = copy;
        CHECK(b.bottom == 1.5 && by_right(b) == 36 * 100 + 7 * 35 + 4);
    }
    CHECK(happened("BRLTBRLT"));
    Top *p = new Lower;
    CHECK(by_top(*p) == 'w' && p->top == 40 && happened("tlrb"));
    delete p;
    CHECK(happened("BRLT"));
    return bad;
}
