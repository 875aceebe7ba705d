// Templates: recursion at compile time, specialisation, policies, static members per instance, expression templates.
#include <cstddef>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

template <unsigned N> struct Factorial { static constexpr unsigned long value = N * Factorial<N - 1>::value; };
template <> struct Factorial<0> { static constexpr unsigned long value = 1; };

template <int N> NOINLINE int unrolled(const int *p) { return p[0] + 2 * unrolled<N - 1>(p + 1); }
template <> NOINLINE int unrolled<0>(const int *) { return 0; }

template <class T> struct Counter {
    static int made;
    T value;
    explicit Counter(T v) : value(v) { made++; }
};
template <class T> int Counter<T>::made = 0;

template <class T> NOINLINE T power(T base, unsigned n)
{
    T r = 1;
    while (n--)
        r = T(r * base);
    return r;
}

struct Up { template <class T> static bool before(T a, T b) { return a < b; } };
struct Down { template <class T> static bool before(T a, T b) { return b < a; } };
template <class Order, class T, std::size_t N> NOINLINE void sort(T (&x)[N])
{
    for (std::size_t i = 1; i < N; i++)
        for (std::size_t j = i; j > 0 && Order::before(x[j], x[j - 1]); j--) {
            T t = x[j];
            x[j] = x[j - 1];
            x[j - 1] = t;
        }
}

template <class T> struct Kind { static int of() { return 1; } };
template <class T> struct Kind<T *> { static int of() { return 10 + Kind<T>::of(); } };
template <class T, std::size_t N> struct Kind<T[N]> { static int of() { return 100 * int(N) + Kind<T>::of(); } };
template <> struct Kind<char> { static int of() { return 2; } };

// Expression templates: a sum of vectors in one loop.
template <class E> struct Expression {
    const E &self() const { return static_cast<const E &>(*this); }
};
struct Vector : Expression<Vector> {
    int v[4];
    Vector(int a, int b, int c, int d) : v{a, b, c, d} {}
    template <class E> explicit Vector(const Expression<E> &e)
    {
        for (int i = 0; i < 4; i++)
            v[i] = e.self()[i];
    }
    int operator[](int i) const { return v[i]; }
};
template <class L, class R> struct Sum : Expression<Sum<L, R>> {
    const L &l;
    const R &r;
    Sum(const L &a, const R &b) : l(a), r(b) {}
    int operator[](int i) const { return l[i] + r[i]; }
};
template <class L, class R> Sum<L, R> operator+(const Expression<L> &l, const Expression<R> &r) { return {l.self(),
    r.self()}; }

template <class Derived> struct Twice {
    int doubled() const { return 2 * static_cast<const Derived *>(this)->single(); }
};
struct Three : Twice<Three> { int single() const { return 3; } };

template <class T> constexpr T gcd(T a, T b) { return b ? gcd(b, T(a % b)) : a; }
template <class... T> NOINLINE long fold(T... x) { return (0L + ... + x); }
template <class F, class... T> NOINLINE int each(F f, T... x)
{
    int n = 0;
    ((n = n * 3 + f(x)), ...);
    return n;
}

int main()
{
    static_assert(Factorial<10>::value == 3628800 && gcd(84, 36) == 12, "at compile time");
    volatile unsigned three = 3;
    const int x[] = {1, 2, 3, 4, 5};
    CHECK(unrolled<5>(x) == 129 && unrolled<1>(x + 4) == 5 && Factorial<15>::value == 1307674368000);
    Counter<int> a(1), b(2);
    Counter<char> c('c');
    CHECK(Counter<int>::made == 2 && Counter<char>::made == 1 && Counter<long>::made == 0 && a.value + b.value == 3 &&
          c.value == 'c');
    CHECK(power(7, three) == 343 && power(0.5, three) == 0.125 && power<unsigned char>(7, three) == 87 &&
          power(-2L, three) == -8);
    int up[] = {3, 1, 2}, down[] = {3, 1, 2};
    double d[] = {0.5, -1.5};
    sort<Up>(up);
    sort<Down>(down);
    sort<Up>(d);
    CHECK(up[0] == 1 && up[2] == 3 && down[0] == 3 && down[2] == 1 && d[0] == -1.5);
    CHECK(Kind<int>::of() == 1 && Kind<char **>::of() == 22 && Kind<char *[5]>::of() == 512 &&
          Kind<int[2][3]>::of() == 501);
    Vector v(1, 2, 3, 4), w(10, 20, 30, 40);
    Vector sum(v + w + v);
    CHECK(sum[0] == 12 && sum[3] == 48 && Three().doubled() == 6 && gcd(three * 14, 70u) == 14);
    CHECK(fold(1, 2L, 'a', short(-3)) == 97 && fold() == 0 &&
          each([](auto q) { return int(sizeof q); }, 'c', 1, 1.0) == 9 + 12 + 8);
    return bad;
}
