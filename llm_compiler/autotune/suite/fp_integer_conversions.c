/* Integers to floating point and back, at the edges of every range; no conversion leaves its range. */
#include <float.h>
#include <limits.h>
#include <stdint.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

NOINLINE static double from_i64(int64_t x) { return (double)x; }
NOINLINE static double from_u64(uint64_t x) { return (double)x; }
NOINLINE static float from_u64f(uint64_t x) { return (float)x; }
NOINLINE static float from_i32f(int32_t x) { return (float)x; }
NOINLINE static double from_u32(uint32_t x) { return x; }
NOINLINE static int64_t to_i64(double x) { return (int64_t)x; }
NOINLINE static uint64_t to_u64(double x) { return (uint64_t)x; }
NOINLINE static int32_t to_i32(double x) { return (int32_t)x; }
NOINLINE static uint32_t to_u32(float x) { return (uint32_t)x; }
NOINLINE static int8_t to_i8(float x) { return (int8_t)x; }
NOINLINE static uint8_t to_u8(double x) { return (uint8_t)x; }
NOINLINE static _Bool to_bool(double x) { return x; }

int main(void)
{
    CHECK(from_i64(INT64_MIN) == -9223372036854775808.0);
    CHECK(from_i64(INT64_MAX) == 9223372036854775808.0);
    CHECK(from_i64(9007199254740993) == 9007199254740992.0);
    CHECK(from_i64(-9007199254740995) == -9007199254740996.0);
    CHECK(from_u64(UINT64_MAX) == 18446744073709551616.0);
    CHECK(from_u64(UINT64_C(0x8000000000000000)) == 9223372036854775808.0);
    CHECK(from_u64(UINT64_C(0x8000000000000400)) == 9223372036854775808.0);
    CHECK(from_u64(UINT64_C(0x8000000000000401)) == 9223372036854777856.0);
    CHECK(from_u64f(UINT64_C(0x8000008000000001)) == 9223373136366403584.0f); /* one rounding, not two */
    CHECK(from_u64f(UINT64_C(0x8000008000000000)) == 9223372036854775808.0f);
    CHECK(from_i32f(16777217) == 16777216.0f && from_i32f(INT_MAX) == 2147483648.0f);
    CHECK(from_u32(UINT32_MAX) == 4294967295.0);

    CHECK(to_i64(-9223372036854775808.0) == INT64_MIN);
    CHECK(to_i64(9223372036854774784.0) == INT64_C(9223372036854774784));
    CHECK(to_i64(-0.99) == 0 && to_i64(-1.99) == -1);
    CHECK(to_u64(18446744073709549568.0) == UINT64_C(18446744073709549568));
    CHECK(to_u64(9223372036854775808.0) == UINT64_C(1) << 63 && to_u64(-0.5) == 0);
    CHECK(to_i32(2147483647.9) == INT_MAX && to_i32(-2147483648.9) == INT_MIN);
    CHECK(to_u32(4294967040.0f) == 4294967040u && to_u32(2147483648.0f) == 2147483648u);
    CHECK(to_i8(-128.9f) == -128 && to_i8(127.9f) == 127 && to_u8(255.9) == 255);
    CHECK(to_bool(0.5) && to_bool(-1e-300) && !to_bool(-0.0) && to_bool(1.0 / from_u32(0)));

    /* To floating point and back must keep what fits, and must not keep what does not. */
    for (int shift = 0; shift < 63; shift++) {
        int64_t p = INT64_C(1) << shift;
        CHECK(to_i64(from_i64(p)) == p && to_i64(from_i64(-p)) == -p);
        if (shift <= 53)
            CHECK(to_i64(from_i64(p - 1)) == p - 1);
        else
            CHECK(to_i64(from_i64(p + 1)) == p);
    }
    for (int i = -300; i < 300; i++) {
        volatile float f = (float)i;
        CHECK((int)f == i && (int)(f / 2) == i / 2 && (short)(f * 4) == (short)(i * 4));
    }
    return bad;
}
