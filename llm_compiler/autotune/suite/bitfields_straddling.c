/* Bit fields that cross units, zero-width fields, packed structures, unions over fields, neighbours left alone. */
#include <stdint.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

struct __attribute__((packed)) packed {
    uint32_t a : 5;
    uint32_t b : 30;
    uint64_t c : 61;
    int32_t d : 24;
    uint8_t last;
};

struct split {
    uint8_t head;
    unsigned x : 9;
    unsigned : 0;
    unsigned y : 9;
    uint16_t : 5;
    uint16_t z : 11;
    uint8_t tail;
};

union view {
    struct { uint32_t low : 12, mid : 8, high : 12; } f;
    uint32_t word;
};

NOINLINE static void fill(struct packed *p, uint32_t seed)
{
    p->a = seed & 31;
    p->b = (seed * 2654435761u) & 0x3fffffff;
    p->c = (seed * UINT64_C(0x9e3779b97f4a7c15)) & UINT64_C(0x1fffffffffffffff);
    p->d = (int32_t)(seed % 16777216) - 8388608;
    p->last = seed & 255;
}

NOINLINE static int good(const struct packed *p, uint32_t seed)
{
    return p->a == (seed & 31) && p->b == ((seed * 2654435761u) & 0x3fffffff) &&
           p->c == ((seed * UINT64_C(0x9e3779b97f4a7c15)) & UINT64_C(0x1fffffffffffffff)) &&
           p->d == (int32_t)(seed % 16777216) - 8388608 && p->last == (seed & 255);
}

int main(void)
{
    struct packed table[9];
    CHECK(sizeof(struct packed) == 16);
    for (uint32_t i = 0; i < 9; i++)
        fill(&table[i], i * 12345677);
    for (uint32_t i = 0; i < 9; i++)
        CHECK(good(&table[i], i * 12345677));
    fill(&table[4], 77);
    CHECK(good(&table[3], 3u * 12345677) && good(&table[4], 77) && good(&table[5], 5u * 12345677));
    table[4].b = 0;
    CHECK(table[4].a == (77 & 31) && table[4].c == ((77 * UINT64_C(0x9e3779b97f4a7c15)) & UINT64_C(0x1fffffffffffffff)));

    struct split s;
    memset(&s, 0, sizeof s);
    for (unsigned i = 0; i < 600; i += 37) {
        s.head = (uint8_t)i;
        s.x = i & 511;
        s.y = ~i & 511;
        s.z = (i * 3) & 2047;
        s.tail = (uint8_t)(i + 1);
        CHECK(s.head == (i & 255) && s.x == (i & 511) && s.y == (~i & 511) && s.z == ((i * 3) & 2047));
        CHECK(s.tail == ((i + 1) & 255) && s.x + s.y == 511);
    }

    union view v = {.word = 0};
    v.f.low = 0xabc;
    v.f.mid = 0xde;
    v.f.high = 0x123;
    CHECK(v.word == 0x123deabc || v.word == 0xabcde123);
    v.f.mid = 0;
    CHECK(v.f.low == 0xabc && v.f.high == 0x123);
    return bad;
}
