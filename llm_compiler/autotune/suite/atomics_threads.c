// flags: -pthread
/* C11 atomics under threads: counters, a spin lock, compare-and-swap, release/acquire message passing. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

enum { THREADS = 3, ROUNDS = 100 };

static atomic_int counter;
static atomic_flag lock = ATOMIC_FLAG_INIT;
static long guarded;
static _Atomic uint64_t mixed = 1;
static int message;
static atomic_int ready;

static void *work(void *argument)
{
    int me = *(int *)argument;
    for (int i = 0; i < ROUNDS; i++) {
        atomic_fetch_add_explicit(&counter, me, memory_order_relaxed);
        while (atomic_flag_test_and_set_explicit(&lock, memory_order_acquire))
            sched_yield();
        guarded += me;
        atomic_flag_clear_explicit(&lock, memory_order_release);
        uint64_t seen = atomic_load(&mixed);
        while (!atomic_compare_exchange_weak(&mixed, &seen, seen + 2 * (uint64_t)me))
            ;
    }
    return 0;
}

static void *produce(void *unused)
{
    (void)unused;
    for (int i = 1; i <= 20; i++) {
        while (atomic_load_explicit(&ready, memory_order_acquire) != 0)
            sched_yield();
        message = i * i;
        atomic_store_explicit(&ready, 1, memory_order_release);
    }
    return &message;
}

int main(void)
{
    pthread_t threads[THREADS];
    int numbers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i + 1;
        if (pthread_create(&threads[i], 0, work, &numbers[i]))
            return 0; /* a machine without threads proves nothing */
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], 0);
    CHECK(counter == 6 * ROUNDS && guarded == 6 * ROUNDS && mixed == 12 * ROUNDS + 1);

    pthread_t producer;
    void *result = 0;
    if (pthread_create(&producer, 0, produce, 0))
        return bad;
    for (int i = 1; i <= 20; i++) {
        while (!atomic_load_explicit(&ready, memory_order_acquire))
            sched_yield();
        CHECK(message == i * i);
        atomic_store_explicit(&ready, 0, memory_order_release);
    }
    pthread_join(producer, &result);
    CHECK(result == &message);
    return bad;
}
