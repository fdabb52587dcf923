/* SPDX-License-Identifier: MIT */
/*
 * Runner: one thread with its share of the connections and of the load.
 *
 * It opens its connections, waits for the word to start, keeps the schedule, and ends when its
 * share is done or when it is told.
 *
 * Threads: a runner belongs to its thread from runner_start() to runner_join(). Until then the
 * other thread may only give commands, look at the phase, and read the ring of the tally.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "client/alarm.h"
#include "client/link.h"
#include "client/options.h"
#include "client/pacer.h"
#include "client/result.h"
#include "client/share.h"
#include "client/swarm.h"
#include "client/tally.h"
#include "common/base.h"
#include "common/clock.h"
#include "common/timer.h"

enum runner_phase {
    RUNNER_OPENING,                 /* connecting */
    RUNNER_STANDBY,                 /* connected; waits for the start */
    RUNNER_RUNNING,
    RUNNER_OVER,                    /* the result is complete */
};

/* Descriptors of a runner beside its connections: epoll, the eventfd, the timer, and the thread's
 * schedstat twice, for the evidence and for the lookout. */
#define RUNNER_FDS 5

/* In rising order: each says all that those before it can say. */
enum runner_command {
    RUNNER_WAIT,
    RUNNER_GO,                      /* begin at config->start */
    RUNNER_DRAIN,                   /* send nothing more, wait for replies */
    RUNNER_ABORT,                   /* end at once */
};

/* What all runners of a run have in common. */
struct runner_config {
    const struct options *options;
    const struct clock_src *clock;
    struct link_config link;
    int report_fd;                  /* eventfd: written when there is something to look at */
    nsec_t start;                   /* of the load; set before RUNNER_GO */
    atomic_bool is_known;           /* a connection stood; all runners may write */
};

struct runner {
    struct runner_config *config;   /* borrowed; only is_known is not constant */
    struct share share;
    pthread_t thread;
    int epoll_fd;
    int wake_fd;                    /* eventfd: a command is there */
    struct timer timer;             /* a deadline has come */
    struct alarm alarm;             /* where it sleeps in a read */

    struct swarm swarm;
    struct tally tally;
    struct pacer pacer;
    uint32_t next_link;             /* open loop: whose turn it is */
    nsec_t last_event;              /* when epoll last told anything [ns] */
    enum runner_phase own_phase;    /* as below, for the runner itself */
    bool has_overdue;               /* a message was, at the last sweep */
    bool is_over;                   /* the loop ends */

    /* Shared with the other thread. */
    atomic_int phase;               /* enum runner_phase; only the runner writes */
    atomic_int command;             /* enum runner_command; it only rises */
    atomic_bool is_called;          /* wake_fd is written, or about to be */
    atomic_bool wants_snapshot;
    struct result *snapshot;        /* filled while that is true; then the other's */
};

/**
 * runner_new() - make a runner; no thread yet
 * @share:      copied
 *
 * Return: 0 or negative errno.
 */
int runner_new(struct runner **ret, struct runner_config *config,
               const struct share *share);
struct runner *runner_free(struct runner *r);
DEFINE_CLEANUP(struct runner *, runner_free)

/* Return: 0 or the negative error of pthread_create(3). */
int runner_start(struct runner *r);

/* Waits until the thread is over. */
void runner_join(struct runner *r);

/* Any other thread: gives a command. One that comes after a stronger one is void: who was told to
 * end at once does not wait for replies again. */
void runner_command(struct runner *r, enum runner_command command);

/* The other thread: asks that what there is so far be added to @snapshot; the report_fd tells when
 * that is done. */
void runner_ask_snapshot(struct runner *r, struct result *snapshot);

static inline bool runner_has_snapshot(struct runner *r)
{
    return !atomic_load_explicit(&r->wants_snapshot, memory_order_acquire);
}

static inline enum runner_phase runner_phase(struct runner *r)
{
    return (enum runner_phase)atomic_load_explicit(&r->phase, memory_order_acquire);
}
