/* A small stack machine: an assembler with labels, a checked interpreter and a disassembler.
 * Exercises a large switch, a state struct that should live in registers, text scanning and many early exits. */
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum {
    OP_HALT, OP_PUSH, OP_POP, OP_DUP, OP_SWAP, OP_OVER, OP_LOAD, OP_STORE, OP_FETCH, OP_PUT,
    OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_MOD, OP_NEG, OP_AND, OP_OR, OP_XOR, OP_NOT, OP_SHL, OP_SHR,
    OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE, OP_JUMP, OP_JZ, OP_JNZ, OP_CALL, OP_RET, OP_PRINT, OP_COUNT
} opcode;

typedef enum {
    VM_OK, VM_STACK_OVERFLOW, VM_STACK_UNDERFLOW, VM_DIVIDE_BY_ZERO, VM_BAD_ADDRESS, VM_BAD_OPCODE, VM_TOO_LONG
} vm_status;

typedef struct {
    uint8_t op;
    int32_t operand;
} instruction;

enum { CODE_SIZE = 128, STACK_SIZE = 64, CALL_SIZE = 32, MEMORY_SIZE = 64, LABELS = 32, NAME_SIZE = 16, OUTPUT_SIZE = 64 };

typedef struct {
    instruction code[CODE_SIZE];
    int length;
} program;

typedef struct {
    int32_t stack[STACK_SIZE], memory[MEMORY_SIZE], output[OUTPUT_SIZE];
    int calls[CALL_SIZE];
    int depth, call_depth, pc, printed;
    long steps;
} machine;

typedef struct {
    const char *name;
    bool operand;
    uint8_t needs, leaves; /* values on the stack */
} op_info;

static const op_info ops[OP_COUNT] = {
    [OP_HALT] = {"halt", false, 0, 0}, [OP_PUSH] = {"push", true, 0, 1},   [OP_POP] = {"pop", false, 1, 0},
    [OP_DUP] = {"dup", false, 1, 2},   [OP_SWAP] = {"swap", false, 2, 2},  [OP_OVER] = {"over", false, 2, 3},
    [OP_LOAD] = {"load", true, 0, 1},  [OP_STORE] = {"store", true, 1, 0}, [OP_FETCH] = {"fetch", false, 1, 1},
    [OP_PUT] = {"put", false, 2, 0},   [OP_ADD] = {"add", false, 2, 1},    [OP_SUB] = {"sub", false, 2, 1},
    [OP_MUL] = {"mul", false, 2, 1},   [OP_DIV] = {"div", false, 2, 1},    [OP_MOD] = {"mod", false, 2, 1},
    [OP_NEG] = {"neg", false, 1, 1},   [OP_AND] = {"and", false, 2, 1},    [OP_OR] = {"or", false, 2, 1},
    [OP_XOR] = {"xor", false, 2, 1},   [OP_NOT] = {"not", false, 1, 1},    [OP_SHL] = {"shl", false, 2, 1},
    [OP_SHR] = {"shr", false, 2, 1},   [OP_EQ] = {"eq", false, 2, 1},      [OP_NE] = {"ne", false, 2, 1},
    [OP_LT] = {"lt", false, 2, 1},     [OP_LE] = {"le", false, 2, 1},      [OP_GT] = {"gt", false, 2, 1},
    [OP_GE] = {"ge", false, 2, 1},     [OP_JUMP] = {"jump", true, 0, 0},   [OP_JZ] = {"jz", true, 1, 0},
    [OP_JNZ] = {"jnz", true, 1, 0},    [OP_CALL] = {"call", true, 0, 0},   [OP_RET] = {"ret", false, 0, 0},
    [OP_PRINT] = {"print", false, 1, 0},
};

const char *vm_message(vm_status status)
{
    switch (status) {
    case VM_OK: return "ok";
    case VM_STACK_OVERFLOW: return "stack overflow";
    case VM_STACK_UNDERFLOW: return "stack underflow";
    case VM_DIVIDE_BY_ZERO: return "division by zero";
    case VM_BAD_ADDRESS: return "bad address";
    case VM_BAD_OPCODE: return "bad opcode";
    case VM_TOO_LONG: return "step limit reached";
    }
    return "unknown";
}

/* ---- assembler ---- */

typedef struct {
    char name[NAME_SIZE];
    int address;
} label;

typedef struct {
    label labels[LABELS];
    int label_count;
} symbol_table;

static int find_label(const symbol_table *t, const char *name)
{
    for (int i = 0; i < t->label_count; i++)
        if (strcmp(t->labels[i].name, name) == 0)
            return t->labels[i].address;
    return -1;
}

static int find_op(const char *name)
{
    for (int i = 0; i < OP_COUNT; i++)
        if (strcmp(ops[i].name, name) == 0)
            return i;
    return -1;
}

/* Copies the next word of the line, "" at the end of the line or a comment. False when it does not fit. */
static bool next_word(const char **at, char word[NAME_SIZE])
{
    const char *p = *at;
    size_t n = 0;
    while (*p == ' ' || *p == '\t')
        p++;
    while (*p && *p != ';' && !isspace((unsigned char)*p)) {
        if (n + 1 == NAME_SIZE)
            return false;
        word[n++] = *p++;
    }
    word[n] = '\0';
    *at = p;
    return true;
}

static bool resolve(const symbol_table *t, const char *word, int32_t *value)
{
    char *end;
    long number = strtol(word, &end, 0);
    if (end != word && *end == '\0') {
        *value = (int32_t)number;
        return number >= INT32_MIN && number <= INT32_MAX;
    }
    *value = find_label(t, word);
    return *value >= 0;
}

/* Pass 0 collects labels, pass 1 writes code. Returns 0, or the number of the first bad line. */
int vm_assemble(const char *source, program *out)
{
    symbol_table table = {.label_count = 0};
    for (int pass = 0; pass < 2; pass++) {
        const char *at = source;
        out->length = 0;
        for (int line = 1; *at; line++) {
            char word[NAME_SIZE];
            if (!next_word(&at, word))
                return line;
            size_t n = strlen(word);
            if (n > 1 && word[n - 1] == ':') {
                word[n - 1] = '\0';
                if (pass == 0) {
                    if (table.label_count == LABELS || find_label(&table, word) >= 0)
                        return line;
                    label *l = &table.labels[table.label_count++];
                    memcpy(l->name, word, n);
                    l->address = out->length;
                }
                if (!next_word(&at, word))
                    return line;
            }
            if (*word) {
                int op = find_op(word);
                int32_t operand = 0;
                if (op < 0 || out->length == CODE_SIZE)
                    return line;
                if (ops[op].operand) {
                    if (!next_word(&at, word) || !*word || (pass == 1 && !resolve(&table, word, &operand)))
                        return line;
                }
                out->code[out->length++] = (instruction){(uint8_t)op, operand};
                if (!next_word(&at, word) || *word)
                    return line;
            }
            at += strcspn(at, "\n");
            at += *at == '\n';
        }
    }
    return 0;
}

/* Returns the length that snprintf would. */
int vm_disassemble(instruction i, char *out, size_t size)
{
    if (i.op >= OP_COUNT)
        return snprintf(out, size, "?%u", (unsigned)i.op);
    if (ops[i.op].operand)
        return snprintf(out, size, "%s %ld", ops[i.op].name, (long)i.operand);
    return snprintf(out, size, "%s", ops[i.op].name);
}

/* ---- interpreter ---- */

static int32_t wrap(uint32_t x)
{
    return x <= INT32_MAX ? (int32_t)x : -(int32_t)(UINT32_MAX - x) - 1;
}

static int32_t arithmetic_shift(int32_t x, unsigned n)
{
    return x >= 0 ? (int32_t)((uint32_t)x >> n) : wrap(~(~(uint32_t)x >> n));
}

void vm_reset(machine *m) { memset(m, 0, sizeof *m); }

vm_status vm_run(machine *m, const program *p, long limit)
{
    for (;;) {
        if (m->pc < 0 || m->pc >= p->length)
            return VM_BAD_ADDRESS;
        if (m->steps++ >= limit)
            return VM_TOO_LONG;
        instruction i = p->code[m->pc++];
        if (i.op >= OP_COUNT)
            return VM_BAD_OPCODE;
        const op_info *info = &ops[i.op];
        if (m->depth < info->needs)
            return VM_STACK_UNDERFLOW;
        if (m->depth - info->needs + info->leaves > STACK_SIZE)
            return VM_STACK_OVERFLOW;
        int32_t *top = &m->stack[m->depth - info->needs]; /* the first value needed */
        m->depth += info->leaves - info->needs;
        int32_t a = info->needs > 0 ? top[0] : 0, b = info->needs > 1 ? top[1] : 0;
        uint32_t ua = (uint32_t)a, ub = (uint32_t)b;
        switch ((opcode)i.op) {
        case OP_HALT: return VM_OK;
        case OP_PUSH: top[0] = i.operand; break;
        case OP_POP: break;
        case OP_DUP: top[1] = a; break;
        case OP_SWAP: top[0] = b; top[1] = a; break;
        case OP_OVER: top[2] = a; break;
        case OP_LOAD:
            if (i.operand < 0 || i.operand >= MEMORY_SIZE)
                return VM_BAD_ADDRESS;
            top[0] = m->memory[i.operand];
            break;
        case OP_STORE:
            if (i.operand < 0 || i.operand >= MEMORY_SIZE)
                return VM_BAD_ADDRESS;
            m->memory[i.operand] = a;
            break;
        case OP_FETCH:
            if (a < 0 || a >= MEMORY_SIZE)
                return VM_BAD_ADDRESS;
            top[0] = m->memory[a];
            break;
        case OP_PUT: /* value, address */
            if (b < 0 || b >= MEMORY_SIZE)
                return VM_BAD_ADDRESS;
            m->memory[b] = a;
            break;
        case OP_ADD: top[0] = wrap(ua + ub); break;
        case OP_SUB: top[0] = wrap(ua - ub); break;
        case OP_MUL: top[0] = wrap(ua * ub); break;
        case OP_DIV:
            if (b == 0)
                return VM_DIVIDE_BY_ZERO;
            top[0] = b == -1 ? wrap(0u - ua) : a / b;
            break;
        case OP_MOD:
            if (b == 0)
                return VM_DIVIDE_BY_ZERO;
            top[0] = b == -1 ? 0 : a % b;
            break;
        case OP_NEG: top[0] = wrap(0u - ua); break;
        case OP_AND: top[0] = wrap(ua & ub); break;
        case OP_OR: top[0] = wrap(ua | ub); break;
        case OP_XOR: top[0] = wrap(ua ^ ub); break;
        case OP_NOT: top[0] = wrap(~ua); break;
        case OP_SHL: top[0] = wrap(ua << (ub & 31)); break;
        case OP_SHR: top[0] = arithmetic_shift(a, ub & 31); break;
        case OP_EQ: top[0] = a == b; break;
        case OP_NE: top[0] = a != b; break;
        case OP_LT: top[0] = a < b; break;
        case OP_LE: top[0] = a <= b; break;
        case OP_GT: top[0] = a > b; break;
        case OP_GE: top[0] = a >= b; break;
        case OP_JUMP: m->pc = i.operand; break;
        case OP_JZ: if (a == 0) m->pc = i.operand; break;
        case OP_JNZ: if (a != 0) m->pc = i.operand; break;
        case OP_CALL:
            if (m->call_depth == CALL_SIZE)
                return VM_STACK_OVERFLOW;
            m->calls[m->call_depth++] = m->pc;
            m->pc = i.operand;
            break;
        case OP_RET:
            if (m->call_depth == 0)
                return VM_STACK_UNDERFLOW;
            m->pc = m->calls[--m->call_depth];
            break;
        case OP_PRINT:
            if (m->printed < OUTPUT_SIZE)
                m->output[m->printed++] = a;
            break;
        case OP_COUNT: return VM_BAD_OPCODE;
        }
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

static const char factorial[] =
    "      push 10\n"
    "      call fact\n"
    "      print\n"
    "      halt\n"
    "; n -> n!\n"
    "fact: dup\n"
    "      push 2\n"
    "      lt\n"
    "      jnz one\n"
    "      dup\n"
    "      push 1\n"
    "      sub\n"
    "      call fact\n"
    "      mul\n"
    "      ret\n"
    "one:  pop\n"
    "      push 1   ; 0! and 1!\n"
    "      ret\n";

static const char primes[] =
    "      push 2\n store 0\n"
    "next: load 0\n push 60\n ge\n jnz end\n"
    "      push 2\n store 1\n"
    "try:  load 1\n dup\n mul\n load 0\n gt\n jnz yes\n"
    "      load 0\n load 1\n mod\n jz no\n"
    "      load 1\n push 1\n add\n store 1\n jump try\n"
    "yes:  load 0\n print\n"
    "no:   load 0\n push 1\n add\n store 0\n jump next\n"
    "end:  halt\n";

static int check_programs(void)
{
    static const int32_t wanted[] = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59};
    static program p;
    static machine m;
    CHECK(vm_assemble(factorial, &p) == 0 && p.length == 17);
    vm_reset(&m);
    CHECK(vm_run(&m, &p, 1000) == VM_OK);
    CHECK(m.printed == 1 && m.output[0] == 3628800 && m.depth == 0 && m.call_depth == 0);
    vm_reset(&m);
    CHECK(vm_run(&m, &p, 50) == VM_TOO_LONG && m.steps == 51);
    p.code[0].operand = 100;
    vm_reset(&m);
    CHECK(vm_run(&m, &p, 1000) == VM_STACK_OVERFLOW);
    CHECK(vm_assemble(primes, &p) == 0);
    vm_reset(&m);
    CHECK(vm_run(&m, &p, 100000) == VM_OK);
    CHECK(m.printed == (int)(sizeof wanted / sizeof *wanted));
    CHECK(memcmp(m.output, wanted, sizeof wanted) == 0);
    return 0;
}

/* Every two-operand instruction on awkward values. */
static int check_arithmetic(void)
{
    static const struct { opcode op; int32_t a, b, result; } cases[] = {
        {OP_ADD, INT32_MAX, 1, INT32_MIN}, {OP_SUB, INT32_MIN, 1, INT32_MAX}, {OP_MUL, 65536, 65536, 0},
        {OP_MUL, -7, 6, -42},              {OP_DIV, -7, 2, -3},               {OP_DIV, INT32_MIN, -1, INT32_MIN},
        {OP_MOD, -7, 2, -1},               {OP_MOD, INT32_MIN, -1, 0},        {OP_AND, -1, 0x1234, 0x1234},
        {OP_OR, INT32_MIN, 1, -INT32_MAX}, {OP_XOR, -1, 1, -2},               {OP_SHL, 1, 31, INT32_MIN},
        {OP_SHL, 3, 33, 6},                {OP_SHR, -8, 1, -4},               {OP_SHR, INT32_MIN, 31, -1},
        {OP_SHR, 8, 2, 2},                 {OP_EQ, 4, 4, 1},                  {OP_NE, 4, 4, 0},
        {OP_LT, -1, 0, 1},                 {OP_LE, 0, 0, 1},                  {OP_GT, -1, 0, 0},
        {OP_GE, INT32_MIN, INT32_MAX, 0},
    };
    static machine m;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        program p = {{{OP_PUSH, cases[i].a}, {OP_PUSH, cases[i].b}, {(uint8_t)cases[i].op, 0}, {OP_HALT, 0}}, 4};
        vm_reset(&m);
        CHECK(vm_run(&m, &p, 10) == VM_OK);
        CHECK(m.depth == 1 && m.stack[0] == cases[i].result);
    }
    return 0;
}

static int check_faults(void)
{
    static const struct { const char *source; int line; vm_status status; } cases[] = {
        {"add", 0, VM_STACK_UNDERFLOW},
        {"push 1\npush 0\ndiv", 0, VM_DIVIDE_BY_ZERO},
        {"push 1\npush 0\nmod", 0, VM_DIVIDE_BY_ZERO},
        {"a: push 1\njump a", 0, VM_STACK_OVERFLOW},
        {"a: call a", 0, VM_STACK_OVERFLOW},
        {"a: jump a", 0, VM_TOO_LONG},
        {"ret", 0, VM_STACK_UNDERFLOW},
        {"load 64", 0, VM_BAD_ADDRESS},
        {"push -1\nfetch", 0, VM_BAD_ADDRESS},
        {"push 5\npush 63\nput\nload 63\nneg\nnot\nprint\nhalt", 0, VM_OK},
        {"push 7\npop", 0, VM_BAD_ADDRESS},
        {"jump 99", 0, VM_BAD_ADDRESS},
        {"push 1\n\nfrob", 3, VM_OK},
        {"push", 1, VM_OK},
        {"halt\njump nowhere", 2, VM_OK},
        {"a: halt\na: halt", 2, VM_OK},
        {"dup 1", 1, VM_OK},
        {"push 99999999999", 1, VM_OK},
        {"averyveryverylongname", 1, VM_OK},
    };
    static program p;
    static machine m;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(vm_assemble(cases[i].source, &p) == cases[i].line);
        if (cases[i].line)
            continue;
        vm_reset(&m);
        vm_status status = vm_run(&m, &p, 10000);
        CHECK(status == cases[i].status);
        CHECK((strcmp(vm_message(status), "ok") == 0) == (status == VM_OK));
    }
    p.code[0].op = OP_COUNT;
    p.length = 1;
    vm_reset(&m);
    CHECK(vm_run(&m, &p, 10) == VM_BAD_OPCODE);
    return 0;
}

static int check_disassembly(void)
{
    static program p, again;
    static char text[CODE_SIZE * 20];
    char line[32];
    size_t n = 0;
    CHECK(vm_assemble(primes, &p) == 0);
    for (int i = 0; i < p.length; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s\n",
                              vm_disassemble(p.code[i], line, sizeof line) > 0 ? line : "?");
    CHECK(vm_assemble(text, &again) == 0 && again.length == p.length);
    for (int i = 0; i < p.length; i++)
        CHECK(again.code[i].op == p.code[i].op && again.code[i].operand == p.code[i].operand);
    return 0;
}

int main(void)
{
    if (check_programs() || check_arithmetic() || check_faults() || check_disassembly())
        return 1;
    printf("vm: %d checks passed\n", checks);
    return 0;
}
