/* Lists and trees: insertion, reversal, merging, deletion through pointers to pointers, balanced trees, hashing. */
#include <stdint.h>
#include <stdlib.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

struct list { struct list *next; int value; };
struct tree { struct tree *child[2]; int key, level; };

static struct list pool[64];
static int used;

static struct list *cons(int value, struct list *next)
{
    struct list *l = &pool[used++];
    l->value = value;
    l->next = next;
    return l;
}

NOINLINE static struct list *reverse(struct list *l)
{
    struct list *r = NULL;
    while (l) {
        struct list *next = l->next;
        l->next = r;
        r = l;
        l = next;
    }
    return r;
}

NOINLINE static struct list *merge(struct list *a, struct list *b)
{
    struct list *head, **tail = &head;
    while (a && b) {
        struct list **least = a->value <= b->value ? &a : &b;
        *tail = *least;
        tail = &(*least)->next;
        *least = *tail;
    }
    *tail = a ? a : b;
    return head;
}

NOINLINE static int remove_if_odd(struct list **l)
{
    int n = 0;
    while (*l)
        if ((*l)->value & 1) {
            *l = (*l)->next;
            n++;
        } else
            l = &(*l)->next;
    return n;
}

static int digits(const struct list *l)
{
    int s = 0;
    for (; l; l = l->next)
        s = s * 10 + l->value;
    return s;
}

/* An AA tree: skew and split on the way up. */
static struct tree *skew(struct tree *t)
{
    struct tree *l = t->child[0];
    if (!l || l->level != t->level)
        return t;
    t->child[0] = l->child[1];
    l->child[1] = t;
    return l;
}
static struct tree *split(struct tree *t)
{
    struct tree *r = t->child[1];
    if (!r || !r->child[1] || r->child[1]->level != t->level)
        return t;
    t->child[1] = r->child[0];
    r->child[0] = t;
    r->level++;
    return r;
}
static struct tree *insert(struct tree *t, int key)
{
    if (!t) {
        t = calloc(1, sizeof *t);
        if (t) {
            t->key = key;
            t->level = 1;
        }
        return t;
    }
    int side = key > t->key;
    t->child[side] = insert(t->child[side], key);
    return split(skew(t));
}
static int height(const struct tree *t)
{
    if (!t)
        return 0;
    int a = height(t->child[0]), b = height(t->child[1]);
    return (a > b ? a : b) + 1;
}
static int in_order(const struct tree *t, int expected)
{
    if (!t)
        return expected;
    expected = in_order(t->child[0], expected);
    CHECK(t->key == expected);
    return in_order(t->child[1], expected + 1);
}
static void release(struct tree *t)
{
    if (!t)
        return;
    release(t->child[0]);
    release(t->child[1]);
    free(t);
}

int main(void)
{
    struct list *a = NULL, *b = NULL;
    for (int i = 4; i > 0; i--) {
        a = cons(2 * i - 1, a);
        b = cons(i + 2, b);
    }
    CHECK(digits(a) == 1357 && digits(b) == 3456 && digits(reverse(NULL)) == 0);
    a = reverse(a);
    CHECK(digits(a) == 7531);
    a = merge(reverse(a), b);
    CHECK(digits(a) == 13345567 && remove_if_odd(&a) == 6 && digits(a) == 46 && remove_if_odd(&a) == 0);
    struct tree *t = NULL;
    for (int i = 0; i < 200; i++)
        t = insert(t, i * 77 % 200);
    CHECK(in_order(t, 0) == 200 && height(t) <= 14);
    release(t);
    return bad;
}
