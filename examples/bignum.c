/* Whole numbers of up to 4096 bits: add, multiply (schoolbook and Karatsuba), divide, powers modulo, decimal and hex text, primality.
 * Exercises carry chains, 32x32->64 multiplication, long division with corrections, and large structs passed by pointer. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIMBS = 128, KARATSUBA_FROM = 12 };

typedef struct {
    uint32_t limb[LIMBS]; /* least significant first; only the first `used` have a meaning */
    int used;             /* no leading zero limbs; zero has none */
} big;

static int significant(const uint32_t *x, int n)
{
    while (n > 0 && x[n - 1] == 0)
        n--;
    return n;
}

void big_set(big *a, uint64_t value)
{
    a->limb[0] = (uint32_t)value;
    a->limb[1] = (uint32_t)(value >> 32);
    a->used = significant(a->limb, 2);
}

static void big_copy(big *to, const big *from)
{
    for (int i = 0; i < from->used; i++)
        to->limb[i] = from->limb[i];
    to->used = from->used;
}

int big_compare(const big *a, const big *b)
{
    if (a->used != b->used)
        return a->used < b->used ? -1 : 1;
    for (int i = a->used - 1; i >= 0; i--)
        if (a->limb[i] != b->limb[i])
            return a->limb[i] < b->limb[i] ? -1 : 1;
    return 0;
}

int big_bits(const big *a)
{
    int bits = a->used * 32;
    if (a->used > 0)
        for (uint32_t top = a->limb[a->used - 1]; !(top & 0x80000000u); top <<= 1)
            bits--;
    return bits;
}

static bool big_bit(const big *a, int i)
{
    return i / 32 < a->used && (a->limb[i / 32] >> (i % 32) & 1);
}

/* x += y, y not longer than x; returns the carry. */
static uint32_t add_limbs(uint32_t *x, int nx, const uint32_t *y, int ny)
{
    uint64_t carry = 0;
    for (int i = 0; i < nx && (i < ny || carry); i++) {
        carry += (uint64_t)x[i] + (i < ny ? y[i] : 0);
        x[i] = (uint32_t)carry;
        carry >>= 32;
    }
    return (uint32_t)carry;
}

/* x -= y, y not longer than x; returns the borrow. */
static uint32_t subtract_limbs(uint32_t *x, int nx, const uint32_t *y, int ny)
{
    uint64_t borrow = 0;
    for (int i = 0; i < nx && (i < ny || borrow); i++) {
        uint64_t d = (uint64_t)x[i] - (i < ny ? y[i] : 0) - borrow;
        x[i] = (uint32_t)d;
        borrow = d >> 63;
    }
    return (uint32_t)borrow;
}

/* All functions below that return bool say whether the result fits. The result may be one of the operands. */
bool big_add(const big *a, const big *b, big *sum)
{
    const big *longer = a->used >= b->used ? a : b, *shorter = a->used >= b->used ? b : a;
    big s;
    big_copy(&s, longer);
    uint32_t carry = add_limbs(s.limb, s.used, shorter->limb, shorter->used);
    if (carry) {
        if (s.used == LIMBS)
            return false;
        s.limb[s.used++] = carry;
    }
    big_copy(sum, &s);
    return true;
}

/* Fails when b is larger than a. */
bool big_subtract(const big *a, const big *b, big *difference)
{
    if (big_compare(a, b) < 0)
        return false;
    big d;
    big_copy(&d, a);
    subtract_limbs(d.limb, d.used, b->limb, b->used);
    d.used = significant(d.limb, d.used);
    big_copy(difference, &d);
    return true;
}

static void multiply_school(const uint32_t *a, int na, const uint32_t *b, int nb, uint32_t *out)
{
    memset(out, 0, (size_t)(na + nb) * sizeof *out);
    for (int i = 0; i < na; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < nb; j++) {
            carry += (uint64_t)a[i] * b[j] + out[i + j];
            out[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
        out[i + nb] = (uint32_t)carry;
    }
}

/* Two numbers of n limbs: three products of half the size instead of four. */
static void multiply_karatsuba(const uint32_t *a, const uint32_t *b, int n, uint32_t *out)
{
    if (n < KARATSUBA_FROM) {
        multiply_school(a, n, b, n, out);
        return;
    }
    int low = n / 2, high = n - low, wide = high + 1;
    uint32_t x[LIMBS / 2 + 2], y[LIMBS / 2 + 2], middle[LIMBS + 4];
    memcpy(x, a + low, (size_t)high * sizeof *x);
    memcpy(y, b + low, (size_t)high * sizeof *y);
    x[high] = add_limbs(x, high, a, low);
    y[high] = add_limbs(y, high, b, low);
    multiply_karatsuba(x, y, wide, middle);
    multiply_karatsuba(a, b, low, out);
    multiply_karatsuba(a + low, b + low, high, out + 2 * low);
    subtract_limbs(middle, 2 * wide, out, 2 * low);
    subtract_limbs(middle, 2 * wide, out + 2 * low, 2 * high);
    int used = significant(middle, 2 * wide);
    add_limbs(out + low, 2 * n - low, middle, used);
}

bool big_multiply(const big *a, const big *b, big *product)
{
    uint32_t out[2 * LIMBS];
    if (a->used == b->used)
        multiply_karatsuba(a->limb, b->limb, a->used, out);
    else
        multiply_school(a->limb, a->used, b->limb, b->used, out);
    int used = significant(out, a->used + b->used);
    if (used > LIMBS)
        return false;
    memcpy(product->limb, out, (size_t)used * sizeof *out);
    product->used = used;
    return true;
}

bool big_multiply_small(big *a, uint32_t factor, uint32_t add)
{
    uint64_t carry = add;
    for (int i = 0; i < a->used; i++) {
        carry += (uint64_t)a->limb[i] * factor;
        a->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry) {
        if (a->used == LIMBS)
            return false;
        a->limb[a->used++] = (uint32_t)carry;
    }
    a->used = significant(a->limb, a->used);
    return true;
}

/* Returns the remainder. */
uint32_t big_divide_small(big *a, uint32_t divisor)
{
    uint64_t rest = 0;
    for (int i = a->used - 1; i >= 0; i--) {
        rest = rest << 32 | a->limb[i];
        a->limb[i] = (uint32_t)(rest / divisor);
        rest %= divisor;
    }
    a->used = significant(a->limb, a->used);
    return (uint32_t)rest;
}

/* Long division with two-limb estimates. Quotient or rest may be NULL. False for division by zero. */
bool big_divide(const big *a, const big *b, big *quotient, big *rest)
{
    uint32_t u[LIMBS + 1], v[LIMBS];
    big q, r;
    int n = b->used, m = a->used - n;
    if (n == 0)
        return false;
    if (big_compare(a, b) < 0) {
        big_copy(&r, a);
        q.used = 0;
    } else if (n == 1) {
        big_copy(&q, a);
        big_set(&r, big_divide_small(&q, b->limb[0]));
    } else {
        int shift = n * 32 - big_bits(b);
        u[a->used] = 0;
        for (int i = a->used; i >= 0; i--) {
            uint64_t pair = (uint64_t)(i < a->used ? a->limb[i] : 0) << 32 | (i > 0 ? a->limb[i - 1] : 0);
            u[i] = (uint32_t)(pair << shift >> 32);
        }
        for (int i = n - 1; i >= 0; i--) {
            uint64_t pair = (uint64_t)b->limb[i] << 32 | (i > 0 ? b->limb[i - 1] : 0);
            v[i] = (uint32_t)(pair << shift >> 32);
        }
        for (int j = m; j >= 0; j--) {
            uint64_t top = (uint64_t)u[j + n] << 32 | u[j + n - 1];
            uint64_t guess = top / v[n - 1], left = top % v[n - 1];
            while (guess > UINT32_MAX || guess * v[n - 2] > (left << 32 | u[j + n - 2])) {
                guess--;
                left += v[n - 1];
                if (left > UINT32_MAX)
                    break;
            }
            uint64_t carry = 0, borrow = 0;
            for (int i = 0; i <= n; i++) {
                carry += guess * (i < n ? v[i] : 0);
                uint64_t d = (uint64_t)u[i + j] - (uint32_t)carry - borrow;
                u[i + j] = (uint32_t)d;
                borrow = d >> 63;
                carry >>= 32;
            }
            if (borrow) {
                guess--;
                u[j + n] += add_limbs(&u[j], n, v, n);
            }
            q.limb[j] = (uint32_t)guess;
        }
        for (int i = 0; i < n; i++)
            r.limb[i] = (uint32_t)(((uint64_t)u[i + 1] << 32 | u[i]) >> shift);
        q.used = significant(q.limb, m + 1);
        r.used = significant(r.limb, n);
    }
    if (quotient)
        big_copy(quotient, &q);
    if (rest)
        big_copy(rest, &r);
    return true;
}

/* The modulus must have at most half of the limbs. */
bool big_power_mod(const big *base, const big *exponent, const big *modulus, big *result)
{
    big x, r;
    big_set(&r, 1);
    if (!big_divide(&r, modulus, NULL, &r) || !big_divide(base, modulus, NULL, &x))
        return false;
    for (int i = big_bits(exponent) - 1; i >= 0; i--) {
        if (!big_multiply(&r, &r, &r))
            return false;
        big_divide(&r, modulus, NULL, &r);
        if (big_bit(exponent, i)) {
            if (!big_multiply(&r, &x, &r))
                return false;
            big_divide(&r, modulus, NULL, &r);
        }
    }
    big_copy(result, &r);
    return true;
}

void big_gcd(const big *a, const big *b, big *gcd)
{
    big x, y, r;
    big_copy(&x, a);
    big_copy(&y, b);
    while (big_divide(&x, &y, NULL, &r)) {
        big_copy(&x, &y);
        big_copy(&y, &r);
    }
    big_copy(gcd, &x);
}

/* Miller and Rabin's test to the first twelve prime bases. */
bool big_probably_prime(const big *n)
{
    static const uint8_t bases[] = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37};
    big one, last, odd, base, x;
    int twos = 0;
    big_set(&one, 1);
    if (!big_subtract(n, &one, &last) || last.used == 0)
        return false;
    for (size_t i = 0; i < sizeof bases; i++) {
        big_copy(&x, n);
        if (big_divide_small(&x, bases[i]) == 0)
            return x.used == 1 && x.limb[0] == 1;
    }
    for (big_copy(&odd, &last); !big_bit(&odd, 0); twos++)
        big_divide_small(&odd, 2);
    for (size_t i = 0; i < sizeof bases; i++) {
        big_set(&base, bases[i]);
        big_power_mod(&base, &odd, n, &x);
        bool witness = big_compare(&x, &one) != 0;
        for (int k = 0; k < twos && witness; k++) {
            witness = big_compare(&x, &last) != 0;
            big_multiply(&x, &x, &x);
            big_divide(&x, n, NULL, &x);
        }
        if (witness)
            return false;
    }
    return true;
}

static int digit_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

bool big_parse(big *a, const char *text, unsigned radix)
{
    a->used = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        int digit = digit_value(*text);
        if (digit >= (int)radix || !big_multiply_small(a, radix, (uint32_t)digit))
            return false;
    }
    return true;
}

/* Returns the number of digits, or 0 when there is no room. */
size_t big_format(const big *a, char *out, size_t size, unsigned radix)
{
    big rest;
    size_t n = 0;
    big_copy(&rest, a);
    do {
        if (n + 1 >= size)
            return 0;
        out[n++] = "0123456789abcdef"[big_divide_small(&rest, radix)];
    } while (rest.used > 0);
    out[n] = '\0';
    for (size_t i = 0; i < n / 2; i++) {
        char c = out[i];
        out[i] = out[n - 1 - i];
        out[n - 1 - i] = c;
    }
    return n;
}

static int checks;
#define CHECK(cond)                                                                \
    do {                                                                           \
        checks++;                                                                  \
        if (!(cond)) {                                                             \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #cond);     \
            return 1;                                                              \
        }                                                                          \
    } while (0)

static uint32_t lcg_state = 3;
static uint32_t lcg(void)
{
    lcg_state = lcg_state * 1664525u + 1013904223u;
    return lcg_state >> 8;
}

/* Limbs of all ones and all zeros are where carries and corrections hide. */
static void big_random(big *a, int limbs)
{
    for (int i = 0; i < limbs; i++)
        switch (lcg() % 4) {
        case 0: a->limb[i] = 0; break;
        case 1: a->limb[i] = UINT32_MAX; break;
        default: a->limb[i] = lcg() << 16 ^ lcg();
        }
    a->used = significant(a->limb, limbs);
}

static bool equals(const big *a, const char *decimal)
{
    char text[400];
    return big_format(a, text, sizeof text, 10) > 0 && strcmp(text, decimal) == 0;
}

static int check_known(void)
{
    big a, b, c;
    big_set(&a, 1);
    for (uint32_t i = 2; i <= 30; i++)
        CHECK(big_multiply_small(&a, i, 0));
    CHECK(equals(&a, "265252859812191058636308480000000"));
    CHECK(big_parse(&b, "265252859812191058636308479999999", 10) && big_compare(&a, &b) > 0);
    CHECK(big_subtract(&a, &b, &c) && equals(&c, "1") && !big_subtract(&b, &a, &c));
    CHECK(big_parse(&a, "ffffffffffffffffffffffff", 16) && big_add(&a, &c, &b));
    CHECK(equals(&b, "79228162514264337593543950336") && big_bits(&b) == 97);
    CHECK(big_parse(&a, "1000000000000000000000", 10) && big_multiply(&a, &a, &b));
    CHECK(equals(&b, "1000000000000000000000000000000000000000000"));
    CHECK(!big_parse(&a, "", 10) && !big_parse(&a, "12a", 10) && big_parse(&a, "000", 10) && equals(&a, "0"));
    CHECK(!big_divide(&b, &a, &c, NULL));
    big_random(&a, LIMBS);
    a.limb[LIMBS - 1] = UINT32_MAX;
    a.used = LIMBS;
    CHECK(!big_multiply(&a, &a, &b) && !big_add(&a, &a, &b) && !big_multiply_small(&a, 2, 0));
    return 0;
}

static int check_random(void)
{
    static char text[1300];
    big a, b, c, d, q, r;
    for (int round = 0; round < 600; round++) {
        int na = (int)(lcg() % 60), nb = (int)(lcg() % 60);
        big_random(&a, na);
        big_random(&b, round % 2 ? na : nb);
        CHECK(big_add(&a, &b, &c) && big_subtract(&c, &b, &d) && big_compare(&a, &d) == 0);
        CHECK(big_multiply(&a, &b, &c));
        uint32_t school[2 * LIMBS];
        multiply_school(a.limb, a.used, b.limb, b.used, school);
        CHECK(c.used == significant(school, a.used + b.used));
        CHECK(memcmp(school, c.limb, (size_t)c.used * sizeof *school) == 0);
        if (b.used) {
            CHECK(big_divide(&c, &b, &q, &r) && big_compare(&q, &a) == 0 && r.used == 0);
            CHECK(big_divide(&a, &b, &q, &r) && big_compare(&r, &b) < 0);
            CHECK(big_multiply(&q, &b, &d) && big_add(&d, &r, &d) && big_compare(&d, &a) == 0);
        }
        unsigned radix = round % 3 ? 16 : 10;
        if (round % 10 == 0)
            CHECK(big_format(&a, text, sizeof text, radix) && big_parse(&d, text, radix) && !big_compare(&a, &d));
    }
    return 0;
}

static int check_primes(void)
{
    big p, q, n, e, x, y;
    int found = 0;
    for (uint32_t i = 0; i < 200; i++) {
        big_set(&n, i);
        bool prime = i > 1;
        for (uint32_t d = 2; d * d <= i; d++)
            prime &= i % d != 0;
        CHECK(big_probably_prime(&n) == prime);
        found += prime;
    }
    CHECK(found == 46);
    CHECK(big_parse(&p, "170141183460469231731687303715884105727", 10) && big_probably_prime(&p));
    CHECK(big_parse(&q, "2305843009213693951", 10) && big_probably_prime(&q));
    CHECK(big_multiply(&p, &q, &n) && !big_probably_prime(&n));
    big_set(&x, 3215031751u);
    CHECK(!big_probably_prime(&x));
    big_gcd(&n, &p, &x);
    CHECK(big_compare(&x, &p) == 0);
    /* A small RSA: e = 65537, the private exponent comes from (k * phi + 1) / e. */
    big one, phi, d, rest;
    big_set(&one, 1);
    big_set(&e, 65537);
    CHECK(big_subtract(&p, &one, &x) && big_subtract(&q, &one, &y) && big_multiply(&x, &y, &phi));
    rest.used = 1;
    for (uint32_t k = 1; k < 65537 && rest.used; k++) {
        big_copy(&d, &phi);
        CHECK(big_multiply_small(&d, k, 1));
        rest.used = big_divide_small(&d, 65537) != 0;
    }
    CHECK(rest.used == 0);
    CHECK(big_parse(&x, "123456789012345678901234567890123456789012345", 10));
    CHECK(big_power_mod(&x, &e, &n, &y) && big_compare(&x, &y) != 0);
    CHECK(big_power_mod(&y, &d, &n, &y) && big_compare(&x, &y) == 0);
    return 0;
}

int main(void)
{
    if (check_known() || check_random() || check_primes())
        return 1;
    printf("bignum: %d checks passed\n", checks);
    return 0;
}
