// Copies, moves and elision: what is counted by the class itself, swaps, self-assignment, moves out of containers.
#include <utility>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

struct Buffer {
    static int copies, moves, alive;
    int *data;
    int size;
    explicit Buffer(int n) : data(new int[unsigned(n)]), size(n)
    {
        alive++;
        for (int i = 0; i < n; i++)
            data[i] = i;
    }
    Buffer(const Buffer &o) : Buffer(o.size)
    {
        copies++;
        for (int i = 0; i < size; i++)
            data[i] = o.data[i];
    }
    Buffer(Buffer &&o) noexcept : data(o.data), size(o.size)
    {
        moves++;
        alive++;
        o.data = nullptr;
        o.size = 0;
    }
    Buffer &operator=(Buffer o) noexcept
    {
        std::swap(data, o.data);
        std::swap(size, o.size);
        return *this;
    }
    ~Buffer()
    {
        alive--;
        delete[] data;
    }
    int sum() const
    {
        int s = 0;
        for (int i = 0; i < size; i++)
            s += data[i];
        return s;
    }
};
int Buffer::copies = 0, Buffer::moves = 0, Buffer::alive = 0;

static bool counted(int copies, int moves)
{
    bool same = Buffer::copies == copies && Buffer::moves == moves;
    Buffer::copies = Buffer::moves = 0;
    return same;
}

NOINLINE static Buffer make(int n) { return Buffer(n); }
NOINLINE static Buffer pass(Buffer b) { return b; }
NOINLINE static int consume(Buffer &&b)
{
    Buffer mine(std::move(b));
    return mine.sum();
}
NOINLINE static int which(const Buffer &) { return 1; }
NOINLINE static int which(Buffer &&) { return 2; }
template <class T> static int forwarded(T &&b) { return which(std::forward<T>(b)); }
NOINLINE static Buffer chosen(bool first)
{
    Buffer a(3), b(4);
    if (first)
        return std::move(a);
    return std::move(b);
}
struct Owner {
    Buffer one, two;
    Owner(int a, int b) : one(a), two(b) {}
};

int main()
{
    {
        Buffer a = make(5);
        CHECK(a.sum() == 10 && counted(0, 0) && Buffer::alive == 1);
        Buffer b = a;
        CHECK(counted(1, 0) && b.data != a.data && b.sum() == 10);
        Buffer c = std::move(b);
        CHECK(counted(0, 1) && b.size == 0 && b.sum() == 0 && c.sum() == 10);
        b = c;
        CHECK(counted(1, 0) && b.sum() == 10);
        b = make(3);
        CHECK(counted(0, 0) && b.sum() == 3);
        b = *&b;
        CHECK(counted(1, 0) && b.sum() == 3);
        Buffer d = pass(a);
        CHECK(counted(1, 1) && d.sum() == 10 && a.sum() == 10);
        CHECK(consume(std::move(d)) == 10 && counted(0, 1) && d.data == nullptr && consume(make(4)) == 6 &&
              counted(0, 1));
        CHECK(forwarded(a) == 1 && forwarded(make(1)) == 2 && forwarded(std::move(a)) == 2 && counted(0, 0) &&
              a.size == 5);
        CHECK(chosen(true).size == 3 && chosen(false).size == 4 && counted(0, 2));
        Owner o(2, 6), p = std::move(o);
        CHECK(counted(0, 2) && o.one.size == 0 && p.two.sum() == 15);
        Owner q = p;
        CHECK(counted(2, 0) && q.one.sum() == 1 && p.one.sum() == 1);
        std::swap(a, c);
        CHECK(counted(0, 3) && Buffer::alive == 10);
    }
    CHECK(Buffer::alive == 0);
    return bad;
}
