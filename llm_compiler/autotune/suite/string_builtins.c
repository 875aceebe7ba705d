/* The string functions that compilers know: on constants, on buffers, with results used as pointers or as truth. */
#include <stdlib.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

static char buffer[64];
static const char fixed[] = "constant text";

NOINLINE static size_t length(const char *s) { return strlen(s); }
NOINLINE static size_t length_by_loop(const char *s)
{
    const char *p = s;
    while (*p)
        p++;
    return (size_t)(p - s);
}
NOINLINE static int equal(const char *s) { return strcmp(s, "abc") == 0; }
NOINLINE static int starts(const char *s) { return strncmp(s, "pre", 3) == 0; }
NOINLINE static int compare(const char *s, const char *t)
{
    int r = strcmp(s, t);
    return (r > 0) - (r < 0);
}
NOINLINE static int offset(const char *s, int c)
{
    const char *p = strchr(s, c);
    return p ? (int)(p - s) : -1;
}
NOINLINE static int last_offset(const char *s, int c)
{
    const char *p = strrchr(s, c);
    return p ? (int)(p - s) : -1;
}
NOINLINE static char *joined(const char *s, const char *t) { return strcat(strcpy(buffer, s), t); }
NOINLINE static int in_set(int c) { return c && strchr("+-*/", c) != 0; }
NOINLINE static size_t grown(int n)
{
    buffer[0] = 0;
    for (int i = 0; i < n; i++) {
        size_t before = strlen(buffer);
        buffer[before] = (char)('a' + i);
        buffer[before + 1] = 0;
    }
    return strlen(buffer);
}

int main(void)
{
    volatile size_t three = 3;
    CHECK(length("") == 0 && length(fixed) == 13 && length(fixed + three) == 10 && strlen("a\0b") == 1);
    CHECK(length_by_loop(fixed) == 13 && length_by_loop("") == 0);
    CHECK(equal("abc") && !equal("ab") && !equal("abcd") && !equal(""));
    CHECK(starts("prefix") && starts("pre") && !starts("pr") && !starts("Pre"));
    CHECK(compare("a", "b") == -1 && compare("b", "a") == 1 && compare("", "") == 0 && compare("a\x80", "a\x7f") == 1);
    CHECK(offset("hello", 'l') == 2 && offset("hello", 'z') == -1 && offset("hello", 0) == 5 &&
          last_offset("hello", 'l') == 3);
    CHECK(last_offset("hello", 0) == 5 && last_offset("", 'x') == -1);
    CHECK(!strcmp(joined("foo", "bar"), "foobar") && joined("", "") == buffer && !*buffer);

    memset(buffer, 'x', sizeof buffer);
    strncpy(buffer, "short", 10);
    CHECK(!memcmp(buffer, "short\0\0\0\0\0x", 11));
    strncpy(buffer, "longer than", three);
    CHECK(!memcmp(buffer, "lonrt", 6));
    strcpy(buffer, "12345");
    strncat(buffer, "abcdef", three);
    CHECK(!strcmp(buffer, "12345abc"));
    CHECK(strspn("aabbc", "ab") == 4 && strcspn("hello, world", ", ") == 5 && strstr(fixed, "tan") == fixed + 4);
    CHECK(strstr(fixed, "") == fixed && !strstr(fixed, "texts") && strpbrk(fixed, "xyz") == fixed + 11);
    CHECK(in_set('+') && in_set('/') && !in_set('0') && !in_set(0));
    CHECK(grown(26) == 26 && buffer[25] == 'z' && grown(0) == 0);

    char tokens[] = "one,two,,three";
    int count = 0, letters = 0;
    for (char *t = strtok(tokens, ","); t; t = strtok(0, ",")) {
        count++;
        letters += (int)strlen(t);
    }
    CHECK(count == 3 && letters == 11);
    CHECK(atoi("-42x") == -42 && strtol("0x1f", 0, 0) == 31 && abs(-7) == 7 && strtoul("777", 0, 8) == 511);
    return bad;
}
