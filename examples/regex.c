/* Regular expressions: a compiler to a small instruction set, run two ways: by backtracking and by simulating all threads at once.
 * Exercises recursive descent, bit sets, code that patches itself, recursion against work lists, and switches. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { MAX_CODE = 256, MAX_SETS = 24, MAX_DEPTH = 40 };

typedef enum { I_CHAR, I_ANY, I_SET, I_SPLIT, I_JUMP, I_BEGIN, I_END, I_WORD, I_MATCH } kind;

typedef struct {
    uint8_t kind;
    uint8_t c;       /* the character, or the number of a set */
    uint16_t x, y;   /* where to go on; x is tried first */
} instruction;

typedef struct {
    uint32_t bits[8];
} char_set;

typedef struct {
    instruction code[MAX_CODE];
    char_set sets[MAX_SETS];
    int length, set_count;
    const char *error; /* NULL when the pattern is good */
    size_t error_at;
} regex;

typedef struct {
    const char *start, *at;
    regex *out;
    int depth;
} compiler;

typedef struct {
    const char *begin, *end; /* begin is NULL when nothing matched */
} span;

static void set_add(char_set *s, uint8_t c) { s->bits[c >> 5] |= 1u << (c & 31); }
static bool set_has(const char_set *s, uint8_t c) { return s->bits[c >> 5] >> (c & 31) & 1; }

static void set_add_range(char_set *s, uint8_t low, uint8_t high)
{
    for (unsigned c = low; c <= high; c++)
        set_add(s, (uint8_t)c);
}

static void set_invert(char_set *s)
{
    for (int i = 0; i < 8; i++)
        s->bits[i] = ~s->bits[i];
}

static void set_join(char_set *s, const char_set *other)
{
    for (int i = 0; i < 8; i++)
        s->bits[i] |= other->bits[i];
}

static bool fail(compiler *c, const char *message)
{
    if (!c->out->error) {
        c->out->error = message;
        c->out->error_at = (size_t)(c->at - c->start);
    }
    return false;
}

static bool emit(compiler *c, kind k, unsigned value, int x, int y)
{
    regex *r = c->out;
    if (r->length == MAX_CODE)
        return fail(c, "pattern too long");
    r->code[r->length++] = (instruction){(uint8_t)k, (uint8_t)value, (uint16_t)x, (uint16_t)y};
    return true;
}

/* Makes room for one instruction at a place, and moves the targets behind it. */
static bool insert(compiler *c, int place, kind k, int x, int y)
{
    regex *r = c->out;
    if (!emit(c, k, 0, 0, 0))
        return false;
    memmove(&r->code[place + 1], &r->code[place], (size_t)(r->length - 1 - place) * sizeof *r->code);
    for (int i = place + 1; i < r->length; i++) {
        if (r->code[i].x >= place) r->code[i].x++;
        if (r->code[i].y >= place) r->code[i].y++;
    }
    r->code[place] = (instruction){(uint8_t)k, 0, (uint16_t)x, (uint16_t)y};
    return true;
}

static bool emit_set(compiler *c, const char_set *s)
{
    if (c->out->set_count == MAX_SETS)
        return fail(c, "too many sets");
    c->out->sets[c->out->set_count] = *s;
    return emit(c, I_SET, (unsigned)c->out->set_count++, 0, 0);
}

/* \d \w \s and their opposites; false for any other letter. */
static bool named_set(char name, char_set *s)
{
    memset(s, 0, sizeof *s);
    switch (name) {
    case 'd': case 'D':
        set_add_range(s, '0', '9');
        break;
    case 'w': case 'W':
        set_add_range(s, 'a', 'z');
        set_add_range(s, 'A', 'Z');
        set_add_range(s, '0', '9');
        set_add(s, '_');
        break;
    case 's': case 'S':
        set_add_range(s, '\t', '\r');
        set_add(s, ' ');
        break;
    default:
        return false;
    }
    if (name < 'a')
        set_invert(s);
    return true;
}

static char escaped(char c)
{
    switch (c) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    case 'f': return '\f';
    case 'v': return '\v';
    default: return c;
    }
}

static bool compile_class(compiler *c)
{
    char_set s = {{0}}, named;
    bool negated = *c->at == '^';
    c->at += negated;
    const char *first = c->at;
    while (*c->at != ']' || c->at == first) {
        char low = *c->at++;
        if (low == '\0') {
            c->at--;
            return fail(c, "']' expected");
        }
        if (low == '\\' && *c->at) {
            low = *c->at++;
            if (named_set(low, &named)) {
                set_join(&s, &named);
                continue;
            }
            low = escaped(low);
        }
        char high = low;
        if (c->at[0] == '-' && c->at[1] != ']' && c->at[1] != '\0') {
            high = c->at[1];
            c->at += 2;
        }
        if ((uint8_t)high < (uint8_t)low)
            return fail(c, "range out of order");
        set_add_range(&s, (uint8_t)low, (uint8_t)high);
    }
    c->at++;
    if (negated)
        set_invert(&s);
    return emit_set(c, &s);
}

static bool compile_choice(compiler *c);

static bool compile_atom(compiler *c)
{
    char_set s;
    char ch = *c->at++;
    switch (ch) {
    case '(':
        if (++c->depth > MAX_DEPTH)
            return fail(c, "nested too deeply");
        if (!compile_choice(c))
            return false;
        c->depth--;
        if (*c->at != ')')
            return fail(c, "')' expected");
        c->at++;
        return true;
    case '[': return compile_class(c);
    case '.': return emit(c, I_ANY, 0, 0, 0);
    case '^': return emit(c, I_BEGIN, 0, 0, 0);
    case '$': return emit(c, I_END, 0, 0, 0);
    case '*': case '+': case '?':
        c->at--;
        return fail(c, "nothing to repeat");
    case '\\':
        ch = *c->at;
        if (ch == '\0')
            return fail(c, "character expected");
        c->at++;
        if (ch == 'b')
            return emit(c, I_WORD, 0, 0, 0);
        if (named_set(ch, &s))
            return emit_set(c, &s);
        return emit(c, I_CHAR, (uint8_t)escaped(ch), 0, 0);
    default:
        return emit(c, I_CHAR, (uint8_t)ch, 0, 0);
    }
}

/* An atom and its '*', '+' or '?', lazy when another '?' follows. */
static bool compile_repeat(compiler *c)
{
    regex *r = c->out;
    int start = r->length;
    if (!compile_atom(c))
        return false;
    char op = *c->at;
    if (op != '*' && op != '+' && op != '?')
        return true;
    c->at++;
    bool lazy = *c->at == '?';
    c->at += lazy;
    if (op == '+') {
        int after = r->length + 1;
        return lazy ? emit(c, I_SPLIT, 0, after, start) : emit(c, I_SPLIT, 0, start, after);
    }
    int body = start + 1, after = r->length + 1 + (op == '*');
    if (!insert(c, start, I_SPLIT, lazy ? after : body, lazy ? body : after))
        return false;
    return op == '*' ? emit(c, I_JUMP, 0, start, 0) : true;
}

static bool compile_sequence(compiler *c)
{
    while (*c->at && *c->at != '|' && *c->at != ')')
        if (!compile_repeat(c))
            return false;
    return true;
}

static bool compile_choice(compiler *c)
{
    regex *r = c->out;
    int start = r->length;
    if (!compile_sequence(c))
        return false;
    if (*c->at != '|')
        return true;
    c->at++;
    if (!insert(c, start, I_SPLIT, start + 1, r->length + 2))
        return false;
    int jump = r->length;
    if (!emit(c, I_JUMP, 0, 0, 0) || !compile_choice(c))
        return false;
    r->code[jump].x = (uint16_t)r->length;
    return true;
}

bool regex_compile(regex *r, const char *pattern)
{
    compiler c = {pattern, pattern, r, 0};
    memset(r, 0, sizeof *r);
    if (!compile_choice(&c))
        return false;
    if (*c.at)
        return fail(&c, "')' without '('");
    return emit(&c, I_MATCH, 0, 0, 0);
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool at_word_edge(const char *text, const char *s)
{
    return (s > text && is_word(s[-1])) != is_word(*s);
}

static bool takes(const regex *r, instruction i, char c)
{
    if (c == '\0')
        return false;
    switch (i.kind) {
    case I_CHAR: return (uint8_t)c == i.c;
    case I_ANY: return c != '\n';
    case I_SET: return set_has(&r->sets[i.c], (uint8_t)c);
    default: return false;
    }
}

static bool holds(instruction i, const char *text, const char *s)
{
    switch (i.kind) {
    case I_BEGIN: return s == text;
    case I_END: return *s == '\0';
    default: return at_word_edge(text, s);
    }
}

/* ---- one thread after the other; *fuel bounds the steps. Returns the end of the match. ---- */

static const char *backtrack(const regex *r, const char *text, const char *s, int pc, int depth, long *fuel)
{
    for (;;) {
        instruction i = r->code[pc];
        if (--*fuel < 0 || depth > 2000)
            return NULL;
        switch ((kind)i.kind) {
        case I_MATCH:
            return s;
        case I_CHAR: case I_ANY: case I_SET:
            if (!takes(r, i, *s))
                return NULL;
            s++;
            pc++;
            break;
        case I_BEGIN: case I_END: case I_WORD:
            if (!holds(i, text, s))
                return NULL;
            pc++;
            break;
        case I_JUMP:
            pc = i.x;
            break;
        case I_SPLIT: {
            const char *end = backtrack(r, text, s, i.x, depth + 1, fuel);
            if (end)
                return end;
            pc = i.y;
            break;
        }
        }
    }
}

span regex_search_backtracking(const regex *r, const char *text, long *fuel)
{
    for (const char *s = text;; s++) {
        const char *end = backtrack(r, text, s, 0, 0, fuel);
        if (end)
            return (span){s, end};
        if (*s == '\0' || *fuel < 0)
            return (span){NULL, NULL};
    }
}

/* ---- all threads at once, in order of preference: linear in the text ---- */

typedef struct {
    uint16_t pc[MAX_CODE];
    uint32_t seen[MAX_CODE / 32];
    int count;
} thread_list;

static void list_clear(thread_list *l)
{
    memset(l->seen, 0, sizeof l->seen);
    l->count = 0;
}

static void add_thread(const regex *r, thread_list *l, int pc, const char *text, const char *s)
{
    while (!(l->seen[pc >> 5] >> (pc & 31) & 1)) {
        instruction i = r->code[pc];
        l->seen[pc >> 5] |= 1u << (pc & 31);
        switch ((kind)i.kind) {
        case I_JUMP:
            pc = i.x;
            break;
        case I_SPLIT:
            add_thread(r, l, i.x, text, s);
            pc = i.y;
            break;
        case I_BEGIN: case I_END: case I_WORD:
            if (!holds(i, text, s))
                return;
            pc++;
            break;
        default:
            l->pc[l->count++] = (uint16_t)pc;
            return;
        }
    }
}

static const char *simulate(const regex *r, const char *text, const char *s)
{
    thread_list lists[2], *now = &lists[0], *next = &lists[1];
    const char *end = NULL;
    list_clear(now);
    add_thread(r, now, 0, text, s);
    while (now->count > 0) {
        list_clear(next);
        for (int t = 0; t < now->count; t++) {
            instruction i = r->code[now->pc[t]];
            if (i.kind == I_MATCH) {
                end = s;
                break;
            }
            if (takes(r, i, *s))
                add_thread(r, next, now->pc[t] + 1, text, s + 1);
        }
        thread_list *swap = now;
        now = next;
        next = swap;
        s++;
    }
    return end;
}

span regex_search(const regex *r, const char *text)
{
    for (const char *s = text;; s++) {
        const char *end = simulate(r, text, s);
        if (end)
            return (span){s, end};
        if (*s == '\0')
            return (span){NULL, NULL};
    }
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

static int check_matches(void)
{
    static const struct { const char *pattern, *text; int begin, end; } cases[] = {
        {"abc", "xxabcxx", 2, 5},         {"a.c", "a\nc abc", 4, 7},       {"", "abc", 0, 0},
        {"a*", "aaab", 0, 3},             {"a+?", "aaab", 0, 1},           {"a*?b", "aaab", 0, 4},
        {"x*", "aaa", 0, 0},              {"colou?r", "my color", 3, 8},   {"^abc$", "abc", 0, 3},
        {"^b", "ab", -1, -1},             {"b$", "bab", 2, 3},             {"cat|dog|bird", "a bird", 2, 6},
        {"(ab)+", "xababa", 1, 5},        {"(a|b)*c", "abbac", 0, 5},      {"[a-f0-9]+", "xyz12efg", 3, 7},
        {"[^a-z]+", "abc123d", 3, 6},     {"[]x]+", "a]x]", 1, 4},         {"[a\\]-]+", "b-]a", 1, 4},
        {"\\d+\\.\\d+", "v 10.25", 2, 7}, {"\\w+@\\w+", "to me@home!", 3, 10}, {"\\S+", "  ab ", 2, 4},
        {"[\\d_]+", "a1_2", 1, 4},        {"\\bend\\b", "bend end", 5, 8}, {"\\\\n", "\\n", 0, 2},
        {"a|ab", "ab", 0, 1},             {"(a|ab)(c|bcd)", "abcd", 0, 4}, {"(|a)b", "ab", 0, 2},
        {"\\t", "a\tb", 1, 2},            {"(a(b(c)?)?)?d", "abd", 0, 3},  {"ab+c", "ac", -1, -1},
        {"\\D\\W", "1a-", 1, 3},          {"(x+x+)+y", "xxxxxy", 0, 6},    {"\xc3[\x80-\xbf]", "\xc3\xa9", 0, 2},
    };
    static regex r;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *text = cases[i].text;
        long fuel = 100000;
        CHECK(regex_compile(&r, cases[i].pattern));
        span a = regex_search(&r, text), b = regex_search_backtracking(&r, text, &fuel);
        CHECK(a.begin == b.begin && a.end == b.end);
        if (cases[i].begin < 0)
            CHECK(a.begin == NULL);
        else
            CHECK(a.begin == text + cases[i].begin && a.end == text + cases[i].end);
    }
    return 0;
}

static int check_errors(void)
{
    static const struct { const char *pattern; size_t at; const char *message; } cases[] = {
        {"*a", 0, "nothing to repeat"}, {"a|+", 2, "nothing to repeat"}, {"(ab", 3, "')' expected"},
        {"ab)", 2, "')' without '('"},  {"[ab", 3, "']' expected"},      {"[z-a]", 4, "range out of order"},
        {"ab\\", 3, "character expected"},
    };
    static regex r;
    char longest[MAX_CODE + 2];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(!regex_compile(&r, cases[i].pattern));
        CHECK(r.error_at == cases[i].at && strcmp(r.error, cases[i].message) == 0);
    }
    memset(longest, 'a', sizeof longest);
    longest[MAX_CODE] = '\0';
    CHECK(!regex_compile(&r, longest) && strcmp(r.error, "pattern too long") == 0);
    longest[MAX_CODE - 1] = '\0';
    CHECK(regex_compile(&r, longest));
    return 0;
}

/* Random patterns over a small alphabet: both machines must agree, unless the backtracker ran out of fuel. */
static int check_random(void)
{
    static const char *const parts[] = {"a", "b", "c", ".", "[ab]", "(a|b)", "(ab|c)", "b|", "\\b"};
    static const char *const repeats[] = {"", "", "*", "+", "?", "*?", "+?", "??"};
    static regex r;
    uint32_t state = 7;
    int compared = 0;
    for (int round = 0; round < 400; round++) {
        char pattern[80] = "", text[24];
        for (int i = 0; i < 5; i++) {
            state = state * 1664525u + 1013904223u;
            const char *part = parts[(state >> 16) % 9], *repeat = repeats[(state >> 24) % 8];
            strcat(pattern, part);
            if (strcmp(part, "b|") != 0 && strcmp(part, "\\b") != 0)
                strcat(pattern, repeat);
        }
        size_t n = (state >> 12) % sizeof text;
        for (size_t i = 0; i < n; i++) {
            state = state * 1664525u + 1013904223u;
            text[i] = (char)('a' + (state >> 16) % 3);
        }
        text[n] = '\0';
        long fuel = 200000;
        CHECK(regex_compile(&r, pattern));
        span a = regex_search(&r, text), b = regex_search_backtracking(&r, text, &fuel);
        if (fuel < 0)
            continue;
        compared++;
        CHECK(a.begin == b.begin && a.end == b.end);
    }
    CHECK(compared > 350);
    return 0;
}

int main(void)
{
    if (check_matches() || check_errors() || check_random())
        return 1;
    printf("regex: %d checks passed\n", checks);
    return 0;
}
