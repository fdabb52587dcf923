/* SPDX-License-Identifier: MIT */
/*
 * Hull: the lower convex hull of a cloud of points, in bounded memory.
 *
 * All that a straight line under a cloud can touch is its lower hull, and that of thousands of
 * points has a few dozen corners. It is built by Andrew's monotone chain (Information Processing
 * Letters 9(5), 1979), one point at a time; points need not come in order of x, but most should.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Corners kept. A random cloud has some 2 ln n of them; should more be needed (points on a curve),
 * the one goes whose loss changes the hull least. */
#define HULL_MAX 64

/* Both coordinates lie within +/- 2^60. */
struct hull_point {
    int64_t x, y;
};

struct hull {
    size_t n;
    struct hull_point at[HULL_MAX];
};

void hull_add(struct hull *h, int64_t x, int64_t y);

/* Adds all points of @from. */
void hull_join(struct hull *h, const struct hull *from);

/**
 * hull_touch() - the corner that a line of this slope touches from below
 * @h:          not empty
 * @slope:      dy / dx
 * @ret_x:      x of the corner, or NULL; the last one if the line lies along an edge
 *
 * Return: y of the line at x = 0, the least y - slope * x of all points.
 */
double hull_touch(const struct hull *h, double slope, int64_t *ret_x);
