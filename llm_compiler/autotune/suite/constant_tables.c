/* Large constant data: tables of numbers, of strings, of structures with pointers, offsets from a base. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

#define R4(n) (n), (n) + 1, (n) + 2, (n) + 3
#define R16(n) R4(n), R4((n) + 4), R4((n) + 8), R4((n) + 12)
#define R64(n) R16(n), R16((n) + 16), R16((n) + 32), R16((n) + 48)
static const uint16_t numbers[256] = {R64(1000), R64(2000), R64(3000), R64(4000)};
static const uint16_t numbers_again[256] = {R64(1000), R64(2000), R64(3000), R64(4000)};
#define B2(n) n, n + 1, n + 1, n + 2
#define B4(n) B2(n), B2(n + 1), B2(n + 1), B2(n + 2)
#define B6(n) B4(n), B4(n + 1), B4(n + 1), B4(n + 2)
static const uint8_t ones[256] = {B6(0), B6(1), B6(1), B6(2)};
static const char *const months[] = {"January", "February", "March", "April", "May", "June", "July", "August",
                                     "September", "October", "November", "December"};
static const char packed[] = "zero\0one\0two\0three\0four";
static const uint8_t offsets[] = {0, 5, 9, 13, 19};
static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12};

struct node { const char *name; const struct node *parent; int (*weigh)(int); int values[3]; };
static int twice(int x) { return 2 * x; }
static int square(int x) { return x * x; }
static const struct node root = {"root", NULL, twice, {1, 2, 3}};
static const struct node inner = {"inner", &root, square, {4, 5, 6}};
static const struct node leaf = {"leaf", &inner, twice, {7, 8, 9}};
static const int *const into[] = {&leaf.values[2], &inner.values[0], &root.values[1], NULL};
static const struct { short days; char first; } calendar[12] = {
    {31, 'J'}, {28, 'F'}, {31, 'M'}, {30, 'A'}, {31, 'M'}, {30, 'J'}, {31, 'J'}, {31, 'A'}, {30, 'S'}, {31, 'O'},
        {30, 'N'}, {31, 'D'},
};
static int changeable[8] = {1, 2, 3};
static const int sparse[100] = {[7] = 70, [50] = 500, [99] = 990};

NOINLINE static int population(uint32_t x) { return ones[x & 255] + ones[x >> 8 & 255] + ones[x >> 16 & 255] + ones[x >> 24]; }
NOINLINE static const char *name(int i)
{
    switch (i) {
    case 0: return "alpha";
    case 1: return "beta";
    case 2: return "gamma";
    case 3: return "delta";
    case 4: return "epsilon";
    case 5: return "zeta";
    }
    return "?";
}
NOINLINE static double by_power(int i)
{
    switch (i) {
    case 1: return 0.5;
    case 2: return 0.25;
    case 3: return 0.125;
    case 4: return 0.0625;
    default: return -1;
    }
}
NOINLINE static int weigh_up(const struct node *n)
{
    int s = 0;
    for (; n; n = n->parent)
        s = s * 10 + n->weigh(n->values[1]) + (int)strlen(n->name);
    return s;
}

int main(void)
{
    const uint16_t *volatile p = numbers, *volatile q = numbers_again;
    CHECK(p != q && !memcmp(p, q, sizeof numbers) && p[0] == 1000 && p[255] == 4063 && q[64] == 2000);
    CHECK(population(0) == 0 && population(UINT32_MAX) == 32 && population(0x80010203) == 5);
    int length = 0, days = 0;
    for (int i = 0; i < 12; i++) {
        length = length * 3 + (int)strlen(months[i]);
        days += calendar[i].days;
        CHECK(months[i][0] == calendar[i].first);
    }
    CHECK(length == 1854914 && days == 365);
    CHECK(!strcmp(packed + offsets[3], "three") && !strcmp(packed + offsets[4], "four"));
    double product = 1;
    for (int i = 0; i < 13; i++) {
        CHECK(powers[i] == product);
        product *= 10;
    }
    volatile int four = 4;
    CHECK(name(0)[4] == 'a' && name(four)[6] == 'n' && *name(6) == '?' && *name(-1) == '?' && by_power(four) == 0.0625);
    CHECK(by_power(0) == -1 && by_power(5) == -1 && by_power(1) + by_power(2) == 0.75);
    CHECK(weigh_up(&leaf) == 20 * 100 + 30 * 10 + 8 && *into[0] == 9 && into[1][2] == 6 && into[2][-1] == 1 &&
          !into[3]);
    changeable[four] = sparse[50] + sparse[51] + sparse[7];
    CHECK(changeable[4] == 570 && changeable[2] == 3 && sparse[99] == 990);
    return bad;
}
