/* JSON: a recursive-descent parser with error positions, a compact and an indented printer, lookup and comparison.
 * Exercises recursion, tagged unions, character switches, UTF-8 encoding and early exits. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT } json_kind;

typedef struct json {
    json_kind kind;
    char *key;          /* set for members of an object */
    char *text;         /* JSON_STRING */
    double number;      /* JSON_NUMBER */
    struct json *child; /* first element or member */
    struct json *next;
} json;

typedef struct {
    int line, column;
    const char *message; /* NULL when all is well */
} json_error;

typedef struct {
    const char *start, *at;
    int depth;
    json_error *error;
} parser;

enum { MAX_DEPTH = 64 };

typedef struct {
    char *data;
    size_t length, capacity;
    bool failed;
} buffer;

static void put_bytes(buffer *b, const char *bytes, size_t n)
{
    if (b->failed)
        return;
    if (b->length + n + 1 > b->capacity) {
        size_t capacity = b->capacity ? b->capacity : 32;
        while (capacity < b->length + n + 1)
            capacity *= 2;
        char *data = realloc(b->data, capacity);
        if (!data) {
            b->failed = true;
            return;
        }
        b->data = data;
        b->capacity = capacity;
    }
    memcpy(b->data + b->length, bytes, n);
    b->length += n;
    b->data[b->length] = '\0';
}

static void put_char(buffer *b, char c) { put_bytes(b, &c, 1); }
static void put_text(buffer *b, const char *s) { put_bytes(b, s, strlen(s)); }

static void put_utf8(buffer *b, uint32_t code)
{
    if (code < 0x80) {
        put_char(b, (char)code);
    } else if (code < 0x800) {
        put_char(b, (char)(0xc0 | code >> 6));
        put_char(b, (char)(0x80 | (code & 0x3f)));
    } else if (code < 0x10000) {
        put_char(b, (char)(0xe0 | code >> 12));
        put_char(b, (char)(0x80 | (code >> 6 & 0x3f)));
        put_char(b, (char)(0x80 | (code & 0x3f)));
    } else {
        put_char(b, (char)(0xf0 | code >> 18));
        put_char(b, (char)(0x80 | (code >> 12 & 0x3f)));
        put_char(b, (char)(0x80 | (code >> 6 & 0x3f)));
        put_char(b, (char)(0x80 | (code & 0x3f)));
    }
}

void json_free(json *v)
{
    while (v) {
        json *next = v->next;
        json_free(v->child);
        free(v->key);
        free(v->text);
        free(v);
        v = next;
    }
}

static bool fail(parser *p, const char *message)
{
    if (!p->error->message) {
        int line = 1, column = 1;
        for (const char *c = p->start; c < p->at; c++) {
            if (*c == '\n') {
                line++;
                column = 1;
            } else {
                column++;
            }
        }
        *p->error = (json_error){line, column, message};
    }
    return false;
}

static void skip_space(parser *p)
{
    while (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r')
        p->at++;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static int hex_value(char c)
{
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static bool parse_hex4(parser *p, uint32_t *code)
{
    *code = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(*p->at);
        if (digit < 0)
            return fail(p, "four hex digits expected");
        *code = *code << 4 | (uint32_t)digit;
        p->at++;
    }
    return true;
}

static bool parse_escape(parser *p, buffer *b)
{
    uint32_t code, low;
    char c = *p->at++;
    switch (c) {
    case '"': case '\\': case '/': put_char(b, c); return true;
    case 'b': put_char(b, '\b'); return true;
    case 'f': put_char(b, '\f'); return true;
    case 'n': put_char(b, '\n'); return true;
    case 'r': put_char(b, '\r'); return true;
    case 't': put_char(b, '\t'); return true;
    case 'u': break;
    default: p->at--; return fail(p, "unknown escape");
    }
    if (!parse_hex4(p, &code))
        return false;
    if (code == 0)
        return fail(p, "NUL in a string");
    if (code >= 0xdc00 && code < 0xe000)
        return fail(p, "low surrogate without a high one");
    if (code >= 0xd800 && code < 0xdc00) {
        if (p->at[0] != '\\' || p->at[1] != 'u')
            return fail(p, "high surrogate without a low one");
        p->at += 2;
        if (!parse_hex4(p, &low))
            return false;
        if (low < 0xdc00 || low >= 0xe000)
            return fail(p, "bad low surrogate");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    put_utf8(b, code);
    return true;
}

static bool parse_string(parser *p, char **out)
{
    buffer b = {0};
    put_bytes(&b, "", 0);
    p->at++;
    while (*p->at != '"') {
        bool ok = true;
        if (*p->at == '\\') {
            p->at++;
            ok = parse_escape(p, &b);
        } else if (*p->at == '\0') {
            ok = fail(p, "string without an end");
        } else if ((unsigned char)*p->at < 0x20) {
            ok = fail(p, "control character in a string");
        } else {
            put_char(&b, *p->at++);
        }
        if (!ok || b.failed) {
            free(b.data);
            return ok ? fail(p, "out of memory") : false;
        }
    }
    p->at++;
    *out = b.data;
    return b.data ? true : fail(p, "out of memory");
}

static bool parse_digits(parser *p)
{
    if (!is_digit(*p->at))
        return fail(p, "digit expected");
    while (is_digit(*p->at))
        p->at++;
    return true;
}

static bool parse_number(parser *p, double *out)
{
    const char *start = p->at;
    if (*p->at == '-')
        p->at++;
    if (p->at[0] == '0' && is_digit(p->at[1]))
        return fail(p, "leading zero");
    if (!parse_digits(p))
        return false;
    if (*p->at == '.') {
        p->at++;
        if (!parse_digits(p))
            return false;
    }
    if (*p->at == 'e' || *p->at == 'E') {
        p->at++;
        if (*p->at == '+' || *p->at == '-')
            p->at++;
        if (!parse_digits(p))
            return false;
    }
    *out = strtod(start, NULL);
    return isfinite(*out) ? true : fail(p, "number out of range");
}

static json *parse_value(parser *p);

/* Arrays and objects differ in the keys only. */
static bool parse_items(parser *p, json *owner, char close)
{
    json **tail = &owner->child;
    p->at++;
    skip_space(p);
    if (*p->at == close) {
        p->at++;
        return true;
    }
    for (;;) {
        char *key = NULL;
        skip_space(p);
        if (close == '}') {
            if (*p->at != '"')
                return fail(p, "key expected");
            if (!parse_string(p, &key))
                return false;
            skip_space(p);
            if (*p->at != ':') {
                free(key);
                return fail(p, "':' expected");
            }
            p->at++;
        }
        json *item = parse_value(p);
        if (!item) {
            free(key);
            return false;
        }
        item->key = key;
        *tail = item;
        tail = &item->next;
        skip_space(p);
        if (*p->at == close) {
            p->at++;
            return true;
        }
        if (*p->at != ',')
            return fail(p, close == '}' ? "',' or '}' expected" : "',' or ']' expected");
        p->at++;
    }
}

static bool parse_word(parser *p, json *v, const char *word, json_kind kind)
{
    size_t n = strlen(word);
    if (strncmp(p->at, word, n) != 0)
        return fail(p, "value expected");
    p->at += n;
    v->kind = kind;
    return true;
}

static json *parse_value(parser *p)
{
    bool ok;
    json *v = calloc(1, sizeof *v);
    if (!v) {
        fail(p, "out of memory");
        return NULL;
    }
    skip_space(p);
    if (++p->depth > MAX_DEPTH) {
        ok = fail(p, "nested too deeply");
    } else {
        switch (*p->at) {
        case 'n': ok = parse_word(p, v, "null", JSON_NULL); break;
        case 't': ok = parse_word(p, v, "true", JSON_TRUE); break;
        case 'f': ok = parse_word(p, v, "false", JSON_FALSE); break;
        case '"': v->kind = JSON_STRING; ok = parse_string(p, &v->text); break;
        case '[': v->kind = JSON_ARRAY; ok = parse_items(p, v, ']'); break;
        case '{': v->kind = JSON_OBJECT; ok = parse_items(p, v, '}'); break;
        case '-': case '0': case '1': case '2': case '3': case '4':
        case '5': case '6': case '7': case '8': case '9':
            v->kind = JSON_NUMBER; ok = parse_number(p, &v->number); break;
        default: ok = fail(p, *p->at ? "value expected" : "unexpected end");
        }
    }
    p->depth--;
    if (ok)
        return v;
    json_free(v);
    return NULL;
}

json *json_parse(const char *text, json_error *error)
{
    parser p = {text, text, 0, error};
    *error = (json_error){0, 0, NULL};
    json *v = parse_value(&p);
    if (!v)
        return NULL;
    skip_space(&p);
    if (*p.at) {
        fail(&p, "text after the value");
        json_free(v);
        return NULL;
    }
    return v;
}

static void print_string(buffer *b, const char *s)
{
    static const char hex[] = "0123456789abcdef";
    put_char(b, '"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        switch (c) {
        case '"': put_text(b, "\\\""); break;
        case '\\': put_text(b, "\\\\"); break;
        case '\b': put_text(b, "\\b"); break;
        case '\f': put_text(b, "\\f"); break;
        case '\n': put_text(b, "\\n"); break;
        case '\r': put_text(b, "\\r"); break;
        case '\t': put_text(b, "\\t"); break;
        default:
            if (c < 0x20) {
                put_text(b, "\\u00");
                put_char(b, hex[c >> 4]);
                put_char(b, hex[c & 15]);
            } else {
                put_char(b, (char)c);
            }
        }
    }
    put_char(b, '"');
}

static void print_number(buffer *b, double x)
{
    char text[40];
    if (fabs(x) < 1e15 && x == floor(x)) {
        snprintf(text, sizeof text, "%.0f", x);
    } else {
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, x);
            if (strtod(text, NULL) == x)
                break;
        }
    }
    put_text(b, text);
}

static void new_line(buffer *b, int indent, int level)
{
    if (indent == 0)
        return;
    put_char(b, '\n');
    for (int i = 0; i < indent * level; i++)
        put_char(b, ' ');
}

static void print_value(buffer *b, const json *v, int indent, int level)
{
    switch (v->kind) {
    case JSON_NULL: put_text(b, "null"); break;
    case JSON_FALSE: put_text(b, "false"); break;
    case JSON_TRUE: put_text(b, "true"); break;
    case JSON_NUMBER: print_number(b, v->number); break;
    case JSON_STRING: print_string(b, v->text); break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        put_char(b, v->kind == JSON_ARRAY ? '[' : '{');
        for (const json *c = v->child; c; c = c->next) {
            new_line(b, indent, level + 1);
            if (c->key) {
                print_string(b, c->key);
                put_text(b, indent ? ": " : ":");
            }
            print_value(b, c, indent, level + 1);
            if (c->next)
                put_char(b, ',');
        }
        if (v->child)
            new_line(b, indent, level);
        put_char(b, v->kind == JSON_ARRAY ? ']' : '}');
    }
}

/* The caller frees the text; NULL when memory ran out. */
char *json_print(const json *v, int indent)
{
    buffer b = {0};
    print_value(&b, v, indent, 0);
    if (b.failed) {
        free(b.data);
        return NULL;
    }
    return b.data;
}

const json *json_member(const json *v, const char *key)
{
    if (v && v->kind == JSON_OBJECT)
        for (const json *c = v->child; c; c = c->next)
            if (strcmp(c->key, key) == 0)
                return c;
    return NULL;
}

const json *json_element(const json *v, int index)
{
    if (v && v->kind == JSON_ARRAY)
        for (const json *c = v->child; c; c = c->next)
            if (index-- == 0)
                return c;
    return NULL;
}

bool json_equal(const json *a, const json *b)
{
    if (a->kind != b->kind || !a->key != !b->key || (a->key && strcmp(a->key, b->key)))
        return false;
    if (a->kind == JSON_NUMBER)
        return a->number == b->number;
    if (a->kind == JSON_STRING)
        return strcmp(a->text, b->text) == 0;
    const json *x = a->child, *y = b->child;
    for (; x && y; x = x->next, y = y->next)
        if (!json_equal(x, y))
            return false;
    return !x && !y;
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

static int check_document(void)
{
    static const char text[] =
        "{ \"name\": \"sensor \\\"A\\\"\", \"on\": true, \"off\": false, \"none\": null,\n"
        "  \"values\": [1, -2.5, 3e2, 0.1, [ ], {}],\n"
        "  \"word\": \"\\u00e9\\u20ac\\ud83d\\ude00\\n\" }";
    json_error e;
    json *v = json_parse(text, &e);
    CHECK(v && !e.message);
    CHECK(strcmp(json_member(v, "name")->text, "sensor \"A\"") == 0);
    CHECK(json_member(v, "on")->kind == JSON_TRUE);
    CHECK(json_member(v, "none")->kind == JSON_NULL);
    CHECK(json_member(v, "missing") == NULL);
    const json *values = json_member(v, "values");
    CHECK(json_element(values, 1)->number == -2.5);
    CHECK(json_element(values, 2)->number == 300.0);
    CHECK(json_element(values, 5)->kind == JSON_OBJECT);
    CHECK(json_element(values, 6) == NULL && json_element(v, 0) == NULL);
    CHECK(strcmp(json_member(v, "word")->text, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\n") == 0);
    for (int indent = 0; indent <= 4; indent += 2) {
        char *printed = json_print(v, indent);
        json *again = printed ? json_parse(printed, &e) : NULL;
        CHECK(again && json_equal(v, again));
        free(printed);
        json_free(again);
    }
    json_free(v);
    return 0;
}

static int check_printing(void)
{
    static const struct { const char *in, *compact, *indented; } cases[] = {
        {"[ 1 , 2 ]", "[1,2]", "[\n  1,\n  2\n]"},
        {"{\"a\" : [] }", "{\"a\":[]}", "{\n  \"a\": []\n}"},
        {" \"\\u0001\\t\\/\" ", "\"\\u0001\\t/\"", "\"\\u0001\\t/\""},
        {"1e21", "1e+21", "1e+21"},
        {"0.1", "0.1", "0.1"},
        {"-12345678901", "-12345678901", "-12345678901"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_error e;
        json *v = json_parse(cases[i].in, &e);
        CHECK(v);
        char *compact = json_print(v, 0), *indented = json_print(v, 2);
        CHECK(compact && strcmp(compact, cases[i].compact) == 0);
        CHECK(indented && strcmp(indented, cases[i].indented) == 0);
        free(compact);
        free(indented);
        json_free(v);
    }
    return 0;
}

static int check_errors(void)
{
    static const struct { const char *in; int line, column; const char *message; } cases[] = {
        {"", 1, 1, "unexpected end"},
        {"[1,\n 2,\n x]", 3, 2, "value expected"},
        {"[1 2]", 1, 4, "',' or ']' expected"},
        {"{\"a\":1,}", 1, 8, "key expected"},
        {"{\"a\" 1}", 1, 6, "':' expected"},
        {"{\"a\":1 \"b\"}", 1, 8, "',' or '}' expected"},
        {"\"abc", 1, 5, "string without an end"},
        {"\"a\tb\"", 1, 3, "control character in a string"},
        {"\"\\x\"", 1, 3, "unknown escape"},
        {"\"\\u12g4\"", 1, 6, "four hex digits expected"},
        {"\"\\ud800!\"", 1, 8, "high surrogate without a low one"},
        {"\"\\ude00\"", 1, 8, "low surrogate without a high one"},
        {"01", 1, 1, "leading zero"},
        {"-", 1, 2, "digit expected"},
        {"1.", 1, 3, "digit expected"},
        {"1e+", 1, 4, "digit expected"},
        {"1e999", 1, 6, "number out of range"},
        {"nul", 1, 1, "value expected"},
        {"1 1", 1, 3, "text after the value"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_error e;
        CHECK(json_parse(cases[i].in, &e) == NULL);
        CHECK(e.line == cases[i].line && e.column == cases[i].column);
        CHECK(strcmp(e.message, cases[i].message) == 0);
    }
    char deep[2 * MAX_DEPTH + 3];
    for (int depth = MAX_DEPTH; depth <= MAX_DEPTH + 1; depth++) {
        json_error e;
        memset(deep, '[', (size_t)depth);
        memset(deep + depth, ']', (size_t)depth);
        deep[2 * depth] = '\0';
        json *v = json_parse(deep, &e);
        CHECK(!v == (depth > MAX_DEPTH));
        json_free(v);
    }
    return 0;
}

int main(void)
{
    if (check_document() || check_printing() || check_errors())
        return 1;
    printf("json: %d checks passed\n", checks);
    return 0;
}
