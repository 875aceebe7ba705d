/* GNU C's labels as values: a threaded interpreter, a table of offsets, jumps out of and into loops. */
static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

enum { PUSH, ADD, MUL, DUP, SWAP, DEC, JUMP_NONZERO, HALT };

NOINLINE static long run(const int *code)
{
    static const void *const table[] = {&&push, &&add, &&mul, &&dup, &&swap, &&dec, &&jump, &&halt};
    long stack[16], *top = stack, t;
    const int *pc = code;
#define NEXT goto *table[*pc++]
    NEXT;
push:
    *top++ = *pc++;
    NEXT;
add:
    top--;
    top[-1] += *top;
    NEXT;
mul:
    top--;
    top[-1] *= *top;
    NEXT;
dup:
    *top = top[-1];
    top++;
    NEXT;
swap:
    t = top[-1];
    top[-1] = top[-2];
    top[-2] = t;
    NEXT;
dec:
    top[-1]--;
    NEXT;
jump:
    if (top[-1]) {
        pc = code + *pc;
        NEXT;
    }
    pc++;
    NEXT;
halt:
    return top[-2];
}

NOINLINE static int parse(const char *s)
{
    static const int offsets[] = {&&other - &&other, &&digit - &&other, &&sign - &&other, &&end - &&other};
    int value = 0, negative = 0, junk = 0;
next:;
    int class = !*s ? 3 : *s >= '0' && *s <= '9' ? 1 : *s == '-' ? 2 : 0;
    goto *(&&other + offsets[class]);
other:
    junk++;
    s++;
    goto next;
digit:
    value = value * 10 + (*s++ - '0');
    goto next;
sign:
    negative = !negative;
    s++;
    goto next;
end:
    return (negative ? -value : value) * 10 + junk;
}

NOINLINE static int hop(int n)
{
    void *where = &&even;
    int trace = 1;
    for (int i = 0; i < n; i++) {
        goto *where;
    even:
        trace = trace * 3 + 1;
        where = &&odd;
        continue;
    odd:
        trace = trace * 3 + 2;
        where = i > 4 ? &&out : &&even;
    }
    return trace;
out:
    return -trace;
}

int main(void)
{
    /* 3 ** 5: an accumulator below a counter. */
    static const int code[] = {PUSH, 1, PUSH, 5, SWAP, PUSH, 3, MUL, SWAP, DEC, JUMP_NONZERO, 4, HALT};
    static const int more[] = {PUSH, 6, DUP, ADD, PUSH, -2, MUL, PUSH, 0, HALT};
    CHECK(run(code) == 243 && run(more) == -24);
    CHECK(parse("12-3 4x") == -12338);
    CHECK(parse("") == 0 && parse("--77") == 770 && parse("a1b2") == 122);
    CHECK(hop(0) == 1 && hop(1) == 4 && hop(2) == 14 && hop(4) == 131);
    CHECK(hop(6) == 1184 && hop(7) < 0);
    return bad;
}
