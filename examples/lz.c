/* Compression in the manner of LZ77: hash chains, lazy matching, tokens of literals and copies; run-length coding and move-to-front beside it.
 * Exercises match loops, overlapping copies, variable-length integers, bounds checks on hostile input. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { MIN_MATCH = 4, WINDOW = 1 << 12, HASH_BITS = 10, HASH_SIZE = 1 << HASH_BITS, MAX_CHAIN = 32 };

typedef enum { LZ_OK, LZ_NO_SPACE, LZ_TRUNCATED, LZ_BAD_DISTANCE, LZ_TOO_LONG } lz_status;

typedef struct {
    uint8_t *data;
    size_t length, capacity;
    bool overflow;
} writer;

typedef struct {
    const uint8_t *data;
    size_t position, length;
} reader;

typedef struct {
    size_t length, distance;
} match;

typedef struct {
    const uint8_t *data;
    size_t length;
    int32_t head[HASH_SIZE]; /* last position with this hash, or -1 */
    int32_t before[WINDOW];  /* the position before it in the chain */
} matcher;

static void put_byte(writer *w, uint8_t byte)
{
    if (w->length == w->capacity)
        w->overflow = true;
    else
        w->data[w->length++] = byte;
}

static void put_bytes(writer *w, const uint8_t *data, size_t n)
{
    if (w->capacity - w->length < n) {
        w->overflow = true;
        return;
    }
    memcpy(w->data + w->length, data, n);
    w->length += n;
}

static void put_varint(writer *w, uint32_t x)
{
    while (x >= 0x80) {
        put_byte(w, (uint8_t)(x | 0x80));
        x >>= 7;
    }
    put_byte(w, (uint8_t)x);
}

static bool get_byte(reader *r, uint8_t *byte)
{
    if (r->position == r->length)
        return false;
    *byte = r->data[r->position++];
    return true;
}

static bool get_varint(reader *r, uint32_t *x)
{
    uint8_t byte;
    *x = 0;
    for (unsigned shift = 0; shift < 32; shift += 7) {
        if (!get_byte(r, &byte) || (shift == 28 && byte > 15))
            return false;
        *x |= (uint32_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

static uint32_t hash4(const uint8_t *p)
{
    uint32_t v = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    return v * 2654435761u >> (32 - HASH_BITS);
}

static size_t common_length(const uint8_t *a, const uint8_t *b, const uint8_t *end)
{
    size_t n = 0;
    while (b + n < end && a[n] == b[n])
        n++;
    return n;
}

static void matcher_init(matcher *m, const uint8_t *data, size_t length)
{
    m->data = data;
    m->length = length;
    for (int i = 0; i < HASH_SIZE; i++)
        m->head[i] = -1;
    for (int i = 0; i < WINDOW; i++)
        m->before[i] = -1;
}

static void matcher_add(matcher *m, size_t at)
{
    if (at + MIN_MATCH > m->length)
        return;
    uint32_t h = hash4(m->data + at);
    m->before[at % WINDOW] = m->head[h];
    m->head[h] = (int32_t)at;
}

static match matcher_find(const matcher *m, size_t at)
{
    match best = {0, 0};
    if (at + MIN_MATCH > m->length)
        return best;
    int32_t candidate = m->head[hash4(m->data + at)];
    for (int chain = 0; chain < MAX_CHAIN && candidate >= 0; chain++) {
        size_t distance = at - (size_t)candidate;
        if (distance >= WINDOW)
            break;
        size_t n = common_length(m->data + candidate, m->data + at, m->data + m->length);
        if (n >= MIN_MATCH && n > best.length)
            best = (match){n, distance};
        candidate = m->before[(size_t)candidate % WINDOW];
    }
    return best;
}

/* One token: the counts share a byte, four bits each; 15 means that more follows. Distance 0 ends the stream. */
static void put_token(writer *w, const uint8_t *literals, size_t count, match m)
{
    uint32_t extra = m.length ? (uint32_t)(m.length - MIN_MATCH) : 0;
    uint8_t high = count < 15 ? (uint8_t)count : 15, low = extra < 15 ? (uint8_t)extra : 15;
    put_byte(w, (uint8_t)(high << 4 | low));
    if (high == 15)
        put_varint(w, (uint32_t)(count - 15));
    put_bytes(w, literals, count);
    put_varint(w, (uint32_t)m.distance);
    if (low == 15)
        put_varint(w, extra - 15);
}

size_t lz_bound(size_t length) { return length + length / 128 + 16; }

/* Returns the compressed length, or 0 when the space is too small. */
size_t lz_compress(const uint8_t *data, size_t length, uint8_t *out, size_t capacity)
{
    static matcher m;
    writer w = {out, 0, capacity, false};
    size_t at = 0, literal = 0;
    matcher_init(&m, data, length);
    while (at < length) {
        match here = matcher_find(&m, at);
        matcher_add(&m, at);
        if (here.length == 0) {
            at++;
            continue;
        }
        match next = matcher_find(&m, at + 1);
        if (next.length > here.length + 1) { /* a literal first is worth it */
            at++;
            matcher_add(&m, at);
            here = next;
        }
        put_token(&w, data + literal, at - literal, here);
        for (size_t i = 1; i < here.length; i++)
            matcher_add(&m, at + i);
        at += here.length;
        literal = at;
    }
    put_token(&w, data + literal, at - literal, (match){0, 0});
    return w.overflow ? 0 : w.length;
}

lz_status lz_expand(const uint8_t *data, size_t length, uint8_t *out, size_t capacity, size_t *written)
{
    reader r = {data, 0, length};
    uint8_t token;
    size_t n = 0;
    *written = 0;
    for (;;) {
        uint32_t literals, extra, distance, more;
        if (!get_byte(&r, &token))
            return LZ_TRUNCATED;
        literals = token >> 4;
        if (literals == 15) {
            if (!get_varint(&r, &more))
                return LZ_TRUNCATED;
            if (more > capacity)
                return LZ_TOO_LONG;
            literals += more;
        }
        if (literals > r.length - r.position)
            return LZ_TRUNCATED;
        if (literals > capacity - n)
            return LZ_TOO_LONG;
        memcpy(out + n, data + r.position, literals);
        n += literals;
        r.position += literals;
        if (!get_varint(&r, &distance))
            return LZ_TRUNCATED;
        if (distance == 0)
            break;
        if (distance > n)
            return LZ_BAD_DISTANCE;
        extra = token & 15;
        if (extra == 15) {
            if (!get_varint(&r, &more))
                return LZ_TRUNCATED;
            if (more > capacity)
                return LZ_TOO_LONG;
            extra += more;
        }
        if (extra + MIN_MATCH > capacity - n)
            return LZ_TOO_LONG;
        for (uint32_t i = 0; i < extra + MIN_MATCH; i++, n++)
            out[n] = out[n - distance];
    }
    *written = n;
    return LZ_OK;
}

/* PackBits: n < 128 says n + 1 literals follow, n > 128 repeats the next byte 257 - n times. */
size_t rle_compress(const uint8_t *data, size_t length, uint8_t *out, size_t capacity)
{
    writer w = {out, 0, capacity, false};
    size_t at = 0;
    while (at < length) {
        size_t run = 1;
        while (run < 128 && at + run < length && data[at + run] == data[at])
            run++;
        if (run >= 3) {
            put_byte(&w, (uint8_t)(257 - run));
            put_byte(&w, data[at]);
            at += run;
            continue;
        }
        size_t start = at;
        while (at < length && at - start < 128) {
            if (at + 2 < length && data[at] == data[at + 1] && data[at] == data[at + 2])
                break;
            at++;
        }
        put_byte(&w, (uint8_t)(at - start - 1));
        put_bytes(&w, data + start, at - start);
    }
    return w.overflow ? 0 : w.length;
}

lz_status rle_expand(const uint8_t *data, size_t length, uint8_t *out, size_t capacity, size_t *written)
{
    reader r = {data, 0, length};
    uint8_t control, value = 0;
    size_t n = 0;
    *written = 0;
    while (get_byte(&r, &control)) {
        bool run = control > 128;
        size_t count = run ? 257u - control : control + 1u;
        if (control == 128)
            continue;
        if (count > capacity - n)
            return LZ_TOO_LONG;
        if (run && !get_byte(&r, &value))
            return LZ_TRUNCATED;
        for (; count > 0; count--) {
            if (!run && !get_byte(&r, &value))
                return LZ_TRUNCATED;
            out[n++] = value;
        }
    }
    *written = n;
    return LZ_OK;
}

static void mtf_init(uint8_t order[256])
{
    for (int i = 0; i < 256; i++)
        order[i] = (uint8_t)i;
}

static void mtf_front(uint8_t order[256], uint8_t rank)
{
    uint8_t byte = order[rank];
    memmove(order + 1, order, rank);
    order[0] = byte;
}

void mtf_encode(uint8_t *data, size_t length)
{
    uint8_t order[256];
    mtf_init(order);
    for (size_t i = 0; i < length; i++) {
        uint8_t rank = 0;
        while (order[rank] != data[i])
            rank++;
        mtf_front(order, rank);
        data[i] = rank;
    }
}

void mtf_decode(uint8_t *data, size_t length)
{
    uint8_t order[256];
    mtf_init(order);
    for (size_t i = 0; i < length; i++) {
        uint8_t rank = data[i];
        data[i] = order[rank];
        mtf_front(order, rank);
    }
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

static uint32_t lcg_state = 77;
static uint32_t lcg(void)
{
    lcg_state = lcg_state * 1664525u + 1013904223u;
    return lcg_state >> 16;
}

enum { MOST = 20000 };
static uint8_t input[MOST], packed[2 * MOST], scratch[2 * MOST], output[MOST];

static int check_round_trip(size_t length, size_t at_most)
{
    size_t written;
    size_t n = lz_compress(input, length, packed, lz_bound(length));
    CHECK(n > 0 && n <= at_most);
    CHECK(lz_expand(packed, n, output, length, &written) == LZ_OK);
    CHECK(written == length && memcmp(input, output, length) == 0);
    CHECK(lz_compress(input, length, scratch, n - 1) == 0);
    CHECK(length == 0 || lz_expand(packed, n, output, length - 1, &written) == LZ_TOO_LONG);
    CHECK(lz_expand(packed, n - 1, output, length, &written) == LZ_TRUNCATED && written == 0);

    n = rle_compress(input, length, packed, sizeof packed);
    CHECK(n <= length + (length + 127) / 128 && (n > 0) == (length > 0));
    CHECK(rle_expand(packed, n, output, length, &written) == LZ_OK);
    CHECK(written == length && memcmp(input, output, length) == 0);

    mtf_encode(output, length);
    mtf_decode(output, length);
    CHECK(memcmp(input, output, length) == 0);
    return 0;
}

/* Damaged streams may expand to anything, but never outside the buffers. */
static int check_damage(void)
{
    uint8_t small[600];
    size_t written, n = lz_compress(input, 500, packed, sizeof packed);
    for (int round = 0; round < 2000; round++) {
        uint8_t saved = packed[round % n];
        packed[round % n] = (uint8_t)lcg();
        lz_status status = lz_expand(packed, n, small, sizeof small, &written);
        CHECK(status <= LZ_TOO_LONG && written <= sizeof small && (status == LZ_OK || written == 0));
        status = rle_expand(packed, n, small, sizeof small, &written);
        CHECK(written <= sizeof small && (status == LZ_OK || written == 0));
        packed[round % n] = saved;
    }
    CHECK(lz_expand((const uint8_t *)"\x10" "A\x05", 3, small, sizeof small, &written) == LZ_BAD_DISTANCE);
    CHECK(lz_expand((const uint8_t *)"\x10" "A\x01\x00\x00", 5, small, sizeof small, &written) == LZ_OK);
    CHECK(written == 5 && memcmp(small, "AAAAA", 5) == 0);
    return 0;
}

int main(void)
{
    static const char *const words[] = {"load ", "store ", "add ", "branch ", "r1, ", "r2, ", "label\n", "; note\n"};
    if (check_round_trip(0, 2))
        return 1;
    memset(input, 'x', MOST);
    if (check_round_trip(1, 5) || check_round_trip(4, 8) || check_round_trip(MOST, 12))
        return 1;
    for (size_t i = 0; i < MOST;)
        for (const char *w = words[lcg() % 8]; *w && i < MOST; w++)
            input[i++] = (uint8_t)*w;
    if (check_round_trip(300, 300) || check_round_trip(MOST, MOST / 2) || check_damage())
        return 1;
    for (size_t i = 0; i < MOST; i++)
        input[i] = (uint8_t)lcg();
    if (check_round_trip(MOST, lz_bound(MOST)))
        return 1;
    for (size_t i = 0; i < MOST; i++)
        input[i] = (uint8_t)(i % 300 < 40 ? lcg() % 4 : i / 700);
    if (check_round_trip(MOST, MOST / 3))
        return 1;
    printf("lz: %d checks passed\n", checks);
    return 0;
}
