/* alloca and variable-length arrays: in loops, two-dimensional, as parameters, with sizes that change, with goto. */
#include <stdint.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

NOINLINE static int vla_sum(int n)
{
    int a[n + 1];
    for (int i = 0; i <= n; i++)
        a[i] = i * i;
    int s = 0;
    for (int i = n; i >= 0; i--)
        s += a[i] - (int)(sizeof a / sizeof *a);
    return s;
}

NOINLINE static int table(int rows, int columns, int m[rows][columns])
{
    int s = 0;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            s = s * 2 + m[i][j];
    return s + (int)sizeof m[0];
}

struct cell { struct cell *next; int value; };
NOINLINE static int list_on_stack(int n)
{
    struct cell *head = 0;
    for (int i = 0; i < n; i++) {
        struct cell *c = __builtin_alloca(sizeof *c); /* all of them live until the function returns */
        c->next = head;
        c->value = i;
        head = c;
    }
    int s = 0;
    for (struct cell *c = head; c; c = c->next)
        s = s * 3 + c->value;
    return s;
}

NOINLINE static int scoped(int rounds)
{
    int s = 0;
    for (int i = 1; i <= rounds; i++) {
        char buffer[i * 8];
        memset(buffer, i, sizeof buffer);
        s += buffer[0] + buffer[sizeof buffer - 1] + (int)sizeof buffer;
    }
    return s;
}

NOINLINE static int size_is_fixed(int n)
{
    char a[n];
    n *= 2;
    char b[n];
    a[0] = 1;
    b[n - 1] = 2;
    return (int)sizeof a * 100 + (int)sizeof b + a[0] + b[n - 1];
}

NOINLINE static int again(int n)
{
    int tries = 0, total = 0;
retry:;
    int a[n];
    a[n - 1] = n;
    total += a[n - 1];
    if (++tries < 4) {
        n += 3;
        goto retry;
    }
    return total;
}

NOINLINE static void reverse(char *s)
{
    size_t n = strlen(s);
    char *copy = __builtin_alloca(n + 1);
    memcpy(copy, s, n + 1);
    for (size_t i = 0; i < n; i++)
        s[i] = copy[n - 1 - i];
}
static int recursive(int n)
{
    int a[n + 2];
    a[0] = n;
    a[n + 1] = n ? recursive(n - 1) : 1;
    return a[0] + 2 * a[n + 1] - (n + 2 == 2);
}

int main(void)
{
    volatile int five = 5;
    CHECK(vla_sum(five) == 55 - 36 && vla_sum(0) == -1);
    int m[2][3] = {{1, 0, 1}, {0, 1, 1}};
    CHECK(table(2, 3, m) == 43 + 3 * (int)sizeof(int) && table(3, 2, (void *)m) == 43 + 2 * (int)sizeof(int));
    CHECK(list_on_stack(five) == 4 * 81 + 3 * 27 + 2 * 9 + 3 && list_on_stack(0) == 0);
    CHECK(scoped(five) == 2 * 15 + 8 * 15 && scoped(0) == 0);
    CHECK(size_is_fixed(five) == 513 && again(five) == 5 + 8 + 11 + 14);
    char text[] = "stressed";
    reverse(text);
    CHECK(!strcmp(text, "desserts"));
    for (int i = 0; i < 2000; i++)
        reverse(text);
    CHECK(!strcmp(text, "desserts") && recursive(3) == 3 + 2 * (2 + 2 * (1 + 2 * 1)));
    char flat[five * 2][3];
    CHECK(sizeof(int[five]) == 5 * sizeof(int) && sizeof flat == 30 && &flat[9][2] - &flat[0][0] == 29);
    return bad;
}
