/* SPDX-License-Identifier: MIT */
/*
 * Tally: counts what happens to the messages of a thread, and tells those who want to know.
 *
 * The end of the measured path: a reply is put into two histograms and, with all its stamps, into
 * the ring, where the other thread finds it and takes it apart.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "client/evidence.h"
#include "client/inflight.h"
#include "client/link.h"
#include "client/options.h"
#include "client/record.h"
#include "client/result.h"
#include "client/target_rx.h"
#include "common/clock.h"
#include "common/lookout.h"
#include "common/nic_lag.h"
#include "common/ring.h"
#include "common/stamp.h"

struct tally {
    struct result result;
    struct ring ring;               /* of struct record, each as long as its kind needs */
    const struct clock_src *clock;
    const struct options *options;  /* borrowed */
    nsec_t look_interval;           /* between looks at a connection's counters */
    nsec_t look_store;              /* for those beyond that [ns], and up to when they are paid */
    nsec_t looks_paid_until;
    nsec_t sched_looked_at;         /* the thread's counters, where connections have none */
    int report_fd;                  /* eventfd: written when there is something to see at once */
    struct stamp_bridge bridge;
    struct nic_lag nic_lag;
    struct lookout lookout;         /* of the thread; the runner tells it when it sleeps */
    nsec_t looked_at;               /* what is read now was not there yet, unless a read has left it
                                     * [ns] */
    nsec_t last_look;
    nsec_t looked_before;           /* the same of the look before [ns] */
    bool left_some;                 /* the last look did not get all that was there */
    struct sched_evidence sched;
    struct slow_threshold slow_response, slow_service;
    nsec_t slow_look;               /* the last look that found a slow reply [ns] */
    nsec_t slow_since, slow_until;  /* the first and the last of slow ones that were under way
                                     * together came in [ns] */
    nsec_t calm;                    /* slow_service before them [ns] */
    uint32_t n_to_skip;             /* ordinary replies, after the ring was full */
    _Atomic uint64_t n_thinned;     /* replies that were skipped; only the thread itself writes */
};

/* For @n_links connections. Return: 0 or -ENOMEM. */
int tally_init(struct tally *t, const struct clock_src *clock, const struct options *options,
               uint32_t n_links, int report_fd);
void tally_deinit(struct tally *t);

/* To be called by the thread itself before it measures. */
void tally_begin(struct tally *t);

/**
 * tally_look() - the thread has looked for what came
 * @n:          how many connections had something
 * @left_some:  there may be more of them
 *
 * Return: the time [ns, monotonic].
 */
nsec_t tally_look(struct tally *t, int n, bool left_some);

/* When a read ended, and when its last byte came: what all replies in it have in common. */
struct tally_read {
    nsec_t now;                     /* the program has the bytes [ns] */
    nsec_t stamp;                   /* the kernel had the last of them [ns, monotonic] */
    bool has_stamp;
    bool has_nic_stamp;             /* ... less the wait that the network card's stamp told */
    uint32_t n_queued;              /* bytes that wait behind it */
    bool may_leave;                 /* something may wait behind it, told or not */
};

/* To be called right after a read, with the time; tally_look() found what was read. */
struct tally_read tally_read(struct tally *t, const struct stream_rx *info, nsec_t now);

/* Whether it is known too badly when a read's first reply came for the stamp alone to tell. */
bool tally_is_vague(const struct tally *t, const struct link *l, const struct tally_read *read);

/* To be called once all replies of a read are tallied. */
void tally_read_done(struct tally *t, struct link *l, const struct tally_read *read);

/* One more was sent. */
static inline void tally_sent(struct tally *t, const struct request *q)
{
    if (!q->omitted && !q->resent)
        t->result.sent++;
}

/* The reply in @event. */
void tally_reply(struct tally *t, struct link *l, const struct target_event *event,
                 const struct tally_read *read);

/* There will be no reply; @kind is RECORD_MISSING or RECORD_LOST. */
void tally_lost(struct tally *t, const struct link *l, const struct request *q,
                enum record_kind kind, nsec_t now);

/* There is none yet. */
void tally_overdue(struct tally *t, const struct link *l, const struct request *q, nsec_t now);

/* It was due and cannot be sent. */
static inline void tally_not_sent(struct tally *t, const struct request *q)
{
    if (q->omitted)
        t->result.omitted++;
    else
        t->result.not_sent++;
}

/* Anything whose record is a text; seen at once. */
void tally_text(struct tally *t, enum record_kind kind, const struct link *l, nsec_t now,
                const char *text);

/* Records that the other thread did not get so far; to be called by that one. */
static inline uint64_t tally_n_dropped(struct tally *t)
{
    return ring_dropped(&t->ring) + atomic_load_explicit(&t->n_thinned, memory_order_relaxed);
}

/* The first connection of the thread stands. */
void tally_connected(struct tally *t, const struct link *l, nsec_t now);

/* The outage of this link is over, or the run is. */
void tally_outage(struct tally *t, struct link *l, nsec_t now, bool is_over);

/* Adds the outage of this link, which goes on, to a sum of what there is so far. */
void tally_outage_so_far(const struct link *l, nsec_t now, struct result *sum);
