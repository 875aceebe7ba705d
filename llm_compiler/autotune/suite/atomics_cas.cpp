// std::atomic without threads: every operation's result, strong and weak exchange, pointers, structures, flags.
#include <atomic>
#include <cstdint>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

struct Pair { int32_t low, high; };
enum class Colour : uint8_t { red, green, blue };

static std::atomic<int> counter{5};
static std::atomic<uint64_t> wide{UINT64_MAX};
static std::atomic<Pair> pair{Pair{1, 2}};
static std::atomic<Colour> colour{Colour::red};

struct Node { int value; Node *next; };
struct Stack {
    std::atomic<Node *> top{nullptr};
    void push(Node *n)
    {
        n->next = top.load(std::memory_order_relaxed);
        while (!top.compare_exchange_weak(n->next, n, std::memory_order_release, std::memory_order_relaxed))
            ;
    }
    Node *pop()
    {
        Node *n = top.load(std::memory_order_acquire);
        while (n && !top.compare_exchange_weak(n, n->next))
            ;
        return n;
    }
};

NOINLINE static int multiply(std::atomic<int> &x, int by)
{
    int seen = x.load();
    while (!x.compare_exchange_weak(seen, seen * by))
        ;
    return seen;
}
NOINLINE static Pair swap_halves(std::atomic<Pair> &p)
{
    Pair seen = p.load(), want;
    do
        want = Pair{seen.high, seen.low + 1};
    while (!p.compare_exchange_strong(seen, want));
    return seen;
}
NOINLINE static double add_double(std::atomic<double> &x, double by)
{
    double seen = x;
    while (!x.compare_exchange_strong(seen, seen + by))
        ;
    return seen + by;
}

int main()
{
    CHECK(counter.fetch_add(3) == 5 && counter.fetch_sub(1) == 8 && counter == 7 && ++counter == 8 && counter-- == 8);
    CHECK((counter += 10) == 17 && (counter ^= 1) == 16 && (counter |= 3) == 19 && (counter &= 18) == 18);
    int expected = 4;
    CHECK(!counter.compare_exchange_strong(expected, 1) && expected == 18 &&
          counter.compare_exchange_strong(expected, 1) && counter == 1);
    CHECK(counter.exchange(6) == 1 && multiply(counter, 7) == 6 && counter.load(std::memory_order_acquire) == 42);
    CHECK(wide++ == UINT64_MAX && wide == 0 && --wide == UINT64_MAX && wide.fetch_and(0xff) == UINT64_MAX &&
          wide == 0xff);
    Pair old = swap_halves(pair), now = pair;
    CHECK(old.low == 1 && old.high == 2 && now.low == 2 && now.high == 2);
    CHECK(colour.exchange(Colour::blue) == Colour::red && colour == Colour::blue);
    std::atomic<double> d{0.5};
    CHECK(add_double(d, 0.25) == 0.75 && add_double(d, -1) == -0.25 && d == -0.25);
    int array[4] = {0, 10, 20, 30};
    std::atomic<int *> p{array};
    CHECK(*p.fetch_add(2) == 0 && *p == 20 && *++p == 30 && (p -= 3) == array);
    std::atomic_flag flag = ATOMIC_FLAG_INIT;
    CHECK(!flag.test_and_set() && flag.test_and_set());
    flag.clear();
    CHECK(!flag.test_and_set());
    Node nodes[3] = {{1, nullptr}, {2, nullptr}, {3, nullptr}};
    Stack stack;
    for (Node &n : nodes)
        stack.push(&n);
    int order = 0;
    while (Node *n = stack.pop())
        order = order * 10 + n->value;
    CHECK(order == 321 && !stack.pop());
    std::atomic_thread_fence(std::memory_order_seq_cst);
    std::atomic_signal_fence(std::memory_order_acq_rel);
    std::atomic<bool> b{false};
    CHECK(!b.exchange(true) && b && std::atomic_load(&counter) == 42);
    return bad;
}
