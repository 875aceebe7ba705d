/* Substring search (naive, Knuth-Morris-Pratt, Boyer-Moore-Horspool, Rabin-Karp), glob patterns and edit distance.
 * Exercises byte loops, small tables, backtracking by hand, character classes and a table of function pointers. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { MAX_PATTERN = 64 };

typedef struct {
    const char *data;
    size_t length;
} text;

typedef ptrdiff_t (*searcher)(text haystack, text needle);

static text as_text(const char *s) { return (text){s, strlen(s)}; }

static text drop(text t, size_t n) { return (text){t.data + n, t.length - n}; }

static bool starts_with(text t, text prefix)
{
    return t.length >= prefix.length && memcmp(t.data, prefix.data, prefix.length) == 0;
}

/* All searchers return the first position, or -1. */
ptrdiff_t search_naive(text haystack, text needle)
{
    for (size_t i = 0; i + needle.length <= haystack.length; i++)
        if (starts_with(drop(haystack, i), needle))
            return (ptrdiff_t)i;
    return -1;
}

/* border[i] is the length of the longest proper prefix of the needle that ends at i. */
static void build_borders(text needle, size_t border[])
{
    size_t k = 0;
    border[0] = 0;
    for (size_t i = 1; i < needle.length; i++) {
        while (k > 0 && needle.data[k] != needle.data[i])
            k = border[k - 1];
        if (needle.data[k] == needle.data[i])
            k++;
        border[i] = k;
    }
}

ptrdiff_t search_kmp(text haystack, text needle)
{
    size_t border[MAX_PATTERN], k = 0;
    if (needle.length == 0)
        return 0;
    if (needle.length > MAX_PATTERN)
        return search_naive(haystack, needle);
    build_borders(needle, border);
    for (size_t i = 0; i < haystack.length; i++) {
        while (k > 0 && needle.data[k] != haystack.data[i])
            k = border[k - 1];
        if (needle.data[k] == haystack.data[i])
            k++;
        if (k == needle.length)
            return (ptrdiff_t)(i + 1 - k);
    }
    return -1;
}

ptrdiff_t search_horspool(text haystack, text needle)
{
    size_t shift[256], n = needle.length;
    if (n == 0)
        return 0;
    for (int c = 0; c < 256; c++)
        shift[c] = n;
    for (size_t i = 0; i + 1 < n; i++)
        shift[(uint8_t)needle.data[i]] = n - 1 - i;
    for (size_t i = 0; i + n <= haystack.length; i += shift[(uint8_t)haystack.data[i + n - 1]]) {
        size_t k = n;
        while (k > 0 && haystack.data[i + k - 1] == needle.data[k - 1])
            k--;
        if (k == 0)
            return (ptrdiff_t)i;
    }
    return -1;
}

#define RK_BASE 257u
#define RK_PRIME 16777213u

ptrdiff_t search_rabin_karp(text haystack, text needle)
{
    uint32_t wanted = 0, seen = 0, top = 1;
    size_t n = needle.length;
    if (n > haystack.length)
        return -1;
    for (size_t i = 0; i < n; i++) {
        wanted = (uint32_t)(((uint64_t)wanted * RK_BASE + (uint8_t)needle.data[i]) % RK_PRIME);
        seen = (uint32_t)(((uint64_t)seen * RK_BASE + (uint8_t)haystack.data[i]) % RK_PRIME);
        if (i > 0)
            top = (uint32_t)((uint64_t)top * RK_BASE % RK_PRIME);
    }
    for (size_t i = 0;; i++) {
        if (seen == wanted && starts_with(drop(haystack, i), needle))
            return (ptrdiff_t)i;
        if (i + n >= haystack.length)
            return -1;
        uint64_t out = (uint64_t)top * (uint8_t)haystack.data[i] % RK_PRIME;
        uint64_t rest = (seen + RK_PRIME - out) % RK_PRIME;
        seen = (uint32_t)((rest * RK_BASE + (uint8_t)haystack.data[i + n]) % RK_PRIME);
    }
}

/* Occurrences, overlapping ones too. */
size_t count_matches(searcher search, text haystack, text needle)
{
    size_t count = 0;
    while (haystack.length >= needle.length) {
        ptrdiff_t at = search(haystack, needle);
        if (at < 0)
            break;
        count++;
        if ((size_t)at == haystack.length)
            break;
        haystack = drop(haystack, (size_t)at + 1);
    }
    return count;
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

/* Reads "[a-z]" or "[!a-z]" after the '['. Returns what follows the ']', or NULL when there is none. */
static const char *match_class(const char *p, char c, bool fold, bool *matched)
{
    bool negated = *p == '!' || *p == '^', inside = false;
    p += negated;
    const char *first = p;
    while (*p && (*p != ']' || p == first)) {
        char low = *p++, high = low;
        if (p[0] == '-' && p[1] && p[1] != ']') {
            high = p[1];
            p += 2;
        }
        if (fold) {
            low = lower(low);
            high = lower(high);
        }
        inside |= (uint8_t)c >= (uint8_t)low && (uint8_t)c <= (uint8_t)high;
    }
    *matched = inside != negated;
    return *p ? p + 1 : NULL;
}

/* '*', '?', classes and '\' as in a shell. A class without an end stands for a plain '['. */
bool glob_match(const char *pattern, const char *s, bool fold)
{
    const char *star = NULL, *retry = NULL;
    for (;;) {
        char c = fold ? lower(*s) : *s;
        const char *next = pattern + 1;
        bool ok;
        if (*pattern == '*') {
            star = next;
            retry = s;
            pattern = next;
            continue;
        }
        if (*s == '\0' && *pattern == '\0')
            return true;
        switch (*s ? *pattern : '\0') {
        case '\0':
            ok = false;
            break;
        case '?':
            ok = true;
            break;
        case '[': {
            const char *end = match_class(next, c, fold, &ok);
            if (end)
                next = end;
            else
                ok = c == '[';
            break;
        }
        case '\\':
            if (*next) {
                ok = c == (fold ? lower(*next) : *next);
                next++;
                break;
            } /* fall through */
        default:
            ok = c == (fold ? lower(*pattern) : *pattern);
        }
        if (ok) {
            pattern = next;
            s++;
        } else if (star && *retry) {
            s = ++retry;
            pattern = star;
        } else {
            return false;
        }
    }
}

/* Insertions, deletions, replacements and swaps of neighbours. */
int edit_distance(text a, text b)
{
    int rows[3][MAX_PATTERN + 1];
    if (b.length > MAX_PATTERN)
        return -1;
    for (size_t j = 0; j <= b.length; j++)
        rows[0][j] = (int)j;
    for (size_t i = 1; i <= a.length; i++) {
        int *now = rows[i % 3];
        const int *before = rows[(i + 2) % 3], *older = rows[(i + 1) % 3];
        now[0] = (int)i;
        for (size_t j = 1; j <= b.length; j++) {
            int best = before[j - 1] + (a.data[i - 1] != b.data[j - 1]);
            if (before[j] + 1 < best)
                best = before[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] && a.data[i - 2] == b.data[j - 1]
                && older[j - 2] + 1 < best)
                best = older[j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[a.length % 3][b.length];
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

static uint32_t lcg_state = 4711;
static uint32_t lcg(void)
{
    lcg_state = lcg_state * 1664525u + 1013904223u;
    return lcg_state >> 16;
}

static const searcher searchers[] = {search_naive, search_kmp, search_horspool, search_rabin_karp};
enum { SEARCHERS = sizeof searchers / sizeof *searchers };

static int check_fixed(void)
{
    static const struct { const char *haystack, *needle; ptrdiff_t at; size_t count; } cases[] = {
        {"hello world", "world", 6, 1}, {"hello world", "o", 4, 2},      {"hello", "hello!", -1, 0},
        {"aaaaaa", "aaa", 0, 4},        {"abababac", "ababac", 2, 1},    {"", "a", -1, 0},
        {"abc", "", 0, 4},              {"mississippi", "issi", 1, 2},   {"xyz", "z", 2, 1},
        {"\xff\xfe\xff\xfd", "\xff\xfd", 2, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int k = 0; k < SEARCHERS; k++) {
            text haystack = as_text(cases[i].haystack), needle = as_text(cases[i].needle);
            CHECK(searchers[k](haystack, needle) == cases[i].at);
            CHECK(count_matches(searchers[k], haystack, needle) == cases[i].count);
        }
    return 0;
}

static int check_random(void)
{
    char haystack[300], needle[80];
    for (int round = 0; round < 300; round++) {
        uint32_t letters = 1 + lcg() % 4;
        text h = {haystack, lcg() % sizeof haystack}, n = {needle, lcg() % (round % 10 ? 8 : 80)};
        for (size_t i = 0; i < h.length; i++)
            haystack[i] = (char)('a' + lcg() % letters);
        for (size_t i = 0; i < n.length; i++)
            needle[i] = (char)('a' + lcg() % letters);
        if (round % 3 == 0 && h.length > n.length)
            memcpy(needle, haystack + lcg() % (h.length - n.length), n.length);
        ptrdiff_t at = search_naive(h, n);
        size_t count = count_matches(search_naive, h, n);
        for (int k = 1; k < SEARCHERS; k++) {
            CHECK(searchers[k](h, n) == at);
            CHECK(count_matches(searchers[k], h, n) == count);
        }
    }
    return 0;
}

static int check_globs(void)
{
    static const struct { const char *pattern, *s; bool match, folded; } cases[] = {
        {"*", "", true, true},              {"", "", true, true},             {"", "a", false, false},
        {"*.c", "main.c", true, true},      {"*.C", "main.c", false, true},   {"*.c", "main.cc", false, false},
        {"a*b*c", "aXbYbZc", true, true},   {"a*b*c", "aXbYbZ", false, false}, {"?at", "cat", true, true},
        {"?at", "at", false, false},        {"[a-c]x", "bx", true, true},     {"[!a-c]x", "bx", false, false},
        {"[a-c]x", "Bx", false, true},      {"[]x]y", "]y", true, true},      {"[ab", "[ab", true, true},
        {"\\*z", "*z", true, true},         {"\\*z", "az", false, false},     {"**a**", "bbab", true, true},
        {"*a[0-9]", "xa1a22a3", true, true}, {"*a[0-9]", "xa1a22a", false, false}, {"x\\", "x\\", true, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(glob_match(cases[i].pattern, cases[i].s, false) == cases[i].match);
        CHECK(glob_match(cases[i].pattern, cases[i].s, true) == cases[i].folded);
    }
    return 0;
}

static int check_distances(void)
{
    static const struct { const char *a, *b; int distance; } cases[] = {
        {"", "", 0}, {"abc", "", 3}, {"", "ab", 2}, {"kitten", "sitting", 3},
        {"flaw", "lawn", 2}, {"ab", "ba", 1}, {"compiler", "complier", 1}, {"same", "same", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        text a = as_text(cases[i].a), b = as_text(cases[i].b);
        CHECK(edit_distance(a, b) == cases[i].distance);
        CHECK(edit_distance(b, a) == cases[i].distance);
    }
    return 0;
}

int main(void)
{
    if (check_fixed() || check_random() || check_globs() || check_distances())
        return 1;
    printf("string_search: %d checks passed\n", checks);
    return 0;
}
