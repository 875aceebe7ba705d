/* Globals only written, only read, set once, split structures, arrays and pointers to them; order of initialisers. */
#include <stddef.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

static int only_written;
static int never_written;
static const int constant = 42;
static int set_once;
static int *pointer_once;
static struct { int used, unused; long sum; short tail[4]; } split = {1, 2, 3, {4, 5, 6, 7}};
static int boolean_like = 10;
static char letters[] = "abc", *cursor = letters;
static int target = 5, *to_target = &target, **to_pointer = &to_target;
static int self_reference[3] = {(int)sizeof self_reference, 1, 2};
static struct ring { struct ring *next; int v; } ring[2] = {{&ring[1], 1}, {&ring[0], 2}};
int external_linkage = 3;
static void (*hook)(int);
static int hook_calls;
static double floating;
static volatile int last_word;

static void on_hook(int x) { hook_calls += x; }
NOINLINE static void install(int yes) { if (yes) hook = on_hook; }
NOINLINE static void call_hook(int x) { if (hook) hook(x); }
NOINLINE static int initialise(int x)
{
    if (!set_once) {
        set_once = 77;
        pointer_once = &set_once;
    }
    only_written = x;
    only_written++;
    return set_once;
}
NOINLINE static int use_split(int x)
{
    split.used += x;
    split.sum += split.used;
    split.tail[x & 3]++;
    return split.tail[3];
}
NOINLINE static int toggled(int on)
{
    boolean_like = on ? 20 : 10;
    return boolean_like + 1;
}
NOINLINE static char next_letter(void)
{
    if (!*cursor)
        cursor = letters;
    return *cursor++;
}
NOINLINE static int recurse(int n)
{
    static int level;
    level++;
    int r = n ? recurse(n - 1) : level;
    level--;
    return r + level;
}
NOINLINE static int local_use_only(int n)
{
    floating = n; /* no one else looks: a local in disguise, except across the call */
    call_hook(1);
    floating += 0.5;
    return (int)(floating * 2);
}

int main(void)
{
    CHECK(never_written == 0 && constant == 42 && !pointer_once);
    CHECK(initialise(1) == 77 && initialise(2) == 77 && *pointer_once == 77);
    *pointer_once = 78;
    CHECK(set_once == 78 && initialise(3) == 78);
    CHECK(use_split(2) == 7 && use_split(3) == 8 && split.used == 6 && split.sum == 12 && split.tail[2] == 7);
    CHECK(boolean_like == 10 && toggled(1) == 21 && boolean_like == 20 && toggled(0) == 11 && boolean_like == 10);
    char text[6] = {0};
    for (int i = 0; i < 5; i++)
        text[i] = next_letter();
    CHECK(!strcmp(text, "abcab") && cursor == letters + 2);
    **to_pointer = 6;
    CHECK(target == 6);
    int other = 9;
    *to_pointer = &other;
    CHECK(*to_target == 9 && target == 6);
    CHECK(self_reference[0] == 3 * (int)sizeof(int) && ring[0].next->next == ring && ring[1].next->v == 1);
    external_linkage += constant;
    CHECK(external_linkage == 45);
    install(0);
    call_hook(5);
    CHECK(hook_calls == 0 && hook == NULL);
    install(1);
    call_hook(5);
    CHECK(hook_calls == 5 && recurse(4) == 5 + 4 + 3 + 2 + 1 + 0);
    CHECK(local_use_only(3) == 7 && hook_calls == 6);
    last_word = 1;
    last_word = 2;
    return bad;
}
