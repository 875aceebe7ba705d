/* State machines: by switch, by table, by function pointers; a tokenizer, UTF-8, and run lengths there and back. */
#include <stdint.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

enum state { START, NUMBER, FRACTION, WORD, STRING, ESCAPE, STATES };

NOINLINE static int tokens(const char *s, int counts[STATES])
{
    enum state state = START;
    memset(counts, 0, STATES * sizeof *counts);
    for (;; s++) {
        char c = *s;
    again:
        switch (state) {
        case START:
            if (!c)
                return 0;
            if (c >= '0' && c <= '9')
                state = NUMBER;
            else if (c == '"')
                state = STRING;
            else if ((c | 32) >= 'a' && (c | 32) <= 'z')
                state = WORD;
            else if (c != ' ')
                counts[START]++;
            break;
        case NUMBER:
            if (c == '.') {
                state = FRACTION;
                break;
            } /* fall through */
        case FRACTION:
            if (c >= '0' && c <= '9')
                break;
            counts[state]++;
            state = START;
            goto again;
        case WORD:
            if ((c | 32) >= 'a' && (c | 32) <= 'z')
                break;
            counts[WORD]++;
            state = START;
            goto again;
        case STRING:
            if (!c)
                return -1;
            if (c == '\\')
                state = ESCAPE;
            else if (c == '"') {
                counts[STRING]++;
                state = START;
            }
            break;
        case ESCAPE:
            if (!c)
                return -2;
            counts[ESCAPE]++;
            state = STRING;
            break;
        default:
            return -3;
        }
    }
}

NOINLINE static int multiple_of_five(const char *binary)
{
    static const uint8_t next[5][2] = {{0, 1}, {2, 3}, {4, 0}, {1, 2}, {3, 4}};
    int s = 0;
    while (*binary)
        s = next[s][*binary++ - '0'];
    return s == 0;
}

NOINLINE static int32_t utf8(const unsigned char **p)
{
    const unsigned char *s = *p;
    int more = *s < 0x80 ? 0 : *s < 0xc2 ? -1 : *s < 0xe0 ? 1 : *s < 0xf0 ? 2 : *s < 0xf5 ? 3 : -1;
    if (more < 0)
        return ++*p, -1;
    int32_t c = more ? *s & (0x3f >> more) : *s;
    for (s++; more--; s++) {
        if ((*s & 0xc0) != 0x80)
            return *p = s, -1;
        c = c << 6 | (*s & 0x3f);
    }
    return *p = s, c;
}

NOINLINE static int squeeze(const char *in, char *out)
{
    char *start = out;
    while (*in) {
        int n = 1;
        while (n < 9 && in[n] == *in)
            n++;
        if (n > 1)
            *out++ = (char)('0' + n);
        *out++ = *in;
        in += n;
    }
    *out = 0;
    return (int)(out - start);
}

int main(void)
{
    int n[STATES];
    CHECK(tokens("x = 3.14 + foo(42, \"a\\\"b\") ; y7", n) == 0);
    CHECK(n[START] == 6 && n[NUMBER] == 2 && n[FRACTION] == 1 && n[WORD] == 3 && n[STRING] == 1 && n[ESCAPE] == 1);
    CHECK(tokens("\"open", n) == -1 && tokens("\"\\", n) == -2 && tokens("", n) == 0 && n[WORD] == 0);
    for (int i = 0; i < 64; i++) {
        char digits[8] = {0};
        for (int b = 0; b < 6; b++)
            digits[b] = (char)('0' + (i >> (5 - b) & 1));
        CHECK(multiple_of_five(digits) == (i % 5 == 0));
    }
    const unsigned char *p = (const unsigned char *)"a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xff\xc3z";
    static const int32_t want[] = {'a', 0xe9, 0x20ac, 0x1f600, -1, -1, 'z', 0};
    for (int i = 0; i < 8; i++)
        CHECK(utf8(&p) == want[i]);
    char out[40];
    CHECK(squeeze("aaabccccccccccccd", out) == 8 && !strcmp(out, "3ab9c3cd") && squeeze("", out) == 0);
    return bad;
}
