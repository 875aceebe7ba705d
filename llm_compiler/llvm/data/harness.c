/* What a function meets while `equivalence` runs it: memory, callees, guards. `harness.ll` is made of this file by
 *
 *     clang -Oz -fno-builtin -fno-stack-protector -ffreestanding -fno-pic -S -emit-llvm
 *
 * (tests/test_equivalence.py holds the two together). All that a run leaves behind lies in one arena at a fixed
 * address, so that both sides of a comparison see the same pointers:
 *
 *     STATE    what was called, with which arguments, and what was written to streams
 *     OBJECTS  what pointers point to, each between guard pages
 *     HEAP     what the function allocated
 *     GLOBALS  laid out by jit.py
 *
 * IMAGE bytes above it lies the memory as the next run shall find it, and FLAGS above it what of that was chosen.
 * Memory is made up on the way: while `h_exploring`, a load through `h_load` chooses a value that fits its type.
 */
typedef unsigned char u8;
typedef unsigned u32;
typedef unsigned long u64;
typedef __builtin_va_list va_list;

#define ARENA 0x200000000000UL
#define ARENA_SIZE 0x1000000UL
#define IMAGE 0x1000000UL
#define FLAGS 0x2000000UL
#define OBJECTS (ARENA + 0x10000)
#define STRIDE 0x8000UL
#define GUARD 0x2000UL
#define BYTES 0x4000UL
#define INSIDE 0x800UL /* a pointer to an object points here, for code that looks before what it was given */
#define FOUND 32       /* objects that arguments and loads may make; the rest are for callees to return */
#define RETURNED 16
#define HEAP (ARENA + 0x200000)
#define HEAP_SIZE 0x100000UL
#define CONSTANTS (ARENA + 0xc00000) /* those that compilers may merge */
#define LOG 2000
#define SEEN 256
#define OUTS 512
#define CHOICES 512
#define EXITED 200

enum kind { I8, I16, I32, I64, FLOAT, DOUBLE, POINTER, NOT_NULL, NUL };
static const u8 sizes[] = {1, 2, 4, 8, 4, 8, 8, 8, 1};

struct state {
    u64 heap, calls, returned, streams, logged, log[LOG], seen[SEEN];
};
#define S ((struct state *)ARENA)

void *memcpy(void *, const void *, u64);
void *memmove(void *, const void *, u64);
void *memset(void *, int, u64);
int memcmp(const void *, const void *, u64);
u64 strlen(const char *);
u64 strnlen(const char *, u64);
int vsnprintf(char *, u64, const char *, va_list);
int __sigsetjmp(void *, int) __attribute__((returns_twice));
void siglongjmp(void *, int) __attribute__((noreturn));
int setitimer(int, const void *, void *);
int *__errno_location(void);
void _exit(int) __attribute__((noreturn));

u64 h_random;                     /* state of the generator that makes up memory */
u64 h_seed;                       /* of what callees answer */
u64 h_choices[6][CHOICES];        /* values to choose from, by kind */
u8 h_background[4][BYTES];        /* what is in an object where no load has chosen anything */
u8 h_used[FOUND + RETURNED];      /* which objects are part of this input */
u64 h_found;                      /* how many of the first FOUND */
int h_exploring;
u8 h_scrub;                       /* what is on the stack where nothing has been written */
u64 h_fault;                      /* address of the last fault */
static volatile int armed;
static u64 jump[32];
static u64 answer;                /* what the callee at hand answers, as a hash */
static u64 target;
static int pure;                  /* whether it only reads */

static u64 mix(u64 x) {
    x += 0x9e3779b97f4a7c15UL;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9UL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebUL;
    return x ^ (x >> 31);
}

static u64 random(void) { return mix(h_random++); }

static u64 use(u64 index) {
    u64 base = OBJECTS + index * STRIDE + GUARD;
    if (h_exploring && !h_used[index]) {
        h_used[index] = 1;
        void *background = h_background[random() % 4];
        memcpy((void *)base, background, BYTES);
        memcpy((void *)(base + IMAGE), background, BYTES);
        memset((void *)(base + FLAGS), 0, BYTES);
    }
    return base + INSIDE;
}

/* A pointer to an object that no other pointer points to, or where there are too many already, to one of those. */
u64 h_object(void) { return use(h_found < FOUND ? h_found++ : random() % FOUND); }

/* Null more often the more objects there are, so that lists and trees end. */
static u64 pointer(void) {
    u64 dice = random() % 32;
    if (h_found >= FOUND || dice < 2 + h_found) return 0;
    if (dice == 31 && h_found) return use(random() % h_found);
    return h_object();
}

/* Called before a load of the reference: where memory has no value yet, it gets one of the given kind. A value must
 * be in [low, low + span) where span is not 0. */
void h_load(u8 *at, u32 kind, u64 low, u64 span) {
    u64 size = sizes[kind], offset = (u64)at - ARENA;
    if (offset >= ARENA_SIZE - 8 || (u64)at - HEAP < HEAP_SIZE) return;
    if (at[FLAGS] || at[FLAGS + size - 1] || memcmp(at, at + IMAGE, size)) return; /* chosen, or stored by the code */
    u64 value = kind == POINTER ? pointer() : h_choices[kind][random() % CHOICES];
    if (span) value = low + value % span;
    memcpy(at, &value, size);
    memcpy(at + IMAGE, &value, size);
    memset(at + FLAGS, 1, size);
}

/* -- callees that nobody knows: what they are called with is logged, what they answer is made up of that */

static void log_value(u64 value) {
    if (S->logged < LOG)
        S->log[S->logged++] = value;
    else
        S->log[LOG - 1] = mix(S->log[LOG - 1] ^ value);
}

/* Locals that a callee gets a pointer to: it may read and write them. Which fields there are, only the instrumented
 * reference knows; calls are told apart by their number. */
struct out {
    u32 call;
    u8 argument, kind;
    unsigned short offset;
};
static struct out outs[OUTS], pending[64];
static u64 pending_count;
static u64 arguments[32];
u64 h_out_count;

/* The next call's argument points to a local with a value of this kind at this offset. */
void h_out(u32 argument, u32 offset, u32 kind) {
    if (h_exploring && pending_count < 64) pending[pending_count++] = (struct out){0, argument, kind, offset};
}

void h_call(u64 name) {
    if (h_exploring)
        for (u64 at = 0; at < pending_count && h_out_count < OUTS; at++) {
            outs[h_out_count] = pending[at];
            outs[h_out_count++].call = S->calls;
        }
    pending_count = 0;
    answer = mix(name ^ mix(h_seed + S->calls++));
    *__errno_location() = (u8[]){0, 2, 4, 11, 22, 34, 4, 11}[answer % 8]; /* ENOENT EINTR EAGAIN EINVAL ERANGE */
    pure = 0;
    log_value(name);
}

void h_argument(u64 value) { log_value(value); }

/* Only what has an identity on both sides: null, and addresses in the arena; of merged constants, what they hold. */
void h_pointer_argument(u64 value, u32 index) {
    arguments[index % 32] = value;
    if (value - CONSTANTS < ARENA + ARENA_SIZE - 8 - CONSTANTS) {
        log_value(*(u64 *)value);
        return;
    }
    log_value(value == 0 || value - ARENA < ARENA_SIZE ? value : 1);
}

void h_double_argument(double value) {
    u64 bits;
    memcpy(&bits, &value, 8);
    log_value(value != value ? 0x7ff8000000000000UL : bits);
}

/* A callee that only reads may be called less or more often by the one side: it answers the same to the same. */
void h_pure_call(u64 name) {
    answer = mix(name ^ h_seed);
    pure = 1;
}
void h_pure_argument(u64 value) { answer = mix(answer ^ value); }

u64 h_answer(u32 kind) {
    u64 dice = answer;
    answer = mix(answer);
    if (kind < POINTER) return h_choices[kind][dice % CHOICES];
    return dice % 8 == 0 && kind == POINTER ? 0 : use(FOUND + (pure ? dice / 8 : S->returned++) % RETURNED);
}

/* Read and write the locals that the call at hand was given. */
void h_write_locals(void) {
    u64 call = S->calls - 1;
    for (struct out *out = outs; out < outs + h_out_count; out++)
        if (out->call == call) {
            void *at = (void *)(arguments[out->argument % 32] + out->offset);
            u64 value = 0, size = sizes[out->kind];
            memcpy(&value, at, size);
            S->seen[call % SEEN] = mix(S->seen[call % SEEN] ^ value);
            value = out->kind == NUL ? 0 : h_answer(out->kind);
            memcpy(at, &value, size);
        }
}

void h_exit(void) {
    armed = 0;
    siglongjmp(jump, EXITED);
}

struct both { u64 integer; double real; };
static struct both called(void) {
    h_call(target);
    struct both both = {h_answer(I64) & 1, 1.0};
    return both;
}

/* -- allocation: never given back, so that addresses do not depend on what was freed when */

static u64 *header(void *memory) {
    u64 at = (u64)memory;
    return at - HEAP < HEAP_SIZE && at % 16 == 0 ? (u64 *)(at - 16) : 0;
}

void *h_malloc(u64 size) {
    if (size > 0x10000 || S->heap + size + 64 > HEAP_SIZE) return 0;
    u64 *block = (u64 *)(HEAP + S->heap);
    S->heap += (size + 16 + 47) / 16 * 16;
    block[0] = size;
    return block + 2;
}

void *h_calloc(u64 count, u64 size) {
    u64 bytes;
    void *memory = __builtin_mul_overflow(count, size, &bytes) ? 0 : h_malloc(bytes);
    return memory ? memset(memory, 0, bytes) : 0;
}

/* What was freed is nobody's business any more: stores before may go. */
void h_free(void *memory) {
    u64 *block = header(memory);
    if (block && block[0] <= 0x10000) memset(memory, 0xdd, block[0]);
}

void *h_realloc(void *memory, u64 size) {
    void *grown = h_malloc(size);
    u64 *block = header(memory);
    if (grown && memory) memcpy(grown, memory, block && block[0] < size ? block[0] : size);
    if (grown) h_free(memory);
    return grown;
}

char *h_strndup(const char *text, u64 limit) {
    u64 length = strnlen(text, limit);
    char *copy = h_malloc(length + 1);
    if (copy) {
        memcpy(copy, text, length);
        copy[length] = 0;
    }
    return copy;
}
char *h_strdup(const char *text) { return h_strndup(text, 0x10000); }
char *h___strdup(const char *text) { return h_strndup(text, 0x10000); }

void *h__Znwm(u64 size) { return h_malloc(size); }
void *h__Znam(u64 size) { return h_malloc(size); }
void h__ZdlPv(void *memory) { h_free(memory); }
void h__ZdaPv(void *memory) { h_free(memory); }
void h__ZdlPvm(void *memory, u64 size) { h_free(memory); }
void h__ZdaPvm(void *memory, u64 size) { h_free(memory); }

/* -- output: the bytes of each stream count, not by how many calls of which function they came. Standard output is
 * stream 0. */

static void put(u64 stream, const void *bytes, u64 count) {
    for (u64 at = 0; at < count; at++) S->streams = mix(S->streams ^ stream ^ ((u8 *)bytes)[at]);
}

static int print(u64 stream, const char *format, va_list arguments) {
    static char text[4096];
    int count = vsnprintf(text, sizeof text, format, arguments);
    put(stream, text, count < 0 ? 0 : count < 4096 ? count : 4095);
    return count;
}

#define PRINT(stream)                               \
    va_list arguments;                              \
    __builtin_va_start(arguments, format);          \
    int count = print((u64)stream, format, arguments); \
    __builtin_va_end(arguments);                    \
    return count

int h_printf(const char *format, ...) { PRINT(0); }
int h___printf_chk(int flag, const char *format, ...) { PRINT(0); }
int h_fprintf(void *file, const char *format, ...) { PRINT(file); }
int h___fprintf_chk(void *file, int flag, const char *format, ...) { PRINT(file); }
int h_vprintf(const char *format, va_list arguments) { return print(0, format, arguments); }
int h_vfprintf(void *file, const char *format, va_list arguments) { return print((u64)file, format, arguments); }
int h___vfprintf_chk(void *file, int flag, const char *format, va_list arguments) {
    return print((u64)file, format, arguments);
}
int h_fputc(int character, void *file) {
    u8 byte = character;
    put((u64)file, &byte, 1);
    return byte;
}
int h_putc(int character, void *file) { return h_fputc(character, file); }
int h_putchar(int character) { return h_fputc(character, 0); }
int h_fputs(const char *text, void *file) {
    put((u64)file, text, strlen(text));
    return 1;
}
int h_puts(const char *text) {
    h_fputs(text, 0);
    put(0, "\n", 1);
    return 1;
}
u64 h_fwrite(const void *bytes, u64 size, u64 count, void *file) {
    put((u64)file, bytes, size * count);
    return size ? count : 0;
}

/* -- guards */

/* Code that jumps into the arena calls through a made-up function pointer: that is an unknown callee, too. */
void h_handler(int signal, u8 *info, u8 *context) {
    u64 *counter = (u64 *)(context + 40) + 16; /* uc_mcontext.gregs[REG_RIP] */
    if (!armed) _exit(100 + signal);
    if (signal == 11 && *counter - ARENA < ARENA_SIZE) {
        target = *counter;
        *counter = (u64)called;
        return;
    }
    h_fault = *(u64 *)(info + 16);
    armed = 0;
    siglongjmp(jump, signal);
}

static __attribute__((noinline)) void scrub(void) {
    volatile u8 stack[0x10000];
    for (u64 at = 0; at < sizeof stack; at += 8) *(volatile u64 *)(stack + at) = h_scrub * 0x0101010101010101UL;
}

/* 0, the signal that ended the call (SIGPROF: it ran for too long), or EXITED where a callee does not return. */
int h_guard(void (*entry)(void *), void *arguments, u64 microseconds) {
    u64 limit[4] = {0, 0, microseconds / 1000000, microseconds % 1000000}, never[4] = {0, 0, 0, 0};
    int status = __sigsetjmp(jump, 1);
    if (!status) {
        __asm__ volatile("fninit\n\tcld"); /* a call that did not end may have left the x87 stack full */
        *__errno_location() = 0;
        setitimer(2, limit, 0);
        scrub();
        armed = 1;
        entry(arguments);
        armed = 0;
    }
    setitimer(2, never, 0);
    return status;
}
