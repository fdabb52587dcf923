/* SPDX-License-Identifier: MIT */
/*
 * Share: what of a run's connections, messages and schedule falls to each of its threads.
 *
 * Pure: the shares of all threads together are the run, whatever the numbers.
 */
#pragma once

#include <stdint.h>

#include "client/options.h"
#include "common/clock.h"

struct share {
    uint32_t first_link;            /* its connections are first, first + step, ... */
    uint32_t step;
    uint32_t n_links;
    uint64_t n_messages;            /* UINT64_MAX = no end */
    uint64_t n_omit;                /* the first that many are warm-up */
    double interval;                /* between messages [ns] */
    nsec_t offset;                  /* of its grid behind the start [ns]; NSEC_NEVER = beyond
                                     * all time */
};

/**
 * share_make() - the share of a thread
 * @i:          which, from 0 to o->threads - 1
 *
 * Thread i of N has the connections i, i + N, ... and of messages and time what falls to these. Its
 * grid begins i intervals after the start, so that all grids together are the one that was asked
 * for where the connections can be shared out evenly.
 */
struct share share_make(const struct options *o, uint32_t i);
