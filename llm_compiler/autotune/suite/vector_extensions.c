/* GNU vectors: lane arithmetic, comparisons as masks, shuffles, conversions, subscripts, unions, arguments. */
#include <stdint.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

typedef int32_t v4i __attribute__((vector_size(16)));
typedef uint8_t v16b __attribute__((vector_size(16)));
typedef int16_t v8s __attribute__((vector_size(16)));
typedef float v4f __attribute__((vector_size(16)));
typedef double v2d __attribute__((vector_size(16)));
typedef int64_t v2l __attribute__((vector_size(16)));
typedef int32_t v2i __attribute__((vector_size(8)));

NOINLINE static v4i select4(v4i mask, v4i a, v4i b) { return (a & mask) | (b & ~mask); }
NOINLINE static v4i larger(v4i a, v4i b) { return select4(a > b, a, b); }
NOINLINE static int total(v4i x) { return x[0] + x[1] + x[2] + x[3]; }
NOINLINE static v4i reversed(v4i x) { return __builtin_shufflevector(x, x, 3, 2, 1, 0); }
NOINLINE static v4i interleaved(v4i a, v4i b) { return __builtin_shufflevector(a, b, 0, 4, 1, 5); }
NOINLINE static v16b saturating(v16b a, v16b b)
{
    v16b s = a + b;
    return s | (v16b)(s < a);
}

NOINLINE static v4f polynomial(v4f x) { return (x * 2.0f + 1.0f) * x - 3.0f; }

NOINLINE static int64_t dot(const int16_t *a, const int16_t *b, int n)
{
    v2l sum = {0, 0};
    for (int i = 0; i + 8 <= n; i += 8) {
        v8s x, y;
        memcpy(&x, a + i, 16);
        memcpy(&y, b + i, 16);
        v8s p = x * y;
        for (int j = 0; j < 8; j++)
            sum[j & 1] += p[j];
    }
    return sum[0] - sum[1];
}

int main(void)
{
    v4i a = {1, -2, 3, INT32_MIN}, b = {0, 5, 3, 7};
    v4i big = larger(a, b);
    CHECK(big[0] == 1 && big[1] == 5 && big[2] == 3 && big[3] == 7);
    v4i mask = a == b;
    CHECK(mask[0] == 0 && mask[2] == -1);
    CHECK(total(b << 2) == 60 && total(b >> 1) == 6 && total(-b % 4) == -7 && total(b ^ b) == 0);
    v4i r = reversed(a);
    CHECK(r[0] == INT32_MIN && r[3] == 1);
    v4i m = interleaved(a, b);
    CHECK(m[0] == 1 && m[1] == 0 && m[2] == -2 && m[3] == 5);

    v16b x, y;
    for (int i = 0; i < 16; i++) {
        x[i] = (uint8_t)(i * 16);
        y[i] = (uint8_t)(i * 3);
    }
    v16b s = saturating(x, y);
    for (int i = 0; i < 16; i++)
        CHECK(s[i] == (i * 19 > 255 ? 255 : i * 19));

    v4f p = polynomial((v4f){0, 1, -1, 0.5f});
    CHECK(p[0] == -3 && p[1] == 0 && p[2] == -2 && p[3] == -2);
    v2d d = __builtin_convertvector(((v2i){-3, 2000000000}), v2d);
    CHECK(d[0] == -3.0 && d[1] == 2e9);
    v2l order = d < (v2d){0, 0};
    CHECK(order[0] == -1 && order[1] == 0);

    int16_t u[24], w[24];
    for (int i = 0; i < 24; i++) {
        u[i] = (int16_t)(i - 12);
        w[i] = (int16_t)(i % 5);
    }
    int64_t want = 0;
    for (int i = 0; i < 24; i++)
        want += i & 1 ? -u[i] * w[i] : u[i] * w[i];
    CHECK(dot(u, w, 24) == want && dot(u, w, 7) == 0);
    volatile int lane = 2;
    a[lane] = 99;
    CHECK(a[2] == 99 && a[lane - 1] == -2 && a[lane + 1] == INT32_MIN);
    return bad;
}
