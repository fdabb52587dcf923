/* SPDX-License-Identifier: MIT */
/*
 * Rate limit: lets the first few lines of a kind through in each period and counts the others.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"

#define RATELIMIT_PERIOD (10 * NSEC_PER_SEC)
#define RATELIMIT_BURST 10

struct ratelimit {
    nsec_t began;                   /* of the present period [ns, monotonic] */
    uint32_t n_passed;              /* in the present period */
    uint64_t n_suppressed;          /* since the last line that passed */
};

/**
 * ratelimit_pass() - may a line pass?
 * @now:                present time [ns, monotonic]
 * @ret_suppressed:     how many did not pass since the last that did
 *
 * Return: true if this one may pass.
 */
static inline bool ratelimit_pass(struct ratelimit *r, nsec_t now, uint64_t *ret_suppressed)
{
    if (r->n_passed == 0 || now - r->began >= RATELIMIT_PERIOD) {
        r->began = now;
        r->n_passed = 0;
    }
    if (r->n_passed >= RATELIMIT_BURST) {
        r->n_suppressed++;
        return false;
    }

    r->n_passed++;
    *ret_suppressed = r->n_suppressed;
    r->n_suppressed = 0;
    return true;
}
