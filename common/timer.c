/* SPDX-License-Identifier: MIT */
#include "common/timer.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "common/base.h"

int timer_init(struct timer *t, int epoll_fd, void *data)
{
    /* Edge-triggered, it tells of each expiry once, without having to be read. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = data};
    int r;

    *t = TIMER_INIT;
    t->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (t->fd < 0)
        return -errno;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, t->fd, &event) < 0) {
        r = -errno;
        timer_deinit(t);
        return r;
    }
    return 0;
}

void timer_deinit(struct timer *t)
{
    fd_closep(&t->fd);
}

void timer_set(struct timer *t, nsec_t now, nsec_t deadline)
{
    struct itimerspec in;
    int r;

    if (deadline >= t->fires_at)
        return;

    assert(deadline > now);         /* 0 would disarm it */
    in = (struct itimerspec){.it_value = nsec_to_timespec(deadline - now)};
    r = timerfd_settime(t->fd, 0, &in, NULL);
    assert(r == 0);
    (void)r;
    t->fires_at = deadline;
}
