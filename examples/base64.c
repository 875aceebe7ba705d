/* Base64 (standard and URL alphabets), hexadecimal, CRC-32, CRC-16 and Adler-32, with tables computed at start-up and by hand.
 * Exercises bit packing, lookup tables, remainder handling, strict input checking and near-duplicate encoders. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef enum { CODEC_OK, CODEC_NO_SPACE, CODEC_BAD_LENGTH, CODEC_BAD_CHARACTER, CODEC_BAD_PADDING, CODEC_STRAY_BITS } codec_status;

typedef struct {
    codec_status status;
    size_t length;   /* bytes written when all is well */
    size_t position; /* where the input is wrong otherwise */
} codec_result;

static const char standard_alphabet[64 + 1] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_alphabet[64 + 1] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static codec_result done(size_t length) { return (codec_result){CODEC_OK, length, 0}; }
static codec_result wrong(codec_status status, size_t position) { return (codec_result){status, 0, position}; }

const char *codec_message(codec_status status)
{
    switch (status) {
    case CODEC_OK: return "ok";
    case CODEC_NO_SPACE: return "output buffer too small";
    case CODEC_BAD_LENGTH: return "impossible length";
    case CODEC_BAD_CHARACTER: return "character outside the alphabet";
    case CODEC_BAD_PADDING: return "padding in the wrong place";
    case CODEC_STRAY_BITS: return "unused bits are not zero";
    }
    return "unknown status";
}

codec_result base64_encode(const uint8_t *data, size_t length, char *out, size_t capacity)
{
    size_t n = 0, i = 0;
    if (capacity < (length + 2) / 3 * 4 + 1)
        return wrong(CODEC_NO_SPACE, 0);
    for (; i + 3 <= length; i += 3) {
        uint32_t group = (uint32_t)data[i] << 16 | (uint32_t)data[i + 1] << 8 | data[i + 2];
        out[n++] = standard_alphabet[group >> 18];
        out[n++] = standard_alphabet[group >> 12 & 63];
        out[n++] = standard_alphabet[group >> 6 & 63];
        out[n++] = standard_alphabet[group & 63];
    }
    if (length - i == 1) {
        out[n++] = standard_alphabet[data[i] >> 2];
        out[n++] = standard_alphabet[(data[i] & 3) << 4];
        out[n++] = '=';
        out[n++] = '=';
    } else if (length - i == 2) {
        out[n++] = standard_alphabet[data[i] >> 2];
        out[n++] = standard_alphabet[(data[i] & 3) << 4 | data[i + 1] >> 4];
        out[n++] = standard_alphabet[(data[i + 1] & 15) << 2];
        out[n++] = '=';
    }
    out[n] = '\0';
    return done(n);
}

/* No padding: the length says what is missing. */
codec_result base64_url_encode(const uint8_t *data, size_t length, char *out, size_t capacity)
{
    size_t n = 0, i = 0;
    if (capacity < (length * 4 + 2) / 3 + 1)
        return wrong(CODEC_NO_SPACE, 0);
    for (; i + 3 <= length; i += 3) {
        uint32_t group = (uint32_t)data[i] << 16 | (uint32_t)data[i + 1] << 8 | data[i + 2];
        out[n++] = url_alphabet[group >> 18];
        out[n++] = url_alphabet[group >> 12 & 63];
        out[n++] = url_alphabet[group >> 6 & 63];
        out[n++] = url_alphabet[group & 63];
    }
    if (length - i == 1) {
        out[n++] = url_alphabet[data[i] >> 2];
        out[n++] = url_alphabet[(data[i] & 3) << 4];
    } else if (length - i == 2) {
        out[n++] = url_alphabet[data[i] >> 2];
        out[n++] = url_alphabet[(data[i] & 3) << 4 | data[i + 1] >> 4];
        out[n++] = url_alphabet[(data[i + 1] & 15) << 2];
    }
    out[n] = '\0';
    return done(n);
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+' || c == '-') return 62;
    if (c == '/' || c == '_') return 63;
    return -1;
}

/* Takes both alphabets, padded or not. */
codec_result base64_decode(const char *text, uint8_t *out, size_t capacity)
{
    size_t length = strlen(text), padding = 0, n = 0;
    uint32_t bits = 0;
    unsigned held = 0;
    while (padding < length && text[length - 1 - padding] == '=')
        padding++;
    if (padding && (padding > 2 || length % 4 != 0))
        return wrong(CODEC_BAD_PADDING, length - padding);
    length -= padding;
    if (length % 4 == 1)
        return wrong(CODEC_BAD_LENGTH, length);
    if (length * 3 / 4 > capacity)
        return wrong(CODEC_NO_SPACE, 0);
    for (size_t i = 0; i < length; i++) {
        int value = base64_value(text[i]);
        if (value < 0)
            return wrong(text[i] == '=' ? CODEC_BAD_PADDING : CODEC_BAD_CHARACTER, i);
        bits = (bits << 6 | (uint32_t)value) & 0xffff;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[n++] = (uint8_t)(bits >> held);
        }
    }
    if (bits & ((1u << held) - 1))
        return wrong(CODEC_STRAY_BITS, length - 1);
    return done(n);
}

codec_result hex_encode(const uint8_t *data, size_t length, char *out, size_t capacity)
{
    static const char digits[] = "0123456789abcdef";
    if (capacity < 2 * length + 1)
        return wrong(CODEC_NO_SPACE, 0);
    for (size_t i = 0; i < length; i++) {
        out[2 * i] = digits[data[i] >> 4];
        out[2 * i + 1] = digits[data[i] & 15];
    }
    out[2 * length] = '\0';
    return done(2 * length);
}

static int hex_value(char c)
{
    switch (c) {
    case '0': case '1': case '2': case '3': case '4':
    case '5': case '6': case '7': case '8': case '9': return c - '0';
    case 'a': case 'A': return 10;
    case 'b': case 'B': return 11;
    case 'c': case 'C': return 12;
    case 'd': case 'D': return 13;
    case 'e': case 'E': return 14;
    case 'f': case 'F': return 15;
    default: return -1;
    }
}

codec_result hex_decode(const char *text, uint8_t *out, size_t capacity)
{
    size_t length = strlen(text);
    if (length % 2)
        return wrong(CODEC_BAD_LENGTH, length);
    if (length / 2 > capacity)
        return wrong(CODEC_NO_SPACE, 0);
    for (size_t i = 0; i < length; i += 2) {
        int high = hex_value(text[i]), low = hex_value(text[i + 1]);
        if (high < 0 || low < 0)
            return wrong(CODEC_BAD_CHARACTER, high < 0 ? i : i + 1);
        out[i / 2] = (uint8_t)(high << 4 | low);
    }
    return done(length / 2);
}

static uint32_t crc32_table[256];
static uint16_t crc16_table[256];

void crc_tables_init(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c32 = i;
        uint32_t c16 = i << 8;
        for (int bit = 0; bit < 8; bit++) {
            c32 = c32 & 1 ? c32 >> 1 ^ 0xedb88320u : c32 >> 1;
            c16 = c16 & 0x8000 ? c16 << 1 ^ 0x1021 : c16 << 1;
        }
        crc32_table[i] = c32;
        crc16_table[i] = (uint16_t)c16;
    }
}

/* Start with 0; feed the result back in to go on. */
uint32_t crc32_update(uint32_t crc, const uint8_t *data, size_t length)
{
    crc = ~crc;
    for (size_t i = 0; i < length; i++)
        crc = crc32_table[(crc ^ data[i]) & 0xff] ^ crc >> 8;
    return ~crc;
}

uint32_t crc32_bitwise(const uint8_t *data, size_t length)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < length; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1)));
    }
    return ~crc;
}

/* Sixteen entries, a nibble at a time: what a small controller would use. */
uint32_t crc32_nibbles(const uint8_t *data, size_t length)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < length; i++) {
        crc = table[(crc ^ data[i]) & 15] ^ crc >> 4;
        crc = table[(crc ^ data[i] >> 4) & 15] ^ crc >> 4;
    }
    return ~crc;
}

uint16_t crc16_ccitt(const uint8_t *data, size_t length)
{
    uint16_t crc = 0xffff;
    for (size_t i = 0; i < length; i++)
        crc = (uint16_t)(crc16_table[(crc >> 8 ^ data[i]) & 0xff] ^ crc << 8);
    return crc;
}

uint32_t adler32(const uint8_t *data, size_t length)
{
    uint32_t a = 1, b = 0;
    while (length > 0) {
        size_t run = length < 5552 ? length : 5552;
        length -= run;
        for (; run > 0; run--) {
            a += *data++;
            b += a;
        }
        a %= 65521;
        b %= 65521;
    }
    return b << 16 | a;
}

static int checks;
#define CHECK(cond)                                                                \
    do {                                                                           \
        checks++;                                                                  \
        if (!(cond)) {                                                             \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #cond);     \
            return 1;                                                              \
        }                                                                          \
    } while (0)

static uint32_t lcg_state = 1;
static uint32_t lcg(void)
{
    lcg_state = lcg_state * 1664525u + 1013904223u;
    return lcg_state >> 16;
}

static int check_vectors(void)
{
    static const struct { const char *plain, *base64, *url; } cases[] = {
        {"", "", ""}, {"f", "Zg==", "Zg"}, {"fo", "Zm8=", "Zm8"}, {"foo", "Zm9v", "Zm9v"},
        {"foob", "Zm9vYg==", "Zm9vYg"}, {"fooba", "Zm9vYmE=", "Zm9vYmE"}, {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
        {"\xfb\xff\xbf", "+/+/", "-_-_"},
    };
    char encoded[32];
    uint8_t decoded[32];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = strlen(cases[i].plain);
        const uint8_t *plain = (const uint8_t *)cases[i].plain;
        CHECK(base64_encode(plain, n, encoded, sizeof encoded).length == strlen(cases[i].base64));
        CHECK(strcmp(encoded, cases[i].base64) == 0);
        CHECK(base64_url_encode(plain, n, encoded, sizeof encoded).length == strlen(cases[i].url));
        CHECK(strcmp(encoded, cases[i].url) == 0);
        CHECK(base64_decode(cases[i].base64, decoded, sizeof decoded).length == n && !memcmp(decoded, plain, n));
        CHECK(base64_decode(cases[i].url, decoded, sizeof decoded).length == n && !memcmp(decoded, plain, n));
    }
    return 0;
}

static int check_errors(void)
{
    static const struct { const char *in; codec_status status; size_t position; } cases[] = {
        {"Zg=", CODEC_BAD_PADDING, 2}, {"Zg===", CODEC_BAD_PADDING, 2}, {"Z", CODEC_BAD_LENGTH, 1},
        {"Zm 9v", CODEC_BAD_LENGTH, 5}, {"Zm*v", CODEC_BAD_CHARACTER, 2}, {"Zg==Zg==", CODEC_BAD_PADDING, 2},
        {"Zh==", CODEC_STRAY_BITS, 1}, {"Zm9=", CODEC_STRAY_BITS, 2}, {"Z\xc3\xa9v", CODEC_BAD_CHARACTER, 1},
    };
    uint8_t out[8];
    char text[8];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        codec_result r = base64_decode(cases[i].in, out, sizeof out);
        CHECK(r.status == cases[i].status && r.position == cases[i].position);
        CHECK(strcmp(codec_message(r.status), "ok") != 0);
    }
    CHECK(base64_decode("Zm9vYmFyZm9v", out, sizeof out).status == CODEC_NO_SPACE);
    CHECK(base64_encode(out, 4, text, 8).status == CODEC_NO_SPACE);
    CHECK(hex_encode(out, 4, text, 8).status == CODEC_NO_SPACE);
    CHECK(hex_decode("abc", out, sizeof out).status == CODEC_BAD_LENGTH);
    CHECK(hex_decode("ag", out, sizeof out).position == 1);
    CHECK(hex_decode("00fFA5", out, sizeof out).length == 3 && out[1] == 0xff && out[2] == 0xa5);
    return 0;
}

static int check_round_trips(void)
{
    uint8_t data[200], back[200];
    char text[420];
    for (size_t n = 0; n <= sizeof data; n++) {
        for (size_t i = 0; i < n; i++)
            data[i] = (uint8_t)lcg();
        CHECK(base64_encode(data, n, text, sizeof text).status == CODEC_OK);
        CHECK(base64_decode(text, back, sizeof back).length == n && memcmp(data, back, n) == 0);
        CHECK(base64_url_encode(data, n, text, sizeof text).status == CODEC_OK);
        CHECK(base64_decode(text, back, sizeof back).length == n && memcmp(data, back, n) == 0);
        CHECK(hex_encode(data, n, text, sizeof text).status == CODEC_OK);
        CHECK(hex_decode(text, back, sizeof back).length == n && memcmp(data, back, n) == 0);
        uint32_t crc = crc32_update(0, data, n);
        CHECK(crc == crc32_bitwise(data, n) && crc == crc32_nibbles(data, n));
        CHECK(crc == crc32_update(crc32_update(0, data, n / 3), data + n / 3, n - n / 3));
    }
    return 0;
}

int main(void)
{
    const uint8_t *digits = (const uint8_t *)"123456789";
    static uint8_t many[20000];
    crc_tables_init();
    CHECK(crc32_update(0, digits, 9) == 0xcbf43926u);
    CHECK(crc16_ccitt(digits, 9) == 0x29b1);
    CHECK(adler32((const uint8_t *)"Wikipedia", 9) == 0x11e60398u);
    memset(many, 0xff, sizeof many);
    uint64_t a = 1, b = 0;
    for (size_t i = 0; i < sizeof many; i++) {
        a = (a + 255) % 65521;
        b = (b + a) % 65521;
    }
    CHECK(adler32(many, sizeof many) == (b << 16 | a));
    if (check_vectors() || check_errors() || check_round_trips())
        return 1;
    printf("base64: %d checks passed\n", checks);
    return 0;
}
