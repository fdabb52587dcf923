/* SPDX-License-Identifier: MIT */
/*
 * Worker: a thread with one loop that takes clients from the listeners and serves them to the end.
 *
 * Nothing of it is touched by another thread but what this header names: orders go in through a
 * mailbox, counters are read from outside.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/acceptor.h"
#include "daemon/conn.h"
#include "daemon/listener.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/stats.h"

/* The descriptors that a worker holds beside those of its clients: epoll and timer of its loop, its
 * wake, the acceptor's spare one, and the lookout's view of the scheduler. */
#define WORKER_FDS 5

/* What the control thread wants of a worker. */
struct worker_orders {
    struct conn_limits limits;
    nsec_t drain_timeout;
    nsec_t busy_poll;               /* spins so long after an event before it sleeps, 0 = off */
    bool closed;                    /* take no new clients, leave them in the listeners */
    bool stop;
};

struct worker {
    pthread_t thread;
    bool running;
    struct loop loop;
    struct source wake;
    struct acceptor acceptor;
    struct conn_shared conns;
    struct log log;
    nsec_t last_event;              /* [ns, monotonic] */
    bool batch_was_full;            /* more may have been ready than the last batch holds */
    bool batch_was_late;            /* the process did not run for most of the wait before it */
    uint64_t n_steps_said;          /* steps of the real-time clock that were logged */
    struct worker_orders orders;    /* as last taken from the mailbox */
    uint64_t n_orders_read;         /* and which ones that were */

    /* crossing threads */
    struct stats_live stats;
    _Atomic uint64_t n_turns;       /* of the loop */
    _Atomic uint64_t n_orders_taken;
    _Atomic bool ended;
    pthread_mutex_t mailbox_lock;
    struct worker_orders mailbox;
    uint64_t n_orders_given;
    int ended_fd;                   /* signalled at the end; borrowed */
};

/* What all workers get from the daemon. */
struct worker_shared {
    const struct clock_src *clock;
    struct log_shared *log;
    struct admission *admission;
    const struct listener *listeners;
    size_t n_listeners;
    unsigned n_workers;
    int ended_fd;                   /* an eventfd to be signalled when a worker has ended */
};

/**
 * worker_new() - a worker that does not run yet
 * @shared:     borrowed only for the call, what it points to for the worker's life
 * @index:      its number, from 0
 * @orders:     its first orders
 * @ret_worker: freed by worker_free()
 *
 * Return: 0 or negative errno.
 */
int worker_new(struct worker **ret_worker, const struct worker_shared *shared, unsigned index,
               const struct worker_orders *orders);

/* Joined or never started, and its log drained. NULL in, NULL out. */
struct worker *worker_free(struct worker *w);
DEFINE_CLEANUP(struct worker *, worker_free)

/* Starts its thread. Return: 0 or negative errno. */
int worker_start(struct worker *w);

/* Waits for the end of its thread, which was told to stop; nothing if it never ran. */
void worker_join(struct worker *w);

/* Gives it new orders; they hold from its next turn on. From the control thread. */
void worker_order(struct worker *w, const struct worker_orders *orders);

/* Does it act by all orders that it was given? From the control thread. */
bool worker_has_obeyed(struct worker *w);

/* Makes its loop turn, if it can. From the control thread. */
void worker_poke(struct worker *w);

static inline uint64_t worker_turns(struct worker *w)
{
    return atomic_load_explicit(&w->n_turns, memory_order_relaxed);
}
