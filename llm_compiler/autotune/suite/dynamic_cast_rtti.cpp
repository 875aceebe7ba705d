// dynamic_cast down, across and failing, typeid of objects and of types, bad_cast and bad_typeid.
#include <cstring>
#include <typeinfo>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

struct Shape {
    virtual ~Shape() = default;
    virtual int sides() const { return 0; }
};
struct Named {
    const char *name = "?";
    virtual ~Named() = default;
};
struct Square : Shape, Named {
    Square() { name = "square"; }
    int sides() const override { return 4; }
};
struct Triangle : Shape {
    int sides() const override { return 3; }
};
struct Hidden : Shape, private Named {};
struct Tile final : Square {
    int colour = 7;
};
struct Plain { int x; };
struct PlainDerived : Plain {};
template <int N> struct Numbered : Shape {
    int sides() const override { return N; }
};

NOINLINE static const char *name_of(const Shape &s)
{
    const Named *n = dynamic_cast<const Named *>(&s);
    return n ? n->name : "none";
}
NOINLINE static int classify(const Shape *s)
{
    if (auto *t = dynamic_cast<const Tile *>(s))
        return 10 + t->colour;
    if (dynamic_cast<const Square *>(s))
        return 2;
    if (dynamic_cast<const Triangle *>(s))
        return 3;
    return s ? 4 : 5;
}
NOINLINE static int by_typeid(const Shape &s)
{
    const std::type_info &t = typeid(s);
    return t == typeid(Square) ? 1 : t == typeid(Triangle) ? 2 : t == typeid(Tile) ? 3 : t == typeid(Numbered<5>) ? 5 : 0;
}
NOINLINE static int must_be_square(Shape &s)
{
    try {
        return dynamic_cast<Square &>(s).sides();
    } catch (const std::bad_cast &) {
        return -1;
    }
}
NOINLINE static int typeid_of(const Shape *s)
{
    try {
        return typeid(*s) == typeid(Shape);
    } catch (const std::bad_typeid &) {
        return -1;
    }
}
struct Watcher {
    int seen = 0;
    virtual ~Watcher() = default;
};
struct Constructing : Watcher {
    explicit Constructing(const std::type_info *&out) { out = &typeid(*this); }
};
struct Finished : Constructing {
    explicit Finished(const std::type_info *&out) : Constructing(out) {}
};

int main()
{
    Shape shape;
    Square square;
    Triangle triangle;
    Hidden hidden;
    Tile tile;
    Numbered<5> five;
    Numbered<6> six;
    CHECK(!std::strcmp(name_of(square), "square") && !std::strcmp(name_of(tile), "square"));
    CHECK(!std::strcmp(name_of(triangle), "none") && !std::strcmp(name_of(hidden), "none"));
    CHECK(classify(&tile) == 17 && classify(&square) == 2 && classify(&triangle) == 3 && classify(&six) == 4 &&
          classify(nullptr) == 5);
    CHECK(by_typeid(square) == 1 && by_typeid(triangle) == 2 && by_typeid(tile) == 3 && by_typeid(five) == 5 &&
          by_typeid(six) == 0);
    CHECK(must_be_square(tile) == 4 && must_be_square(triangle) == -1 && must_be_square(shape) == -1);
    CHECK(typeid_of(&shape) == 1 && typeid_of(&six) == 0 && typeid_of(nullptr) == -1);
    PlainDerived p;
    Plain &r = p;
    CHECK(typeid(r) == typeid(Plain) && typeid(int) != typeid(unsigned) && typeid(const int) == typeid(int));
    CHECK(typeid(five) != typeid(six) && std::strcmp(typeid(five).name(), typeid(six).name()) != 0);
    Named *n = &tile;
    CHECK(dynamic_cast<Tile *>(n) == &tile && dynamic_cast<Shape *>(n) == &tile && !dynamic_cast<Triangle *>(n));
    CHECK(dynamic_cast<const void *>(n) == &tile);
    const std::type_info *during = nullptr;
    Finished f(during);
    CHECK(*during == typeid(Constructing) && typeid(static_cast<Watcher &>(f)) == typeid(Finished));
    int evaluations = 0;
    CHECK(typeid(evaluations++) == typeid(int) && evaluations == 0);
    return bad;
}
