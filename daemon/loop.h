/* SPDX-License-Identifier: MIT */
/*
 * Loop: epoll, level-triggered, with an object behind every descriptor.
 *
 * A source is embedded in its owner, which finds itself with container_of(). One batch is taken
 * from the kernel and dispatched to its end: a handler may remove and free its own object, never
 * another one, for that could still have an event later in the batch.
 */
#pragma once

#include <stdint.h>
#include <sys/epoll.h>

#include "common/clock.h"
#include "common/timer.h"

struct source {
    int fd;                         /* owned by whoever embeds the source */
    void (*ready)(struct source *s, uint32_t events);
};

#define LOOP_BATCH 512

struct loop {
    int epoll_fd;
    struct timer timer;
    struct source timer_source;
    struct epoll_event batch[LOOP_BATCH];
};

#define LOOP_INIT ((struct loop){.epoll_fd = -1, .timer = TIMER_INIT})

/* Return: 0 or negative errno. */
int loop_init(struct loop *l);
void loop_deinit(struct loop *l);

/**
 * loop_add(), loop_change(), loop_remove() - what is waited for
 * @l:          loop
 * @s:          source; must stay where it is until it is removed
 * @events:     EPOLL* flags
 *
 * Return: 0 or negative errno (epoll_ctl(2)); removing what was added never fails.
 */
int loop_add(struct loop *l, struct source *s, uint32_t events);
int loop_change(struct loop *l, struct source *s, uint32_t events);
void loop_remove(struct loop *l, struct source *s);

/**
 * loop_wait() - wait for events
 * @l:          loop
 * @now:        present time [ns, monotonic]
 * @deadline:   wait no longer than until then [ns, monotonic]; not after @now = only look,
 *              NSEC_NEVER = without end
 *
 * May wake earlier, at @l->timer.fires_at, for a deadline that has moved away since.
 *
 * Return: how many events stand in @l->batch, 0 if there are none, or negative errno. Where all
 * signals are blocked, -EINTR says that the thread was stopped meanwhile and goes on: signal(7),
 * "Interruption of system calls and library functions by stop signals".
 */
int loop_wait(struct loop *l, nsec_t now, nsec_t deadline);

/* Calls the handlers of the @n events that loop_wait() has brought. */
void loop_dispatch(struct loop *l, int n);
