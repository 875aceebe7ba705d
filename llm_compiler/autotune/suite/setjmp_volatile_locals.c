/* setjmp and longjmp: volatile locals keep their values, nested contexts, loops of retries, values 0 and others. */
#include <setjmp.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

static jmp_buf outer, inner;
static int depth_reached;

NOINLINE static void dive(int depth, int until)
{
    volatile char frame[32];
    memset((char *)frame, depth, sizeof frame);
    depth_reached = depth;
    if (depth == until)
        longjmp(outer, depth + 100);
    dive(depth + 1, until);
    if (frame[3] != depth)
        bad = __LINE__; /* never reached: longjmp skips it */
}

NOINLINE static int retry(int times)
{
    volatile int tries = 0;
    volatile long sum = 0;
    switch (setjmp(inner)) { /* its value may be tested, not assigned */
    case 4: sum = sum + 1; /* fall through */
    case 3: sum = sum + 1; /* fall through */
    case 2: sum = sum + 1; /* fall through */
    case 1: sum = sum + 1; /* fall through */
    default: tries = tries + 1;
    }
    if (tries < times)
        longjmp(inner, tries);
    return (int)sum * 100 + tries;
}

NOINLINE static int zero_becomes_one(void)
{
    switch (setjmp(inner)) {
    case 0:
        longjmp(inner, 0);
    case 1:
        return 11;
    default:
        return 12;
    }
}

NOINLINE static int nested(void)
{
    volatile int path = 0;
    if (setjmp(outer) == 0) {
        path = path * 10 + 1;
        if (setjmp(inner) == 0) {
            path = path * 10 + 2;
            longjmp(inner, 1);
        } else {
            path = path * 10 + 3;
            longjmp(outer, 1);
        }
    }
    return path * 10 + 4;
}

NOINLINE static int array_survives(void)
{
    volatile int values[8];
    for (int i = 0; i < 8; i++)
        values[i] = i * i;
    if (!setjmp(outer)) {
        for (int i = 0; i < 8; i++)
            values[i] += 1000;
        dive(0, 5);
    }
    int sum = 0;
    for (int i = 0; i < 8; i++)
        sum += values[i];
    return sum;
}

int main(void)
{
    volatile int back = 0;
    switch (setjmp(outer)) {
    case 0: dive(0, 7); break;
    case 107: back = 1; break;
    default: back = 2;
    }
    CHECK(back == 1 && depth_reached == 7);
    CHECK(retry(1) == 1 && retry(5) == 1005);
    CHECK(zero_becomes_one() == 11);
    CHECK(nested() == 1234);
    CHECK(array_survives() == 8140 && depth_reached == 5);
    return bad;
}
