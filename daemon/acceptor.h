/* SPDX-License-Identifier: MIT */
/*
 * Acceptor: one worker's share in the listeners - takes clients from them, or tells them why not.
 *
 * All workers wait for the same listeners. EPOLLEXCLUSIVE alone would give nearly all clients to
 * the worker that waited first; so a worker that has accepted leaves the listener's queue and joins
 * it again at its end.
 */
#pragma once

#include "daemon/conn.h"
#include "daemon/listener.h"
#include "daemon/loop.h"

struct acceptor;

/* A listener as this worker sees it. */
struct gate {
    struct source source;           /* its fd is the listener's, and borrowed */
    struct acceptor *acceptor;
    const struct listener *listener;
    bool queued;                    /* the loop waits for it */
};

struct acceptor {
    struct conn_shared *conns;      /* borrowed */
    struct gate *gates;
    size_t n_gates;
    bool alone;                     /* no other worker shares the listeners */
    nsec_t fresh_until;             /* until then, clients may be older than the listeners' options
                                     * [ns, monotonic] */
    int spare_fd;                   /* given up to take and refuse a client when none are left */
    nsec_t paused_until;            /* nothing is accepted before [ns, monotonic]; 0 = not paused */
    bool closed;                    /* nothing is accepted until that is taken back */
    bool said_paused;               /* so that the end of it is said too */
    struct ratelimit refusal_limit;
    struct ratelimit pause_limit;
};

#define ACCEPTOR_INIT ((struct acceptor){.spare_fd = -1})

/**
 * acceptor_init() - join the queues of all listeners
 * @conns:      where clients go; borrowed
 * @listeners:  borrowed, @n of them
 * @alone:      no other worker will share them
 *
 * Return: 0 or negative errno.
 */
int acceptor_init(struct acceptor *a, struct conn_shared *conns, const struct listener *listeners,
                  size_t n, bool alone);
void acceptor_deinit(struct acceptor *a);

/* To be called once a batch; goes on accepting when a pause is over. */
void acceptor_tick(struct acceptor *a);

/* The next time at which acceptor_tick() has something to do [ns, monotonic]. */
static inline nsec_t acceptor_deadline(const struct acceptor *a)
{
    return a->paused_until > 0 ? a->paused_until : NSEC_NEVER;
}

/* Ends the daemon's own listeners, which are shut: who waits in one is told that the server stops,
 * and who comes later is refused by the kernel. After all workers have ended. */
void acceptor_end_listening(struct acceptor *a);

/* Takes no clients while @closed: they wait in the listeners' queues. */
void acceptor_set_closed(struct acceptor *a, bool closed);
