/* An ordered map from int32 to int32: a red-black tree over a fixed pool of nodes, linked by index, with rank queries.
 * Exercises mirrored left/right cases, linked structures by index, recursion in the checker and loops everywhere else. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { POOL = 1024, NIL = 0, RED = 1, BLACK = 0 };

typedef uint16_t link;

typedef struct {
    int32_t key, value;
    link child[2], parent;
    uint16_t size; /* nodes in this subtree */
    uint8_t color;
} node;

typedef struct {
    node nodes[POOL]; /* nodes[NIL] is the black leaf that all share */
    link root, free_list;
} tree;

void tree_init(tree *t)
{
    memset(t, 0, sizeof *t);
    for (link i = POOL - 1; i > 0; i--) {
        t->nodes[i].parent = t->free_list;
        t->free_list = i;
    }
}

static link allocate(tree *t, int32_t key, int32_t value)
{
    link n = t->free_list;
    if (n != NIL) {
        t->free_list = t->nodes[n].parent;
        t->nodes[n] = (node){key, value, {NIL, NIL}, NIL, 1, RED};
    }
    return n;
}

static void release(tree *t, link n)
{
    t->nodes[n].parent = t->free_list;
    t->free_list = n;
}

static void update_size(tree *t, link n)
{
    node *x = &t->nodes[n];
    x->size = (uint16_t)(t->nodes[x->child[0]].size + t->nodes[x->child[1]].size + 1);
}

static int side_of(const tree *t, link n)
{
    return t->nodes[t->nodes[n].parent].child[1] == n;
}

/* Puts b where a was, below a's parent. */
static void replace(tree *t, link a, link b)
{
    link p = t->nodes[a].parent;
    if (p == NIL)
        t->root = b;
    else
        t->nodes[p].child[side_of(t, a)] = b;
    t->nodes[b].parent = p;
}

/* The child on the other side comes up; n goes down to the side given. */
static void rotate(tree *t, link n, int side)
{
    link up = t->nodes[n].child[!side];
    link moved = t->nodes[up].child[side];
    replace(t, n, up);
    t->nodes[n].child[!side] = moved;
    if (moved != NIL)
        t->nodes[moved].parent = n;
    t->nodes[up].child[side] = n;
    t->nodes[n].parent = up;
    update_size(t, n);
    update_size(t, up);
}

static void fix_insert(tree *t, link n)
{
    node *x = t->nodes;
    while (x[x[n].parent].color == RED) {
        link p = x[n].parent, g = x[p].parent;
        int side = side_of(t, p);
        link uncle = x[g].child[!side];
        if (x[uncle].color == RED) {
            x[p].color = x[uncle].color = BLACK;
            x[g].color = RED;
            n = g;
            continue;
        }
        if (side_of(t, n) != side) {
            rotate(t, p, side);
            n = p;
            p = x[n].parent;
        }
        x[p].color = BLACK;
        x[g].color = RED;
        rotate(t, g, !side);
    }
    x[t->root].color = BLACK;
}

static link find(const tree *t, int32_t key)
{
    link n = t->root;
    while (n != NIL && t->nodes[n].key != key)
        n = t->nodes[n].child[key > t->nodes[n].key];
    return n;
}

bool tree_get(const tree *t, int32_t key, int32_t *value)
{
    link n = find(t, key);
    if (n == NIL)
        return false;
    *value = t->nodes[n].value;
    return true;
}

/* False when the pool is used up. */
bool tree_put(tree *t, int32_t key, int32_t value)
{
    link parent = NIL, at = t->root;
    while (at != NIL) {
        parent = at;
        if (t->nodes[at].key == key) {
            t->nodes[at].value = value;
            return true;
        }
        at = t->nodes[at].child[key > t->nodes[at].key];
    }
    link n = allocate(t, key, value);
    if (n == NIL)
        return false;
    t->nodes[n].parent = parent;
    if (parent == NIL)
        t->root = n;
    else
        t->nodes[parent].child[key > t->nodes[parent].key] = n;
    for (link p = parent; p != NIL; p = t->nodes[p].parent)
        t->nodes[p].size++;
    fix_insert(t, n);
    return true;
}

/* n is short of one black node; it may be the shared leaf, whose parent was set for this. */
static void fix_remove(tree *t, link n)
{
    node *x = t->nodes;
    while (n != t->root && x[n].color == BLACK) {
        link p = x[n].parent;
        int side = side_of(t, n);
        link sibling = x[p].child[!side];
        if (x[sibling].color == RED) {
            x[sibling].color = BLACK;
            x[p].color = RED;
            rotate(t, p, side);
            sibling = x[p].child[!side];
        }
        if (x[x[sibling].child[0]].color == BLACK && x[x[sibling].child[1]].color == BLACK) {
            x[sibling].color = RED;
            n = p;
            continue;
        }
        if (x[x[sibling].child[!side]].color == BLACK) {
            x[x[sibling].child[side]].color = BLACK;
            x[sibling].color = RED;
            rotate(t, sibling, !side);
            sibling = x[p].child[!side];
        }
        x[sibling].color = x[p].color;
        x[p].color = BLACK;
        x[x[sibling].child[!side]].color = BLACK;
        rotate(t, p, side);
        n = t->root;
    }
    x[n].color = BLACK;
}

bool tree_remove(tree *t, int32_t key)
{
    node *x = t->nodes;
    link n = find(t, key);
    if (n == NIL)
        return false;
    if (x[n].child[0] != NIL && x[n].child[1] != NIL) {
        link next = x[n].child[1];
        while (x[next].child[0] != NIL)
            next = x[next].child[0];
        x[n].key = x[next].key;
        x[n].value = x[next].value;
        n = next;
    }
    for (link p = x[n].parent; p != NIL; p = x[p].parent)
        x[p].size--;
    link child = x[n].child[x[n].child[0] == NIL];
    replace(t, n, child);
    if (x[n].color == BLACK)
        fix_remove(t, child);
    x[NIL].parent = NIL;
    release(t, n);
    return true;
}

/* How many keys are smaller. */
int tree_rank(const tree *t, int32_t key)
{
    int rank = 0;
    link n = t->root;
    while (n != NIL) {
        const node *x = &t->nodes[n];
        if (key <= x->key) {
            n = x->child[0];
        } else {
            rank += t->nodes[x->child[0]].size + 1;
            n = x->child[1];
        }
    }
    return rank;
}

/* The key with the given rank. */
bool tree_select(const tree *t, int rank, int32_t *key)
{
    link n = t->root;
    while (n != NIL) {
        int left = t->nodes[t->nodes[n].child[0]].size;
        if (rank == left) {
            *key = t->nodes[n].key;
            return true;
        }
        if (rank < left) {
            n = t->nodes[n].child[0];
        } else {
            rank -= left + 1;
            n = t->nodes[n].child[1];
        }
    }
    return false;
}

/* The smallest key not below the given one, and the largest not above. */
bool tree_ceiling(const tree *t, int32_t key, int32_t *found)
{
    bool any = false;
    for (link n = t->root; n != NIL;) {
        const node *x = &t->nodes[n];
        if (x->key >= key) {
            *found = x->key;
            any = true;
            n = x->child[0];
        } else {
            n = x->child[1];
        }
    }
    return any;
}

bool tree_floor(const tree *t, int32_t key, int32_t *found)
{
    bool any = false;
    for (link n = t->root; n != NIL;) {
        const node *x = &t->nodes[n];
        if (x->key <= key) {
            *found = x->key;
            any = true;
            n = x->child[1];
        } else {
            n = x->child[0];
        }
    }
    return any;
}

/* In order, without recursion; the visitor may end it by returning false. */
void tree_each(const tree *t, bool (*visit)(int32_t key, int32_t value, void *context), void *context)
{
    const node *x = t->nodes;
    link n = t->root;
    while (n != NIL && x[n].child[0] != NIL)
        n = x[n].child[0];
    while (n != NIL && visit(x[n].key, x[n].value, context)) {
        if (x[n].child[1] != NIL) {
            n = x[n].child[1];
            while (x[n].child[0] != NIL)
                n = x[n].child[0];
        } else {
            while (x[n].parent != NIL && side_of(t, n) == 1)
                n = x[n].parent;
            n = x[n].parent;
        }
    }
}

/* Black height of a subtree, or -1 when a rule is broken. */
static int verify(const tree *t, link n, int64_t low, int64_t high)
{
    const node *x = &t->nodes[n];
    if (n == NIL)
        return x->color == BLACK && x->size == 0 ? 0 : -1;
    if (x->key <= low || x->key >= high)
        return -1;
    for (int side = 0; side < 2; side++) {
        const node *c = &t->nodes[x->child[side]];
        if (x->child[side] != NIL && (c->parent != n || (x->color == RED && c->color == RED)))
            return -1;
    }
    if (x->size != t->nodes[x->child[0]].size + t->nodes[x->child[1]].size + 1)
        return -1;
    int left = verify(t, x->child[0], low, x->key), right = verify(t, x->child[1], x->key, high);
    return left < 0 || left != right ? -1 : left + (x->color == BLACK);
}

static bool sound(const tree *t)
{
    return t->nodes[t->root].color == BLACK && t->nodes[t->root].parent == NIL
           && verify(t, t->root, INT64_MIN, INT64_MAX) >= 0;
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

static uint32_t lcg_state = 65;
static uint32_t lcg(void)
{
    lcg_state = lcg_state * 1664525u + 1013904223u;
    return lcg_state >> 12;
}

static tree t;

struct walk {
    int32_t last;
    int count, stop_after;
    bool ascending;
};

static bool visit(int32_t key, int32_t value, void *context)
{
    struct walk *w = context;
    w->ascending &= (w->count == 0 || key > w->last) && value == key * 2;
    w->last = key;
    return ++w->count != w->stop_after;
}

static int check_order(int stride)
{
    int32_t key, value;
    tree_init(&t);
    for (int i = 1; i < POOL; i++) {
        CHECK(tree_put(&t, i * stride % POOL, i * stride % POOL * 2));
        CHECK(i % 64 || sound(&t));
    }
    CHECK(sound(&t) && t.nodes[t.root].size == POOL - 1);
    CHECK(!tree_put(&t, -1, 0) && tree_put(&t, 5, 10));
    struct walk w = {0, 0, 0, true}, part = {0, 0, 100, true};
    tree_each(&t, visit, &w);
    tree_each(&t, visit, &part);
    CHECK(w.ascending && w.count == POOL - 1 && part.count == 100 && part.last == 100);
    for (int i = 0; i < POOL - 1; i += 7)
        CHECK(tree_select(&t, i, &key) && key == i + 1 && tree_rank(&t, key) == i);
    CHECK(!tree_select(&t, POOL - 1, &key) && !tree_select(&t, -1, &key));
    for (int i = 1; i < POOL; i += 2)
        CHECK(tree_remove(&t, i) && !tree_remove(&t, i));
    CHECK(sound(&t) && t.nodes[t.root].size == POOL / 2 - 1);
    for (int i = 2; i < POOL - 2; i++) {
        CHECK(tree_get(&t, i, &value) == (i % 2 == 0));
        CHECK(tree_ceiling(&t, i, &key) && key == i + i % 2);
        CHECK(tree_floor(&t, i, &key) && key == i - i % 2);
    }
    CHECK(!tree_floor(&t, 1, &key) && !tree_ceiling(&t, POOL, &key));
    for (int i = 2; i < POOL; i += 2)
        CHECK(tree_remove(&t, i));
    CHECK(t.root == NIL && sound(&t));
    return 0;
}

static int check_random(void)
{
    enum { KEYS = 300 };
    static bool present[KEYS];
    static int32_t values[KEYS];
    int live = 0;
    tree_init(&t);
    for (int step = 0; step < 6000; step++) {
        int32_t key = (int32_t)(lcg() % KEYS), value = 0;
        switch (lcg() % 4) {
        case 0:
        case 1:
            CHECK(tree_put(&t, key, step));
            live += !present[key];
            present[key] = true;
            values[key] = step;
            break;
        case 2:
            CHECK(tree_remove(&t, key) == present[key]);
            live -= present[key];
            present[key] = false;
            break;
        default:
            CHECK(tree_get(&t, key, &value) == present[key]);
            CHECK(!present[key] || value == values[key]);
        }
        CHECK(t.nodes[t.root].size == live);
        if (step % 20 == 0)
            CHECK(sound(&t));
    }
    int rank = 0;
    for (int32_t key = 0; key < KEYS; rank += present[key++])
        CHECK(tree_rank(&t, key) == rank);
    return 0;
}

int main(void)
{
    if (check_order(1) || check_order(POOL - 1) || check_order(389) || check_random())
        return 1;
    printf("red_black_tree: %d checks passed\n", checks);
    return 0;
}
