/* Usual arithmetic conversions: narrow types promote, mixed signs convert, results are cut on assignment. */
#include <stdint.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

NOINLINE static int sum_bytes(uint8_t a, uint8_t b) { return a + b; }
NOINLINE static uint8_t cut_sum(uint8_t a, uint8_t b) { return (uint8_t)(a + b); }
NOINLINE static int complement_is(uint8_t a) { return (~a == 0xff - a) + 2 * ((uint8_t)~a == 0xff - a); }
NOINLINE static int shifted(int8_t a) { return a * 16 >> 4; }
NOINLINE static int sign_lost(signed char c) { return (unsigned char)c; }
NOINLINE static int sign_kept(unsigned char c) { return (signed char)c; }
NOINLINE static int less_mixed(int a, unsigned b) { return (unsigned)a < b; }
NOINLINE static int less_wide(int a, uint32_t b) { return (int64_t)a < (int64_t)b; }
NOINLINE static int64_t product(uint32_t a, int64_t b) { return a * b; }
NOINLINE static uint64_t widened(int32_t x) { return (uint64_t)x; }
NOINLINE static uint64_t zero_extended(int32_t x) { return (uint32_t)x; }
NOINLINE static int compound(uint8_t start)
{
    uint8_t b = start;
    int8_t c = (int8_t)(start & 63);
    b += 200;
    b <<= 1;
    b /= 3;
    c -= 100;
    c /= 2;
    b ^= (uint8_t)c;
    return b * 1000 + c;
}

NOINLINE static unsigned loop_of_bytes(void)
{
    unsigned n = 0;
    uint8_t i = 250;
    do
        n += i;
    while (++i != 5);
    return n;
}

NOINLINE static int average_of_bytes(const uint8_t *p, int n)
{
    uint16_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += p[i];
    return sum / n;
}

int main(void)
{
    CHECK(sum_bytes(200, 100) == 300 && cut_sum(200, 100) == 44);
    for (int i = 0; i < 256; i++) {
        CHECK(complement_is((uint8_t)i) == 2);
        CHECK(sign_lost(sign_kept((unsigned char)i)) == i);
        CHECK(shifted((int8_t)(i - 128)) == i - 128);
    }
    CHECK(sign_kept(128) == -128 && sign_kept(127) == 127 && sign_lost(-1) == 255);
    CHECK(!less_mixed(-1, 1) && less_wide(-1, 1) && less_mixed(1, UINT32_MAX) && less_wide(1, UINT32_MAX));
    CHECK(product(4000000000u, -2) == -8000000000);
    CHECK(widened(-2) == UINT64_MAX - 1 && zero_extended(-2) == 4294967294u);
    CHECK(compound(100) == (uint8_t)(((300 & 255) * 2 & 255) / 3 ^ (uint8_t)-32) * 1000 - 32);
    CHECK(loop_of_bytes() == 250 + 251 + 252 + 253 + 254 + 255 + 0 + 1 + 2 + 3 + 4);
    static const uint8_t bytes[300] = {[0 ... 255] = 255, [256 ... 299] = 6};
    CHECK(average_of_bytes(bytes, 3) == 255 && average_of_bytes(bytes, 256) == 65280 / 256);
    CHECK(average_of_bytes(bytes, 300) == 0 && average_of_bytes(bytes + 250, 50) == (6 * 255 + 44 * 6) / 50);
    volatile uint16_t most = 65535;
    CHECK((uint32_t)most * most == 4294836225u && (uint16_t)(most + 1) == 0 && most + 1 == 65536);
    volatile char c = 'A';
    CHECK(sizeof(c + c) == sizeof(int) && (c | 32) == 'a' && -(uint8_t)c == -65);
    return bad;
}
