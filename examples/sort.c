/* Sorting: quicksort and heapsort on int32, a stable merge sort on any type, radix sorts on integers and doubles, selection, bounds.
 * Exercises partition loops, recursion against loops, indirect calls, swaps of any size, counting tables and bit tricks on doubles. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int (*comparison)(const void *a, const void *b);

typedef struct {
    int32_t key;
    uint16_t order; /* position before sorting */
    char name[6];
} record;

static void swap_int(int32_t *a, int32_t *b)
{
    int32_t c = *a;
    *a = *b;
    *b = c;
}

static void swap_bytes(void *a, void *b, size_t size)
{
    uint8_t *x = a, *y = b;
    for (; size > 0; size--) {
        uint8_t c = *x;
        *x++ = *y;
        *y++ = c;
    }
}

void insertion_sort(int32_t *a, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        int32_t v = a[i];
        size_t j = i;
        for (; j > 0 && a[j - 1] > v; j--)
            a[j] = a[j - 1];
        a[j] = v;
    }
}

static int32_t median3(int32_t a, int32_t b, int32_t c)
{
    if (a > b)
        swap_int(&a, &b);
    return c < a ? a : c > b ? b : c;
}

/* Hoare's partition: returns p with a[0..p] <= pivot <= a[p+1..], both parts not empty. */
static size_t partition(int32_t *a, size_t n)
{
    int32_t pivot = median3(a[0], a[(n - 1) / 2], a[n - 2]);
    size_t i = 0, j = n - 1;
    for (;; i++, j--) {
        while (a[i] < pivot)
            i++;
        while (a[j] > pivot)
            j--;
        if (i >= j)
            return j;
        swap_int(&a[i], &a[j]);
    }
}

static void sift_down(int32_t *a, size_t root, size_t n)
{
    int32_t v = a[root];
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && a[child + 1] > a[child])
            child++;
        if (a[child] <= v)
            break;
        a[root] = a[child];
    }
    a[root] = v;
}

void heap_sort(int32_t *a, size_t n)
{
    for (size_t i = n / 2; i > 0; i--)
        sift_down(a, i - 1, n);
    for (size_t i = n; i > 1; i--) {
        swap_int(&a[0], &a[i - 1]);
        sift_down(a, 0, i - 1);
    }
}

/* Falls back to the heap when the partitions turn out badly. */
static void quick_sort_limited(int32_t *a, size_t n, int limit)
{
    while (n > 16) {
        if (limit-- == 0) {
            heap_sort(a, n);
            return;
        }
        size_t p = partition(a, n) + 1;
        if (p < n - p) {
            quick_sort_limited(a, p, limit);
            a += p;
            n -= p;
        } else {
            quick_sort_limited(a + p, n - p, limit);
            n = p;
        }
    }
    insertion_sort(a, n);
}

void quick_sort(int32_t *a, size_t n)
{
    int limit = 2;
    for (size_t m = n; m > 1; m /= 2)
        limit += 2;
    quick_sort_limited(a, n, limit);
}

void shell_sort(int32_t *a, size_t n)
{
    static const size_t gaps[] = {1750, 701, 301, 132, 57, 23, 10, 4, 1};
    for (size_t g = 0; g < sizeof gaps / sizeof *gaps; g++)
        for (size_t i = gaps[g]; i < n; i++) {
            int32_t v = a[i];
            size_t j = i;
            for (; j >= gaps[g] && a[j - gaps[g]] > v; j -= gaps[g])
                a[j] = a[j - gaps[g]];
            a[j] = v;
        }
}

/* Any type, stable, bottom-up. False when memory ran out. */
bool merge_sort(void *base, size_t n, size_t size, comparison compare)
{
    uint8_t *from = base, *to = malloc(n * size + 1), *scratch = to;
    if (!to)
        return false;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t low = 0; low < n; low += 2 * width) {
            size_t mid = low + width < n ? low + width : n;
            size_t high = mid + width < n ? mid + width : n;
            size_t i = low, j = mid;
            for (size_t k = low; k < high; k++) {
                bool left = i < mid && (j >= high || compare(from + i * size, from + j * size) <= 0);
                memcpy(to + k * size, from + (left ? i++ : j++) * size, size);
            }
        }
        uint8_t *swap = from;
        from = to;
        to = swap;
    }
    if (from == scratch && n > 0)
        memcpy(base, from, n * size);
    free(scratch);
    return true;
}

/* Any type, in place, not stable. */
void heap_sort_any(void *base, size_t n, size_t size, comparison compare)
{
    uint8_t *a = base;
    size_t start = n / 2, end = n;
    while (end > 1) {
        if (start > 0)
            start--;
        else
            swap_bytes(a, a + --end * size, size);
        size_t root = start, child;
        while ((child = 2 * root + 1) < end) {
            if (child + 1 < end && compare(a + child * size, a + (child + 1) * size) < 0)
                child++;
            if (compare(a + root * size, a + child * size) >= 0)
                break;
            swap_bytes(a + root * size, a + child * size, size);
            root = child;
        }
    }
}

static void radix_pass32(const uint32_t *from, uint32_t *to, size_t n, unsigned shift)
{
    size_t place[257] = {0};
    for (size_t i = 0; i < n; i++)
        place[(from[i] >> shift & 0xff) + 1]++;
    for (int d = 0; d < 256; d++)
        place[d + 1] += place[d];
    for (size_t i = 0; i < n; i++)
        to[place[from[i] >> shift & 0xff]++] = from[i];
}

static void radix_pass64(const uint64_t *from, uint64_t *to, size_t n, unsigned shift)
{
    size_t place[257] = {0};
    for (size_t i = 0; i < n; i++)
        place[(from[i] >> shift & 0xff) + 1]++;
    for (int d = 0; d < 256; d++)
        place[d + 1] += place[d];
    for (size_t i = 0; i < n; i++)
        to[place[from[i] >> shift & 0xff]++] = from[i];
}

void radix_sort_u32(uint32_t *a, uint32_t *scratch, size_t n)
{
    for (unsigned shift = 0; shift < 32; shift += 16) {
        radix_pass32(a, scratch, n, shift);
        radix_pass32(scratch, a, n, shift + 8);
    }
}

/* The bits of a double, changed so that unsigned order is numeric order. */
static uint64_t ordered_bits(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits ^ (bits >> 63 ? UINT64_MAX : UINT64_C(1) << 63);
}

static double from_ordered_bits(uint64_t bits)
{
    double x;
    bits ^= bits >> 63 ? UINT64_C(1) << 63 : UINT64_MAX;
    memcpy(&x, &bits, sizeof x);
    return x;
}

bool radix_sort_double(double *a, size_t n)
{
    uint64_t *keys = malloc(2 * n * sizeof *keys + 1);
    if (!keys)
        return false;
    for (size_t i = 0; i < n; i++)
        keys[i] = ordered_bits(a[i]);
    for (unsigned shift = 0; shift < 64; shift += 16) {
        radix_pass64(keys, keys + n, n, shift);
        radix_pass64(keys + n, keys, n, shift + 8);
    }
    for (size_t i = 0; i < n; i++)
        a[i] = from_ordered_bits(keys[i]);
    free(keys);
    return true;
}

/* The k-th smallest, k from 0; reorders the array. */
int32_t select_nth(int32_t *a, size_t n, size_t k)
{
    while (n > 2) {
        size_t p = partition(a, n) + 1;
        if (k < p) {
            n = p;
        } else {
            a += p;
            n -= p;
            k -= p;
        }
    }
    if (n == 2 && a[0] > a[1])
        swap_int(&a[0], &a[1]);
    return a[k];
}

size_t lower_bound(const int32_t *a, size_t n, int32_t v)
{
    size_t low = 0;
    while (n > 0) {
        size_t half = n / 2;
        if (a[low + half] < v) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}

size_t upper_bound(const int32_t *a, size_t n, int32_t v)
{
    size_t low = 0;
    while (n > 0) {
        size_t half = n / 2;
        if (a[low + half] <= v) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}

static int checks;
#define CHECK(cond)                                                                \
    do {                                                                           \
        checks++;                                                                  \
        if (!(cond)) {                                                             \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #cond);     \
            return 1;                                                              \
        }                                                                          \
    } while (0)

static uint32_t lcg_state = 31337;
static uint32_t lcg(void)
{
    lcg_state = lcg_state * 1664525u + 1013904223u;
    return lcg_state ^ lcg_state >> 16;
}

enum { MOST = 3000 };
static int32_t input[MOST], wanted[MOST], work[MOST];

typedef enum { RANDOM, FEW_VALUES, ASCENDING, DESCENDING, SAWTOOTH, CONSTANT, SHAPES } shape;

static void fill(shape s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int32_t k = (int32_t)i;
        switch (s) {
        case RANDOM: input[i] = (int32_t)(lcg() >> 1) - (1 << 30); break;
        case FEW_VALUES: input[i] = (int32_t)(lcg() % 7) - 3; break;
        case ASCENDING: input[i] = k * 3; break;
        case DESCENDING: input[i] = -k; break;
        case SAWTOOTH: input[i] = k % 50 * (k & 1 ? -1 : 1); break;
        default: input[i] = 42;
        }
    }
}

static int by_value(const void *a, const void *b)
{
    int32_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static int by_key(const void *a, const void *b)
{
    const record *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const record *)a)->name, ((const record *)b)->name);
}

static int check_integers(size_t n)
{
    static void (*const sorts[])(int32_t *, size_t) = {insertion_sort, heap_sort, quick_sort, shell_sort};
    static uint32_t keys[MOST], scratch[MOST];
    memcpy(wanted, input, n * sizeof *input);
    qsort(wanted, n, sizeof *wanted, by_value);
    for (size_t k = 0; k < sizeof sorts / sizeof *sorts; k++) {
        memcpy(work, input, n * sizeof *input);
        sorts[k](work, n);
        CHECK(memcmp(work, wanted, n * sizeof *work) == 0);
    }
    memcpy(work, input, n * sizeof *input);
    CHECK(merge_sort(work, n, sizeof *work, by_value) && memcmp(work, wanted, n * sizeof *work) == 0);
    memcpy(work, input, n * sizeof *input);
    heap_sort_any(work, n, sizeof *work, by_value);
    CHECK(memcmp(work, wanted, n * sizeof *work) == 0);
    for (size_t i = 0; i < n; i++)
        keys[i] = (uint32_t)input[i] ^ 0x80000000u;
    radix_sort_u32(keys, scratch, n);
    for (size_t i = 0; i < n; i++)
        CHECK(keys[i] == ((uint32_t)wanted[i] ^ 0x80000000u));
    for (size_t i = 0; i < 10 && n > 0; i++) {
        size_t k = lcg() % n, low = lower_bound(wanted, n, wanted[k]), high = upper_bound(wanted, n, wanted[k]);
        memcpy(work, input, n * sizeof *input);
        CHECK(select_nth(work, n, k) == wanted[k]);
        CHECK(low <= k && k < high);
        CHECK(wanted[low] == wanted[k] && (low == 0 || wanted[low - 1] < wanted[k]));
        CHECK(wanted[high - 1] == wanted[k] && (high == n || wanted[high] > wanted[k]));
    }
    return 0;
}

static int check_records(void)
{
    static record r[500];
    enum { N = sizeof r / sizeof *r };
    for (int i = 0; i < N; i++) {
        r[i].key = (int32_t)(lcg() % 20);
        r[i].order = (uint16_t)i;
        snprintf(r[i].name, sizeof r[i].name, "n%u", (unsigned)(lcg() % 90));
    }
    CHECK(merge_sort(r, N, sizeof *r, by_key));
    for (int i = 1; i < N; i++)
        CHECK(r[i - 1].key < r[i].key || (r[i - 1].key == r[i].key && r[i - 1].order < r[i].order));
    CHECK(merge_sort(r, N, sizeof *r, by_name));
    for (int i = 1; i < N; i++) {
        int c = by_name(&r[i - 1], &r[i]);
        CHECK(c < 0 || (c == 0 && r[i - 1].key <= r[i].key));
    }
    heap_sort_any(r, N, sizeof *r, by_key);
    for (int i = 1; i < N; i++)
        CHECK(r[i - 1].key <= r[i].key);
    return 0;
}

static int check_doubles(void)
{
    static double x[600];
    static const double special[] = {0.0, -0.0, INFINITY, -INFINITY, 1e-310, -1e-310, 1.5, -1.5};
    enum { N = sizeof x / sizeof *x, SPECIAL = sizeof special / sizeof *special };
    double before = 0.0, after = 0.0;
    for (int i = 0; i < N; i++) {
        x[i] = i < SPECIAL ? special[i] : ldexp((double)lcg() - 2147483648.0, (int)(lcg() % 60) - 40);
        before += isfinite(x[i]) ? fabs(fmod(x[i], 1.0)) : 0.0;
    }
    CHECK(radix_sort_double(x, N));
    for (int i = 1; i < N; i++) {
        CHECK(x[i - 1] <= x[i]);
        CHECK(x[i - 1] != 0.0 || x[i] != 0.0 || signbit(x[i - 1]) >= signbit(x[i]));
    }
    for (int i = 0; i < N; i++)
        after += isfinite(x[i]) ? fabs(fmod(x[i], 1.0)) : 0.0;
    CHECK(fabs(before - after) < 1e-6 && isinf(x[0]) && isinf(x[N - 1]));
    return 0;
}

int main(void)
{
    static const size_t sizes[] = {0, 1, 2, 3, 16, 17, 100, 1000, MOST};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int s = 0; s < SHAPES; s++) {
            fill((shape)s, sizes[i]);
            if (check_integers(sizes[i]))
                return 1;
        }
    if (check_records() || check_doubles())
        return 1;
    printf("sort: %d checks passed\n", checks);
    return 0;
}
