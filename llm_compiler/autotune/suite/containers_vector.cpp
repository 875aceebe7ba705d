// std::vector: growth, insertion and erasure, elements that count themselves, sort and unique, vectors of vectors.
#include <algorithm>
#include <vector>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

struct Counted {
    static int alive;
    int value;
    Counted(int v) : value(v) { alive++; }
    Counted(const Counted &o) : value(o.value) { alive++; }
    Counted &operator=(const Counted &) = default;
    ~Counted() { alive--; }
    bool operator<(const Counted &o) const { return value < o.value; }
    bool operator==(const Counted &o) const { return value == o.value; }
};
int Counted::alive = 0;

NOINLINE static long digits(const std::vector<Counted> &v)
{
    long s = 0;
    for (const Counted &c : v)
        s = s * 10 + c.value;
    return s;
}

NOINLINE static std::vector<int> sieve(unsigned n)
{
    std::vector<bool> composite(n);
    std::vector<int> primes;
    for (unsigned i = 2; i < n; i++) {
        if (composite[i])
            continue;
        primes.push_back(int(i));
        for (unsigned j = i * i; j < n; j += i)
            composite[j] = true;
    }
    return primes;
}

NOINLINE static long paths(unsigned n)
{
    std::vector<std::vector<long>> grid(n, std::vector<long>(n, 1));
    for (unsigned i = 1; i < n; i++)
        for (unsigned j = 1; j < n; j++)
            grid[i][j] = grid[i - 1][j] + grid[i][j - 1];
    return grid.back().back();
}

NOINLINE static bool thrown_at(const std::vector<int> &v, unsigned i)
{
    try {
        return v.at(i) < 0;
    } catch (const std::exception &) {
        return true;
    }
}

int main()
{
    {
        std::vector<Counted> v;
        for (int i = 0; i < 9; i++)
            v.push_back(i * 4 % 9);
        CHECK(Counted::alive == 9 && digits(v) == 48372615);
        v.insert(v.begin() + 2, 5);
        v.erase(v.begin());
        v.push_back(v[0]); // an element of itself
        CHECK(digits(v) == 4583726154 && Counted::alive == 10);
        std::sort(v.begin(), v.end());
        v.erase(std::unique(v.begin(), v.end()), v.end());
        CHECK(digits(v) == 12345678 && Counted::alive == 8);
        std::vector<Counted> w(v.rbegin(), v.rbegin() + 3);
        v.swap(w);
        CHECK(digits(v) == 876 && digits(w) == 12345678);
        v = w;
        v.resize(2, 0);
        v.resize(4, 9);
        CHECK(digits(v) == 1299 && Counted::alive == 12);
        auto at = std::lower_bound(w.begin(), w.end(), Counted(5));
        CHECK(at - w.begin() == 4 && at->value == 5);
    }
    CHECK(Counted::alive == 0);
    std::vector<int> primes = sieve(100);
    CHECK(primes.size() == 25 && primes.back() == 97 && primes[10] == 31 && paths(10) == 48620);
    CHECK(!thrown_at(primes, 24) && thrown_at(primes, 25));
    int sum = 0;
    for (auto it = primes.rbegin(); it != primes.rend(); ++it)
        sum = (sum * 7 + *it) % 10007;
    std::reverse(primes.begin(), primes.end());
    int again = 0;
    for (int p : primes)
        again = (again * 7 + p) % 10007;
    CHECK(sum == again);
    return bad;
}
