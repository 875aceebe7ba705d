/* String-keyed hash table: open addressing, Robin Hood probing, deletion by backward shift.
 * Exercises pointer-heavy loops, 64-bit hashing, struct swaps, growth paths and error paths. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char *key; /* NULL marks a free slot */
    uint32_t hash;
    uint32_t distance; /* slots away from home */
    int64_t value;
} ht_slot;

typedef struct {
    ht_slot *slots;
    size_t capacity; /* a power of two, or zero */
    size_t count;
    uint32_t (*hash)(const char *key, size_t length);
} ht_table;

typedef struct {
    size_t used;
    uint32_t longest_probe;
    double mean_probe;
} ht_stats;

typedef enum { HT_NEW, HT_REPLACED, HT_NO_MEMORY } ht_result;

uint32_t ht_hash_fnv1a(const char *key, size_t length)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < length; i++) {
        h ^= (uint8_t)key[i];
        h *= 16777619u;
    }
    return h;
}

static uint32_t load_le32(const char *p)
{
    const uint8_t *b = (const uint8_t *)p;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static uint32_t mix32(uint32_t h)
{
    h ^= h >> 16;
    h *= 0x7feb352du;
    h ^= h >> 15;
    h *= 0x846ca68bu;
    return h ^ h >> 16;
}

/* Four bytes a step, then the tail. */
uint32_t ht_hash_words(const char *key, size_t length)
{
    uint32_t h = (uint32_t)length * 0x9e3779b9u;
    size_t i = 0;
    for (; i + 4 <= length; i += 4)
        h = mix32(h ^ load_le32(key + i));
    uint32_t tail = 0;
    switch (length - i) {
    case 3: tail |= (uint32_t)(uint8_t)key[i + 2] << 16; /* fall through */
    case 2: tail |= (uint32_t)(uint8_t)key[i + 1] << 8; /* fall through */
    case 1: tail |= (uint32_t)(uint8_t)key[i]; h = mix32(h ^ tail); break;
    default: break;
    }
    return mix32(h);
}

void ht_init(ht_table *t, uint32_t (*hash)(const char *, size_t))
{
    memset(t, 0, sizeof *t);
    t->hash = hash ? hash : ht_hash_fnv1a;
}

void ht_free(ht_table *t)
{
    for (size_t i = 0; i < t->capacity; i++)
        free(t->slots[i].key);
    free(t->slots);
    t->slots = NULL;
    t->capacity = t->count = 0;
}

static void swap_slots(ht_slot *a, ht_slot *b)
{
    ht_slot c = *a;
    *a = *b;
    *b = c;
}

/* The key is known to be absent and there is at least one free slot. */
static void place(ht_slot *slots, size_t capacity, ht_slot incoming)
{
    size_t mask = capacity - 1;
    size_t i = incoming.hash & mask;
    incoming.distance = 0;
    while (slots[i].key) {
        if (slots[i].distance < incoming.distance)
            swap_slots(&slots[i], &incoming);
        i = (i + 1) & mask;
        incoming.distance++;
    }
    slots[i] = incoming;
}

bool ht_reserve(ht_table *t, size_t capacity)
{
    size_t want = 8;
    while (want < capacity)
        want *= 2;
    if (want <= t->capacity)
        return true;
    ht_slot *slots = calloc(want, sizeof *slots);
    if (!slots)
        return false;
    for (size_t i = 0; i < t->capacity; i++)
        if (t->slots[i].key)
            place(slots, want, t->slots[i]);
    free(t->slots);
    t->slots = slots;
    t->capacity = want;
    return true;
}

static ht_slot *find(const ht_table *t, const char *key, uint32_t hash)
{
    if (!t->capacity)
        return NULL;
    size_t mask = t->capacity - 1;
    size_t i = hash & mask;
    for (uint32_t distance = 0;; distance++) {
        ht_slot *s = &t->slots[i];
        if (!s->key || s->distance < distance)
            return NULL;
        if (s->hash == hash && strcmp(s->key, key) == 0)
            return s;
        i = (i + 1) & mask;
    }
}

bool ht_get(const ht_table *t, const char *key, int64_t *value)
{
    const ht_slot *s = find(t, key, t->hash(key, strlen(key)));
    if (s && value)
        *value = s->value;
    return s != NULL;
}

ht_result ht_put(ht_table *t, const char *key, int64_t value)
{
    size_t length = strlen(key);
    uint32_t hash = t->hash(key, length);
    ht_slot *s = find(t, key, hash);
    if (s) {
        s->value = value;
        return HT_REPLACED;
    }
    if ((t->count + 1) * 8 > t->capacity * 7 && !ht_reserve(t, t->capacity ? t->capacity * 2 : 8))
        return HT_NO_MEMORY;
    char *copy = malloc(length + 1);
    if (!copy)
        return HT_NO_MEMORY;
    memcpy(copy, key, length + 1);
    place(t->slots, t->capacity, (ht_slot){copy, hash, 0, value});
    t->count++;
    return HT_NEW;
}

/* Adds to a counter, starting from zero. */
ht_result ht_add(ht_table *t, const char *key, int64_t amount)
{
    ht_slot *s = find(t, key, t->hash(key, strlen(key)));
    if (!s)
        return ht_put(t, key, amount);
    s->value += amount;
    return HT_REPLACED;
}

bool ht_remove(ht_table *t, const char *key)
{
    ht_slot *s = find(t, key, t->hash(key, strlen(key)));
    if (!s)
        return false;
    free(s->key);
    size_t mask = t->capacity - 1;
    size_t i = (size_t)(s - t->slots);
    for (;;) {
        size_t next = (i + 1) & mask;
        if (!t->slots[next].key || t->slots[next].distance == 0)
            break;
        t->slots[i] = t->slots[next];
        t->slots[i].distance--;
        i = next;
    }
    memset(&t->slots[i], 0, sizeof t->slots[i]);
    t->count--;
    return true;
}

/* Start with cursor 0; returns NULL at the end. */
const char *ht_next(const ht_table *t, size_t *cursor, int64_t *value)
{
    while (*cursor < t->capacity) {
        const ht_slot *s = &t->slots[(*cursor)++];
        if (s->key) {
            *value = s->value;
            return s->key;
        }
    }
    return NULL;
}

ht_stats ht_measure(const ht_table *t)
{
    ht_stats m = {0, 0, 0.0};
    uint64_t total = 0;
    for (size_t i = 0; i < t->capacity; i++) {
        if (!t->slots[i].key)
            continue;
        uint32_t d = t->slots[i].distance;
        m.used++;
        total += d;
        if (d > m.longest_probe)
            m.longest_probe = d;
    }
    if (m.used)
        m.mean_probe = (double)total / (double)m.used;
    return m;
}

/* Every slot lies where its hash and its distance say. */
static bool consistent(const ht_table *t)
{
    size_t used = 0;
    for (size_t i = 0; i < t->capacity; i++) {
        const ht_slot *s = &t->slots[i];
        if (!s->key)
            continue;
        used++;
        if (((s->hash + s->distance) & (t->capacity - 1)) != i)
            return false;
        if (s->hash != t->hash(s->key, strlen(s->key)))
            return false;
    }
    return used == t->count;
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

static uint32_t lcg_state = 12345;
static uint32_t lcg(void)
{
    lcg_state = lcg_state * 1664525u + 1013904223u;
    return lcg_state >> 8;
}

static uint32_t hash_bad(const char *key, size_t length)
{
    (void)key;
    return (uint32_t)length & 1;
}

static int check_basics(void)
{
    ht_table t;
    int64_t v = -1;
    ht_init(&t, NULL);
    CHECK(!ht_get(&t, "nothing", &v) && v == -1);
    CHECK(!ht_remove(&t, "nothing"));
    CHECK(ht_put(&t, "", 7) == HT_NEW);
    CHECK(ht_put(&t, "one", 1) == HT_NEW);
    CHECK(ht_put(&t, "one", 11) == HT_REPLACED);
    CHECK(ht_get(&t, "", &v) && v == 7);
    CHECK(ht_get(&t, "one", &v) && v == 11);
    CHECK(t.count == 2 && consistent(&t));
    CHECK(ht_remove(&t, "") && !ht_get(&t, "", NULL));
    CHECK(ht_reserve(&t, 1000) && t.capacity == 1024);
    CHECK(ht_get(&t, "one", &v) && v == 11);
    ht_free(&t);
    CHECK(ht_hash_fnv1a("foobar", 6) == 0xbf9cf968u);
    return 0;
}

static int check_words(void)
{
    static const char text[] = "the quick brown fox and the lazy dog and the other fox and the end";
    char word[16];
    int64_t v, sum = 0;
    ht_table t;
    ht_init(&t, ht_hash_words);
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, " ");
        CHECK(n < sizeof word);
        memcpy(word, p, n);
        word[n] = '\0';
        CHECK(ht_add(&t, word, 1) != HT_NO_MEMORY);
        p += n + (p[n] == ' ');
    }
    CHECK(ht_get(&t, "the", &v) && v == 4);
    CHECK(ht_get(&t, "and", &v) && v == 3);
    CHECK(ht_get(&t, "fox", &v) && v == 2);
    CHECK(!ht_get(&t, "th", &v));
    size_t cursor = 0, keys = 0;
    while (ht_next(&t, &cursor, &v)) {
        keys++;
        sum += v;
    }
    CHECK(keys == t.count && sum == 15);
    ht_free(&t);
    return 0;
}

/* Random operations against an array that is indexed by the key's number. */
static int check_random(uint32_t (*hash)(const char *, size_t), int keys, int steps)
{
    enum { MOST = 700 };
    static int64_t model[MOST];
    static bool present[MOST];
    size_t live = 0;
    char key[24];
    ht_table t;
    memset(present, 0, sizeof present);
    ht_init(&t, hash);
    for (int step = 0; step < steps; step++) {
        int k = (int)(lcg() % (uint32_t)keys);
        int64_t v = 0;
        snprintf(key, sizeof key, "key-%d-%x", k, (unsigned)k * 77u);
        switch (lcg() % 5) {
        case 0:
        case 1:
            CHECK(ht_put(&t, key, step) == (present[k] ? HT_REPLACED : HT_NEW));
            live += !present[k];
            present[k] = true;
            model[k] = step;
            break;
        case 2:
            CHECK(ht_remove(&t, key) == present[k]);
            live -= present[k];
            present[k] = false;
            break;
        default:
            CHECK(ht_get(&t, key, &v) == present[k]);
            CHECK(!present[k] || v == model[k]);
        }
        CHECK(t.count == live);
    }
    CHECK(consistent(&t));
    ht_stats m = ht_measure(&t);
    CHECK(m.used == live && m.mean_probe <= (double)m.longest_probe);
    CHECK(hash == hash_bad || m.mean_probe < 4.0);
    ht_free(&t);
    return 0;
}

int main(void)
{
    if (check_basics() || check_words() || check_random(ht_hash_fnv1a, 700, 20000)
        || check_random(ht_hash_words, 700, 20000) || check_random(hash_bad, 60, 2000))
        return 1;
    printf("hash_table: %d checks passed\n", checks);
    return 0;
}
