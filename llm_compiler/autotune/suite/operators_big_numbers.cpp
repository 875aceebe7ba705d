// Overloaded operators: a big integer and a fraction, conversions, increments, comparisons, subscripts, calls.
#include <cstdint>
#include <cstring>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

class Big {
    enum { N = 12 };
    uint32_t word[N];

public:
    Big(uint64_t x = 0)
    {
        std::memset(word, 0, sizeof word);
        word[0] = uint32_t(x);
        word[1] = uint32_t(x >> 32);
    }
    Big &operator+=(const Big &o)
    {
        uint64_t carry = 0;
        for (int i = 0; i < N; i++) {
            carry += uint64_t(word[i]) + o.word[i];
            word[i] = uint32_t(carry);
            carry >>= 32;
        }
        return *this;
    }
    friend Big operator+(Big a, const Big &b) { return a += b; }
    friend Big operator*(const Big &a, const Big &b)
    {
        Big r;
        for (int i = 0; i < N; i++) {
            uint64_t carry = 0;
            for (int j = 0; i + j < N; j++) {
                carry += uint64_t(a.word[i]) * b.word[j] + r.word[i + j];
                r.word[i + j] = uint32_t(carry);
                carry >>= 32;
            }
        }
        return r;
    }
    uint32_t divide(uint32_t by)
    {
        uint64_t rest = 0;
        for (int i = N; i-- > 0;) {
            rest = rest << 32 | word[i];
            word[i] = uint32_t(rest / by);
            rest %= by;
        }
        return uint32_t(rest);
    }
    Big &operator++() { return *this += 1; }
    Big operator++(int)
    {
        Big old = *this;
        ++*this;
        return old;
    }
    bool operator==(const Big &o) const { return !std::memcmp(word, o.word, sizeof word); }
    bool operator<(const Big &o) const
    {
        for (int i = N; i-- > 0;)
            if (word[i] != o.word[i])
                return word[i] < o.word[i];
        return false;
    }
    explicit operator bool() const { return !(*this == Big()); }
    uint32_t operator[](int i) const { return word[i]; }
    const char *text(char *end) const
    {
        Big rest = *this;
        *--end = 0;
        do
            *--end = char('0' + rest.divide(10));
        while (rest);
        return end;
    }
};

struct Fraction {
    long n, d;
    Fraction(long a, long b = 1) : n(a), d(b)
    {
        for (long t; b; a = b, b = t)
            t = a % b;
        n /= a;
        d /= a;
        if (d < 0)
            n = -n, d = -d;
    }
    friend Fraction operator+(Fraction x, Fraction y) { return {x.n * y.d + y.n * x.d, x.d * y.d}; }
    friend Fraction operator*(Fraction x, Fraction y) { return {x.n * y.n, x.d * y.d}; }
    friend Fraction operator/(Fraction x, Fraction y) { return {x.n * y.d, x.d * y.n}; }
    Fraction operator-() const { return {-n, d}; }
    bool operator==(Fraction o) const { return n == o.n && d == o.d; }
};

NOINLINE static Big factorial(unsigned n)
{
    Big r = 1;
    for (unsigned i = 2; i <= n; i++)
        r = r * i;
    return r;
}
NOINLINE static Fraction harmonic(int n) { return n ? Fraction(1, n) + harmonic(n - 1) : Fraction(0); }

int main()
{
    char buffer[128], *end = buffer + sizeof buffer;
    CHECK(!std::strcmp(factorial(30).text(end), "265252859812191058636308480000000"));
    CHECK(!std::strcmp(factorial(50).text(end), "30414093201713378043612608166064768844377641568960512000000000000"));
    Big a = 0, b = 1;
    for (int i = 0; i < 200; i++) {
        Big next = a + b;
        a = b;
        b = next;
    }
    CHECK(!std::strcmp(a.text(end), "280571172992510140037611932413038677189525"));
    Big c = UINT64_MAX;
    Big old = c++;
    CHECK(old < c && !(c < old) && c[0] == 0 && c[2] == 1 && c && !Big() && !std::strcmp(Big().text(end), "0"));
    CHECK(c * c == Big(UINT64_C(1) << 32) * Big(UINT64_C(1) << 32) * c && ++c == old + 2);
    CHECK(harmonic(10) == Fraction(7381, 2520) && Fraction(6, -8) == -Fraction(3, 4));
    CHECK(Fraction(2, 3) / Fraction(4, 9) == Fraction(3, 2) && Fraction(1, 3) * 3 == 1);
    return bad;
}
