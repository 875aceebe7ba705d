/* Volatile objects: reads are not cached, writes are not dropped, loops over them are not removed. */
#include <signal.h>
#include <stdint.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

static volatile sig_atomic_t ticks;
static volatile uint32_t port;

static void on_signal(int number)
{
    (void)number;
    ticks = ticks + 1;
}

/* Between two reads without a write in sight a handler changes the value. */
NOINLINE static int changed_behind_our_back(void)
{
    int before = ticks;
    raise(SIGUSR1);
    int between = ticks;
    raise(SIGUSR1);
    return (between - before) * 10 + (ticks - between);
}

NOINLINE static int wait_for(int n)
{
    int spins = 0;
    while (ticks < n) {
        raise(SIGUSR1);
        spins++;
    }
    return spins;
}

/* Toggling a "register": the sequence as the device would see it, replayed. */
NOINLINE static uint32_t replay(int n)
{
    uint32_t seen = 0;
    for (int i = 0; i < n; i++) {
        port = 1;
        seen = seen * 2 + port;
        port = 0;
        seen = seen * 2 + port;
        port = port ^ 1;
        seen = seen * 2 + (port & 1);
    }
    return seen;
}

struct device {
    volatile uint8_t status;
    uint8_t plain;
    const volatile uint16_t *input;
};

NOINLINE static int poll(struct device *d)
{
    int s = 0;
    for (int i = 0; i < 4; i++) {
        d->status = (uint8_t)(d->status + 1);
        d->plain++;
        s += d->status * *d->input;
    }
    return s;
}

int main(void)
{
    signal(SIGUSR1, on_signal);
    CHECK(changed_behind_our_back() == 11 && ticks == 2);
    CHECK(wait_for(10) == 8 && wait_for(10) == 0);
    CHECK(replay(3) == 0x16d && port == 1); /* 101 101 101 */

    volatile uint16_t in = 3;
    struct device d = {250, 254, &in};
    CHECK(poll(&d) == 3 * (251 + 252 + 253 + 254) && d.plain == 2);
    CHECK(poll(&d) == 3 * (255 + 0 + 1 + 2));

    volatile int zero = 0;
    int x = zero, y = zero;
    CHECK(x - y == 0 && (zero, 5) == 5 && zero * 0 == 0);
    volatile double half = 0.5;
    double product = 1;
    for (volatile int i = 0; i < 10; i = i + 1)
        product *= half + half;
    CHECK(product == 1.0);
    return bad;
}
