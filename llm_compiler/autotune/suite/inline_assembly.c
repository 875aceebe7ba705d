/* Inline assembly: constraints, ties, clobbers and barriers; instructions only where the target is known. */
#include <stdint.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

NOINLINE static int opaque(int x)
{
    __asm__("" : "+r"(x));
    return x;
}

static int shared_value;
NOINLINE static int barrier(void)
{
    shared_value = 1;
    __asm__ volatile("" ::: "memory");
    int a = shared_value;
    shared_value = 2;
    __asm__ volatile("" ::: "memory");
    return a * 10 + shared_value;
}

NOINLINE static int through_memory(int x)
{
    int m = x;
    __asm__ volatile("" : "+m"(m));
    return m + 1;
}

NOINLINE static int tied(int x)
{
    int y;
    __asm__("" : "=r"(y) : "0"(x + 5));
    return y;
}

#if defined(__x86_64__)
NOINLINE static uint64_t add_with_carry(uint64_t a, uint64_t b, unsigned char *carry)
{
    uint64_t r = a;
    __asm__("addq %2, %0\n\tsetc %1" : "+r"(r), "=qm"(*carry) : "r"(b) : "cc");
    return r;
}
NOINLINE static uint32_t swap(uint32_t x)
{
    __asm__("bswapl %0" : "+r"(x));
    return x;
}
NOINLINE static uint64_t wide(uint32_t a, uint32_t b)
{
    uint32_t low, high;
    __asm__("mull %3" : "=a"(low), "=d"(high) : "a"(a), "r"(b) : "cc");
    return (uint64_t)high << 32 | low;
}
NOINLINE static long lea(long a, long b)
{
    long r;
    __asm__("leaq 7(%1,%2,4), %0" : "=r"(r) : "r"(a), "r"(b));
    return r;
}
NOINLINE static int immediate(int x)
{
    __asm__("addl %1, %0" : "+r"(x) : "i"(1000) : "cc");
    return x;
}
NOINLINE static void copy(char *to, const char *from, long n)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}
NOINLINE static int is_zero(int x)
{
    __asm__ goto("testl %0, %0\n\tjz %l1" : : "r"(x) : "cc" : zero);
    return 0;
zero:
    return 1;
}
static int counted;
NOINLINE static int volatile_runs(int n)
{
    for (int i = 0; i < n; i++)
        __asm__ volatile("incl %0" : "+m"(counted) : : "cc");
    return counted;
}
#endif

int main(void)
{
    volatile int nine = 9;
    CHECK(opaque(nine) == 9 && opaque(-1) == -1 && barrier() == 12 && through_memory(nine) == 10 && tied(nine) == 14);
    int s = 0;
    for (int i = 0; i < 10; i++)
        s += opaque(i) * opaque(i + 1);
    CHECK(s == 330);
#if defined(__x86_64__)
    unsigned char carry = 9;
    CHECK(add_with_carry(UINT64_MAX, 2, &carry) == 1 && carry == 1);
    CHECK(add_with_carry(5, 6, &carry) == 11 && carry == 0);
    CHECK(swap(0x01020304) == 0x04030201 && wide(UINT32_MAX, 3) == UINT64_C(12884901885) && lea(10, 3) == 29);
    CHECK(immediate(nine) == 1009 && is_zero(0) && !is_zero(nine));
    char to[8] = "-------", from[] = "abcdef";
    copy(to + 1, from, 4);
    CHECK(to[0] == '-' && to[1] == 'a' && to[4] == 'd' && to[5] == '-');
    CHECK(volatile_runs(12) == 12 && volatile_runs(0) == 12);
#endif
    return bad;
}
