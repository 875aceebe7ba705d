/* Dense matrices: multiplication (plain, transposed, blocked), LU with pivoting, solve, inverse, transpose, for double and int32.
 * Exercises nested loops, vectorisable and rollable kernels, floating point, and pairs of functions that differ in a type. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { MOST = 40, BLOCK = 8 };

typedef struct {
    int rows, columns;
    double at[MOST][MOST];
} matrix;

typedef struct {
    int rows, columns;
    int32_t at[MOST][MOST];
} int_matrix;

typedef struct { double x, y, z; } vec3;
typedef struct { double m[3][3]; } mat3;

void matrix_zero(matrix *a, int rows, int columns)
{
    memset(a, 0, sizeof *a);
    a->rows = rows;
    a->columns = columns;
}

void int_matrix_zero(int_matrix *a, int rows, int columns)
{
    memset(a, 0, sizeof *a);
    a->rows = rows;
    a->columns = columns;
}

void matrix_identity(matrix *a, int n)
{
    matrix_zero(a, n, n);
    for (int i = 0; i < n; i++)
        a->at[i][i] = 1.0;
}

void int_matrix_identity(int_matrix *a, int n)
{
    int_matrix_zero(a, n, n);
    for (int i = 0; i < n; i++)
        a->at[i][i] = 1;
}

void matrix_multiply(const matrix *a, const matrix *b, matrix *c)
{
    matrix_zero(c, a->rows, b->columns);
    for (int i = 0; i < a->rows; i++)
        for (int j = 0; j < b->columns; j++) {
            double sum = 0.0;
            for (int k = 0; k < a->columns; k++)
                sum += a->at[i][k] * b->at[k][j];
            c->at[i][j] = sum;
        }
}

/* Unsigned products: sums wrap, as on the machine. */
void int_matrix_multiply(const int_matrix *a, const int_matrix *b, int_matrix *c)
{
    int_matrix_zero(c, a->rows, b->columns);
    for (int i = 0; i < a->rows; i++)
        for (int j = 0; j < b->columns; j++) {
            uint32_t sum = 0;
            for (int k = 0; k < a->columns; k++)
                sum += (uint32_t)a->at[i][k] * (uint32_t)b->at[k][j];
            c->at[i][j] = (int32_t)sum;
        }
}

static int smaller(int a, int b) { return a < b ? a : b; }

void matrix_multiply_blocked(const matrix *a, const matrix *b, matrix *c)
{
    matrix_zero(c, a->rows, b->columns);
    for (int i0 = 0; i0 < a->rows; i0 += BLOCK)
        for (int k0 = 0; k0 < a->columns; k0 += BLOCK)
            for (int j0 = 0; j0 < b->columns; j0 += BLOCK) {
                int i1 = smaller(i0 + BLOCK, a->rows);
                int k1 = smaller(k0 + BLOCK, a->columns);
                int j1 = smaller(j0 + BLOCK, b->columns);
                for (int i = i0; i < i1; i++)
                    for (int k = k0; k < k1; k++) {
                        double factor = a->at[i][k];
                        for (int j = j0; j < j1; j++)
                            c->at[i][j] += factor * b->at[k][j];
                    }
            }
}

/* a times b transposed: both are read along their rows, four products a step. */
void matrix_multiply_transposed(const matrix *a, const matrix *b, matrix *c)
{
    matrix_zero(c, a->rows, b->rows);
    for (int i = 0; i < a->rows; i++)
        for (int j = 0; j < b->rows; j++) {
            const double *x = a->at[i], *y = b->at[j];
            double s0 = 0.0, s1 = 0.0, s2 = 0.0, s3 = 0.0;
            int k = 0;
            for (; k + 4 <= a->columns; k += 4) {
                s0 += x[k] * y[k];
                s1 += x[k + 1] * y[k + 1];
                s2 += x[k + 2] * y[k + 2];
                s3 += x[k + 3] * y[k + 3];
            }
            for (; k < a->columns; k++)
                s0 += x[k] * y[k];
            c->at[i][j] = (s0 + s1) + (s2 + s3);
        }
}

void matrix_transpose(const matrix *a, matrix *b)
{
    matrix_zero(b, a->columns, a->rows);
    for (int i = 0; i < a->rows; i++)
        for (int j = 0; j < a->columns; j++)
            b->at[j][i] = a->at[i][j];
}

void int_matrix_transpose(const int_matrix *a, int_matrix *b)
{
    int_matrix_zero(b, a->columns, a->rows);
    for (int i = 0; i < a->rows; i++)
        for (int j = 0; j < a->columns; j++)
            b->at[j][i] = a->at[i][j];
}

/* Rows are exchanged in place, order[] says where they came from. Returns the sign of the permutation, 0 if singular. */
int matrix_lu(matrix *a, int order[])
{
    int sign = 1;
    for (int i = 0; i < a->rows; i++)
        order[i] = i;
    for (int k = 0; k < a->rows; k++) {
        int pivot = k;
        for (int i = k + 1; i < a->rows; i++)
            if (fabs(a->at[i][k]) > fabs(a->at[pivot][k]))
                pivot = i;
        if (fabs(a->at[pivot][k]) < 1e-12)
            return 0;
        if (pivot != k) {
            for (int j = 0; j < a->columns; j++) {
                double swap = a->at[k][j];
                a->at[k][j] = a->at[pivot][j];
                a->at[pivot][j] = swap;
            }
            int swap = order[k];
            order[k] = order[pivot];
            order[pivot] = swap;
            sign = -sign;
        }
        for (int i = k + 1; i < a->rows; i++) {
            double factor = a->at[i][k] /= a->at[k][k];
            for (int j = k + 1; j < a->columns; j++)
                a->at[i][j] -= factor * a->at[k][j];
        }
    }
    return sign;
}

void matrix_lu_solve(const matrix *lu, const int order[], const double b[], double x[])
{
    for (int i = 0; i < lu->rows; i++) {
        double sum = b[order[i]];
        for (int j = 0; j < i; j++)
            sum -= lu->at[i][j] * x[j];
        x[i] = sum;
    }
    for (int i = lu->rows - 1; i >= 0; i--) {
        double sum = x[i];
        for (int j = i + 1; j < lu->rows; j++)
            sum -= lu->at[i][j] * x[j];
        x[i] = sum / lu->at[i][i];
    }
}

double matrix_determinant(const matrix *a)
{
    matrix lu = *a;
    int order[MOST];
    double product = matrix_lu(&lu, order);
    if (product != 0.0)
        for (int i = 0; i < a->rows; i++)
            product *= lu.at[i][i];
    return product;
}

bool matrix_inverse(const matrix *a, matrix *inverse)
{
    matrix lu = *a;
    int order[MOST];
    double unit[MOST], column[MOST];
    if (!matrix_lu(&lu, order))
        return false;
    matrix_zero(inverse, a->rows, a->rows);
    for (int j = 0; j < a->rows; j++) {
        for (int i = 0; i < a->rows; i++)
            unit[i] = i == j;
        matrix_lu_solve(&lu, order, unit, column);
        for (int i = 0; i < a->rows; i++)
            inverse->at[i][j] = column[i];
    }
    return true;
}

void int_matrix_power(const int_matrix *a, unsigned exponent, int_matrix *result)
{
    int_matrix base = *a, product;
    int_matrix_identity(result, a->rows);
    for (; exponent; exponent >>= 1) {
        if (exponent & 1) {
            int_matrix_multiply(result, &base, &product);
            *result = product;
        }
        int_matrix_multiply(&base, &base, &product);
        base = product;
    }
}

double matrix_distance(const matrix *a, const matrix *b)
{
    double most = a->rows == b->rows && a->columns == b->columns ? 0.0 : 1e300;
    for (int i = 0; i < a->rows; i++)
        for (int j = 0; j < a->columns; j++)
            most = fmax(most, fabs(a->at[i][j] - b->at[i][j]));
    return most;
}

double vec3_dot(vec3 a, vec3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }

vec3 vec3_cross(vec3 a, vec3 b)
{
    return (vec3){a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

vec3 mat3_apply(const mat3 *r, vec3 v)
{
    return (vec3){
        r->m[0][0] * v.x + r->m[0][1] * v.y + r->m[0][2] * v.z,
        r->m[1][0] * v.x + r->m[1][1] * v.y + r->m[1][2] * v.z,
        r->m[2][0] * v.x + r->m[2][1] * v.y + r->m[2][2] * v.z,
    };
}

/* A turn by an angle in radians about an axis of length one. */
mat3 mat3_rotation(vec3 u, double angle)
{
    double c = cos(angle), s = sin(angle), t = 1.0 - c;
    return (mat3){{
        {t * u.x * u.x + c, t * u.x * u.y - s * u.z, t * u.x * u.z + s * u.y},
        {t * u.x * u.y + s * u.z, t * u.y * u.y + c, t * u.y * u.z - s * u.x},
        {t * u.x * u.z - s * u.y, t * u.y * u.z + s * u.x, t * u.z * u.z + c},
    }};
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

static uint32_t lcg_state = 2024;
static uint32_t lcg(void)
{
    lcg_state = lcg_state * 1664525u + 1013904223u;
    return lcg_state >> 8;
}

static void fill(matrix *a, int rows, int columns)
{
    matrix_zero(a, rows, columns);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            a->at[i][j] = (double)lcg() / 8388608.0 - 1.0;
}

static matrix a, b, c, d, e;

static int check_products(int rows, int inner, int columns)
{
    fill(&a, rows, inner);
    fill(&b, inner, columns);
    matrix_multiply(&a, &b, &c);
    matrix_multiply_blocked(&a, &b, &d);
    CHECK(matrix_distance(&c, &d) < 1e-12);
    matrix_transpose(&b, &e);
    matrix_multiply_transposed(&a, &e, &d);
    CHECK(matrix_distance(&c, &d) < 1e-12);
    matrix_transpose(&e, &d);
    CHECK(matrix_distance(&b, &d) == 0.0);
    matrix_identity(&e, inner);
    matrix_multiply(&a, &e, &d);
    CHECK(matrix_distance(&a, &d) == 0.0);
    return 0;
}

static int check_solving(int n)
{
    int order[MOST];
    double wanted[MOST], right[MOST], found[MOST];
    fill(&a, n, n);
    for (int i = 0; i < n; i++) {
        a.at[i][i] += 3.0;
        wanted[i] = i - n / 2.0;
    }
    for (int i = 0; i < n; i++) {
        right[i] = 0.0;
        for (int j = 0; j < n; j++)
            right[i] += a.at[i][j] * wanted[j];
    }
    b = a;
    CHECK(matrix_lu(&b, order) != 0);
    matrix_lu_solve(&b, order, right, found);
    for (int i = 0; i < n; i++)
        CHECK(fabs(found[i] - wanted[i]) < 1e-7);
    CHECK(matrix_inverse(&a, &b));
    matrix_multiply(&a, &b, &c);
    matrix_identity(&d, n);
    CHECK(matrix_distance(&c, &d) < 1e-7);
    CHECK(fabs(matrix_determinant(&a) * matrix_determinant(&b) - 1.0) < 1e-6);
    memcpy(a.at[n - 1], a.at[0], sizeof a.at[0]);
    CHECK(n == 1 || (!matrix_inverse(&a, &b) && matrix_determinant(&a) == 0.0));
    return 0;
}

static int check_integers(void)
{
    static int_matrix f, g, h;
    int_matrix_zero(&f, 2, 2);
    f.at[0][0] = f.at[0][1] = f.at[1][0] = 1;
    int32_t x = 0, y = 1;
    for (unsigned n = 1; n <= 40; n++) {
        int_matrix_power(&f, n, &g);
        CHECK(g.at[0][1] == y && g.at[1][1] == x);
        int32_t sum = x + y;
        x = y;
        y = sum;
    }
    int_matrix_zero(&f, 3, 5);
    for (int i = 0; i < 15; i++)
        f.at[i / 5][i % 5] = i * i - 40;
    int_matrix_transpose(&f, &g);
    int_matrix_multiply(&f, &g, &h);
    CHECK(h.rows == 3 && h.columns == 3);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            int32_t sum = 0;
            for (int k = 0; k < 5; k++)
                sum += f.at[i][k] * f.at[j][k];
            CHECK(h.at[i][j] == sum && h.at[j][i] == sum);
        }
    return 0;
}

static int check_space(void)
{
    vec3 u = {2.0 / 3.0, -1.0 / 3.0, 2.0 / 3.0}, v = {0.5, 4.0, -1.5};
    for (int step = 0; step < 12; step++) {
        mat3 r = mat3_rotation(u, step * 0.5);
        vec3 w = mat3_apply(&r, v);
        CHECK(fabs(vec3_dot(w, w) - vec3_dot(v, v)) < 1e-9);
        CHECK(fabs(vec3_dot(w, u) - vec3_dot(v, u)) < 1e-9);
        vec3 n = vec3_cross(v, w);
        CHECK(fabs(vec3_dot(n, v)) < 1e-9 && fabs(vec3_dot(n, w)) < 1e-9);
    }
    return 0;
}

int main(void)
{
    static const int sizes[][3] = {{1, 1, 1}, {2, 3, 4}, {8, 8, 8}, {7, 17, 9}, {40, 33, 25}, {16, 40, 40}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (check_products(sizes[i][0], sizes[i][1], sizes[i][2]))
            return 1;
    for (int n = 1; n <= MOST; n += 3)
        if (check_solving(n))
            return 1;
    if (check_integers() || check_space())
        return 1;
    printf("matrix: %d checks passed\n", checks);
    return 0;
}
