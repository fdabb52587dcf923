/* SPDX-License-Identifier: MIT */
/*
 * Skew: one clock rate under two clouds of delays.
 *
 * With x a time on the server's clock, the way out shows as points (x = arrival, y = arrival -
 * send) and the way back as (x = departure, y = receipt - departure). Delays only add, so lines lie
 * under both clouds; the server's gain per unit of its own time is the slope of the first line and
 * minus the slope of the second. What the two leave at x = 0 adds up to the base, the shortest way
 * out and back. A wrong slope tilts one line off its early points and the other off its late ones:
 * the base is a concave function of the slope and largest at the right one. (One direction alone is
 * the linear program of Moon, Skelly and Towsley, "Estimation and Removal of Clock Skew from
 * Network Delay Measurements", INFOCOM 1999; here both share a slope.)
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "client/hull.h"

/* No slope is looked for beyond +/- this; NTP slews a clock by 5e-4 at most. */
#define SKEW_LIMIT 1e-3

/* The two clouds of one connection, or of several that share their minima. */
struct skew_pair {
    struct hull out, back;
    double weight;              /* in the common fit; 0 = leave out */
};

enum skew_side {
    SKEW_OUT = 1,
    SKEW_BACK = 2,
    SKEW_BOTH = SKEW_OUT | SKEW_BACK,
};

/*
 * What is made largest: the base that a slope leaves, or for one side alone the height of its line
 * in the middle of the time that its points span; the mean of all pairs by weight.
 */
struct skew_aim {
    const struct skew_pair *pairs;
    size_t n;
    enum skew_side side;        /* one alone is for when the other is congested all along */
    int64_t x_mid;              /* in the middle; of no effect on both sides together */
};

/* The height that a slope leaves [ns]. Those pairs that have a weight have points in both hulls. */
double skew_height(const struct skew_aim *aim, double slope);

/* The slope, within +/- SKEW_LIMIT, that leaves the most. */
double skew_best(const struct skew_aim *aim);

/**
 * skew_band() - how far a slope can be off
 * @slope:      the chosen one
 * @tolerance:  how much less height is as good as the same [ns]
 *
 * Return: half the width of the range of slopes that leave as much as @slope does less @tolerance.
 */
double skew_band(const struct skew_aim *aim, double slope, double tolerance);
