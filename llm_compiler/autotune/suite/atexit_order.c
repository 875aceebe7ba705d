/* Constructors and destructors with priorities, atexit in reverse order; the last handler gives the verdict. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

static char events[32];
static int count;

NOINLINE static void event(char c)
{
    events[count++] = c;
    events[count] = 0;
}

__attribute__((constructor(201))) static void early(void) { event('a'); }
__attribute__((constructor(203))) static void later(void) { event('c'); }
__attribute__((constructor(202))) static void between(void) { event('b'); }
__attribute__((constructor)) static void last(void) { event('d'); }

__attribute__((destructor)) static void first_down(void) { event('w'); }
__attribute__((destructor(203))) static void then_down(void) { event('x'); }
__attribute__((destructor(201))) static void verdict(void)
{
    CHECK(!strcmp(events, "abcdm321wx"));
    if (bad)
        _exit(bad);
}

static void one(void) { event('1'); }
static void two(void) { event('2'); }
static void three(void) { event('3'); }

static int initial = 5;
static int *const address = &initial;
__attribute__((constructor)) static void change(void) { *address += 10; }

int main(void)
{
    CHECK(!strcmp(events, "abcd") && initial == 15);
    event('m');
    if (atexit(one) || atexit(two) || atexit(three))
        _exit(0);
    return bad;
}
