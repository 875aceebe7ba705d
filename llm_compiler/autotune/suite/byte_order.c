/* Byte order and unaligned access: loads put together from bytes, swaps by shifts, memcpy at odd addresses. */
#include <stdint.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

NOINLINE static uint32_t load_little(const uint8_t *p) { return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24; }
NOINLINE static uint32_t load_big(const uint8_t *p) { return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]; }
NOINLINE static uint16_t load_big16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
NOINLINE static uint64_t load_big64(const uint8_t *p)
{
    uint64_t x = 0;
    for (int i = 0; i < 8; i++)
        x = x << 8 | p[i];
    return x;
}
/* Nearly a 32-bit load, but not quite: one byte twice, one byte missing, a gap. */
NOINLINE static uint32_t load_odd(const uint8_t *p) { return p[0] | p[1] << 8 | p[1] << 16 | (uint32_t)p[3] << 24; }
NOINLINE static uint32_t load_three(const uint8_t *p) { return p[0] | p[1] << 8 | p[2] << 16; }
NOINLINE static uint32_t load_mixed(const uint8_t *p) { return p[1] | p[0] << 8 | p[3] << 16 | (uint32_t)p[2] << 24; }
NOINLINE static int32_t load_signed24(const uint8_t *p) { return (int32_t)(load_three(p) ^ 0x800000) - 0x800000; }

NOINLINE static void store_big(uint8_t *p, uint32_t x)
{
    p[0] = (uint8_t)(x >> 24);
    p[1] = (uint8_t)(x >> 16);
    p[2] = (uint8_t)(x >> 8);
    p[3] = (uint8_t)x;
}
NOINLINE static void store_little(uint8_t *p, uint32_t x)
{
    for (int i = 0; i < 4; i++, x >>= 8)
        p[i] = (uint8_t)x;
}

NOINLINE static uint32_t swap(uint32_t x) { return x >> 24 | (x >> 8 & 0xff00) | (x << 8 & 0xff0000) | x << 24; }
NOINLINE static uint64_t swap64(uint64_t x) { return (uint64_t)swap((uint32_t)x) << 32 | swap((uint32_t)(x >> 32)); }
NOINLINE static uint16_t swap16(uint16_t x) { return (uint16_t)(x << 8 | x >> 8); }
NOINLINE static uint32_t swap_halves(uint32_t x) { return (x & 0xff00ff) << 8 | (x >> 8 & 0xff00ff); }

NOINLINE static uint64_t unaligned(const void *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

struct __attribute__((packed)) record { uint8_t tag; uint32_t value; uint64_t wide; float f; };
NOINLINE static double read_record(const struct record *r) { return r->tag + r->value + (double)r->wide + r->f; }

int main(void)
{
    uint8_t bytes[24];
    for (int i = 0; i < 24; i++)
        bytes[i] = (uint8_t)(0xf0 + i * 5);
    int little = load_little(bytes) == (uint32_t)unaligned(bytes);
    for (int i = 0; i < 16; i++) {
        const uint8_t *p = bytes + i;
        uint32_t a = p[0], b = p[1], c = p[2], d = p[3];
        CHECK(load_little(p) == a + b * 256 + c * 65536 + d * 16777216 && load_big(p) == swap(load_little(p)));
        CHECK(load_odd(p) == a + b * 256 + b * 65536 + d * 16777216 && load_three(p) == a + b * 256 + c * 65536);
        CHECK(load_mixed(p) == swap_halves(load_little(p)) && load_big16(p) == swap16((uint16_t)load_little(p)));
        CHECK(load_signed24(p) == (int32_t)load_three(p) - (c & 128 ? 1 << 24 : 0));
        CHECK(load_big64(p) == ((uint64_t)load_big(p) << 32 | load_big(p + 4)));
        CHECK(unaligned(p) == (little ? swap64(load_big64(p)) : load_big64(p)));
        uint8_t out[7] = {1, 1, 1, 1, 1, 1, 1};
        store_big(out + 1, load_little(p));
        CHECK(out[0] == 1 && out[1] == d && out[4] == a && out[5] == 1);
        store_little(out + 2, load_big(p));
        CHECK(out[1] == d && out[2] == d && out[5] == a && out[6] == 1);
    }
    CHECK(swap(0x12345678) == 0x78563412 && swap64(1) == UINT64_C(1) << 56 && swap16(0xff) == 0xff00);
    CHECK(__builtin_bswap32(swap(77)) == 77 && __builtin_bswap64(swap64(78)) == 78 &&
          __builtin_bswap16(swap16(7)) == 7);
    struct record r[3] = {{1, 2, 3, 0.5f}, {4, 5, 6, 0.25f}, {255, UINT32_MAX, 1, 0}};
    CHECK(sizeof r == 51 && read_record(r) == 6.5 && read_record(r + 1) == 15.25 && read_record(r + 2) == 255);
    r[1].value = 50;
    CHECK(r[1].tag == 4 && r[1].wide == 6 && read_record(r + 1) == 60.25);
    return bad;
}
