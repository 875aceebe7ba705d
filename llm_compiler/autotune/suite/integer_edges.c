/* Limits of signed and unsigned integers: division, remainder, shifts, negation, comparisons at the edges. */
#include <limits.h>
#include <stdint.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

NOINLINE static int divide(int a, int b) { return a / b; }
NOINLINE static int modulo(int a, int b) { return a % b; }
NOINLINE static int half(int a) { return a / 2; }
NOINLINE static int eighth_rest(int a) { return a % 8; }
NOINLINE static int floor_half(int a) { return a >> 1; }
NOINLINE static unsigned rotate(unsigned x, unsigned n) { return x << (n & 31) | x >> (-n & 31); }
NOINLINE static uint64_t rotate64(uint64_t x, unsigned n) { return x << (n & 63) | x >> (-n & 63); }
NOINLINE static int sign(int x) { return (x > 0) - (x < 0); }
NOINLINE static unsigned distance(int a, int b) { return a < b ? (unsigned)b - (unsigned)a : (unsigned)a - (unsigned)b; }
NOINLINE static int in_range(int x, int low, int high) { return x >= low && x <= high; }
NOINLINE static int is_letter(int c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
NOINLINE static unsigned absolute(int x) { return x < 0 ? 0u - (unsigned)x : (unsigned)x; }
NOINLINE static int average(int a, int b) { return (a & b) + ((a ^ b) >> 1); }
NOINLINE static int compare_mixed(int a, unsigned b) { return (unsigned)a < b; }
NOINLINE static int add_one_greater(unsigned x) { return x + 1 > x; }

int main(void)
{
    static const int edges[] = {INT_MIN, INT_MIN + 1, -65536, -9, -8, -7, -1, 0, 1, 7, 8, 9, 65535, INT_MAX - 1,
        INT_MAX};
    enum { N = sizeof edges / sizeof *edges };
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            int a = edges[i], b = edges[j];
            int64_t wide_a = a, wide_b = b;
            if (b != 0 && !(a == INT_MIN && b == -1)) {
                CHECK(divide(a, b) == wide_a / wide_b && modulo(a, b) == wide_a % wide_b);
                CHECK(divide(a, b) * wide_b + modulo(a, b) == wide_a);
            }
            CHECK(distance(a, b) == (wide_a < wide_b ? wide_b - wide_a : wide_a - wide_b));
            CHECK(average(a, b) == (wide_a + wide_b - ((wide_a + wide_b) & 1)) / 2);
            CHECK(sign(a) == (i > 7) - (i < 7) && compare_mixed(a, (unsigned)b) == ((unsigned)a < (unsigned)b));
            CHECK(in_range(a, b, b) == (i == j) && in_range(a, INT_MIN, b) == (i <= j) &&
                  in_range(a, b, INT_MAX) == (i >= j));
        }
    CHECK(half(-7) == -3 && half(7) == 3 && half(INT_MIN) == INT_MIN / 2 && half(-1) == 0);
    CHECK(floor_half(-7) == -4 && floor_half(-1) == -1 && floor_half(INT_MIN) == -1073741824);
    CHECK(eighth_rest(-9) == -1 && eighth_rest(-8) == 0 && eighth_rest(INT_MIN) == 0 && eighth_rest(15) == 7);
    for (unsigned n = 0; n < 70; n++) {
        CHECK(rotate(rotate(0x12345678u, n), 32 - n % 32) == 0x12345678u);
        CHECK(rotate64(1, n) == UINT64_C(1) << (n % 64));
    }
    CHECK(rotate(0x80000001u, 1) == 3 && rotate(5, 0) == 5 && rotate(5, 32) == 5);
    CHECK(absolute(INT_MIN) == 2147483648u && absolute(-3) == 3 && absolute(INT_MAX) == INT_MAX);
    CHECK(!add_one_greater(UINT_MAX) && add_one_greater(0) && add_one_greater(INT_MAX));
    int letters = 0;
    for (int c = -300; c < 300; c++)
        letters += is_letter(c);
    CHECK(letters == 52 && !is_letter('@') && !is_letter('[') && !is_letter('`') && !is_letter('{'));
    return bad;
}
