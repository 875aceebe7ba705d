/* Early returns before heavy bodies, cold paths, error exits with several results: what outlining splits. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

static int heavy_runs, errors;

static int heavy(int *x, int n, int mode)
{
    if (n <= 0 || !x)
        return -1;
    heavy_runs++;
    int s = 0;
    for (int pass = 0; pass < 3; pass++)
        for (int i = 0; i < n; i++) {
            x[i] = x[i] * 5 + pass - mode;
            if (x[i] > 1000)
                x[i] %= 1000;
            s += x[i] * (i + 1);
        }
    return s;
}

__attribute__((cold, noinline)) static void report(int code) { errors = errors * 10 + code; }

struct box { int value; char name[12]; };
static int load(const char *s, struct box *b, int *where)
{
    if (!s) {
        report(1);
        *where = -1;
        return 0;
    }
    size_t n = strlen(s);
    if (n >= sizeof b->name) {
        report(2);
        *where = (int)n;
        b->value = -2;
        return 0;
    }
    memcpy(b->name, s, n + 1);
    b->value = 0;
    for (*where = 0; s[*where]; ++*where) {
        if (s[*where] < '0' || s[*where] > '9') {
            report(3);
            return 1;
        }
        b->value = b->value * 10 + s[*where] - '0';
    }
    return 2;
}

static uint32_t cached(uint32_t x)
{
    static uint32_t last_x = 0, last = 1;
    if (x == last_x)
        return last;
    uint32_t r = 1;
    for (uint32_t i = 0; i < x % 50; i++)
        r = r * 31 + (r >> 7 ^ i);
    last_x = x;
    last = r;
    return r;
}

static int region(int a, int b, int c)
{
    int x = a + 1, y = b + 2;
    if (__builtin_expect(c > 10, 0)) { /* two values live in, two live out */
        int t = x * y;
        heavy_runs += 100;
        x = t - c;
        y = t + c;
        if (x > 500)
            return -1;
    }
    return x * 1000 + y;
}

NOINLINE static int caller_one(int *x, int n) { return heavy(x, n, 1) + 1; }
NOINLINE static int caller_two(int *x, int n) { return n > 3 ? heavy(x, n, 2) : heavy(NULL, n, 3); }
NOINLINE static int caller_loop(int *x)
{
    int s = 0;
    for (int n = -2; n < 3; n++)
        s = s * 3 + heavy(x, n, n);
    return s;
}

int main(void)
{
    int x[5] = {1, 2, 3, 4, 5};
    CHECK(caller_one(x, 0) == 0 && caller_one(NULL, 3) == 0 && heavy_runs == 0);
    CHECK(caller_one(x, 2) == 686 && x[0] == 101 && x[1] == 226 && x[2] == 3 && heavy_runs == 1);
    CHECK(caller_two(x, 3) == -1 && heavy_runs == 1);
    int y[5] = {1, 0, 0, 0, 0};
    CHECK(caller_two(y, 4) == -525 && heavy_runs == 2);
    int z[2] = {0, 0};
    CHECK(caller_loop(z) == -4131 && heavy_runs == 4);
    struct box b = {7, "before"};
    int where = 5;
    CHECK(load(NULL, &b, &where) == 0 && where == -1 && b.value == 7 && errors == 1);
    CHECK(load("123456789012", &b, &where) == 0 && where == 12 && b.value == -2 && !strcmp(b.name, "before") &&
          errors == 12);
    CHECK(load("12x4", &b, &where) == 1 && where == 2 && b.value == 12 && !strcmp(b.name, "12x4") && errors == 123);
    CHECK(load("8090", &b, &where) == 2 && where == 4 && b.value == 8090 && errors == 123);
    uint32_t first = cached(20);
    CHECK(cached(20) == first && cached(0) == 1 && cached(20) == first && cached(50) == 1 && cached(1) == 31);
    heavy_runs = 0;
    CHECK(region(1, 2, 3) == 2004 && region(1, 2, 11) == -3 * 1000 + 19 && heavy_runs == 100 &&
          region(99, 98, 20) == -1);
    return bad;
}
