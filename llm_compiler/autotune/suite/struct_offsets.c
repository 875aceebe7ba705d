/* Addresses computed from structures: offsetof, container_of, flexible members, nested arrays, negative indices. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

struct link { struct link *next, *previous; };
struct item {
    char tag;
    struct link by_age;
    short weight;
    struct link by_weight;
    int history[2][3];
};
#define CONTAINER(p, field) ((struct item *)((char *)(p) - offsetof(struct item, field)))

static void insert(struct link *head, struct link *l)
{
    l->next = head->next;
    l->previous = head;
    head->next->previous = l;
    head->next = l;
}
static void remove_link(struct link *l)
{
    l->next->previous = l->previous;
    l->previous->next = l->next;
}

struct message { uint16_t length; uint8_t kind; char text[]; };
NOINLINE static struct message *make(const char *text)
{
    size_t n = strlen(text);
    struct message *m = malloc(offsetof(struct message, text) + n + 1);
    if (m) {
        m->length = (uint16_t)n;
        m->kind = 'm';
        memcpy(m->text, text, n + 1);
    }
    return m;
}

NOINLINE static int *element(struct item *items, int i, int j, int k) { return &items[i].history[j][k]; }
NOINLINE static int get(const void *base, size_t offset) { return *(const int *)((const char *)base + offset); }
NOINLINE static ptrdiff_t between(const struct item *a, const struct item *b) { return b - a; }
NOINLINE static int last_of(const int *end, int n)
{
    int s = 0;
    for (int i = -n; i < 0; i++)
        s = s * 10 + end[i];
    return s;
}

struct deep { struct { struct { char c[3]; union { int i; char b[4]; } u[2]; } in[2]; } mid[2]; };
NOINLINE static size_t distance(const struct deep *d, int i, int j, int k, int l)
{
    return (size_t)(&d->mid[i].in[j].u[k].b[l] - (const char *)d);
}

int main(void)
{
    static struct item items[4];
    struct link age = {&age, &age}, weight = {&weight, &weight};
    for (int i = 0; i < 4; i++) {
        items[i].tag = (char)('a' + i);
        items[i].weight = (short)(i * 10);
        insert(&age, &items[i].by_age);
        insert(weight.previous, &items[i].by_weight);
    }
    remove_link(&items[2].by_age);
    int tags = 0, sum = 0;
    for (struct link *l = age.next; l != &age; l = l->next)
        tags = tags * 256 + CONTAINER(l, by_age)->tag;
    for (struct link *l = weight.next; l != &weight; l = l->next)
        sum = sum * 7 + CONTAINER(l, by_weight)->weight;
    CHECK(tags == ('d' << 16 | 'b' << 8 | 'a') && sum == 10 * 49 + 20 * 7 + 30);

    struct message *m = make("flexible");
    if (m) {
        CHECK(m->length == 8 && m->text[8] == 0 && !strcmp(m->text, "flexible") && m->kind == 'm');
        free(m);
    }
    *element(items, 2, 1, 0) = 77;
    CHECK(items[2].history[1][0] == 77 && get(&items[2], offsetof(struct item, history[1][0])) == 77);
    CHECK(get(items, 2 * sizeof *items + offsetof(struct item, history) + 3 * sizeof(int)) == 77);
    CHECK(between(items, items + 3) == 3 && between(&items[3], &items[1]) == -2 &&
          element(items, 1, 0, 2) + 1 == element(items, 1, 1, 0));
    static const int digits[] = {1, 2, 3, 4};
    CHECK(last_of(digits + 4, 3) == 234 && last_of(digits, 0) == 0);
    struct deep d;
    CHECK(distance(&d, 1, 1, 1, 3) == sizeof d - 1 && distance(&d, 0, 0, 0, 0) == 4 &&
          distance(&d, 1, 0, 1, 2) == sizeof d / 2 + 10);
    CHECK((char *)&d.mid[1] - (char *)&d.mid[0] == sizeof d / 2 && (void *)&d == (void *)d.mid[0].in[0].c);
    return bad;
}
