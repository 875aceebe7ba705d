/* Every read-modify-write operation on every width, old and new values, failed and successful exchanges. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

#define TEST_WIDTH(T, NAME) \
    NOINLINE static int NAME(T start, T by) \
    { \
        _Atomic T x; \
        int ok = 1; \
        atomic_init(&x, start); \
        ok &= atomic_fetch_add(&x, by) == start && x == (T)(start + by); \
        ok &= atomic_fetch_sub(&x, by) == (T)(start + by) && x == start; \
        ok &= atomic_fetch_or(&x, by) == start && x == (T)(start | by); \
        ok &= atomic_fetch_and(&x, by) == (T)(start | by) && x == by; \
        ok &= atomic_fetch_xor(&x, start) == by && x == (T)(start ^ by); \
        ok &= atomic_exchange(&x, start) == (T)(start ^ by) && x == start; \
        T expected = (T)(start + 1); \
        ok &= !atomic_compare_exchange_strong(&x, &expected, by) && expected == start && x == start; \
        ok &= atomic_compare_exchange_strong(&x, &expected, by) && expected == start && x == by; \
        x += 5; \
        x ^= 3; \
        ok &= x++ == (T)((T)(by + 5) ^ 3) && --x == (T)((T)(by + 5) ^ 3); \
        return ok; \
    }

TEST_WIDTH(uint8_t, test8)
TEST_WIDTH(uint16_t, test16)
TEST_WIDTH(uint32_t, test32)
TEST_WIDTH(uint64_t, test64)

/* A maximum by compare-and-swap, the loop that has no instruction of its own. */
NOINLINE static int raise_to(atomic_int *x, int to)
{
    int seen = atomic_load_explicit(x, memory_order_relaxed);
    while (seen < to && !atomic_compare_exchange_weak_explicit(x, &seen, to, memory_order_acq_rel,
        memory_order_relaxed))
        ;
    return seen;
}

int main(void)
{
    CHECK(test8(200, 100) && test8(0, 255));
    CHECK(test16(65000, 1000) && test16(0x8000, 0x8001));
    CHECK(test32(UINT32_MAX, 2) && test32(0x80000000, 0x7fffffff));
    CHECK(test64(UINT64_MAX, 3) && test64(UINT64_C(1) << 63, 12345));

    atomic_int top = -5;
    CHECK(raise_to(&top, 3) == -5 && top == 3);
    CHECK(raise_to(&top, 2) == 3 && top == 3);

    int array[5] = {0, 10, 20, 30, 40};
    int *_Atomic p = array;
    CHECK(atomic_exchange(&p, array + 3) == array && *p == 30);
    int *there = array + 3;
    CHECK(atomic_compare_exchange_strong(&p, &there, array + 2) && p == array + 2 && *p == 20);

    atomic_bool flag = false;
    CHECK(!atomic_exchange(&flag, true) && flag && atomic_exchange(&flag, false));
    atomic_thread_fence(memory_order_seq_cst);

    long plain = 7;
    CHECK(__sync_fetch_and_add(&plain, 3) == 7 && __sync_add_and_fetch(&plain, 1) == 11);
    CHECK(__sync_bool_compare_and_swap(&plain, 11, 12) && __sync_val_compare_and_swap(&plain, 11, 13) == 12);
    CHECK(__atomic_fetch_nand(&plain, 4, __ATOMIC_SEQ_CST) == 12 && plain == ~4L);
    return bad;
}
