// Virtual calls with one known target, with few, through final classes, during construction, and after a new object.
#include <new>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

struct Animal {
    virtual ~Animal() = default;
    virtual int sound(int x) const { return x; }
    virtual int legs() const = 0;
    int both(int x) const { return sound(x) * 100 + legs(); }
};
struct Dog : Animal {
    int sound(int x) const override { return x + 1; }
    int legs() const override { return 4; }
};
struct Puppy final : Dog {
    int sound(int x) const override { return Dog::sound(x) * 2; }
};
namespace {
struct Bird : Animal { // nobody else can derive from it
    int legs() const override { return 2; }
};
struct Only {
    virtual int value(int x) { return x * 3; }
    virtual ~Only() = default;
};
} // namespace

struct Init {
    int from_base, from_body = 0;
    Init() : from_base(0) { from_base = tag(); }
    virtual ~Init() { last = tag(); }
    virtual int tag() const { return 1; }
    static int last;
};
int Init::last = 0;
struct Later : Init {
    Later() { from_body = tag(); }
    ~Later() override { seen = tag(); }
    int tag() const override { return 2; }
    static int seen;
};
int Later::seen = 0;
struct Last final : Later {
    int tag() const override { return 3; }
};

NOINLINE static int ask(const Animal &a, int x) { return a.both(x); }
NOINLINE static int ask_puppy(const Puppy &p, int x) { return p.sound(x) + p.legs(); }
NOINLINE static int ask_only(Only *o, int x) { return o->value(x); }
NOINLINE static int herd(const Animal *const *all, int n)
{
    int s = 0;
    for (int i = 0; i < n; i++)
        s = s * 3 + all[i]->sound(i) + all[i]->legs();
    return s;
}
NOINLINE static int local(int which)
{
    Dog d;
    Bird b;
    Animal *a = which ? static_cast<Animal *>(&d) : &b;
    return a->legs() * 10 + d.legs() + b.sound(1) * 100;
}
NOINLINE static int replaced(void *memory)
{
    Animal *a = new (memory) Dog;
    int first = a->legs();
    a->~Animal();
    a = new (memory) Bird;
    int second = a->legs();
    a->~Animal();
    return first * 10 + second;
}
struct Step {
    virtual const Step *next(int &n) const = 0;

protected:
    ~Step() = default;
};
struct Halve final : Step { const Step *next(int &n) const override; };
struct Triple final : Step { const Step *next(int &n) const override; };
static const Halve halve;
static const Triple triple;
static const Step *choose(int n) { return n == 1 ? nullptr : n % 2 ? static_cast<const Step *>(&triple) : &halve; }
const Step *Halve::next(int &n) const { return n /= 2, choose(n); }
const Step *Triple::next(int &n) const { return n = 3 * n + 1, choose(n); }

int main()
{
    Dog dog;
    Puppy puppy;
    Bird bird;
    CHECK(ask(dog, 5) == 604 && ask(puppy, 5) == 1204 && ask(bird, 5) == 502 && ask_puppy(puppy, 1) == 8);
    const Animal *all[] = {&dog, &bird, &puppy, &dog};
    CHECK(herd(all, 4) == ((5 * 3 + 3) * 3 + 10) * 3 + 8 && herd(all, 0) == 0);
    Only only;
    CHECK(ask_only(&only, 4) == 12 && local(1) == 144 && local(0) == 124);
    alignas(16) unsigned char memory[sizeof(Dog) + sizeof(Bird)];
    CHECK(replaced(memory) == 42);
    {
        Last last;
        CHECK(last.from_base == 1 && last.from_body == 2 && last.tag() == 3);
        Init &i = last;
        CHECK(i.tag() == 3 && i.Init::tag() == 1);
    }
    CHECK(Later::seen == 2 && Init::last == 1);
    int n = 27, steps = 0;
    for (const Step *s = choose(n); s; steps++)
        s = s->next(n);
    CHECK(n == 1 && steps == 111);
    return bad;
}
