/* SPDX-License-Identifier: MIT */
/*
 * Timer: ends the wait of an epoll loop at a deadline.
 *
 * A timeout of epoll_wait()'s own is set up and taken down again at each wait, which takes 3 % of a
 * round trip on the loopback. But deadlines mostly move away: this timer is armed only for one that
 * is earlier than what it was armed for, and so serves a great many waits.
 */
#pragma once

#include <stdint.h>

#include "common/clock.h"

struct timer {
    int fd;                         /* a timerfd */
    nsec_t fires_at;                /* [ns, monotonic]; NSEC_NEVER = it is not armed */
};

#define TIMER_INIT ((struct timer){.fd = -1, .fires_at = NSEC_NEVER})

/**
 * timer_init() - make a timer and add it to an epoll loop
 * @epoll_fd:   borrowed
 * @data:       what its events carry
 *
 * Return: 0 or negative errno.
 */
int timer_init(struct timer *t, int epoll_fd, void *data);
void timer_deinit(struct timer *t);

/**
 * timer_set() - have it fire no later than a deadline
 * @now:        present time [ns, monotonic]
 * @deadline:   > @now [ns, monotonic]; NSEC_NEVER = there is none
 *
 * It may fire before, at @t->fires_at. The next call is due when it has fired.
 */
void timer_set(struct timer *t, nsec_t now, nsec_t deadline);

/* To be called at its event. */
static inline void timer_fired(struct timer *t)
{
    t->fires_at = NSEC_NEVER;
}
