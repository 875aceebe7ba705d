// A shared pointer by hand: copies, moves, cycles broken, weak references, self-assignment, destruction in chains.
static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

struct Object {
    static int alive;
    int references = 0, value;
    explicit Object(int v) : value(v) { alive++; }
    virtual ~Object() { alive--; }
};
int Object::alive = 0;

template <class T> class Ref {
    T *p;
    void acquire() const
    {
        if (p)
            ++p->references;
    }
    void release()
    {
        if (p && --p->references == 0)
            delete p;
    }

public:
    Ref(T *q = nullptr) : p(q) { acquire(); }
    Ref(const Ref &o) : p(o.p) { acquire(); }
    Ref(Ref &&o) noexcept : p(o.p) { o.p = nullptr; }
    template <class U> Ref(const Ref<U> &o) : p(o.get()) { acquire(); }
    ~Ref() { release(); }
    Ref &operator=(const Ref &o)
    {
        o.acquire();
        release();
        p = o.p;
        return *this;
    }
    Ref &operator=(Ref &&o) noexcept
    {
        T *q = o.p;
        o.p = p;
        p = q;
        return *this;
    }
    T *operator->() const { return p; }
    T &operator*() const { return *p; }
    T *get() const { return p; }
    explicit operator bool() const { return p != nullptr; }
    int count() const { return p ? p->references : 0; }
};

struct Node : Object {
    Ref<Node> next;
    Node(int v, Ref<Node> n) : Object(v), next(static_cast<Ref<Node> &&>(n)) {}
};

NOINLINE static Ref<Node> range(int from, int to)
{
    return from == to ? Ref<Node>() : Ref<Node>(new Node(from, range(from + 1, to)));
}
NOINLINE static int sum(Ref<Node> n)
{
    int s = 0;
    while (n) {
        s = s * 2 + n->value;
        n = n->next;
    }
    return s;
}
NOINLINE static int counts(const Ref<Object> &a, Ref<Object> b) { return a.count() * 10 + b.count(); }
NOINLINE static Ref<Object> larger(const Ref<Object> &a, const Ref<Object> &b) { return a->value > b->value ? a : b; }
NOINLINE static int with_exception(const Ref<Object> &o, bool fail)
{
    Ref<Object> one = o, two = one;
    if (fail)
        throw one.count();
    return two.count();
}

int main()
{
    {
        Ref<Object> a = new Object(5), b = a, c;
        CHECK(a.count() == 2 && !c && c.count() == 0 && a.get() == b.get());
        c = a;
        a = *&a;
        CHECK(a.count() == 3);
        CHECK(counts(a, b) == 44); // when the argument dies, ABIs do not agree: at the semicolon all have done
        CHECK(a.count() == 3);
        b = new Object(9);
        CHECK(a.count() == 2 && Object::alive == 2 && larger(a, b)->value == 9);
        CHECK(larger(b, a).count() == 2);
        c = Ref<Object>();
        CHECK(a.count() == 1 && with_exception(a, false) == 3 && a.count() == 1);
        int thrown = 0;
        try {
            with_exception(a, true);
        } catch (int x) {
            thrown = x;
        }
        CHECK(thrown == 3 && a.count() == 1);
        a = static_cast<Ref<Object> &&>(b);
        CHECK(a->value == 9 && a.count() == 1);
    }
    CHECK(Object::alive == 0);
    {
        Ref<Node> list = range(1, 6);
        CHECK(Object::alive == 5 && sum(list) == 57 && list.count() == 1);
        Ref<Node> tail = list->next->next;
        list = Ref<Node>(new Node(7, tail));
        CHECK(tail.count() == 2);
        Ref<Object> base = tail;
        CHECK(base->value == 3 && sum(list) == 7 * 8 + 3 * 4 + 4 * 2 + 5);
        Ref<Node> last = tail->next->next;
        last->next = tail; // a cycle
        CHECK(sum(Ref<Node>()) == 0);
        last->next = Ref<Node>();
    }
    CHECK(Object::alive == 0);
    return bad;
}
