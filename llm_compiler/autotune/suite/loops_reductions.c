/* Reductions of every kind, and recurrences that are none: carried dependences at distance 1, 2 and more. */
#include <stdint.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

enum { N = 67 };

static int a[N], b[N];
static uint8_t bytes[N];
static float f[N];

NOINLINE static int dot(int n)
{
    int s = 0;
    for (int i = 0; i < n; i++)
        s += a[i] * b[i];
    return s;
}
NOINLINE static unsigned xored(int n)
{
    unsigned s = 0;
    for (int i = 0; i < n; i++)
        s ^= (unsigned)a[i];
    return s;
}
NOINLINE static int all_bits(int n)
{
    int s = -1;
    for (int i = 0; i < n; i++)
        s &= a[i] | 64;
    return s;
}
NOINLINE static int most(int n)
{
    int s = a[0];
    for (int i = 1; i < n; i++)
        s = a[i] > s ? a[i] : s;
    return s;
}
NOINLINE static int sum_bytes(int n)
{
    int s = 0;
    for (int i = 0; i < n; i++)
        s += bytes[i];
    return s;
}
NOINLINE static uint8_t sum_in_byte(int n)
{
    uint8_t s = 0;
    for (int i = 0; i < n; i++)
        s = (uint8_t)(s + bytes[i]);
    return s;
}
NOINLINE static float sum_floats(int n)
{
    float s = 0;
    for (int i = 0; i < n; i++)
        s += f[i];
    return s;
}
NOINLINE static int where_most(int n)
{
    int at = 0;
    for (int i = 1; i < n; i++)
        if (a[i] > a[at])
            at = i;
    return at;
}
NOINLINE static int conditional(int n)
{
    int s = 0, c = 0;
    for (int i = 0; i < n; i++)
        if (a[i] % 3 == 0) {
            s += b[i];
            c++;
        }
    return s * 100 + c;
}
NOINLINE static int any(int n, int x)
{
    int found = 0;
    for (int i = 0; i < n; i++)
        found |= a[i] == x;
    return found;
}
NOINLINE static uint32_t horner(int n)
{
    uint32_t h = 5381;
    for (int i = 0; i < n; i++)
        h = h * 33 + bytes[i];
    return h;
}
NOINLINE static void carried(uint32_t *x, int n, int distance)
{
    for (int i = distance; i < n; i++)
        x[i] = x[i - distance] * 3 + x[i];
}
NOINLINE static int first_order(int n)
{
    int previous = 1000, changes = 0;
    for (int i = 0; i < n; i++) {
        changes += bytes[i] != previous;
        previous = bytes[i];
    }
    return changes;
}
NOINLINE static int alternating(int n)
{
    int s = 0, sign = 1;
    for (int i = 0; i < n; i++, sign = -sign)
        s += sign * a[i];
    return s;
}
NOINLINE static void histogram(int *counts, int n)
{
    for (int i = 0; i < n; i++)
        counts[bytes[i] & 7]++;
}
NOINLINE static int columns(int rows, int m[][5])
{
    int product = 1;
    for (int j = 0; j < 5; j++) {
        int s = 0;
        for (int i = 0; i < rows; i++)
            s += m[i][j];
        product = product * 7 + s;
    }
    return product;
}

int main(void)
{
    int s_dot = 0, s_bytes = 0, s_alternating = 0;
    for (int i = 0; i < N; i++) {
        a[i] = (i * 37) % 101 - 50;
        b[i] = (i * 11) % 17;
        bytes[i] = (uint8_t)(200 + i / 3);
        f[i] = (float)i * 0.25f;
        volatile int product = a[i] * b[i];
        s_dot += product;
        s_bytes += 200 + i / 3;
        s_alternating += i & 1 ? -a[i] : a[i];
    }
    CHECK(dot(N) == s_dot && dot(0) == 0 && dot(1) == 0 && sum_bytes(N) == s_bytes &&
          sum_in_byte(N) == (uint8_t)s_bytes);
    CHECK(alternating(N) == s_alternating && alternating(1) == -50 && alternating(2) == -37);
    CHECK(xored(3) == ((unsigned)-50 ^ (unsigned)-13 ^ 24u) && xored(0) == 0 && (all_bits(N) & 64) &&
          all_bits(0) == -1);
    CHECK(most(N) == 50 && where_most(N) == 30 && most(1) == -50 && where_most(1) == 0 && a[30] == 50);
    CHECK(sum_floats(N) == 552.75f && any(N, 50) && !any(30, 50) && any(31, 50) && !any(0, -50));
    int s = 0, c = 0;
    for (volatile int i = 0; i < N; i = i + 1)
        if (a[i] % 3 == 0) {
            s += b[i];
            c++;
        }
    CHECK(conditional(N) == s * 100 + c && first_order(N) == 23 && first_order(3) == 1);
    CHECK(horner(0) == 5381 && horner(2) == (5381u * 33 + 200) * 33 + 200);
    for (int distance = 1; distance < 9; distance++) {
        uint32_t x[40];
        for (int i = 0; i < 40; i++)
            x[i] = 1;
        carried(x, 40, distance);
        uint32_t want = 1;
        for (int i = 39; i >= distance; i -= distance)
            want = want * 3 + 1;
        CHECK(x[39] == want && x[distance - 1] == 1);
    }
    int counts[8] = {0}, m[3][5] = {{1, 2, 3, 4, 5}, {6, 7, 8, 9, 10}, {-1, -2, -3, -4, -5}};
    histogram(counts, N);
    CHECK(counts[0] == 9 && counts[6] == 7 && counts[7] == 6);
    CHECK(columns(3, m) == ((((7 + 6) * 7 + 7) * 7 + 8) * 7 + 9) * 7 + 10 && columns(0, m) == 16807);
    return bad;
}
