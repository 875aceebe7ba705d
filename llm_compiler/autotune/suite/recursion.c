/* Recursion: Ackermann, mutual, tree-shaped, with arrays on the stack, and through an accumulator. */
#include <stdint.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

NOINLINE static unsigned ackermann(unsigned m, unsigned n)
{
    if (m == 0)
        return n + 1;
    if (n == 0)
        return ackermann(m - 1, 1);
    return ackermann(m - 1, ackermann(m, n - 1));
}

static int is_odd(unsigned n);
static int is_even(unsigned n) { return n == 0 ? 1 : is_odd(n - 1); }
static int is_odd(unsigned n) { return n == 0 ? 0 : is_even(n - 1); }

static int female(int n);
static int male(int n) { return n == 0 ? 0 : n - female(male(n - 1)); }
static int female(int n) { return n == 0 ? 1 : n - male(female(n - 1)); }

static uint64_t fibonacci(int n) { return n < 2 ? (uint64_t)n : fibonacci(n - 1) + fibonacci(n - 2); }

/* Not a tail call, but a sum that can be turned into a loop. */
static long digits(long n) { return n < 10 ? n : n % 10 + digits(n / 10); }
static long factorial(long n) { return n <= 1 ? 1 : n * factorial(n - 1); }
static int mc_carthy(int n) { return n > 100 ? n - 10 : mc_carthy(mc_carthy(n + 11)); }

static int moves;
static void hanoi(int n, int *from, int *to, int *by)
{
    if (n == 0)
        return;
    hanoi(n - 1, from, by, to);
    to[++to[0]] = from[from[0]--];
    moves++;
    hanoi(n - 1, by, to, from);
}

static int queens(int n, unsigned columns, unsigned left, unsigned right)
{
    unsigned all = (1u << n) - 1, free = all & ~(columns | left | right);
    int found = columns == all;
    while (free) {
        unsigned bit = free & -free;
        free ^= bit;
        found += queens(n, columns | bit, (left | bit) << 1, (right | bit) >> 1);
    }
    return found;
}

static int permutations(char *text, int at)
{
    char saved[8];
    int n = 0;
    if (!text[at])
        return text[0] < text[1];
    memcpy(saved, text, sizeof saved);
    for (int i = at; text[i]; i++) {
        char c = text[at];
        text[at] = text[i];
        text[i] = c;
        n += permutations(text, at + 1);
        memcpy(text, saved, sizeof saved);
    }
    return n;
}

int main(void)
{
    CHECK(ackermann(2, 9) == 21 && ackermann(3, 3) == 61 && ackermann(0, 4) == 5);
    CHECK(is_even(1000) && is_odd(999) && !is_odd(0) && !is_even(1));
    CHECK(male(12) == 7 && female(12) == 8 && male(20) == 12 && female(20) == 13);
    CHECK(fibonacci(20) == 6765 && digits(987654321) == 45 && factorial(15) == 1307674368000);
    CHECK(mc_carthy(1) == 91 && mc_carthy(99) == 91 && mc_carthy(120) == 110);
    int a[10] = {8, 8, 7, 6, 5, 4, 3, 2, 1}, b[10] = {0}, c[10] = {0};
    hanoi(8, a, b, c);
    CHECK(moves == 255 && a[0] == 0 && c[0] == 0 && b[0] == 8 && b[1] == 8 && b[8] == 1);
    CHECK(queens(6, 0, 0, 0) == 4 && queens(7, 0, 0, 0) == 40);
    char text[8] = "abcde";
    CHECK(permutations(text, 0) == 60 && !strcmp(text, "abcde"));
    return bad;
}
