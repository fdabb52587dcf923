/* SPDX-License-Identifier: MIT */
#include "daemon/loop.h"

#include <assert.h>
#include <errno.h>

#include "common/base.h"
#include "common/raw_call.h"

static int control(struct loop *l, int op, struct source *s, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = s};

    return epoll_ctl(l->epoll_fd, op, s->fd, &event) < 0 ? -errno : 0;
}

static void timer_ready(struct source *s, uint32_t events)
{
    (void)events;
    timer_fired(&container_of(s, struct loop, timer_source)->timer);
}

int loop_init(struct loop *l)
{
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll_fd < 0)
        return -errno;
    l->timer_source = (struct source){.fd = -1, .ready = timer_ready};
    return timer_init(&l->timer, l->epoll_fd, &l->timer_source);
}

void loop_deinit(struct loop *l)
{
    timer_deinit(&l->timer);
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

int loop_wait(struct loop *l, nsec_t now, nsec_t deadline)
{
    int n;

    if (deadline > now)
        timer_set(&l->timer, now, deadline);

    n = raw_epoll_wait(l->epoll_fd, l->batch, LOOP_BATCH, deadline > now ? -1 : 0);
    return n < 0 ? -errno : n;
}

void loop_dispatch(struct loop *l, int n)
{
    for (int i = 0; i < n; i++) {
        struct source *s = l->batch[i].data.ptr;

        s->ready(s, l->batch[i].events);
    }
}
