// flags: -lm
/* SHA-256 and MD5 with their tables computed, against their published answers. */
#include <math.h>
#include <stdint.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

static uint32_t left(uint32_t x, int n) { return x << n | x >> (32 - n); }
static uint32_t right(uint32_t x, int n) { return x >> n | x << (32 - n); }

static uint32_t root(uint32_t p, int cube)
{
    /* The first 32 bits of the fraction of p's square or cube root, by bisection on integers. */
    uint64_t low = 0, high = UINT64_C(1) << 36;
    while (high - low > 1) {
        uint64_t x = (low + high) / 2;
        unsigned __int128 y = (unsigned __int128)x * x;
        int above = cube ? y > ((((unsigned __int128)p << 96) - 1) / x) : y > (unsigned __int128)p << 64;
        if (above)
            high = x;
        else
            low = x;
    }
    return (uint32_t)low;
}

static uint32_t k256[64], h256[8];

NOINLINE static void sha256(const uint8_t block[64], uint32_t h[8])
{
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | block[4 * i + 1] << 16 | block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 64; i++)
        w[i] = w[i - 16] + (right(w[i - 15], 7) ^ right(w[i - 15], 18) ^ w[i - 15] >> 3) + w[i - 7] +
               (right(w[i - 2], 17) ^ right(w[i - 2], 19) ^ w[i - 2] >> 10);
    memcpy(v, h, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t a = v[0], e = v[4];
        uint32_t t = v[7] + (right(e, 6) ^ right(e, 11) ^ right(e, 25)) + ((e & v[5]) ^ (~e & v[6])) + k256[i] + w[i];
        uint32_t u = (right(a, 2) ^ right(a, 13) ^ right(a, 22)) + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 28);
        v[4] += t;
        v[0] = t + u;
    }
    for (int i = 0; i < 8; i++)
        h[i] += v[i];
}

NOINLINE static void md5(const uint8_t block[64], const uint32_t k[64], uint32_t h[4])
{
    static const int turns[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3];
    for (int i = 0; i < 64; i++) {
        uint32_t f, w;
        int g;
        switch (i / 16) {
        case 0: f = (b & c) | (~b & d); g = i; break;
        case 1: f = (d & b) | (~d & c); g = (5 * i + 1) % 16; break;
        case 2: f = b ^ c ^ d; g = (3 * i + 5) % 16; break;
        default: f = c ^ (b | ~d); g = 7 * i % 16;
        }
        w = block[4 * g] | block[4 * g + 1] << 8 | block[4 * g + 2] << 16 | (uint32_t)block[4 * g + 3] << 24;
        f += a + k[i] + w;
        a = d;
        d = c;
        c = b;
        b += left(f, turns[i / 16][i % 4]);
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d;
}

int main(void)
{
    int found = 0;
    for (uint32_t p = 2; found < 64; p++) {
        int prime = 1;
        for (uint32_t d = 2; d * d <= p; d++)
            prime &= p % d != 0;
        if (!prime)
            continue;
        if (found < 8)
            h256[found] = root(p, 0);
        k256[found++] = root(p, 1);
    }
    CHECK(h256[0] == 0x6a09e667 && h256[7] == 0x5be0cd19 && k256[0] == 0x428a2f98 && k256[63] == 0xc67178f2);
    uint8_t block[64] = "abc\x80";
    block[63] = 24;
    uint32_t h[8];
    memcpy(h, h256, sizeof h);
    sha256(block, h);
    CHECK(h[0] == 0xba7816bf && h[1] == 0x8f01cfea && h[2] == 0x414140de && h[7] == 0xf20015ad);

    uint32_t sines[64], m[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    for (int i = 0; i < 64; i++)
        sines[i] = (uint32_t)(fabs(sin(i + 1)) * 4294967296.0);
    CHECK(sines[0] == 0xd76aa478 && sines[63] == 0xeb86d391);
    uint8_t other[64] = "abc\x80";
    other[56] = 24;
    md5(other, sines, m);
    CHECK(m[0] == 0x98500190 && m[1] == 0xb04fd23c && m[2] == 0x7d3f96d6 && m[3] == 0x727fe128);
    return bad;
}
