// Invokes in loops: values that live across landing pads, retries, exits by every road, recursion with cleanups.
static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

struct Tick {
    int &n;
    explicit Tick(int &counter) : n(counter) {}
    ~Tick() { n++; }
};

NOINLINE static int risky(int x)
{
    if (x % 4 == 3)
        throw x;
    if (x % 7 == 6)
        throw 0.5 * x;
    return x * x;
}

NOINLINE static long all_roads(int n, int &ticks)
{
    long sum = 0;
    int failures = 0;
    for (int i = 0; i < n; i++) {
        Tick t(ticks);
        try {
            int before = int(sum % 1000);
            sum += risky(i);
            if (before == 500)
                break;
            if (i % 5 == 0)
                continue;
            sum++;
        } catch (int x) {
            sum -= x;
            if (++failures > 20)
                return -sum;
        } catch (double d) {
            sum += long(d * 2);
        }
    }
    return sum * 100 + failures;
}

static long all_roads_reference(int n)
{
    volatile long sum = 0;
    int failures = 0;
    for (int i = 0; i < n; i++) {
        if (i % 4 == 3) {
            sum = sum - i;
            if (++failures > 20)
                return -sum;
        } else if (i % 7 == 6)
            sum = sum + i;
        else {
            long before = sum % 1000;
            sum = sum + i * i;
            if (before == 500)
                break;
            if (i % 5)
                sum = sum + 1;
        }
    }
    return sum * 100 + failures;
}

NOINLINE static int retry(int first, int tries)
{
    for (;;) {
        try {
            return risky(first) + tries * 10000;
        } catch (int x) {
            if (--tries == 0)
                return -1;
            first = x + 1;
        }
    }
}

NOINLINE static int deep(int n, int &ticks)
{
    Tick t(ticks);
    if (n == 0)
        throw ticks;
    int r = deep(n - 1, ticks);
    return r + 1; // never
}

NOINLINE static int caught_half_way(int n, int &ticks)
{
    Tick t(ticks);
    if (n == 5) {
        try {
            return caught_half_way(n - 1, ticks);
        } catch (int) {
            return 100;
        }
    }
    return n == 0 ? throw 1 : caught_half_way(n - 1, ticks) + 1;
}

NOINLINE static int search(const int (*m)[3], int key)
{
    try {
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++)
                if (m[i][j] == key)
                    throw i * 10 + j;
    } catch (int where) {
        return where;
    }
    return -1;
}

int main()
{
    for (int n = 0; n < 120; n += 7) {
        int ticks = 0;
        CHECK(all_roads(n, ticks) == all_roads_reference(n) && ticks <= n);
    }
    int ticks = 0;
    all_roads(10, ticks);
    CHECK(ticks == 10);
    CHECK(retry(3, 2) == 10016 && retry(3, 1) == -1 && retry(4, 3) == 30016);
    double d = 0;
    try {
        retry(6, 1);
    } catch (double x) {
        d = x;
    }
    CHECK(d == 3.0);
    ticks = 0;
    int thrown = -1;
    try {
        deep(30, ticks);
    } catch (int x) {
        thrown = x;
    }
    CHECK(thrown == 0 && ticks == 31);
    ticks = 0;
    CHECK(caught_half_way(8, ticks) == 103 && ticks == 9);
    const int m[3][3] = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}};
    CHECK(search(m, 6) == 12 && search(m, 1) == 0 && search(m, 0) == -1);
    return bad;
}
