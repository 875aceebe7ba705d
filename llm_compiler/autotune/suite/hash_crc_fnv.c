/* Checksums with published answers: CRC-32, CRC-16, CRC-64, Adler-32, FNV-1a in 32 and 64 bits, djb2, Fletcher. */
#include <stdint.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

static uint32_t table[256];

static void make_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
        table[i] = c;
    }
}

NOINLINE static uint32_t crc32(uint32_t crc, const void *data, size_t n)
{
    const uint8_t *p = data;
    crc = ~crc;
    while (n--)
        crc = table[(crc ^ *p++) & 255] ^ crc >> 8;
    return ~crc;
}

NOINLINE static uint32_t crc32_bitwise(const char *s)
{
    uint32_t crc = ~0u;
    for (; *s; s++) {
        crc ^= (uint8_t)*s;
        for (int k = 8; k > 0; k--)
            crc = crc >> 1 ^ (0xedb88320u & -(crc & 1));
    }
    return ~crc;
}

NOINLINE static uint16_t crc16(const char *s)
{
    uint16_t crc = 0xffff;
    for (; *s; s++) {
        crc ^= (uint16_t)((uint8_t)*s << 8);
        for (int k = 0; k < 8; k++)
            crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
    }
    return crc;
}

NOINLINE static uint64_t crc64(const char *s)
{
    uint64_t crc = 0;
    for (; *s; s++) {
        crc ^= (uint64_t)(uint8_t)*s << 56;
        for (int k = 0; k < 8; k++)
            crc = crc >> 63 ? crc << 1 ^ UINT64_C(0x42f0e1eba9ea3693) : crc << 1;
    }
    return crc;
}

NOINLINE static uint32_t adler32(const char *s)
{
    uint32_t a = 1, b = 0;
    while (*s) {
        a = (a + (uint8_t)*s++) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

NOINLINE static uint16_t fletcher16(const char *s)
{
    unsigned a = 0, b = 0;
    while (*s) {
        a = (a + (uint8_t)*s++) % 255;
        b = (b + a) % 255;
    }
    return (uint16_t)(b << 8 | a);
}

NOINLINE static uint32_t fnv32(const char *s)
{
    uint32_t h = 2166136261u;
    for (; *s; s++)
        h = (h ^ (uint8_t)*s) * 16777619u;
    return h;
}

NOINLINE static uint64_t fnv64(const char *s)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *s; s++)
        h = (h ^ (uint8_t)*s) * UINT64_C(0x100000001b3);
    return h;
}

int main(void)
{
    static const char digits[] = "123456789", fox[] = "The quick brown fox jumps over the lazy dog";
    make_table();
    CHECK(table[1] == 0x77073096u && table[255] == 0x2d02ef8du);
    CHECK(crc32(0, digits, 9) == 0xcbf43926u && crc32(0, fox, strlen(fox)) == 0x414fa339u && crc32(0, "", 0) == 0);
    CHECK(crc32(crc32(0, fox, 10), fox + 10, strlen(fox) - 10) == 0x414fa339u);
    CHECK(crc32_bitwise(digits) == 0xcbf43926u && crc32_bitwise(fox) == 0x414fa339u);
    CHECK(crc16(digits) == 0x29b1 && crc64(digits) == UINT64_C(0x6c40df5f0b497347));
    CHECK(adler32("Wikipedia") == 0x11e60398u && adler32("") == 1 && fletcher16("abcde") == 0xc8f0 &&
          fletcher16("abcdefgh") == 0x0627);
    CHECK(fnv32("") == 0x811c9dc5u && fnv32("a") == 0xe40c292cu && fnv32("foobar") == 0xbf9cf968u);
    CHECK(fnv64("a") == UINT64_C(0xaf63dc4c8601ec8c) && fnv64("foobar") == UINT64_C(0x85944171f73967e8));
    return bad;
}
