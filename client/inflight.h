/* SPDX-License-Identifier: MIT */
/*
 * In flight: the requests of one connection that have no reply yet, oldest first.
 *
 * One ring holds both those that were sent and, behind them, those that are due but have to wait
 * for room on the wire: a request keeps its due time however long it waits. Replies come in order
 * on TCP, so that the reply to a later request says that the earlier ones will get none.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/clock.h"
#include "common/text.h"

#define UUID_SIZE 16

struct request {
    nsec_t due;                     /* when it was meant to leave [ns, monotonic] */
    nsec_t sent;                    /* just before it was handed to the kernel, 0 = it waits */
    uint64_t seq;                   /* number in the run, from 1 */
    uint8_t uuid[UUID_SIZE];
    bool overdue;                   /* its reply did not come in time, and this was reported */
    bool resent;                    /* sent before, on a connection that ended */
    bool omitted;                   /* warm-up: not counted */
    bool follows;                   /* others had no reply yet when it was sent */
    bool held;                      /* when it was due it had to wait for replies to others */
    char text[TEXT_UUID_LEN];       /* the UUID as it was sent, where that was in text */
};

struct inflight {
    struct request *ring;
    size_t capacity;                /* power of two, or 0 */
    size_t head;                    /* the oldest; free-running, as the next two */
    size_t wait;                    /* the first that was not sent */
    size_t tail;                    /* behind the newest */
};

#define INFLIGHT_INIT {.ring = NULL}

void inflight_deinit(struct inflight *f);

/* Sent and without a reply. */
static inline size_t inflight_n_sent(const struct inflight *f)
{
    return f->wait - f->head;
}

/* Due and not sent. */
static inline size_t inflight_n_waiting(const struct inflight *f)
{
    return f->tail - f->wait;
}

/* The request with that many older ones before it. */
static inline struct request *inflight_at(const struct inflight *f, size_t i)
{
    return &f->ring[(f->head + i) & (f->capacity - 1)];
}

/* The first that waits to be sent; there must be one. */
static inline struct request *inflight_waiting(const struct inflight *f)
{
    return inflight_at(f, inflight_n_sent(f));
}

/**
 * inflight_push() - a request is due: it waits
 * @f:          ring; grows when it is full, which allocates
 * @ret:        the new request, all its fields zero, good until the next push
 *
 * Return: 0 or -ENOMEM.
 */
int inflight_push(struct inflight *f, struct request **ret);

/* The first that waits was sent. */
static inline void inflight_advance(struct inflight *f)
{
    f->wait++;
}

/**
 * inflight_find() - which of those sent has this UUID
 *
 * Return: its index (0 = the oldest, as it should be), or -ENOENT.
 */
ssize_t inflight_find(const struct inflight *f, const uint8_t uuid[static UUID_SIZE]);

/* Forgets the @n oldest, which were sent. */
static inline void inflight_pop(struct inflight *f, size_t n)
{
    f->head += n;
}

/* Takes back the newest, which waits; there must be one. Good until the next push. */
static inline struct request *inflight_drop_newest(struct inflight *f)
{
    f->tail--;
    return inflight_at(f, f->tail - f->head);
}

/* The connection ended: all that were sent wait again, marked as resent. */
void inflight_rewind(struct inflight *f);
