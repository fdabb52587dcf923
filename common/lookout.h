/* SPDX-License-Identifier: MIT */
/*
 * Lookout: when at the earliest that came which woke a thread up.
 *
 * The kernel merges what waits in a socket, and keeps the stamp of the last of it only. But a
 * thread that sleeps in epoll_wait(2) had nothing to read when it lay down, and the first byte that
 * comes calls it. So what it finds came after it was called, and it was called no longer ago than
 * it waited for a CPU since, which the scheduler counts: a burst that comes at once can be told
 * from one that gathered while the thread was kept from running.
 *
 * What the scheduler does not see is not counted: a CPU that the hypervisor had taken away.
 */
#pragma once

#include <stdbool.h>

#include "common/clock.h"

struct lookout {
    int fd;                     /* schedstat, -1 = not to be had */
    nsec_t lay_down;            /* nothing was there [ns, monotonic] */
    nsec_t woke;                /* 0 = awake without having slept */
    nsec_t read_at;             /* when the next was read, 0 = not yet */
    nsec_t run_delay;           /* [ns] */
    bool is_told;               /* for this sleep, the next is known */
    nsec_t earliest;
};

#define LOOKOUT_INIT ((struct lookout){.fd = -1})

/* To be called by the thread itself. */
void lookout_init(struct lookout *l);
void lookout_deinit(struct lookout *l);

/* Right before the thread waits for events; they are looked for before it sleeps. */
void lookout_sleep(struct lookout *l, nsec_t now);

/* Right after. Not to be called if the wait was interrupted: that may have been a stop, during
 * which nothing calls the thread. */
static inline void lookout_wake(struct lookout *l, nsec_t now)
{
    l->woke = now;
}

/* It woke up before, in fact: nothing is known from this sleep any more. */
static inline void lookout_forget(struct lookout *l)
{
    l->woke = 0;
}

/**
 * lookout_earliest() - when at the earliest that came which the thread has found
 * @known:      a bound that is known otherwise [ns, monotonic]
 *
 * Costs a system call for the first that asks after a sleep, and none where @known is good enough.
 *
 * Return: the bound, not before @known [ns, monotonic].
 */
nsec_t lookout_earliest(struct lookout *l, nsec_t known);
