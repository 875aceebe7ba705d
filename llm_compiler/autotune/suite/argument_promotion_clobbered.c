/* Fields read through an argument while stores through another field of it change them: no loading them in the caller.
   LLVM 17's argpromotion gets `fill` wrong where it sees more than one field (llvm/llvm-project#84807),
       so -O3 fails. */
static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

struct list { int n; int *items; int step; };

/* p->n may be an item of the list itself. */
NOINLINE static int fill(struct list *p, int value)
{
    int i;
    for (i = 0; i < p->n; i++)
        p->items[i] = value;
    return i;
}

NOINLINE static int stride(struct list *p, int limit)
{
    int visits = 0;
    for (int i = 0; i < limit; i += p->step) {
        *p->items += 1;
        visits++;
    }
    return visits * 100 + p->n;
}

NOINLINE static int straight(const struct list *p)
{
    int before = p->n;
    *p->items = 50;
    return before + p->n;
}

NOINLINE static int one_side(const struct list *p, int store)
{
    if (store)
        *p->items = 7;
    return p->n * 10 + p->step;
}

int main(void)
{
    int items[12] = {0};
    struct list l = {12, items, 1}, self = {4, 0, 1};
    CHECK(fill(&l, 7) == 12 && items[11] == 7 && l.n == 12);
    self.items = &self.n;
    CHECK(fill(&self, 1) == 1 && self.n == 1);
    self.items = &self.step;
    CHECK(stride(&self, 10) == 401 && self.step == 5);
    CHECK(stride(&l, 3) == 312 && items[0] == 10);
    self.items = &self.n;
    CHECK(straight(&self) == 51 && straight(&l) == 24);
    CHECK(one_side(&self, 0) == 505 && one_side(&self, 1) == 75 && one_side(&l, 1) == 121);
    return bad;
}
