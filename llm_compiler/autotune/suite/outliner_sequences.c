/* The same stretches of code again and again, with other inputs, outputs, constants and exits: food for outliners. */
#include <stdint.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

static int g1, g2, g3;
static uint32_t state = 1;

NOINLINE static uint32_t next(void) { return state = state * 1103515245u + 12345u; }

#define SEQUENCE(X, Y, K) \
    do { \
        g1 += (X) * 3 - (Y); \
        g2 ^= (int)((unsigned)g1 << 2 & 0xffff); \
        g3 = (g2 + (K)) % 1009; \
        g1 = g3 - (X); \
    } while (0)

NOINLINE static int first(int a, int b)
{
    SEQUENCE(a, b, 17);
    int t = g1 * 2 + g2;
    SEQUENCE(b, a, 17);
    return t + g3;
}
NOINLINE static int second(int a, int b, int c)
{
    SEQUENCE(c, a, 17);
    if (g1 & 1) {
        SEQUENCE(a, b, 18);
        return g1 + g2 + g3;
    }
    SEQUENCE(b, c, 17);
    return g1 - g2 + g3;
}
NOINLINE static int third(const int *p, int n)
{
    int s = 0;
    for (int i = 0; i + 1 < n; i++) {
        SEQUENCE(p[i], p[i + 1], 17);
        s += g3;
        if (s > 3000) {
            SEQUENCE(s % 100, i, 17);
            return -s;
        }
    }
    return s;
}
/* Reference: the same by an honest loop over volatile state. */
static volatile int r1, r2, r3;
static void reference(int x, int y, int k)
{
    r1 = r1 + x * 3 - y;
    r2 = r2 ^ ((int)((unsigned)r1 << 2) & 0xffff);
    r3 = (r2 + k) % 1009;
    r1 = r3 - x;
}

NOINLINE static uint32_t mix_a(uint32_t x)
{
    x ^= x >> 16; x *= 0x7feb352du; x ^= x >> 15; x *= 0x846ca68bu; x ^= x >> 16;
    return x;
}
NOINLINE static uint32_t mix_b(uint32_t x, uint32_t y)
{
    x ^= x >> 16; x *= 0x7feb352du; x ^= x >> 15; x *= 0x846ca68bu; x ^= x >> 16;
    y ^= y >> 16; y *= 0x7feb352du; y ^= y >> 15; y *= 0x846ca68bu; y ^= y >> 16;
    return x - y;
}
NOINLINE static uint32_t mix_c(uint32_t x)
{
    x ^= x >> 16; x *= 0x7feb352du; x ^= x >> 15; x *= 0x846ca68bu; x ^= x >> 17;
    return x;
}

int main(void)
{
    static const int p[] = {5, 9, 2, 7, 7, 1, 100, 50, 3, 250, 8, 8};
    for (int i = 0; i < 12; i++) {
        int a = p[i], b = p[11 - i], c = p[(i * 5) % 12];
        g1 = r1 = i;
        g2 = r2 = i * 3;
        reference(a, b, 17);
        int t = r1 * 2 + r2;
        reference(b, a, 17);
        CHECK(first(a, b) == t + r3 && g1 == r1 && g2 == r2 && g3 == r3);
        reference(c, a, 17);
        int odd = r1 & 1;
        reference(odd ? a : b, odd ? b : c, odd ? 18 : 17);
        CHECK(second(a, b, c) == (odd ? r1 + r2 + r3 : r1 - r2 + r3) && g1 == r1);
    }
    int s = 0, done = 0;
    for (int i = 0; i < 11 && !done; i++) {
        reference(p[i], p[i + 1], 17);
        s += r3;
        if (s > 3000) {
            reference(s % 100, i, 17);
            done = 1;
        }
    }
    CHECK(third(p, 12) == (done ? -s : s) && g1 == r1 && g2 == r2 && third(p, 1) == 0);
    CHECK(mix_a(0) == 0 && mix_a(1) != mix_a(2) && mix_b(12345, 12345) == 0 && mix_b(7, 9) == mix_a(7) - mix_a(9));
    CHECK((mix_a(99) ^ mix_c(99)) >> 16 == 0 && (mix_a(99) >> 16) == (mix_c(99) >> 16));
    next();
    CHECK(next() == 1103515245u * (1103515245u + 12345u) + 12345u);
    return bad;
}
