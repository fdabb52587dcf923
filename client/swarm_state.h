/* SPDX-License-Identifier: MIT */
/*
 * Swarm state: what is known of all connections of a thread together, for the swarm and for what
 * becomes of its connections when they are lost.
 *
 * The thread's alone.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "client/link.h"
#include "client/options.h"
#include "client/result.h"
#include "client/tally.h"
#include "common/base.h"
#include "common/clock.h"

struct swarm_config {
    const struct options *options;          /* borrowed, as all here */
    const struct clock_src *clock;
    const struct link_config *link;
    struct tally *tally;
    atomic_bool *is_known;          /* a connection of the run stood; with those of other threads */
    int epoll_fd;
    uint32_t first_link;            /* number of the first connection in the run */
    uint32_t step;                  /* from one connection to the next */
    uint32_t n_links;
};

struct swarm {
    struct swarm_config config;
    struct link *links;
    struct rng rng;                 /* of their UUIDs, and of what else is left to chance */
    uint32_t n_begun;               /* links that were begun, while opening */
    uint32_t n_up;
    struct link **dirty;            /* those where there may be something new to send */
    uint32_t n_dirty;
    uint64_t n_pushed;              /* messages so far */
    uint64_t n_open;                /* of them neither answered nor given up */
    uint64_t n_omit;                /* the first that many are warm-up... */
    nsec_t omit_until;              /* ...and what is due before this */
    nsec_t next_sweep;              /* no deadline passes before [ns] */
    bool is_ending;                 /* nothing new is sent, nothing is opened again */
    bool has_failed;                /* the run has to end: the tally's result says why */
    bool has_greeted;               /* the first connection was reported */
    uint8_t *rx;
    uint8_t *tx;
};

static inline bool swarm_is_endless(const struct swarm *s)
{
    return options_endless(s->config.options);
}

/* The run has to end, because of this; of several reasons the first is kept. */
static inline void swarm_fail(struct swarm *s, enum run_error error, const char *message)
{
    result_fail(&s->config.tally->result, error, message);
    s->has_failed = true;
}

/* There is something to see to by then; NSEC_NEVER: there is not. */
static inline void swarm_expect(struct swarm *s, nsec_t when)
{
    s->next_sweep = MIN(s->next_sweep, when);
}
