/* SPDX-License-Identifier: MIT */
#include "common/lookout.h"

#include "common/base.h"
#include "common/schedstat.h"

/* From the call to user space on a CPU that is free: the interrupt to it, the exit from its idle
 * state and the way out of the system call; 30 us in the mean in a virtual machine. */
#define WAY_UP (100 * NSEC_PER_USEC)

/* A reading is good for so long: it costs a microsecond, and what the thread waited since makes the
 * bound worse. */
#define READING_AGE NSEC_PER_MSEC

void lookout_init(struct lookout *l)
{
    *l = LOOKOUT_INIT;
    l->fd = schedstat_open();
}

void lookout_deinit(struct lookout *l)
{
    fd_closep(&l->fd);
}

void lookout_sleep(struct lookout *l, nsec_t now)
{
    l->lay_down = now;
    l->woke = 0;
    l->is_told = false;
    if (l->read_at > 0 && now - l->read_at < READING_AGE)
        return;
    l->read_at = schedstat_read(l->fd, &l->run_delay) ? now : 0;
}

/* 0 = none. */
static nsec_t find_bound(const struct lookout *l)
{
    nsec_t run_delay, bound;

    if (l->woke == 0 || l->read_at == 0 || !schedstat_read(l->fd, &run_delay))
        return 0;
    bound = l->woke - MIN(l->woke, run_delay - l->run_delay + WAY_UP);
    /* Else it may not have slept at all, or it came while the thread was about to. */
    return bound > l->lay_down ? bound : 0;
}

nsec_t lookout_earliest(struct lookout *l, nsec_t known)
{
    if (l->woke <= known + 2 * WAY_UP)
        return known;
    if (!l->is_told) {
        l->earliest = find_bound(l);
        l->is_told = true;
    }
    return MAX(l->earliest, known);
}
