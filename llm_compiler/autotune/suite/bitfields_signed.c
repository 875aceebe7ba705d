/* Bit fields, signed and unsigned: sign extension, truncation, promotion, assignment operators, one-bit fields. */
static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

struct fields {
    signed int a : 3;
    unsigned int b : 3;
    signed int c : 1;
    unsigned int d : 1;
    signed int e : 17;
    unsigned int f : 7;
    signed long long g : 40;
    unsigned long long h : 24;
};

NOINLINE static struct fields make(int a, int b, int c, int d, int e, int f, long long g, unsigned h)
{
    /* Values that do not fit keep their low bits; arithmetic on unsigned keeps that defined for all compilers here. */
    struct fields x = {a & 3, b & 7, c ? -1 : 0, d & 1, e & 0xffff, f & 127, g & 0x7fffffffff, h & 0xffffff};
    if (a < 0)
        x.a = -4 + (a & 3);
    if (e < 0)
        x.e = -65536 + (e & 0xffff);
    if (g < 0)
        x.g = -549755813888 + (g & 0x7fffffffff);
    return x;
}

NOINLINE static long long weigh(const struct fields *x)
{
    return x->a + 10 * x->b + 100 * x->c + 1000 * x->d + 10000LL * x->e + x->f + x->g - x->h;
}

NOINLINE static void step(struct fields *x)
{
    x->b++;
    x->f -= 100;
    x->d ^= 1;
    x->h <<= 4;
    x->e /= 2;
    x->g *= -1;
}

int main(void)
{
    struct fields x = make(-4, 7, 1, 1, -65536, 127, -549755813888, 0xffffff);
    CHECK(x.a == -4 && x.b == 7 && x.c == -1 && x.d == 1 && x.e == -65536);
    CHECK(x.f == 127 && x.g == -549755813888 && x.h == 0xffffff);
    CHECK(weigh(&x) == -4 + 70 - 100 + 1000 - 655360000LL + 127 - 549755813888 - 0xffffff);
    x = make(3, 6, 0, 0, 65535, 99, 549755813887, 0x123456);
    CHECK(weigh(&x) == 3 + 60 + 655350000LL + 99 + 549755813887 - 0x123456);
    step(&x);
    CHECK(x.b == 7 && x.f == 127 && x.d == 1 && x.h == 0x234560 && x.e == 32767 && x.g == -549755813887);
    step(&x);
    CHECK(x.b == 0 && x.f == 27 && x.d == 0 && x.h == 0x345600 && x.e == 16383 && x.g == 549755813887);
    CHECK(x.a == 3 && x.c == 0);

    /* A narrow unsigned field promotes to int. */
    x.b = 1;
    CHECK(x.b - 2 < 0 && x.f - 28 < 0 && -x.b < 0);
    unsigned nine = 9;
    CHECK((x.b = nine, x.b) == 1 && (x.f += 101) == 0);
    for (int i = 0; i < 40; i++) {
        x.b += 3;
        x.a = (int)(x.b & 3);
        CHECK(x.b == ((1 + 3 * (i + 1)) & 7) && x.a == (x.b & 3) && x.e == 16383);
    }
    return bad;
}
