/* SPDX-License-Identifier: MIT */
/*
 * Idle: decides when a daemon that nobody uses may go, and loses no client who comes just then.
 *
 * Going takes two steps: first the listeners are closed to the workers, then, when all of them
 * know, it is seen whether anybody came in meanwhile. Who comes later waits in the socket for the
 * next daemon. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "daemon/stats.h"

struct idle {
    nsec_t since;                   /* [ns, monotonic] */
    uint64_t n_accepted;            /* clients ever, at that time */
    bool closing;                   /* the listeners are closed, or about to be */
};

enum idle_action {
    IDLE_STAY,
    IDLE_CLOSE,                     /* close the listeners to the workers */
    IDLE_REOPEN,                    /* somebody came in: open them again */
    IDLE_GO,
};

/**
 * idle_decide() - what to do now
 * @i:          zeroed but for `since` at the start
 * @stats:      of all workers
 * @limit:      exit_on_idle [ns], 0 = off
 * @obeyed:     all workers act by their last orders
 * @now:        [ns, monotonic]
 */
enum idle_action idle_decide(struct idle *i, const struct stats *stats, nsec_t limit, bool obeyed,
                             nsec_t now);

/* When to ask next [ns from now]. */
nsec_t idle_next_check(const struct idle *i, nsec_t limit);
