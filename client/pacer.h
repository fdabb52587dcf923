/* SPDX-License-Identifier: MIT */
/*
 * Pacer: decides when the next request is due, and when there is none any more.
 *
 * Open loop: due times lie on a schedule of their own, whatever the replies do, so that a slow
 * server cannot slow the offered load. Closed loop: a request is due as soon as it is asked for.
 * Pure: no clock is read here, the caller says what time it is.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/rng.h"

enum pacer_kind {
    PACER_CLOSED,
    PACER_FIXED,                    /* one each interval */
    PACER_POISSON,                  /* gaps are exponential, one each interval in the mean */
};

struct pacer {
    enum pacer_kind kind;
    nsec_t start;                   /* of the schedule; the first fixed request is due then */
    nsec_t end;                     /* nothing is due from then on; NSEC_NEVER = no end */
    double interval;                /* [ns]; not an integer, so that no rate is rounded */
    uint64_t n_max;                 /* requests in all; UINT64_MAX = no end */
    uint64_t n_taken;
    double offset;                  /* Poisson: of the next one behind @start [ns] */
    struct rng rng;                 /* Poisson */
};

/**
 * pacer_init() - make a schedule
 * @kind:       which
 * @start:      its beginning [ns, monotonic]; NSEC_NEVER = nothing is ever due
 * @interval:   mean time between requests [ns], above 0 unless closed
 * @end:        nothing is due from then on [ns, monotonic]; NSEC_NEVER = no end
 * @n_max:      requests in all, UINT64_MAX = no end
 * @seed:       of the Poisson gaps; the same seed gives the same gaps
 */
void pacer_init(struct pacer *p, enum pacer_kind kind, nsec_t start, double interval,
                nsec_t end, uint64_t n_max, uint64_t seed);

/**
 * pacer_take() - claim the next due request
 * @p:          pacer
 * @now:        present time [ns, monotonic]
 * @ret_due:    when the claimed request was meant to leave; the response RTT counts from here, not
 *              from @now [ns]
 *
 * Return: true if a request is due; false, leaving @ret_due alone, if not.
 */
bool pacer_take(struct pacer *p, nsec_t now, nsec_t *ret_due);

/* When the next request is due [ns, monotonic], which may be past; NSEC_NEVER if none will be. In
 * closed loop the start. */
nsec_t pacer_next(const struct pacer *p);

/* Whether there will be no request any more at @now or later. A request of the open loop that was
 * due before the end is not lost for being claimed late. */
bool pacer_is_done(const struct pacer *p, nsec_t now);

/**
 * pacer_skip() - let pass what was due before @now
 *
 * However many there are, this takes milliseconds; so above a million the number of the Poisson
 * ones is that to be expected.
 *
 * Return: how many requests that were.
 */
uint64_t pacer_skip(struct pacer *p, nsec_t now);
