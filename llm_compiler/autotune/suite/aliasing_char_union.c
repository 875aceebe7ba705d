/* Legal aliasing: through char, through unions, between a structure and its first member, signed and unsigned. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

union number {
    float f;
    uint32_t u;
    uint8_t b[4];
    int16_t h[2];
};

NOINLINE static uint32_t flip_sign(union number n)
{
    n.u ^= 0x80000000u;
    return n.u;
}

NOINLINE static float poke_bytes(float x, int at, uint8_t byte)
{
    ((unsigned char *)&x)[at] = byte;
    return x;
}

/* A store through char changes the int that was just written. */
NOINLINE static int through_char(int *p, char *q)
{
    *p = 0x01010101;
    *q = 0;
    return *p;
}

NOINLINE static int through_unsigned(int *p, unsigned *q)
{
    *p = -1;
    *q = 5;
    return *p;
}

struct header { int kind; };
struct circle { struct header base; double radius; };

NOINLINE static int through_first_member(struct circle *c, struct header *h)
{
    c->base.kind = 1;
    h->kind = 2;
    return c->base.kind;
}

NOINLINE static int pointer_to_pointer(int **p, int *a, int *b)
{
    *p = a;
    **p = 10;
    *p = b;
    **p = 20;
    return *a * 100 + *b;
}

NOINLINE static int array_and_index(int *array, int *index)
{
    array[*index] = 1;
    array[*index] += 10;
    return *index;
}

NOINLINE static double swap_types(void *memory)
{
    /* memcpy keeps effective types right: first long, then double in the same memory. */
    int64_t l = 42;
    double d = 1.5;
    memcpy(memory, &l, 8);
    memcpy(&l, memory, 8);
    memcpy(memory, &d, 8);
    memcpy(&d, memory, 8);
    return (double)l + d;
}

int main(void)
{
    union number n = {.f = 1.0f};
    CHECK(n.u == 0x3f800000 && flip_sign(n) == 0xbf800000u && n.f == 1.0f);
    n.b[0] ^= 1;
    n.b[3] ^= 1;
    CHECK(n.u == 0x3e800001 && n.f != 1.0f);
    n.h[0] = n.h[1] = 0;
    CHECK(n.f == 0.0f);
    CHECK(poke_bytes(0.0f, 3, 0xc0) == -2.0f && poke_bytes(1.0f, 3, 0xbf) == -1.0f);
    int x;
    CHECK(through_char(&x, (char *)&x) == 0x01010100 && through_char(&x, (char *)&x + 3) == 0x010101);
    CHECK(through_unsigned(&x, (unsigned *)&x) == 5);
    struct circle c;
    CHECK(through_first_member(&c, &c.base) == 2 && (void *)&c == (void *)&c.base);
    int a = 0, b = 0, *p;
    CHECK(pointer_to_pointer(&p, &a, &b) == 1020 && pointer_to_pointer(&p, &a, &a) == 2020 && p == &a);
    int array[12] = {0};
    array[3] = 3;
    CHECK(array_and_index(array, &array[3]) == 1 && array[1] == 10 && array[3] == 1);
    _Alignas(8) char memory[8];
    CHECK(swap_types(memory) == 43.5);
    struct { char tag; int value; short tail; } s = {'t', 7, 8}, t;
    unsigned char *from = (unsigned char *)&s, *to = (unsigned char *)&t;
    for (size_t i = 0; i < sizeof s; i++)
        to[i] = from[i];
    CHECK(t.tag == 't' && t.value == 7 && t.tail == 8);
    return bad;
}
