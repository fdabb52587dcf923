/* SPDX-License-Identifier: MIT */
#include "daemon/loop.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>

#include "common/base.h"

int loop_init(struct loop *l)
{
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return l->epoll_fd < 0 ? -errno : 0;
}

void loop_deinit(struct loop *l)
{
    fd_closep(&l->epoll_fd);
}

static int control(struct loop *l, int op, struct source *s, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = s};

    return epoll_ctl(l->epoll_fd, op, s->fd, &event) < 0 ? -errno : 0;
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

int loop_wait(struct loop *l, nsec_t timeout)
{
    int ms, n;

    /* Rounded up, or a deadline within the next millisecond would be waited for by spinning. */
    if (timeout == NSEC_NEVER)
        ms = -1;
    else if (timeout > (nsec_t)INT_MAX * NSEC_PER_MSEC)
        ms = INT_MAX;
    else
        ms = (int)((timeout + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);

    n = epoll_wait(l->epoll_fd, l->batch, LOOP_BATCH, ms);
    return n < 0 ? -errno : n;
}

void loop_dispatch(struct loop *l, int n)
{
    for (int i = 0; i < n; i++) {
        struct source *s = l->batch[i].data.ptr;

        s->ready(s, l->batch[i].events);
    }
}
