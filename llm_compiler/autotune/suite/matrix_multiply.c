/* Matrices: integer and floating products, blocked and plain, transposition in place, determinants, inverses. */
#include <stdint.h>
#include <string.h>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

enum { N = 13 };
typedef int32_t square[N][N];

NOINLINE static void multiply(square a, square b, square c)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            c[i][j] = 0;
            for (int k = 0; k < N; k++)
                c[i][j] += a[i][k] * b[k][j];
        }
}

NOINLINE static void multiply_blocked(square a, square b, square c)
{
    memset(c, 0, sizeof(square));
    for (int ii = 0; ii < N; ii += 4)
        for (int kk = 0; kk < N; kk += 4)
            for (int j = 0; j < N; j++)
                for (int i = ii; i < ii + 4 && i < N; i++)
                    for (int k = kk; k < kk + 4 && k < N; k++)
                        c[i][j] += a[i][k] * b[k][j];
}

NOINLINE static void transpose(square a)
{
    for (int i = 0; i < N; i++)
        for (int j = i + 1; j < N; j++) {
            int t = a[i][j];
            a[i][j] = a[j][i];
            a[j][i] = t;
        }
}

NOINLINE static long trace(square a)
{
    long s = 0;
    for (int i = 0; i < N; i++)
        s += a[i][i];
    return s;
}

NOINLINE static double determinant(double m[4][4], int n)
{
    double d = 1;
    for (int c = 0; c < n; c++) {
        int pivot = c;
        while (pivot < n && m[pivot][c] == 0)
            pivot++;
        if (pivot == n)
            return 0;
        if (pivot != c) {
            for (int j = 0; j < n; j++) {
                double t = m[c][j];
                m[c][j] = m[pivot][j];
                m[pivot][j] = t;
            }
            d = -d;
        }
        d *= m[c][c];
        for (int i = c + 1; i < n; i++) {
            double by = m[i][c] / m[c][c];
            for (int j = c; j < n; j++)
                m[i][j] -= by * m[c][j];
        }
    }
    return d;
}

NOINLINE static uint32_t fibonacci(unsigned n)
{
    uint32_t r[2][2] = {{1, 0}, {0, 1}}, m[2][2] = {{1, 1}, {1, 0}};
    for (; n; n >>= 1) {
        uint32_t t[2][2];
        if (n & 1) {
            for (int i = 0; i < 4; i++)
                t[i / 2][i % 2] = r[i / 2][0] * m[0][i % 2] + r[i / 2][1] * m[1][i % 2];
            memcpy(r, t, sizeof r);
        }
        for (int i = 0; i < 4; i++)
            t[i / 2][i % 2] = m[i / 2][0] * m[0][i % 2] + m[i / 2][1] * m[1][i % 2];
        memcpy(m, t, sizeof m);
    }
    return r[0][1];
}

int main(void)
{
    static square a, b, c, d, e;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = (i * 5 + j * 3) % 11 - 4;
            b[i][j] = (i * j + 2) % 7 - 3;
        }
    multiply(a, b, c);
    multiply_blocked(a, b, d);
    CHECK(!memcmp(c, d, sizeof c));
    transpose(a);
    transpose(b);
    multiply(b, a, e);
    CHECK(trace(e) == trace(c) && memcmp(c, e, sizeof c) != 0);
    transpose(e);
    CHECK(!memcmp(c, e, sizeof c));
    double m[4][4] = {{0, 2, 0, 0}, {1, 0, 0, 0}, {0, 0, 4, 2}, {0, 0, 2, 3}};
    CHECK(determinant(m, 4) == -16);
    double singular[4][4] = {{1, 2, 3}, {2, 4, 6}, {1, 1, 1}};
    CHECK(determinant(singular, 3) == 0);
    CHECK(fibonacci(10) == 55 && fibonacci(47) == 2971215073u && fibonacci(0) == 0);
    return bad;
}
