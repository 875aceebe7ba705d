// <algorithm>, <numeric> and std::function over small arrays, with predicates that have state.
#include <algorithm>
#include <functional>
#include <numeric>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

struct Item {
    int key, order;
};

NOINLINE static int compose(const std::function<int(int)> &f, const std::function<int(int)> &g,
    int x) { return f(g(x)); }
NOINLINE static bool stable(const Item *x, int n)
{
    for (int i = 1; i < n; i++)
        if (x[i - 1].key > x[i].key || (x[i - 1].key == x[i].key && x[i - 1].order > x[i].order))
            return false;
    return true;
}
static int twice(int x) { return 2 * x; }

int main()
{
    int x[10];
    std::iota(x, x + 10, -3);
    CHECK(std::accumulate(x, x + 10, 0) == 15 && std::inner_product(x, x + 10, x, 0) == 105);
    std::rotate(x, x + 3, x + 10);
    CHECK(x[0] == 0 && x[6] == 6 && x[7] == -3);
    CHECK(std::count_if(x, x + 10, [](int v) { return v % 2 == 0; }) == 5 && *std::min_element(x, x + 10) == -3);
    int *middle = std::partition(x, x + 10, [](int v) { return v > 1; });
    CHECK(middle - x == 5 && std::all_of(x, middle, [](int v) { return v > 1; }) &&
          std::none_of(middle, x + 10, [](int v) { return v > 1; }));
    std::sort(x, x + 10, std::greater<int>());
    CHECK(x[0] == 6 && x[9] == -3 && std::is_sorted(x, x + 10, std::greater<int>()));
    std::reverse(x, x + 10);
    CHECK(std::binary_search(x, x + 10, 4) && !std::binary_search(x, x + 10, 9));
    auto range = std::equal_range(x, x + 10, 0);
    CHECK(range.first - x == 3 && range.second - range.first == 1);
    std::partial_sum(x, x + 10, x);
    CHECK(x[3] == -6 && x[9] == 15);

    Item items[60];
    for (int i = 0; i < 60; i++)
        items[i] = {i * 17 % 7, i};
    std::stable_sort(items, items + 60, [](const Item &a, const Item &b) { return a.key < b.key; });
    CHECK(stable(items, 60));
    std::nth_element(items, items + 30, items + 60, [](const Item &a, const Item &b) { return a.order < b.order; });
    CHECK(items[30].order == 30);

    char text[] = "cab", last[] = "cba";
    int n = 0;
    std::sort(text, text + 3);
    do
        n++;
    while (std::next_permutation(text, text + 3) && n < 100);
    CHECK(n == 6 && text[0] == 'a' && !std::next_permutation(last, last + 3));

    int heap[8] = {3, 1, 4, 1, 5, 9, 2, 6}, sorted = 0;
    std::make_heap(heap, heap + 8);
    for (int i = 8; i > 0; i--) {
        std::pop_heap(heap, heap + i);
        sorted = sorted * 10 + heap[i - 1];
    }
    CHECK(sorted == 96543211 && heap[0] == 1);

    int calls = 0, offset = 5;
    std::function<int(int)> add = [&calls, offset](int v) { return ++calls, v + offset; }, none;
    CHECK(compose(add, twice, 4) == 13 && compose(twice, add, 4) == 18 && calls == 2 && !none);
    int caught = 0;
    try {
        none(1);
    } catch (const std::bad_function_call &) {
        caught = 1;
    }
    none = std::move(add);
    CHECK(caught && none(1) == 6 && calls == 3);
    int out[10];
    int *end = std::copy_if(x, x + 10, out, [seen = 0](int) mutable { return seen++ % 3 == 0; });
    CHECK(end - out == 4 && out[3] == 15);
    end = std::remove(out, end, -6);
    CHECK(end - out == 3 && std::find(out, end, 15) == out + 2 && std::max({3, 9, 4}) == 9 &&
          std::clamp(12, 0, 10) == 10);
    return bad;
}
