/* SPDX-License-Identifier: MIT */
/*
 * Where rise: whether the base has risen, before the horizon has forgotten the old one.
 *
 * A route gets longer at once and stays so, and its fastest messages are as fast as each other; a
 * queue fills up, comes and goes, and is of any length. So for more than a window no message may
 * have come near the old base, by what was near before; and from the first one on the fastest of
 * each run of messages must be much the same. A queue that is full at once and stands still for so
 * long looks the same, and is taken for another route; when it goes, the base is back at once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/where_fit.h"

struct where_rise {
    double calm;                    /* what runs had above the base before, 0 = not known [ns] */
    bool is_missed;                 /* there may be one, whose beginning was not seen */
    bool was_told;                  /* in a stretch that was long enough for its fit to see it */
    size_t n;                       /* runs in which nothing came near the base, up to now */
    int64_t since, until;           /* server's time [ns] */
    double least, sum;              /* of what they had above it, or nearly [ns] */
};

/**
 * where_rise_follow() - look at the next window
 * @r:          all zero in the beginning
 * @f:          the window's fit, on all that is known
 * @begin:      its first arrival, server's time [ns]
 *
 * Return: true if the base has risen, and nothing of the window belongs to the old one.
 */
bool where_rise_follow(struct where_rise *r, const struct where_fitting *f, int64_t begin);

/* The window told nothing of that. */
static inline void where_rise_lose(struct where_rise *r)
{
    r->n = 0;
    r->is_missed = true;
}

/* It is known: what comes is compared with the new base. */
static inline void where_rise_end(struct where_rise *r)
{
    *r = (struct where_rise){.calm = r->calm};
}
