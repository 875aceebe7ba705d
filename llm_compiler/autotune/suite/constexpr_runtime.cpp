// The same functions evaluated by the compiler's front end and by the machine must agree.
#include <cstdint>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

constexpr uint32_t hash(const char *s)
{
    uint32_t h = 2166136261u;
    while (*s)
        h = (h ^ uint8_t(*s++)) * 16777619u;
    return h;
}
constexpr int64_t mix(int64_t x)
{
    uint64_t z = uint64_t(x) + 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return int64_t(z ^ z >> 31);
}
constexpr double root(double x)
{
    double r = x > 1 ? x : 1;
    for (int i = 0; i < 40; i++)
        r = (r + x / r) / 2;
    return r;
}
struct Table {
    int v[16];
    int n;
};
constexpr Table collatz(int start)
{
    Table t{};
    while (start != 1 && t.n < 16) {
        t.v[t.n++] = start;
        start = start % 2 ? 3 * start + 1 : start / 2;
    }
    return t;
}
constexpr int binomial(int n, int k) { return k == 0 || k == n ? 1 : binomial(n - 1, k - 1) + binomial(n - 1, k); }
constexpr bool palindrome(const char *s, int n)
{
    for (int i = 0; i < n / 2; i++)
        if (s[i] != s[n - 1 - i])
            return false;
    return true;
}
constexpr int shifts(int x) { return (x << 3 | x >> 2) ^ ~x; }
constexpr float thirds(int n)
{
    float s = 0;
    for (int i = 0; i < n; i++)
        s += 1.0f / 3.0f;
    return s;
}
template <class T> constexpr T sum_of_divisors(T n)
{
    T s = 0;
    for (T d = 1; d <= n; d++)
        s = T(s + (n % d == 0 ? d : 0));
    return s;
}
constexpr int by_switch(int x)
{
    switch (x % 6) {
    case 0: return x;
    case 1: case 4: return -x;
    case 3: x *= 2; [[fallthrough]];
    default: return x + 1;
    }
}

// Once by the front end, once with an argument that nobody knows.
#define AGREE(TYPE, ARGUMENT, EXPRESSION) \
    do { \
        constexpr auto known = [](TYPE x) constexpr { return EXPRESSION; }(ARGUMENT); \
        TYPE volatile hidden = ARGUMENT; \
        TYPE x = hidden; \
        CHECK(known == (EXPRESSION)); \
    } while (0)

int main()
{
    using Text = const char *;
    AGREE(Text, "constant", hash(x));
    AGREE(Text, "", hash(x));
    AGREE(int64_t, -1, mix(x));
    AGREE(int64_t, INT64_MAX, mix(mix(x)));
    AGREE(double, 2.0, root(x));
    AGREE(double, 0.1, root(x) * 3 - x);
    AGREE(int, 27, collatz(x).v[15]);
    AGREE(int, 6, collatz(x).n);
    AGREE(int, 12, binomial(x, 5));
    AGREE(int, 7, palindrome("abcdcba", x) && !palindrome("abcdcba", x - 1));
    AGREE(int, 12345, shifts(x));
    AGREE(int, 100, thirds(x));
    AGREE(uint8_t, 240, sum_of_divisors(x));
    AGREE(long, 496, sum_of_divisors(x));
    AGREE(int, 9, by_switch(x) * 100 + by_switch(x + 1) * 10 + by_switch(x + 2));
    AGREE(unsigned, 3000000000u, (x * 3u) % 1000u + x / 7u);
    AGREE(int, -17, x / 5 * 100 + x % 5);
    AGREE(float, 0.1f, double(x) + 0.1);
    static_assert(hash("a") == 0xe40c292cu && binomial(10, 3) == 120 && sum_of_divisors(28) == 56, "known answers");
    volatile int ten = 10, three = 3;
    CHECK(binomial(ten, three) == 120 && sum_of_divisors(ten * 2 + 8) == 56);
    return bad;
}
