/* Results of the printf and scanf families, which compilers simplify: lengths, truncation, no format, only a string. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

static char buffer[128];

NOINLINE static int plain(size_t n) { return snprintf(buffer, n, "constant"); }
NOINLINE static int only_string(const char *s) { return sprintf(buffer, "%s", s); }
NOINLINE static int only_char(int c) { return sprintf(buffer, "%c", c); }
NOINLINE static int number(size_t n, int x) { return snprintf(buffer, n, "%d", x); }
NOINLINE static int measure(const char *s, int x) { return snprintf(NULL, 0, "%s=%d;", s, x); }
static int is(const char *want) { return !strcmp(buffer, want); }

int main(void)
{
    volatile int seven = 7;
    memset(buffer, '#', sizeof buffer);
    CHECK(plain(sizeof buffer) == 8 && is("constant") && plain(4) == 8 && is("con") && plain(1) == 8 && is(""));
    CHECK(plain(0) == 8 && is(""));
    CHECK(only_string("text") == 4 && is("text") && only_string("") == 0 && is("") && only_char('x') == 1 && is("x"));
    CHECK(only_char(0) == 1 && buffer[0] == 0 && buffer[1] == 0);
    CHECK(number(100, -123456) == 7 && is("-123456") && number(3, 98765) == 5 && is("98"));
    CHECK(measure("key", seven) == 6 && measure("", -10) == 5);
    CHECK(sprintf(buffer, "%5d|%-5d|%05d|%+d", seven, seven, seven, seven) == 20 && is("    7|7    |00007|+7"));
    CHECK(sprintf(buffer, "%x %X %o %u %%", 255, 255, 8, 4000000000u) == 21 && is("ff FF 10 4000000000 %"));
    CHECK(sprintf(buffer, "%.3f %g %e", 2.5, 0.0001, 12345.678) == 25 && is("2.500 0.0001 1.234568e+04"));
    CHECK(sprintf(buffer, "%.*s%*d", 3, "abcdef", 4, seven) == 7 && is("abc   7"));
    CHECK(sprintf(buffer, "%" PRId64 " %hhd %lx", INT64_MIN, (signed char)-1, 255ul) == 26 &&
          is("-9223372036854775808 -1 ff"));
    CHECK(sprintf(buffer, "%s%s", "a", "b") == 2 && is("ab") && sprintf(buffer, "%%") == 1 && is("%"));
    char *end = buffer + sprintf(buffer, "one ");
    end += sprintf(end, "%s ", "two");
    end += sprintf(end, "%c", '3');
    CHECK(end == buffer + 9 && is("one two 3"));
    int a, b;
    char word[8];
    CHECK(sscanf("12 -7 hello", "%d %d %7s", &a, &b, word) == 3 && a == 12 && b == -7 && !strcmp(word, "hello"));
    CHECK(sscanf("x", "%d", &a) == 0 && sscanf("", "%d", &a) == EOF && a == 12);
    double d;
    CHECK(sscanf("2.5e1/ff", "%lf/%x", &d, (unsigned *)&b) == 2 && d == 25.0 && b == 255);
    return bad;
}
