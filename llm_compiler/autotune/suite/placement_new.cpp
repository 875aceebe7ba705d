// Memory and objects apart: placement new, an arena, class-level and aligned operator new, failing constructors.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

struct Arena {
    alignas(std::max_align_t) unsigned char bytes[512];
    std::size_t used = 0;
    void *take(std::size_t n, std::size_t align)
    {
        used = (used + align - 1) / align * align;
        void *p = bytes + used;
        used += n;
        return p;
    }
};
void *operator new(std::size_t n, Arena &a) { return a.take(n, alignof(std::max_align_t)); }
static int placement_deletes;
void operator delete(void *, Arena &) { placement_deletes++; }

struct Tracked {
    static int news, deletes, alive;
    int value;
    explicit Tracked(int v) : value(v)
    {
        if (v < 0)
            throw v;
        alive++;
    }
    virtual ~Tracked() { alive--; }
    static void *operator new(std::size_t n)
    {
        news++;
        void *p = std::malloc(n);
        if (!p)
            throw std::bad_alloc();
        return p;
    }
    static void operator delete(void *p)
    {
        deletes++;
        std::free(p);
    }
};
int Tracked::news = 0, Tracked::deletes = 0, Tracked::alive = 0;
struct Wide : Tracked {
    long more[10] = {1, 2, 3};
    using Tracked::Tracked;
};
struct alignas(64) Aligned { char c = 'x'; };
struct Failing {
    explicit Failing(int x) { throw x; }
};
template <class T> union Slot {
    T object;
    char raw;
    Slot() : raw(0) {}
    ~Slot() {}
};

NOINLINE static int in_arena(Arena &a)
{
    int *x = new (a) int(5);
    double *d = new (a) double(2.5);
    int *list = new (a.take(3 * sizeof(int), alignof(int))) int[3]{1, 2, 3};
    *x += list[2];
    return *x + int(*d * 2);
}
NOINLINE static int try_tracked(int v)
{
    try {
        Tracked *t = new Wide(v);
        int r = t->value + int(static_cast<Wide *>(t)->more[2]);
        delete t;
        return r;
    } catch (int x) {
        return x;
    }
}
NOINLINE static bool aligned(const void *p, std::size_t to) { return reinterpret_cast<std::uintptr_t>(p) % to == 0; }
NOINLINE static int reuse()
{
    Slot<Tracked> slot;
    int sum = 0;
    for (int i = 1; i < 5; i++) {
        ::new (static_cast<void *>(&slot.object)) Tracked(i * i);
        sum = sum * 10 + std::launder(&slot.object)->value % 10;
        slot.object.~Tracked();
    }
    return sum;
}

int main()
{
    static Arena arena;
    CHECK(in_arena(arena) == 13 && arena.used >= 2 * sizeof(int) + sizeof(double));
    int thrown = 0;
    try {
        new (arena) Failing(6);
    } catch (int x) {
        thrown = x;
    }
    CHECK(thrown == 6 && placement_deletes == 1);
    CHECK(try_tracked(4) == 7 && Tracked::news == 1 && Tracked::deletes == 1 && Tracked::alive == 0);
    CHECK(try_tracked(-3) == -3 && Tracked::news == 2 && Tracked::deletes == 2 && Tracked::alive == 0);
    Aligned *a = new Aligned, *b = new Aligned[2];
    CHECK(aligned(a, 64) && aligned(&b[1], 64) && a->c + b[1].c == 2 * 'x');
    delete a;
    delete[] b;
    CHECK(reuse() == 1496 && Tracked::alive == 0 && Tracked::news == 2);
    int *zeroed = new int[6](), *none = new (std::nothrow) int;
    int s = 1;
    for (int i = 0; i < 6; i++)
        s += zeroed[i]++;
    CHECK(s == 1 && zeroed[5] == 1 && none);
    delete[] zeroed;
    delete none;
    delete static_cast<Tracked *>(nullptr);
    return bad;
}
