/* Division and remainder by constants, which become multiplications, against the same with divisors unknown. */
#include <limits.h>
#include <stdint.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

#define DIVISORS(X) X(1) X(2) X(3) X(5) X(6) X(7) X(9) X(10) X(11) X(13) X(16) X(25) X(60) X(100) X(125) X(625) X(641) X(1000) \
    X(1024) X(4096) X(65535) X(86400) X(1000003) X(715827883) X(2147483647)

#define MAKE(D) \
    NOINLINE static int32_t s##D(int32_t x) { return x / D; } \
    NOINLINE static int32_t r##D(int32_t x) { return x % D; } \
    NOINLINE static int32_t n##D(int32_t x) { return x / -D; } \
    NOINLINE static uint32_t u##D(uint32_t x) { return x / D##u; } \
    NOINLINE static uint32_t v##D(uint32_t x) { return x % D##u; } \
    NOINLINE static int64_t l##D(int64_t x) { return x / D; } \
    NOINLINE static uint64_t w##D(uint64_t x) { return x % D##u; } \
    NOINLINE static int m##D(uint32_t x) { return x % D##u == 0; }
DIVISORS(MAKE)

static const struct row {
    int32_t d;
    int32_t (*s)(int32_t), (*r)(int32_t), (*n)(int32_t);
    uint32_t (*u)(uint32_t), (*v)(uint32_t);
    int64_t (*l)(int64_t);
    uint64_t (*w)(uint64_t);
    int (*m)(uint32_t);
} rows[] = {
#define ROW(D) {D, s##D, r##D, n##D, u##D, v##D, l##D, w##D, m##D},
    DIVISORS(ROW)
};

NOINLINE static int exact(int x) { return x * 12 / 12; }
NOINLINE static unsigned scaled(unsigned x) { return x / 10 * 10 + x % 10; }
NOINLINE static unsigned nested(unsigned x) { return x / 10 / 10 / 10; }
NOINLINE static uint8_t byte_tenth(uint8_t x) { return x / 10; }
NOINLINE static int16_t short_seventh(int16_t x) { return x / 7; }

int main(void)
{
    static const int64_t values[] = {0, 1, -1, 2, -2, 9, 10, -10, 99, 100, 640, 641, 999999, -1000003, 715827882,
        715827883,
        INT_MAX, INT_MIN + 1, INT_MIN, UINT_MAX, INT64_MAX, INT64_MIN + 1, INT64_C(-999999999999),
            INT64_C(1234567890123456789)};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        for (unsigned j = 0; j < sizeof values / sizeof *values; j++) {
            const struct row *row = &rows[i];
            volatile int32_t d = row->d, x = (int32_t)(uint32_t)values[j];
            volatile uint32_t ud = (uint32_t)d, ux = (uint32_t)values[j];
            volatile int64_t lx = values[j];
            CHECK(row->s(x) == x / d && row->r(x) == x % d && (d == 1 || row->n(x) == x / -d));
            CHECK(row->u(ux) == ux / ud && row->v(ux) == ux % ud && row->m(ux) == (ux % ud == 0));
            CHECK(row->l(lx) == lx / d && row->w((uint64_t)lx) == (uint64_t)lx % ud);
        }
    volatile unsigned ten = 10;
    for (unsigned i = 0; i < 256; i++) {
        CHECK(byte_tenth((uint8_t)i) == i / ten && scaled(i * 16843009u) == i * 16843009u);
        CHECK(nested(i * 16843009u) == i * 16843009u / (ten * ten * ten) && exact((int)i - 128) == (int)i - 128);
        CHECK(short_seventh((int16_t)(i * 256 - 32768)) == (int16_t)((int)(i * 256 - 32768) / (int)(ten - 3)));
    }
    return bad;
}
