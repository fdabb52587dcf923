/* SPDX-License-Identifier: MIT */
#include "daemon/loop.h"

#include <assert.h>
#include <errno.h>
#include <sys/timerfd.h>

#include "common/base.h"

static int control(struct loop *l, int op, struct source *s, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = s};

    return epoll_ctl(l->epoll_fd, op, s->fd, &event) < 0 ? -errno : 0;
}

static void timer_ready(struct source *s, uint32_t events)
{
    struct loop *l = container_of(s, struct loop, timer);

    (void)events;
    l->wakes_at = NSEC_NEVER;
}

int loop_init(struct loop *l)
{
    l->wakes_at = NSEC_NEVER;
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll_fd < 0)
        return -errno;
    l->timer = (struct source){
        .fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
        .ready = timer_ready,
    };
    if (l->timer.fd < 0)
        return -errno;
    /* Edge-triggered, it tells of each expiry once, without having to be read. */
    return control(l, EPOLL_CTL_ADD, &l->timer, EPOLLIN | EPOLLET);
}

void loop_deinit(struct loop *l)
{
    fd_closep(&l->timer.fd);
    fd_closep(&l->epoll_fd);
}

int loop_add(struct loop *l, struct source *s, uint32_t events)
{
    return control(l, EPOLL_CTL_ADD, s, events);
}

int loop_change(struct loop *l, struct source *s, uint32_t events)
{
    return control(l, EPOLL_CTL_MOD, s, events);
}

void loop_remove(struct loop *l, struct source *s)
{
    /* Explicitly, as the kernel forgets a descriptor only when its last duplicate is closed, and a
     * listener is shared. */
    int r = control(l, EPOLL_CTL_DEL, s, 0);

    assert(r == 0);
    (void)r;
}

/*
 * A timeout of epoll_wait()'s own would be set up and taken down again at each wait, which takes 3 %
 * of a round trip. Deadlines mostly move away, so that one timer serves a great many waits.
 */
static void arm(struct loop *l, nsec_t now, nsec_t deadline)
{
    struct itimerspec in = {.it_value = nsec_to_timespec(deadline - now)};
    int r = timerfd_settime(l->timer.fd, 0, &in, NULL);

    assert(r == 0);
    (void)r;
    l->wakes_at = deadline;
}

int loop_wait(struct loop *l, nsec_t now, nsec_t deadline)
{
    int n;

    if (deadline > now && deadline < l->wakes_at)
        arm(l, now, deadline);

    n = epoll_wait(l->epoll_fd, l->batch, LOOP_BATCH, deadline > now ? -1 : 0);
    return n < 0 ? -errno : n;
}

void loop_dispatch(struct loop *l, int n)
{
    for (int i = 0; i < n; i++) {
        struct source *s = l->batch[i].data.ptr;

        s->ready(s, l->batch[i].events);
    }
}
