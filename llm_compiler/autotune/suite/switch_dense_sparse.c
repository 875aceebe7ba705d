/* Switches: dense, sparse, with holes, with shared targets, fallthrough, and with tables of results. */
#include <stdint.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

NOINLINE static int dense(int x)
{
    switch (x) {
    case 0: return 10;
    case 1: return 7;
    case 2: return -4;
    case 3: return 22;
    case 4: return 0;
    case 5: return 99;
    case 6: return 1 << 20;
    case 7: return -1;
    }
    return 5;
}

NOINLINE static const char *names(unsigned x)
{
    switch (x) {
    case 3: return "three";
    case 4: return "four";
    case 5: return "five";
    case 6: return "six";
    case 8: return "eight";
    default: return "none";
    }
}

NOINLINE static int sparse(int x)
{
    switch (x) {
    case -2000000000: return 1;
    case -1000: return 2;
    case 0: return 3;
    case 17: return 4;
    case 4096: return 5;
    case 65536: return 6;
    case 2000000000: return 7;
    default: return 0;
    }
}

NOINLINE static int linear(int x)
{
    switch (x) {
    case 10: return 31;
    case 11: return 34;
    case 12: return 37;
    case 13: return 40;
    case 14: return 43;
    default: return -3;
    }
}

NOINLINE static int falling(int x, int y)
{
    int r = 0;
    switch (x) {
    case 1: r += 1; /* fall through */
    case 2: r += 20; /* fall through */
    case 3:
        if (y)
            break;
        r += 300; /* fall through */
    case 4: r += 4000; break;
    default: r = -1; /* fall through */
    case 6: r -= 5;
    }
    return r;
}

NOINLINE static int letters(const char *s)
{
    int vowels = 0, digits = 0, other = 0;
    for (; *s; s++)
        switch (*s) {
        case 'a': case 'e': case 'i': case 'o': case 'u':
        case 'A': case 'E': case 'I': case 'O': case 'U': vowels++; break;
        case '0' ... '9': digits++; break;
        case ' ': continue;
        default: other++;
        }
    return vowels * 10000 + digits * 100 + other;
}

int main(void)
{
    static const int want[] = {5, 10, 7, -4, 22, 0, 99, 1 << 20, -1, 5};
    for (int i = -1; i < 9; i++)
        CHECK(dense(i) == want[i + 1]);
    CHECK(dense(INT32_MIN) == 5 && dense(INT32_MAX) == 5 && dense(1 << 3) == 5);
    CHECK(names(3)[1] == 'h' && names(8)[0] == 'e' && names(7)[0] == 'n' && names(2)[0] == 'n' && names(~0u)[0] == 'n');
    CHECK(names(4)[4] == 0 && names(5)[3] == 'e' && names(6)[2] == 'x' && names(7) == names(9));
    CHECK(sparse(-2000000000) == 1 && sparse(-1000) == 2 && sparse(0) == 3 && sparse(17) == 4 && sparse(4096) == 5);
    CHECK(sparse(65536) == 6 && sparse(2000000000) == 7 && sparse(1) == 0 && sparse(-65536) == 0 && sparse(18) == 0);
    for (int i = 0; i < 20; i++)
        CHECK(linear(i) == (i >= 10 && i < 15 ? 3 * i + 1 : -3));
    CHECK(falling(1, 0) == 4321 && falling(1, 1) == 21 && falling(2, 0) == 4320 && falling(3, 1) == 0);
    CHECK(falling(4, 1) == 4000 && falling(5, 0) == -6 && falling(6, 0) == -5);
    CHECK(letters("Every 3rd 0f 12 Apples") == 40410);
    CHECK(letters("") == 0 && letters("aeiou 42!") == 50201);
    return bad;
}
