/* The inside of a small controller: Q16.16 arithmetic and functions, PID control, a filter, a ring buffer, frames and a state machine.
 * Exercises saturating arithmetic, shifts, lookup tables with interpolation, nested switches and struct updates; no floating point. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int32_t q16; /* Q16.16: 65536 is one */

#define Q_ONE 65536
#define Q_MAX INT32_MAX
#define Q_MIN INT32_MIN
#define Q(number) ((q16)((number) * 65536))

static q16 saturate(int64_t x)
{
    return x > Q_MAX ? Q_MAX : x < Q_MIN ? Q_MIN : (q16)x;
}

static q16 clamp(q16 x, q16 low, q16 high) { return x < low ? low : x > high ? high : x; }

q16 q_add(q16 a, q16 b) { return saturate((int64_t)a + b); }
q16 q_sub(q16 a, q16 b) { return saturate((int64_t)a - b); }

/* Rounds to nearest, halves away from zero. */
q16 q_mul(q16 a, q16 b)
{
    int64_t product = (int64_t)a * b;
    int64_t half = product < 0 ? -(Q_ONE / 2) : Q_ONE / 2;
    return saturate((product + half) / Q_ONE);
}

q16 q_div(q16 a, q16 b)
{
    if (b == 0)
        return a < 0 ? Q_MIN : Q_MAX;
    int64_t n = (int64_t)a * Q_ONE, d = b;
    int64_t half = (d < 0 ? -d : d) / 2;
    return saturate((n < 0 ? n - half : n + half) / d);
}

/* Bit by bit; zero for a negative argument. */
q16 q_sqrt(q16 x)
{
    if (x <= 0)
        return 0;
    uint64_t rest = (uint64_t)x << 16, root = 0, bit = UINT64_C(1) << 46;
    while (bit > rest)
        bit >>= 2;
    for (; bit; bit >>= 2) {
        if (rest >= root + bit) {
            rest -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return (q16)root;
}

/* A quarter of a sine wave in 32 steps, scaled by 65536. */
static const uint32_t sine_quarter[33] = {
    0,     3216,  6424,  9616,  12785, 15924, 19024, 22078, 25080, 28020, 30893,
    33692, 36410, 39040, 41576, 44011, 46341, 48559, 50660, 52639, 54491, 56212,
    57798, 59244, 60547, 61705, 62714, 63572, 64277, 64827, 65220, 65457, 65536,
};

/* The angle is in turns: Q_ONE is a full circle. */
q16 q_sin(q16 turns)
{
    uint32_t phase = (uint32_t)turns & 0xffff;
    uint32_t quarter = phase >> 14, within = phase & 0x3fff;
    if (quarter & 1)
        within = 0x4000 - within;
    uint32_t i = within >> 9, fraction = within & 0x1ff;
    uint32_t low = sine_quarter[i], high = sine_quarter[i < 32 ? i + 1 : 32];
    q16 value = (q16)(low + (((high - low) * fraction + 256) >> 9));
    return quarter & 2 ? -value : value;
}

q16 q_cos(q16 turns) { return q_sin((q16)(((uint32_t)turns & 0xffff) + Q_ONE / 4)); }

/* Powers of two: the whole part shifts, the rest is a polynomial. */
q16 q_exp2(q16 x)
{
    if (x >= Q(15))
        return Q_MAX;
    if (x < -Q(17))
        return 0;
    int whole = (int)((x + Q(32)) / Q_ONE) - 32;
    q16 f = x - whole * Q_ONE;
    q16 p = q_mul(f, 893) + 3409;
    p = q_mul(f, p) + 15814;
    p = q_mul(f, p) + 45420; /* the four add up to one: no step between whole numbers */
    p = q_mul(f, p) + Q_ONE;
    if (whole >= 0)
        return saturate((int64_t)p << whole);
    return p >> -whole;
}

/* Text with four decimals; returns the length as snprintf does. */
int q_format(q16 x, char *out, size_t size)
{
    uint64_t magnitude = x < 0 ? (uint64_t)(-(int64_t)x) : (uint64_t)x;
    uint64_t scaled = (magnitude * 10000 + Q_ONE / 2) >> 16;
    return snprintf(out, size, "%s%lu.%04lu", x < 0 ? "-" : "", (unsigned long)(scaled / 10000),
                    (unsigned long)(scaled % 10000));
}

/* ---- control ---- */

typedef struct {
    q16 kp, ki, kd;
    q16 low, high;       /* limits of the output */
    q16 integral, before;
    bool started;
} pid;

typedef struct {
    q16 taps[8];
    q16 sum;
    uint8_t next, filled;
} moving_average;

void pid_reset(pid *c)
{
    c->integral = c->before = 0;
    c->started = false;
}

q16 pid_step(pid *c, q16 target, q16 measured, q16 dt)
{
    q16 error = q_sub(target, measured);
    q16 slope = c->started ? q_div(q_sub(measured, c->before), dt) : 0;
    q16 integral = q_add(c->integral, q_mul(q_mul(c->ki, error), dt));
    q16 output = q_sub(q_add(q_mul(c->kp, error), integral), q_mul(c->kd, slope));
    q16 limited = clamp(output, c->low, c->high);
    if (output == limited || (error < 0) != (output < 0))
        c->integral = integral; /* no wind-up while the output is at a limit */
    c->before = measured;
    c->started = true;
    return limited;
}

q16 average_step(moving_average *m, q16 x)
{
    m->sum = q_add(q_sub(m->sum, m->taps[m->next]), x);
    m->taps[m->next] = x;
    m->next = (m->next + 1) & 7;
    if (m->filled < 8)
        m->filled++;
    return m->sum / m->filled;
}

/* ---- bytes between an interrupt and the main loop ---- */

typedef struct {
    uint8_t data[32];
    uint8_t head, tail; /* run freely; the difference is the fill */
} ring;

bool ring_put(ring *r, uint8_t byte)
{
    if ((uint8_t)(r->head - r->tail) == sizeof r->data)
        return false;
    r->data[r->head++ % sizeof r->data] = byte;
    return true;
}

bool ring_get(ring *r, uint8_t *byte)
{
    if (r->head == r->tail)
        return false;
    *byte = r->data[r->tail++ % sizeof r->data];
    return true;
}

/* ---- frames: 0x7e, length, payload, checksum ---- */

enum { FRAME_START = 0x7e, FRAME_MOST = 16 };

typedef enum { WAIT_START, WAIT_LENGTH, WAIT_PAYLOAD, WAIT_CHECK } frame_state;

typedef struct {
    frame_state state;
    uint8_t length, at, check;
    uint8_t payload[FRAME_MOST];
    unsigned good, bad;
} frame_parser;

/* True when the byte completes a good frame. */
bool frame_step(frame_parser *p, uint8_t byte)
{
    switch (p->state) {
    case WAIT_START:
        if (byte == FRAME_START)
            p->state = WAIT_LENGTH;
        break;
    case WAIT_LENGTH:
        if (byte == 0 || byte > FRAME_MOST) {
            p->bad++;
            p->state = byte == FRAME_START ? WAIT_LENGTH : WAIT_START;
            break;
        }
        p->length = p->check = byte;
        p->at = 0;
        p->state = WAIT_PAYLOAD;
        break;
    case WAIT_PAYLOAD:
        p->payload[p->at++] = byte;
        p->check = (uint8_t)((p->check << 1 | p->check >> 7) ^ byte);
        if (p->at == p->length)
            p->state = WAIT_CHECK;
        break;
    case WAIT_CHECK:
        p->state = WAIT_START;
        if (byte == p->check) {
            p->good++;
            return true;
        }
        p->bad++;
        break;
    }
    return false;
}

unsigned frame_build(const uint8_t *payload, uint8_t length, uint8_t *out)
{
    uint8_t check = length;
    out[0] = FRAME_START;
    out[1] = length;
    for (uint8_t i = 0; i < length; i++) {
        out[2 + i] = payload[i];
        check = (uint8_t)((check << 1 | check >> 7) ^ payload[i]);
    }
    out[2 + length] = check;
    return 3u + length;
}

/* ---- a motor with an interlock ---- */

typedef enum { M_OFF, M_STARTING, M_RUNNING, M_STOPPING, M_FAULT } motor_state;
typedef enum { E_TICK, E_START, E_STOP, E_TRIP, E_RESET } motor_event;

typedef struct {
    motor_state state;
    unsigned ticks; /* in this state */
    unsigned faults;
    q16 duty;
} motor;

static void enter(motor *m, motor_state state)
{
    m->state = state;
    m->ticks = 0;
    if (state == M_OFF || state == M_FAULT)
        m->duty = 0;
    if (state == M_FAULT)
        m->faults++;
}

void motor_handle(motor *m, motor_event event)
{
    if (event == E_TRIP && m->state != M_FAULT) {
        enter(m, M_FAULT);
        return;
    }
    m->ticks += event == E_TICK;
    switch (m->state) {
    case M_OFF:
        if (event == E_START)
            enter(m, M_STARTING);
        break;
    case M_STARTING:
        switch (event) {
        case E_TICK:
            m->duty = q_add(m->duty, Q_ONE / 10);
            if (m->duty >= Q(0.9))
                enter(m, M_RUNNING);
            break;
        case E_STOP: enter(m, M_STOPPING); break;
        default: break;
        }
        break;
    case M_RUNNING:
        if (event == E_STOP)
            enter(m, M_STOPPING);
        break;
    case M_STOPPING:
        switch (event) {
        case E_TICK:
            m->duty = q_sub(m->duty, Q_ONE / 5);
            if (m->duty <= 0)
                enter(m, M_OFF);
            break;
        case E_START: enter(m, M_STARTING); break;
        default: break;
        }
        break;
    case M_FAULT:
        if (event == E_RESET && m->ticks >= 5)
            enter(m, M_OFF);
        break;
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

static uint32_t lcg_state = 8;
static uint32_t lcg(void)
{
    lcg_state = lcg_state * 1664525u + 1013904223u;
    return lcg_state >> 8;
}

static int check_arithmetic(void)
{
    char text[24];
    CHECK(q_mul(Q(1.5), Q(-2.25)) == Q(-3.375) && q_div(Q(-3.375), Q(1.5)) == Q(-2.25));
    CHECK(q_mul(Q(300), Q(300)) == Q_MAX && q_mul(Q(-300), Q(300)) == Q_MIN && q_mul(Q_MIN, Q_MIN) == Q_MAX);
    CHECK(q_add(Q_MAX, 1) == Q_MAX && q_sub(Q_MIN, 1) == Q_MIN && q_add(Q_MIN, Q_MAX) == -1);
    CHECK(q_div(Q_ONE, 0) == Q_MAX && q_div(-Q_ONE, 0) == Q_MIN && q_div(Q_MIN, -1) == Q_MAX);
    CHECK(q_mul(1, Q_ONE / 2) == 1 && q_mul(-1, Q_ONE / 2) == -1 && q_mul(1, Q_ONE / 2 - 1) == 0);
    CHECK(q_sqrt(Q(2)) == 92681 && q_sqrt(Q(144)) == Q(12) && q_sqrt(-5) == 0 && q_sqrt(1) == 256);
    for (int i = 0; i < 300; i++) {
        q16 x = (q16)(lcg() * 127u & INT32_MAX), r = q_sqrt(x);
        CHECK((int64_t)r * r <= (int64_t)x * Q_ONE && (int64_t)(r + 1) * (r + 1) > (int64_t)x * Q_ONE);
    }
    CHECK(q_format(Q(-2.5), text, sizeof text) == 7 && strcmp(text, "-2.5000") == 0);
    CHECK(q_format(Q_MIN, text, sizeof text) == 11 && strcmp(text, "-32768.0000") == 0);
    CHECK(q_format(1, text, sizeof text) == 6 && strcmp(text, "0.0000") == 0);
    return 0;
}

static int check_functions(void)
{
    CHECK(q_sin(0) == 0 && q_sin(Q_ONE / 4) == Q_ONE && q_sin(Q_ONE / 2) == 0 && q_sin(-Q_ONE / 4) == -Q_ONE);
    CHECK(q_cos(0) == Q_ONE && q_cos(Q_ONE / 2) == -Q_ONE && abs(q_sin(Q_ONE / 12) - Q_ONE / 2) < 40);
    for (q16 t = -Q(2); t < Q(2); t += 997) {
        q16 s = q_sin(t), c = q_cos(t);
        CHECK(abs(q_mul(s, s) + q_mul(c, c) - Q_ONE) < 100);
        CHECK(q_sin(-t) == -s && q_sin(t + Q_ONE) == s);
    }
    CHECK(q_exp2(0) == Q_ONE && q_exp2(Q(3)) == Q(8) && q_exp2(Q(-4)) == Q_ONE / 16);
    CHECK(abs(q_exp2(Q(0.5)) - 92682) < 40 && q_exp2(Q(20)) == Q_MAX && q_exp2(Q(-20)) == 0);
    for (q16 x = -Q(6); x < Q(6); x += 1999) {
        CHECK(q_exp2(x) <= q_exp2(x + 64));
        CHECK(abs(q_mul(q_exp2(x), q_exp2(-x)) - Q_ONE) < Q_ONE / 100);
    }
    return 0;
}

/* The controller heats a body that loses heat to a room at 20 degrees. */
static int check_control(void)
{
    pid c = {.kp = Q(0.8), .ki = Q(0.25), .kd = Q(0.05), .low = 0, .high = Q(10)};
    moving_average m = {0};
    q16 dt = Q(0.1), heat = Q(20), most = 0, target = Q(60);
    pid_reset(&c);
    for (int step = 0; step < 1200; step++) {
        if (step == 600)
            target = Q(45);
        q16 power = pid_step(&c, target, average_step(&m, heat), dt);
        CHECK(power >= 0 && power <= Q(10));
        q16 loss = q_mul(heat - Q(20), Q(0.1));
        heat = q_add(heat, q_mul(q_sub(power, loss), dt));
        if (heat > most)
            most = heat;
        if (step == 599)
            CHECK(abs(heat - Q(60)) < Q(0.1));
    }
    CHECK(abs(heat - Q(45)) < Q(0.1) && most < Q(70));
    return 0;
}

static int check_link(void)
{
    ring r = {{0}, 0, 0};
    frame_parser p = {.state = WAIT_START};
    uint8_t payload[FRAME_MOST], wire[FRAME_MOST + 3], byte;
    unsigned sent = 0, damaged = 0, received = 0;
    for (int round = 0; round < 400; round++) {
        uint8_t length = (uint8_t)(1 + lcg() % FRAME_MOST);
        for (uint8_t i = 0; i < length; i++)
            payload[i] = (uint8_t)(lcg() % 120);
        unsigned n = frame_build(payload, length, wire);
        bool damage = lcg() % 8 == 0;
        if (damage)
            wire[2 + lcg() % length] ^= 0x80;
        damaged += damage;
        sent++;
        for (unsigned i = 0; i < n; i++)
            CHECK(ring_put(&r, wire[i]));
        while (ring_get(&r, &byte))
            if (frame_step(&p, byte)) {
                received++;
                CHECK(p.length == length && memcmp(p.payload, payload, length) == 0);
            }
    }
    CHECK(damaged > 0 && received == sent - damaged && p.good == received && p.bad == damaged);
    CHECK(!frame_step(&p, FRAME_START) && !frame_step(&p, FRAME_START) && p.state == WAIT_LENGTH);
    for (unsigned i = 0; i < sizeof r.data; i++)
        CHECK(ring_put(&r, (uint8_t)i));
    CHECK(!ring_put(&r, 0) && ring_get(&r, &byte) && byte == 0 && ring_put(&r, 32));
    return 0;
}

static int check_motor(void)
{
    static const struct { motor_event event; unsigned times; motor_state after; } script[] = {
        {E_STOP, 1, M_OFF},      {E_START, 1, M_STARTING}, {E_TICK, 4, M_STARTING}, {E_STOP, 1, M_STOPPING},
        {E_TICK, 1, M_STOPPING}, {E_START, 1, M_STARTING}, {E_TICK, 9, M_RUNNING},  {E_START, 1, M_RUNNING},
        {E_TICK, 50, M_RUNNING}, {E_STOP, 1, M_STOPPING},  {E_TICK, 8, M_OFF},      {E_START, 1, M_STARTING},
        {E_TRIP, 1, M_FAULT},    {E_RESET, 1, M_FAULT},    {E_TICK, 5, M_FAULT},    {E_TRIP, 1, M_FAULT},
        {E_RESET, 1, M_OFF},     {E_TICK, 3, M_OFF},
    };
    motor m = {M_OFF, 0, 0, 0};
    for (size_t i = 0; i < sizeof script / sizeof *script; i++) {
        for (unsigned k = 0; k < script[i].times; k++)
            motor_handle(&m, script[i].event);
        CHECK(m.state == script[i].after);
        CHECK(m.duty >= 0 && m.duty <= Q_ONE && (m.state != M_OFF || m.duty == 0));
    }
    CHECK(m.faults == 1);
    return 0;
}

int main(void)
{
    if (check_arithmetic() || check_functions() || check_control() || check_link() || check_motor())
        return 1;
    printf("fixed_point: %d checks passed\n", checks);
    return 0;
}
