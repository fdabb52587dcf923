/* SPDX-License-Identifier: MIT */
#include "client/hull.h"

#include <float.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Twice the area of the triangle; > 0 if b lies below the line from a to c. */
static __int128 area(const struct hull_point *a, const struct hull_point *b,
                     const struct hull_point *c)
{
    return (__int128)(b->x - a->x) * (c->y - a->y) - (__int128)(b->y - a->y) * (c->x - a->x);
}

/* Removes the inner corner that sticks out least: what the hull then claims too much is at most the
 * corner's height under the edge that replaces it. */
static void thin(struct hull *h)
{
    size_t least = 1;
    double least_height = DBL_MAX;

    for (size_t i = 1; i + 1 < h->n; i++) {
        const struct hull_point *p = &h->at[i];
        double height = (double)area(p - 1, p, p + 1) / (double)(p[1].x - p[-1].x);

        if (height < least_height) {
            least = i;
            least_height = height;
        }
    }
    h->n--;
    memmove(&h->at[least], &h->at[least + 1], (h->n - least) * sizeof(h->at[0]));
}

void hull_add(struct hull *h, int64_t x, int64_t y)
{
    struct hull_point p = {.x = x, .y = y};

    if (h->n > 0 && h->at[h->n - 1].x == x) {
        if (h->at[h->n - 1].y <= y)
            return;
        h->n--;
    }
    while (h->n >= 2 && area(&h->at[h->n - 2], &h->at[h->n - 1], &p) <= 0)
        h->n--;
    if (h->n == HULL_MAX)
        thin(h);
    h->at[h->n++] = p;
}

static int by_x(const void *left, const void *right)
{
    const struct hull_point *l = left, *r = right;

    return (l->x > r->x) - (l->x < r->x);
}

void hull_add_all(struct hull *h, struct hull_point *points, size_t n)
{
    int64_t last = h->n > 0 ? h->at[h->n - 1].x : INT64_MIN;
    bool ordered = true;

    for (size_t i = 0; i < n; i++) {
        ordered = ordered && points[i].x >= last;
        last = points[i].x;
    }
    if (!ordered) {
        memcpy(points + n, h->at, h->n * sizeof(*points));
        n += h->n;
        h->n = 0;
        qsort(points, n, sizeof(*points), by_x);
    }
    for (size_t i = 0; i < n; i++)
        hull_add(h, points[i].x, points[i].y);
}

double hull_touch(const struct hull *h, double slope, int64_t *ret_x)
{
    const struct hull_point *p = h->at, *end = p + h->n;
    double least = (double)p->y - slope * (double)p->x;

    /* Along a convex chain it falls, then rises. */
    while (p + 1 < end) {
        double next = (double)p[1].y - slope * (double)p[1].x;

        if (next > least)
            break;
        least = next;
        p++;
    }
    if (ret_x)
        *ret_x = p->x;
    return least;
}
