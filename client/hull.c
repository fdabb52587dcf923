/* SPDX-License-Identifier: MIT */
#include "client/hull.h"

#include <float.h>
#include <string.h>

/* Twice the area of the triangle; > 0 if b lies below the line from a to c. */
static __int128 area(const struct hull_point *a, const struct hull_point *b,
                     const struct hull_point *c)
{
    return (__int128)(b->x - a->x) * (c->y - a->y) - (__int128)(b->y - a->y) * (c->x - a->x);
}

static void remove_corner(struct hull *h, size_t i)
{
    h->n--;
    memmove(&h->at[i], &h->at[i + 1], (h->n - i) * sizeof(h->at[0]));
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
    remove_corner(h, least);
}

/* Puts a point before the corner @i, if it lies below the hull. */
static void insert(struct hull *h, size_t i, const struct hull_point *p)
{
    if (h->at[i].x == p->x) {
        if (h->at[i].y <= p->y)
            return;
        remove_corner(h, i);
    } else if (i > 0 && area(&h->at[i - 1], p, &h->at[i]) <= 0) {
        return;
    }

    if (h->n == HULL_MAX) {
        thin(h);
        for (i = 0; i < h->n && h->at[i].x < p->x; i++)
            ;
    }
    memmove(&h->at[i + 1], &h->at[i], (h->n - i) * sizeof(h->at[0]));
    h->at[i] = *p;
    h->n++;
    for (; i >= 2 && area(&h->at[i - 2], &h->at[i - 1], p) <= 0; i--)
        remove_corner(h, i - 1);
    while (i + 2 < h->n && area(&h->at[i], &h->at[i + 1], &h->at[i + 2]) <= 0)
        remove_corner(h, i + 1);
}

void hull_add(struct hull *h, int64_t x, int64_t y)
{
    struct hull_point p = {.x = x, .y = y};
    size_t i = h->n;

    while (i > 0 && h->at[i - 1].x >= x)
        i--;
    if (i < h->n) {
        insert(h, i, &p);
        return;
    }

    while (h->n >= 2 && area(&h->at[h->n - 2], &h->at[h->n - 1], &p) <= 0)
        h->n--;
    if (h->n == HULL_MAX)
        thin(h);
    h->at[h->n++] = p;
}

void hull_join(struct hull *h, const struct hull *from)
{
    for (size_t i = 0; i < from->n; i++)
        hull_add(h, from->at[i].x, from->at[i].y);
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
