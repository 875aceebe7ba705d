// flags: -pthread
// Threads: release and acquire, a queue for one producer and one consumer, thread-local state, exceptions kept apart.
#include <atomic>
#include <thread>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

struct Queue {
    static constexpr unsigned size = 8;
    int items[size] = {};
    std::atomic<unsigned> head{0}, tail{0};
    bool push(int x)
    {
        unsigned t = tail.load(std::memory_order_relaxed);
        if (t - head.load(std::memory_order_acquire) == size)
            return false;
        items[t % size] = x;
        tail.store(t + 1, std::memory_order_release);
        return true;
    }
    bool pop(int &x)
    {
        unsigned h = head.load(std::memory_order_relaxed);
        if (h == tail.load(std::memory_order_acquire))
            return false;
        x = items[h % size];
        head.store(h + 1, std::memory_order_release);
        return true;
    }
};

static thread_local int mine = 5;
static std::atomic<int> total{0}, most{0};
static int plain;
static std::atomic<bool> ready{false};

NOINLINE static void bump(int n)
{
    for (int i = 0; i < n; i++) {
        mine++;
        total.fetch_add(1, std::memory_order_relaxed);
    }
    int seen = most.load();
    while (seen < mine && !most.compare_exchange_weak(seen, mine))
        ;
}

int main()
{
    Queue queue;
    long sum = 0;
    std::thread consumer([&] {
        int last = 0;
        for (int n = 0; n < 100;) {
            int x;
            if (!queue.pop(x)) {
                std::this_thread::yield();
                continue;
            }
            sum += x == last + 1 ? x : -1000000;
            last = x;
            n++;
        }
    });
    for (int i = 1; i <= 100; i++)
        while (!queue.push(i))
            std::this_thread::yield();
    consumer.join();
    CHECK(sum == 100 * 101 / 2);

    int caught[2] = {0, 0};
    std::thread workers[2];
    for (int i = 0; i < 2; i++)
        workers[i] = std::thread([&caught, i] {
            bump(100 * (i + 1));
            try {
                throw mine;
            } catch (int x) {
                caught[i] = x;
            }
        });
    for (auto &w : workers)
        w.join();
    CHECK(caught[0] == 105 && caught[1] == 205 && mine == 5 && total == 300 && most == 205);

    std::thread writer([] {
        plain = 42;
        ready.store(true, std::memory_order_release);
    });
    while (!ready.load(std::memory_order_acquire))
        std::this_thread::yield();
    CHECK(plain == 42);
    writer.join();
    return bad;
}
