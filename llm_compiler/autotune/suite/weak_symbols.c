/* Weak definitions, undefined weak references, aliases, sections and used-but-unreferenced functions. */
#include <stdint.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

__attribute__((weak)) int weak_value = 5;
__attribute__((weak)) int weak_function(int x) { return x + weak_value; }
extern int never_defined(int) __attribute__((weak));
extern int never_defined_object __attribute__((weak));

int original(int x) { return x * 3; }
extern int other_name(int) __attribute__((alias("original")));
static int hidden_original(int x) { return x - 3; }
static int hidden_alias(int) __attribute__((alias("hidden_original")));
__attribute__((weak, alias("original"))) int weak_alias(int x);

int object = 11;
extern int object_alias __attribute__((alias("object")));

__attribute__((section("suite_data"))) int in_section = 21;
__attribute__((section("suite_text"))) NOINLINE int code_in_section(int x) { return x + in_section; }
__attribute__((used)) static int unreferenced(void) { return 4; }
__attribute__((visibility("hidden"))) int hidden_object = 31;
int common_object;

static int resolved(int x) { return never_defined ? never_defined(x) : -x; }

NOINLINE static int through_both_names(int x)
{
    object = x;
    object_alias += 1;
    return object;
}

int main(void)
{
    int (*volatile p)(int) = weak_function;
    CHECK(weak_function(2) == 7 && p(3) == 8 && p == weak_function);
    weak_value = 50;
    CHECK(weak_function(2) == 52);
    CHECK(never_defined == 0 && &never_defined_object == 0 && resolved(4) == -4);
    CHECK(other_name(5) == 15 && hidden_alias(5) == 2 && weak_alias(6) == 18);
    int (*volatile a)(int) = original, (*volatile b)(int) = other_name;
    CHECK(a == b && a(2) == b(2));
    int *volatile x = &object, *volatile y = &object_alias;
    CHECK(x == y && through_both_names(40) == 41 && *x == 41);
    *y = 3;
    CHECK(*x == 3 && object == 3);
    CHECK(code_in_section(1) == 22);
    in_section = -1;
    CHECK(code_in_section(1) == 0 && hidden_object == 31 && common_object == 0);
    common_object = 9;
    int *volatile c = &common_object;
    CHECK(*c == 9);
    return bad;
}
