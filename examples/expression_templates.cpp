// Small vectors and expression templates, a symbolic differentiator over std::variant, compile-time tables and generic algorithms.
// Exercises template instantiation and inlining, visitors, constexpr evaluation, move semantics and standard algorithms.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

// ---- vectors whose sums and products are evaluated in one loop ----

template <class E>
struct Expression {
    const E &self() const { return static_cast<const E &>(*this); }
};

template <class T, std::size_t N>
class Vec : public Expression<Vec<T, N>> {
public:
    using value_type = T;
    static constexpr std::size_t size = N;

    constexpr Vec() = default;
    template <class... U, class = std::enable_if_t<sizeof...(U) == N && (std::is_convertible_v<U, T> && ...)>>
    constexpr Vec(U... values) : items_{{static_cast<T>(values)...}} {}
    template <class E>
    Vec(const Expression<E> &e) { assign(e.self()); }
    template <class E>
    Vec &operator=(const Expression<E> &e) { assign(e.self()); return *this; }
    template <class E>
    Vec &operator+=(const Expression<E> &e)
    {
        for (std::size_t i = 0; i < N; i++)
            items_[i] += e.self()[i];
        return *this;
    }

    constexpr T operator[](std::size_t i) const { return items_[i]; }
    constexpr T &operator[](std::size_t i) { return items_[i]; }
    auto begin() const { return items_.begin(); }
    auto end() const { return items_.end(); }

private:
    template <class E>
    void assign(const E &e)
    {
        static_assert(E::size == N, "vectors of different lengths");
        for (std::size_t i = 0; i < N; i++)
            items_[i] = e[i];
    }
    std::array<T, N> items_{};
};

// Leaves are held by reference, inner nodes by value: a temporary node must outlive the full expression only.
template <class E>
struct Held { using type = const E; };
template <class T, std::size_t N>
struct Held<Vec<T, N>> { using type = const Vec<T, N> &; };

template <class A, class B, class Op>
class Binary : public Expression<Binary<A, B, Op>> {
public:
    static constexpr std::size_t size = A::size;
    using value_type = std::common_type_t<typename A::value_type, typename B::value_type>;
    static_assert(A::size == B::size, "vectors of different lengths");
    Binary(const A &a, const B &b) : a_(a), b_(b) {}
    value_type operator[](std::size_t i) const { return Op{}(a_[i], b_[i]); }

private:
    typename Held<A>::type a_;
    typename Held<B>::type b_;
};

template <class A, class S>
class Scaled : public Expression<Scaled<A, S>> {
public:
    static constexpr std::size_t size = A::size;
    using value_type = std::common_type_t<typename A::value_type, S>;
    Scaled(const A &a, S s) : a_(a), s_(s) {}
    value_type operator[](std::size_t i) const { return a_[i] * s_; }

private:
    typename Held<A>::type a_;
    S s_;
};

template <class A, class B>
auto operator+(const Expression<A> &a, const Expression<B> &b) { return Binary<A, B, std::plus<>>(a.self(), b.self()); }
template <class A, class B>
auto operator-(const Expression<A> &a, const Expression<B> &b) { return Binary<A, B, std::minus<>>(a.self(), b.self()); }
template <class A, class B>
auto operator*(const Expression<A> &a, const Expression<B> &b) { return Binary<A, B, std::multiplies<>>(a.self(), b.self()); }
template <class A, class S, class = std::enable_if_t<std::is_arithmetic_v<S>>>
auto operator*(const Expression<A> &a, S s) { return Scaled<A, S>(a.self(), s); }
template <class A, class S, class = std::enable_if_t<std::is_arithmetic_v<S>>>
auto operator*(S s, const Expression<A> &a) { return Scaled<A, S>(a.self(), s); }

template <class E>
auto sum(const Expression<E> &e)
{
    typename E::value_type total{};
    for (std::size_t i = 0; i < E::size; i++)
        total += e.self()[i];
    return total;
}

template <class A, class B>
auto dot(const Expression<A> &a, const Expression<B> &b) { return sum(a * b); }

// One step of the classical Runge-Kutta method; the state is any Vec.
template <class State, class F>
State runge_kutta(const State &y, double h, F &&derivative)
{
    State k1 = derivative(y);
    State k2 = derivative(State(y + k1 * (h / 2)));
    State k3 = derivative(State(y + k2 * (h / 2)));
    State k4 = derivative(State(y + k3 * h));
    return y + (k1 + 2.0 * k2 + 2.0 * k3 + k4) * (h / 6);
}

// ---- symbolic expressions of one variable ----

struct Node;
using Tree = std::shared_ptr<const Node>;

struct Constant { double value; };
struct Variable {};
struct Sum { Tree a, b; };
struct Product { Tree a, b; };
struct Power { Tree base; int exponent; };
enum class Function { sine, cosine, exponential };
struct Apply { Function f; Tree argument; };

struct Node {
    std::variant<Constant, Variable, Sum, Product, Power, Apply> is;
};

template <class... F>
struct Overloaded : F... { using F::operator()...; };
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

template <class T>
Tree make(T node) { return std::make_shared<const Node>(Node{std::move(node)}); }

std::optional<double> constant_value(const Tree &t)
{
    if (const auto *c = std::get_if<Constant>(&t->is))
        return c->value;
    return std::nullopt;
}

Tree add(Tree a, Tree b)
{
    const auto x = constant_value(a), y = constant_value(b);
    if (x && y) return make(Constant{*x + *y});
    if (x && *x == 0) return b;
    if (y && *y == 0) return a;
    return make(Sum{std::move(a), std::move(b)});
}

Tree multiply(Tree a, Tree b)
{
    const auto x = constant_value(a), y = constant_value(b);
    if (x && y) return make(Constant{*x * *y});
    if ((x && *x == 0) || (y && *y == 0)) return make(Constant{0});
    if (x && *x == 1) return b;
    if (y && *y == 1) return a;
    if (y) std::swap(a, b);
    return make(Product{std::move(a), std::move(b)});
}

Tree power(Tree base, int exponent)
{
    if (exponent == 0) return make(Constant{1});
    if (exponent == 1) return base;
    if (const auto x = constant_value(base)) return make(Constant{std::pow(*x, exponent)});
    return make(Power{std::move(base), exponent});
}

double evaluate(const Tree &t, double x)
{
    return std::visit(Overloaded{
        [](const Constant &c) { return c.value; },
        [x](const Variable &) { return x; },
        [x](const Sum &s) { return evaluate(s.a, x) + evaluate(s.b, x); },
        [x](const Product &p) { return evaluate(p.a, x) * evaluate(p.b, x); },
        [x](const Power &p) { return std::pow(evaluate(p.base, x), p.exponent); },
        [x](const Apply &f) {
            const double v = evaluate(f.argument, x);
            switch (f.f) {
            case Function::sine: return std::sin(v);
            case Function::cosine: return std::cos(v);
            case Function::exponential: return std::exp(v);
            }
            return v;
        },
    }, t->is);
}

Tree derive(const Tree &t)
{
    return std::visit(Overloaded{
        [](const Constant &) { return make(Constant{0}); },
        [](const Variable &) { return make(Constant{1}); },
        [](const Sum &s) { return add(derive(s.a), derive(s.b)); },
        [](const Product &p) { return add(multiply(derive(p.a), p.b), multiply(p.a, derive(p.b))); },
        [](const Power &p) {
            return multiply(make(Constant{double(p.exponent)}), multiply(power(p.base, p.exponent - 1), derive(p.base)));
        },
        [&t](const Apply &f) {
            const Tree inner = derive(f.argument);
            switch (f.f) {
            case Function::sine: return multiply(inner, make(Apply{Function::cosine, f.argument}));
            case Function::cosine: return multiply(multiply(make(Constant{-1}), inner), make(Apply{Function::sine, f.argument}));
            case Function::exponential: break;
            }
            return multiply(inner, t);
        },
    }, t->is);
}

std::string print(const Tree &t)
{
    return std::visit(Overloaded{
        [](const Constant &c) {
            char text[32];
            std::snprintf(text, sizeof text, "%g", c.value);
            return std::string(text);
        },
        [](const Variable &) { return std::string("x"); },
        [](const Sum &s) { return "(" + print(s.a) + " + " + print(s.b) + ")"; },
        [](const Product &p) { return print(p.a) + "*" + print(p.b); },
        [](const Power &p) { return print(p.base) + "^" + std::to_string(p.exponent); },
        [](const Apply &f) {
            static constexpr const char *names[] = {"sin", "cos", "exp"};
            return names[static_cast<int>(f.f)] + ("(" + print(f.argument) + ")");
        },
    }, t->is);
}

// ---- tables and checks at compile time ----

template <std::size_t N, class F>
constexpr auto tabulate(F f)
{
    std::array<decltype(f(std::size_t{})), N> table{};
    for (std::size_t i = 0; i < N; i++)
        table[i] = f(i);
    return table;
}

constexpr std::uint64_t binomial(unsigned n, unsigned k)
{
    std::uint64_t result = 1;
    for (unsigned i = 1; i <= k; i++)
        result = result * (n - k + i) / i;
    return result;
}

constexpr auto squares = tabulate<32>([](std::size_t i) { return static_cast<std::uint32_t>(i * i); });
constexpr auto row20 = tabulate<21>([](std::size_t k) { return binomial(20, static_cast<unsigned>(k)); });
static_assert(squares[31] == 961 && row20[10] == 184756);

// ---- generic algorithms ----

struct Item {
    std::string name;
    int group;
    double weight;
};

template <class Range, class Key>
void sort_by(Range &range, Key key)
{
    std::stable_sort(range.begin(), range.end(), [&](const auto &a, const auto &b) { return key(a) < key(b); });
}

template <class Range, class Key, class Visit>
std::size_t for_each_group(const Range &range, Key key, Visit visit)
{
    std::size_t groups = 0;
    for (auto first = range.begin(); first != range.end(); groups++) {
        auto last = std::find_if(first, range.end(), [&](const auto &x) { return key(x) != key(*first); });
        visit(first, last);
        first = last;
    }
    return groups;
}

static int checks;
#define CHECK(cond)                                                                   \
    do {                                                                              \
        checks++;                                                                     \
        if (!(cond)) {                                                                \
            std::fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #cond);   \
            return 1;                                                                 \
        }                                                                             \
    } while (0)

static bool near(double a, double b, double tolerance = 1e-9)
{
    return std::fabs(a - b) <= tolerance * (1 + std::fabs(a) + std::fabs(b));
}

static int check_vectors()
{
    const Vec<double, 4> a(1, 2, 3, 4), b(0.5, -1, 2, 8);
    const Vec<int, 4> k(2, 4, 6, 8);
    Vec<double, 4> c = a + b * 2 - 0.5 * (a * b);
    for (std::size_t i = 0; i < 4; i++)
        CHECK(near(c[i], a[i] + 2 * b[i] - 0.5 * a[i] * b[i]));
    c += a + k;
    CHECK(near(sum(c), sum(a + b * 2 - 0.5 * (a * b)) + sum(a) + sum(k)));
    CHECK(near(dot(a, b), 36.5) && dot(k, k) == 120 && dot(a + b, a - b) == dot(a, a) - dot(b, b));
    static_assert(std::is_same_v<decltype(dot(k, k)), int> && std::is_same_v<decltype(dot(a, k)), double>);
    CHECK(std::accumulate(k.begin(), k.end(), 0) == 20);

    Vec<double, 2> swing(1, 0); // position and speed of a spring; a full turn takes 2 pi
    const int steps = 200;
    for (int i = 0; i < steps; i++) {
        swing = runge_kutta(swing, 2 * 3.14159265358979323846 / steps,
                            [](const Vec<double, 2> &y) { return Vec<double, 2>(y[1], -y[0]); });
        CHECK(near(dot(swing, swing), 1.0, 1e-6));
    }
    CHECK(near(swing[0], 1.0, 1e-6) && near(swing[1], 0.0, 1e-6));

    const Vec<float, 3> up(0, 0, 1);
    Vec<float, 3> p(1, 2, 3);
    p = p - 2.0f * dot(p, up) * up;
    CHECK(p[0] == 1 && p[1] == 2 && p[2] == -3);
    return 0;
}

static int check_symbols()
{
    const Tree x = make(Variable{}), two = make(Constant{2});
    const Tree cases[] = {
        add(power(x, 3), multiply(two, x)),
        multiply(make(Apply{Function::sine, x}), make(Apply{Function::exponential, multiply(two, x)})),
        make(Apply{Function::cosine, power(x, 2)}),
        power(add(x, make(Constant{1})), 5),
        multiply(power(x, -1), make(Apply{Function::exponential, make(Apply{Function::cosine, x})})),
    };
    CHECK(print(cases[0]) == "(x^3 + 2*x)");
    CHECK(print(derive(cases[0])) == "(3*x^2 + 2)");
    CHECK(print(derive(cases[2])) == "-1*2*x*sin(x^2)");
    CHECK(print(derive(derive(derive(derive(cases[0]))))) == "0");
    for (const Tree &t : cases) {
        const Tree first = derive(t), second = derive(first);
        for (double at = 0.3; at < 2.0; at += 0.17) {
            const double h = 1e-5;
            CHECK(near(evaluate(first, at), (evaluate(t, at + h) - evaluate(t, at - h)) / (2 * h), 1e-6));
            CHECK(near(evaluate(second, at), (evaluate(first, at + h) - evaluate(first, at - h)) / (2 * h), 1e-6));
        }
    }
    return 0;
}

static int check_algorithms()
{
    CHECK(std::accumulate(row20.begin(), row20.end(), std::uint64_t{0}) == std::uint64_t{1} << 20);
    CHECK(std::is_sorted(squares.begin(), squares.end()));
    std::vector<Item> items;
    std::uint32_t state = 42;
    for (int i = 0; i < 120; i++) {
        state = state * 1664525u + 1013904223u;
        items.push_back({"item" + std::to_string(state >> 20), static_cast<int>(state >> 28), (state >> 8 & 0xff) / 16.0});
    }
    const double total = std::accumulate(items.begin(), items.end(), 0.0, [](double s, const Item &i) { return s + i.weight; });
    sort_by(items, [](const Item &i) -> const std::string & { return i.name; });
    sort_by(items, [](const Item &i) { return i.group; });
    double seen = 0;
    bool ordered = true;
    const std::size_t groups = for_each_group(items, [](const Item &i) { return i.group; }, [&](auto first, auto last) {
        ordered &= std::is_sorted(first, last, [](const Item &a, const Item &b) { return a.name < b.name; });
        for (; first != last; ++first)
            seen += first->weight;
    });
    CHECK(ordered && groups > 8 && groups <= 16 && near(seen, total));
    const auto heavy = std::partition(items.begin(), items.end(), [](const Item &i) { return i.weight > 8; });
    CHECK(std::all_of(items.begin(), heavy, [](const Item &i) { return i.weight > 8; }));
    items.erase(heavy, items.end());
    sort_by(items, [](const Item &i) { return std::make_tuple(-i.weight, i.name.size()); });
    for (std::size_t i = 1; i < items.size(); i++)
        CHECK(items[i - 1].weight >= items[i].weight);
    return 0;
}

int main()
{
    if (check_vectors() || check_symbols() || check_algorithms())
        return 1;
    std::printf("expression_templates: %d checks passed\n", checks);
    return 0;
}
