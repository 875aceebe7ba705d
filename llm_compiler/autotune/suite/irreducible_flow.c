/* Gotos that structured code cannot write: loops with two entries, jumps into blocks, shared tails, crossing exits. */
static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

NOINLINE static int two_entries(int start_in_middle, int n)
{
    int trace = 0;
    if (start_in_middle)
        goto middle;
top:
    trace = trace * 3 + 1;
middle:
    trace = trace * 3 + 2;
    if (--n > 0)
        goto top;
    return trace;
}

NOINLINE static int into_block(int where, int x)
{
    int r = 0;
    switch (where) {
    case 0:
        for (; x > 0; x--) {
            r += 1;
            /* fall through */
    case 1:
            r += 10;
            if (r > 60)
                break;
            /* fall through */
    case 2:
            r += 100;
        }
    }
    return r;
}

NOINLINE static int shared_tail(int kind, int x)
{
    int r = x;
    if (kind == 0)
        goto tail;
    r *= 2;
    if (kind == 1)
        goto tail;
    r += 5;
    if (kind != 2)
        return -r;
tail:
    r ^= 1;
    return r + 1;
}

NOINLINE static int triangle(int n)
{
    /* Three blocks, each of which can go to each other one. */
    int a = 0, b = 0, c = 0;
first:
    a++;
    if (n-- <= 0)
        goto end;
    if (n % 3 == 1)
        goto third;
second:
    b++;
    if (n-- <= 0)
        goto end;
    if (n % 3 == 2)
        goto first;
third:
    c++;
    if (n-- <= 0)
        goto end;
    if (n % 2)
        goto second;
    goto first;
end:
    return a * 10000 + b * 100 + c;
}

/* The same as a state machine. */
static int triangle_reference(int n)
{
    volatile int counts[3] = {0, 0, 0};
    for (int at = 0;;) {
        counts[at]++;
        if (n-- <= 0)
            return counts[0] * 10000 + counts[1] * 100 + counts[2];
        at = at == 0 ? (n % 3 == 1 ? 2 : 1) : at == 1 ? (n % 3 == 2 ? 0 : 2) : n % 2 ? 1 : 0;
    }
}

NOINLINE static int leave_all(int (*m)[4], int key)
{
    int i, j, seen = 0;
    for (i = 0; i < 4; i++)
        for (j = 0; j < 4; j++) {
            if (m[i][j] == key)
                goto found;
            if (m[i][j] < 0)
                goto next_row;
            seen++;
            continue;
        next_row:
            j = 4;
        }
    return -seen;
found:
    return i * 100 + j * 10 + seen;
}

NOINLINE static int skip_initialiser(int n)
{
    int s = 0;
again:
    if (n > 2)
        goto inside;
    {
        int x;
        x = 3;
        s += x;
    inside:
        x = n;
        s = s * 2 + x;
    }
    if (--n > 0)
        goto again;
    return s;
}

int main(void)
{
    CHECK(two_entries(0, 1) == 5 && two_entries(1, 1) == 2 && two_entries(0, 3) == 455 && two_entries(1, 3) == 212);
    CHECK(into_block(0, 2) == 122 && into_block(0, 0) == 0 && into_block(1, 3) == 121 && into_block(2, 1) == 100 &&
          into_block(3, 9) == 0);
    CHECK(shared_tail(0, 4) == 6 && shared_tail(1, 4) == 10 && shared_tail(2, 4) == 13 && shared_tail(3, 4) == -13);
    for (int n = 0; n < 40; n++)
        CHECK(triangle(n) == triangle_reference(n));
    int m[4][4] = {{1, 2, -1, 9}, {3, 4, 5, 6}, {-1, 9, 9, 9}, {7, 8, 0, 0}};
    CHECK(leave_all(m, 5) == 124 && leave_all(m, 9) == -10 && leave_all(m, 8) == 317 && leave_all(m, 1) == 0);
    CHECK(skip_initialiser(1) == 7 && skip_initialiser(4) == 67);
    return bad;
}
