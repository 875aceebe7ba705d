/* Adaptive arithmetic coding, two ways: whole symbols over a Fenwick tree of counts, and bits in context (a binary range coder).
 * Exercises 32/64-bit integer arithmetic, carry propagation, bit input and output, and near-duplicate encoder/decoder pairs. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    uint8_t *data;
    size_t capacity, length;
    unsigned bit; /* bits used in the last byte */
    bool overflow;
} bit_writer;

typedef struct {
    const uint8_t *data;
    size_t length, position;
    unsigned bit;
    unsigned past_end; /* zero bits invented after the end */
} bit_reader;

static void write_bit(bit_writer *w, unsigned bit)
{
    if (w->bit == 0) {
        if (w->length == w->capacity) {
            w->overflow = true;
            return;
        }
        w->data[w->length++] = 0;
    }
    w->data[w->length - 1] |= (uint8_t)(bit << (7 - w->bit));
    w->bit = (w->bit + 1) & 7;
}

static unsigned read_bit(bit_reader *r)
{
    if (r->position == r->length) {
        r->past_end++;
        return 0;
    }
    unsigned bit = r->data[r->position] >> (7 - r->bit) & 1;
    r->bit = (r->bit + 1) & 7;
    r->position += r->bit == 0;
    return bit;
}

/* ---- whole symbols: 256 bytes and an end mark ---- */

enum { SYMBOLS = 257, END_MARK = 256, MAX_TOTAL = 1 << 14, INCREMENT = 24 };

typedef struct {
    uint32_t tree[SYMBOLS + 1]; /* Fenwick tree, from 1 */
    uint32_t total;
} model;

typedef struct {
    uint32_t low, high, total;
} interval;

static void model_add(model *m, int symbol, uint32_t amount)
{
    for (int i = symbol + 1; i <= SYMBOLS; i += i & -i)
        m->tree[i] += amount;
    m->total += amount;
}

static uint32_t model_below(const model *m, int symbol)
{
    uint32_t sum = 0;
    for (int i = symbol; i > 0; i -= i & -i)
        sum += m->tree[i];
    return sum;
}

void model_init(model *m)
{
    memset(m, 0, sizeof *m);
    for (int s = 0; s < SYMBOLS; s++)
        model_add(m, s, 1);
}

interval model_interval(const model *m, int symbol)
{
    return (interval){model_below(m, symbol), model_below(m, symbol + 1), m->total};
}

int model_find(const model *m, uint32_t count)
{
    int position = 0;
    for (int step = 256; step > 0; step >>= 1) {
        int next = position + step;
        if (next <= SYMBOLS && m->tree[next] <= count) {
            position = next;
            count -= m->tree[next];
        }
    }
    return position;
}

void model_update(model *m, int symbol)
{
    model_add(m, symbol, INCREMENT);
    if (m->total < MAX_TOTAL)
        return;
    uint32_t counts[SYMBOLS];
    for (int s = 0; s < SYMBOLS; s++) {
        interval v = model_interval(m, s);
        counts[s] = (v.high - v.low + 1) / 2;
    }
    memset(m, 0, sizeof *m);
    for (int s = 0; s < SYMBOLS; s++)
        model_add(m, s, counts[s]);
}

#define HALF 0x80000000u
#define QUARTER 0x40000000u

typedef struct {
    uint32_t low, high, pending;
    bit_writer out;
} encoder;

typedef struct {
    uint32_t low, high, code;
    bit_reader in;
} decoder;

static void narrow(uint32_t *low, uint32_t *high, interval v)
{
    uint64_t range = (uint64_t)*high - *low + 1;
    *high = *low + (uint32_t)(range * v.high / v.total - 1);
    *low = *low + (uint32_t)(range * v.low / v.total);
}

static void emit(encoder *e, unsigned bit)
{
    write_bit(&e->out, bit);
    for (; e->pending > 0; e->pending--)
        write_bit(&e->out, !bit);
}

void encode_symbol(encoder *e, interval v)
{
    narrow(&e->low, &e->high, v);
    for (;;) {
        uint32_t base;
        if (e->high < HALF) {
            emit(e, 0);
            base = 0;
        } else if (e->low >= HALF) {
            emit(e, 1);
            base = HALF;
        } else if (e->low >= QUARTER && e->high < HALF + QUARTER) {
            e->pending++;
            base = QUARTER;
        } else {
            return;
        }
        e->low = (e->low - base) << 1;
        e->high = (e->high - base) << 1 | 1;
    }
}

int decode_symbol(decoder *d, const model *m)
{
    uint64_t range = (uint64_t)d->high - d->low + 1;
    uint64_t count = (((uint64_t)d->code - d->low + 1) * m->total - 1) / range;
    int symbol = model_find(m, (uint32_t)count);
    narrow(&d->low, &d->high, model_interval(m, symbol));
    for (;;) {
        uint32_t base;
        if (d->high < HALF)
            base = 0;
        else if (d->low >= HALF)
            base = HALF;
        else if (d->low >= QUARTER && d->high < HALF + QUARTER)
            base = QUARTER;
        else
            return symbol;
        d->low = (d->low - base) << 1;
        d->high = (d->high - base) << 1 | 1;
        d->code = (d->code - base) << 1 | read_bit(&d->in);
    }
}

/* Both return the number of bytes written, or 0 when the output is too small or the input is damaged. */
size_t compress_symbols(const uint8_t *data, size_t length, uint8_t *out, size_t capacity)
{
    model m;
    encoder e = {0, UINT32_MAX, 0, {out, capacity, 0, 0, false}};
    model_init(&m);
    for (size_t i = 0; i < length; i++) {
        encode_symbol(&e, model_interval(&m, data[i]));
        model_update(&m, data[i]);
    }
    encode_symbol(&e, model_interval(&m, END_MARK));
    e.pending++;
    emit(&e, e.low >= QUARTER);
    return e.out.overflow ? 0 : e.out.length;
}

size_t expand_symbols(const uint8_t *data, size_t length, uint8_t *out, size_t capacity)
{
    model m;
    decoder d = {0, UINT32_MAX, 0, {data, length, 0, 0, 0}};
    size_t written = 0;
    model_init(&m);
    for (int i = 0; i < 32; i++)
        d.code = d.code << 1 | read_bit(&d.in);
    for (;;) {
        int symbol = decode_symbol(&d, &m);
        if (symbol == END_MARK)
            return written;
        if (written == capacity || d.in.past_end > 32)
            return 0;
        out[written++] = (uint8_t)symbol;
        model_update(&m, symbol);
    }
}

/* ---- bits in context: each byte is eight decisions down a tree, chosen by the byte before ---- */

enum { PROBABILITY_BITS = 12, ADAPT_SHIFT = 4, CONTEXTS = 4 };

typedef struct {
    uint16_t zero[CONTEXTS][256]; /* probability of a zero, 12 bits */
} bit_model;

typedef struct {
    uint64_t low;
    uint32_t range;
    uint8_t cache;
    uint64_t cached; /* bytes held back for a carry */
    uint8_t *out;
    size_t length, capacity;
    bool overflow;
} range_encoder;

typedef struct {
    uint32_t code, range;
    const uint8_t *data;
    size_t position, length;
} range_decoder;

static void bit_model_init(bit_model *m)
{
    for (int c = 0; c < CONTEXTS; c++)
        for (int i = 0; i < 256; i++)
            m->zero[c][i] = 1 << (PROBABILITY_BITS - 1);
}

static void adapt(uint16_t *zero, unsigned bit)
{
    if (bit)
        *zero = (uint16_t)(*zero - (*zero >> ADAPT_SHIFT));
    else
        *zero = (uint16_t)(*zero + (((1 << PROBABILITY_BITS) - *zero) >> ADAPT_SHIFT));
}

/* What kind of byte came before: letter, digit, other ASCII, the rest. */
static unsigned context_of(uint8_t c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return 0;
    if (c >= '0' && c <= '9')
        return 1;
    return c < 128 ? 2 : 3;
}

static void range_put(range_encoder *e, uint8_t byte)
{
    if (e->length == e->capacity)
        e->overflow = true;
    else
        e->out[e->length++] = byte;
}

static void shift_low(range_encoder *e)
{
    if (e->low < 0xff000000u || e->low > UINT32_MAX) {
        uint8_t carry = (uint8_t)(e->low >> 32);
        uint8_t byte = e->cache;
        for (; e->cached > 0; e->cached--) {
            range_put(e, (uint8_t)(byte + carry));
            byte = 0xff;
        }
        e->cache = (uint8_t)(e->low >> 24);
    }
    e->cached++;
    e->low = (e->low & 0x00ffffffu) << 8;
}

static void range_encode(range_encoder *e, uint16_t *zero, unsigned bit)
{
    uint32_t bound = (e->range >> PROBABILITY_BITS) * *zero;
    if (bit) {
        e->low += bound;
        e->range -= bound;
    } else {
        e->range = bound;
    }
    adapt(zero, bit);
    while (e->range < 1u << 24) {
        e->range <<= 8;
        shift_low(e);
    }
}

static uint8_t range_next(range_decoder *d)
{
    return d->position < d->length ? d->data[d->position++] : 0;
}

static unsigned range_decode(range_decoder *d, uint16_t *zero)
{
    uint32_t bound = (d->range >> PROBABILITY_BITS) * *zero;
    unsigned bit = d->code >= bound;
    if (bit) {
        d->code -= bound;
        d->range -= bound;
    } else {
        d->range = bound;
    }
    adapt(zero, bit);
    while (d->range < 1u << 24) {
        d->range <<= 8;
        d->code = d->code << 8 | range_next(d);
    }
    return bit;
}

size_t compress_bits(const uint8_t *data, size_t length, uint8_t *out, size_t capacity)
{
    bit_model m;
    range_encoder e = {.range = UINT32_MAX, .cached = 1, .out = out, .capacity = capacity};
    uint8_t before = 0;
    bit_model_init(&m);
    for (size_t i = 0; i < length; i++) {
        uint16_t *zero = m.zero[context_of(before)];
        unsigned node = 1;
        for (int b = 7; b >= 0; b--) {
            unsigned bit = data[i] >> b & 1;
            range_encode(&e, &zero[node], bit);
            node = node << 1 | bit;
        }
        before = data[i];
    }
    for (int i = 0; i < 5; i++)
        shift_low(&e);
    return e.overflow ? 0 : e.length;
}

/* The length is not in the stream: the caller says how many bytes to expect. */
void expand_bits(const uint8_t *data, size_t length, uint8_t *out, size_t expected)
{
    bit_model m;
    range_decoder d = {0, UINT32_MAX, data, 0, length};
    uint8_t before = 0;
    bit_model_init(&m);
    for (int i = 0; i < 5; i++)
        d.code = d.code << 8 | range_next(&d);
    for (size_t i = 0; i < expected; i++) {
        uint16_t *zero = m.zero[context_of(before)];
        unsigned node = 1;
        while (node < 256)
            node = node << 1 | range_decode(&d, &zero[node]);
        before = out[i] = (uint8_t)node;
    }
}

/* Order-0 entropy in bytes: what an ideal coder with fixed counts would need. */
double entropy_bytes(const uint8_t *data, size_t length)
{
    size_t counts[256] = {0};
    double bits = 0.0;
    for (size_t i = 0; i < length; i++)
        counts[data[i]]++;
    for (int s = 0; s < 256; s++)
        if (counts[s])
            bits -= (double)counts[s] * log2((double)counts[s] / (double)length);
    return bits / 8.0;
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

static uint32_t lcg_state = 99;
static uint32_t lcg(void)
{
    lcg_state = lcg_state * 1664525u + 1013904223u;
    return lcg_state >> 16;
}

enum { MOST = 6000 };
static uint8_t input[MOST], packed[2 * MOST], output[MOST];

static int check_model(void)
{
    model m;
    model_init(&m);
    for (int i = 0; i < 3000; i++)
        model_update(&m, (int)(lcg() % 7 * 40));
    CHECK(m.total < MAX_TOTAL && m.total == model_below(&m, SYMBOLS));
    for (int s = 0; s < SYMBOLS; s++) {
        interval v = model_interval(&m, s);
        CHECK(v.low < v.high && v.high <= v.total);
        CHECK(model_find(&m, v.low) == s && model_find(&m, v.high - 1) == s);
    }
    return 0;
}

static int check_round_trip(size_t length, double slack)
{
    double ideal = length ? entropy_bytes(input, length) : 0.0;
    size_t n = compress_symbols(input, length, packed, sizeof packed);
    CHECK(n > 0 && (double)n <= ideal * 1.05 + slack);
    memset(output, 0xaa, sizeof output);
    CHECK(expand_symbols(packed, n, output, sizeof output) == length);
    CHECK(memcmp(input, output, length) == 0);
    CHECK(length < 64 || compress_symbols(input, length, packed, n - 1) == 0);

    n = compress_bits(input, length, packed, sizeof packed);
    CHECK(n >= 5 && (double)n <= ideal * 1.10 + slack);
    memset(output, 0xaa, sizeof output);
    expand_bits(packed, n, output, length);
    CHECK(memcmp(input, output, length) == 0);
    CHECK(compress_bits(input, length, packed, n - 1) == 0);
    return 0;
}

int main(void)
{
    static const char text[] = "She sells sea shells by the sea shore, 1234567 of them; ";
    if (check_model() || check_round_trip(0, 16.0))
        return 1;
    for (size_t i = 0; i < MOST; i++)
        input[i] = (uint8_t)text[i % (sizeof text - 1)];
    if (check_round_trip(1, 16.0) || check_round_trip(500, 300.0) || check_round_trip(MOST, 500.0))
        return 1;
    memset(input, 0xff, MOST);
    if (check_round_trip(MOST, 200.0))
        return 1;
    for (size_t i = 0; i < MOST; i++)
        input[i] = (uint8_t)lcg();
    if (check_round_trip(MOST, 800.0))
        return 1;
    for (size_t i = 0; i < MOST; i++)
        input[i] = lcg() % 10 ? 0 : (uint8_t)(lcg() % 16 * 17);
    if (check_round_trip(MOST, 400.0))
        return 1;
    uint8_t damaged[4] = {0x12, 0x34, 0x56, 0x78};
    CHECK(expand_symbols(damaged, sizeof damaged, output, 8) == 0);
    printf("arithmetic_coder: %d checks passed\n", checks);
    return 0;
}
