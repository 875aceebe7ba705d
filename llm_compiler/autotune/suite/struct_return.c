/* Structures of 1 to 40 bytes by value: in registers, in memory, mixed integers and floats,
    as results and arguments. */
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

#define SIZED(N) \
    struct s##N { unsigned char v[N]; }; \
    NOINLINE static struct s##N make##N(int seed) \
    { \
        struct s##N s; \
        for (int i = 0; i < N; i++) \
            s.v[i] = (unsigned char)(seed + i * 7); \
        return s; \
    } \
    NOINLINE static int sum##N(struct s##N a, int by, struct s##N b) \
    { \
        int r = 0; \
        for (int i = 0; i < N; i++) \
            r += (a.v[i] - b.v[i]) * by; \
        return r; \
    }

SIZED(1) SIZED(2) SIZED(3) SIZED(4) SIZED(5) SIZED(7) SIZED(8) SIZED(9) SIZED(12) SIZED(15) SIZED(16) SIZED(17)
SIZED(24) SIZED(31) SIZED(32) SIZED(40)

struct float_int { float f; int i; };
struct two_floats { float x, y; };
struct three_floats { float x, y, z; };
struct double_long { double d; long l; };
struct long_double_pair { long l; double d; };
struct char_double { char c; double d; short s; };

NOINLINE static struct float_int swap1(struct float_int x) { return (struct float_int){(float)x.i, (int)x.f}; }
NOINLINE static struct two_floats swap2(struct two_floats x) { return (struct two_floats){x.y, x.x}; }
NOINLINE static struct three_floats turn(struct three_floats x) { return (struct three_floats){x.y, x.z, x.x}; }
NOINLINE static struct long_double_pair swap3(struct double_long x) { return (struct long_double_pair){x.l, x.d}; }
NOINLINE static struct char_double bump(struct char_double x)
{
    x.c++;
    x.d *= 2;
    x.s = (short)-x.s;
    return x;
}

/* The result may not be written before the arguments have been read. */
struct triple { long a, b, c; };
NOINLINE static struct triple mix(const struct triple *x, const struct triple *y)
{
    struct triple r;
    r.a = x->b + y->c;
    r.b = x->c + y->a;
    r.c = x->a + y->b;
    return r;
}

int main(void)
{
#define TRY(N) CHECK(sum##N(make##N(100), 3, make##N(98)) == 6 * N); CHECK(make##N(1).v[N - 1] == (unsigned char)(N * 7 - 6))
    TRY(1); TRY(2); TRY(3); TRY(4); TRY(5); TRY(7); TRY(8); TRY(9); TRY(12); TRY(15); TRY(16); TRY(17);
    TRY(24); TRY(31); TRY(32);
    struct s40 all = make40(0), copy = all;
    CHECK(!memcmp(&all, &copy, 40) && sum40(all, 1, make40(1)) == -40);

    struct float_int fi = swap1((struct float_int){2.75f, 9});
    CHECK(fi.f == 9.0f && fi.i == 2);
    struct two_floats tf = swap2((struct two_floats){1.5f, -2.5f});
    CHECK(tf.x == -2.5f && tf.y == 1.5f);
    struct three_floats t3 = turn(turn((struct three_floats){1, 2, 3}));
    CHECK(t3.x == 3 && t3.y == 1 && t3.z == 2);
    struct long_double_pair ld = swap3((struct double_long){0.5, -8});
    CHECK(ld.l == -8 && ld.d == 0.5);
    struct char_double cd = bump(bump((struct char_double){'x', 1.25, 77}));
    CHECK(cd.c == 'z' && cd.d == 5.0 && cd.s == 77);

    struct triple x = {1, 10, 100}, y = {2, 20, 200};
    x = mix(&x, &y);
    CHECK(x.a == 210 && x.b == 102 && x.c == 21);
    y = mix(&y, &y);
    CHECK(y.a == 220 && y.b == 202 && y.c == 22);
    return bad;
}
