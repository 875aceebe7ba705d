/* Static and file-scope state: counters, caches, generators that resume, same names in several functions. */
#include <stdint.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

NOINLINE static int next_id(void)
{
    static int id = 100;
    return id++;
}

NOINLINE static int other_id(void)
{
    static int id = 100;
    return id += 2;
}

NOINLINE static uint32_t noise(void)
{
    static uint32_t state = 2463534242u;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

NOINLINE static long cached_square(int n)
{
    static long cache[10];
    static int hits, misses;
    if (n < 0)
        return hits * 100 + misses;
    if (cache[n])
        hits++;
    else {
        misses++;
        cache[n] = (long)n * n + 1;
    }
    return cache[n] - 1;
}

/* A generator by Duff: it goes on where it left off. */
NOINLINE static int generate(int restart)
{
    static int state, i, j;
    if (restart)
        state = 0;
    switch (state) {
    case 0:
        for (i = 1; i <= 3; i++) {
            for (j = i; j <= 3; j++) {
                state = 1;
                return i * 10 + j;
    case 1:;
            }
        }
        state = 2; /* fall through */
    default:
        return -1;
    }
}

NOINLINE static const int *remember(int x)
{
    static int ring[4];
    static unsigned at;
    int *slot = &ring[at++ % 4];
    *slot = x;
    return slot;
}

NOINLINE static int set_once(int x)
{
    static _Bool done;
    static int value;
    if (!done) {
        done = 1;
        value = x;
    }
    return value;
}

static int depth_now, depth_most;
NOINLINE static void nest(int n)
{
    if (++depth_now > depth_most)
        depth_most = depth_now;
    while (n-- > 0)
        nest(n);
    depth_now--;
}

int main(void)
{
    CHECK(next_id() == 100 && other_id() == 102 && next_id() == 101 && other_id() == 104);
    CHECK(noise() == 723471715u && noise() == 2497366906u && noise() == 2064144800u);
    for (int round = 0; round < 3; round++)
        for (int n = 0; n < 5; n++)
            CHECK(cached_square(n) == n * n);
    CHECK(cached_square(-1) == 1005);
    static const int want[] = {11, 12, 13, 22, 23, 33, -1, -1};
    for (int i = 0; i < 8; i++)
        CHECK(generate(0) == want[i]);
    CHECK(generate(1) == 11 && generate(0) == 12 && generate(1) == 11);
    const int *first = remember(1), *second = remember(2);
    CHECK(first != second && *first == 1 && *second == 2);
    remember(3);
    remember(4);
    CHECK(remember(5) == first && *first == 5 && *second == 2);
    CHECK(set_once(7) == 7 && set_once(8) == 7);
    nest(5);
    CHECK(depth_now == 0 && depth_most == 6);
    return bad;
}
