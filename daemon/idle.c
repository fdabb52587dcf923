/* SPDX-License-Identifier: MIT */
#include "daemon/idle.h"

#include "common/base.h"

/* How long workers get to close their listeners before they are looked at again. */
#define CONFIRM (50 * NSEC_PER_MSEC)

/* Switched off, it may be on after a reload; and on, it need not be late by more than this. */
#define CHECK_MAX (5 * NSEC_PER_SEC)

enum idle_action idle_decide(struct idle *i, const struct stats *stats, nsec_t limit, bool obeyed,
                             nsec_t now)
{
    bool in_use = stats_clients(stats) > 0 || stats->accepted != i->n_accepted || limit == 0;

    if (in_use) {
        bool was_closing = i->closing;

        *i = (struct idle){.since = now, .n_accepted = stats->accepted};
        return was_closing ? IDLE_REOPEN : IDLE_STAY;
    }
    if (i->closing)
        return obeyed ? IDLE_GO : IDLE_STAY;
    if (now - i->since < limit)
        return IDLE_STAY;

    i->closing = true;
    return IDLE_CLOSE;
}

nsec_t idle_next_check(const struct idle *i, nsec_t limit)
{
    if (i->closing)
        return CONFIRM;
    return limit > 0 ? MIN(limit / 4 + NSEC_PER_MSEC, CHECK_MAX) : CHECK_MAX;
}
