/* SPDX-License-Identifier: MIT */
/*
 * Evidence: what TCP and the scheduler counted around a message, from looks at their counters now
 * and then.
 *
 * A look costs a system call, so there is one every 100 ms and one after a slow reply, as long as
 * those are few. The last few are kept, some time apart: what happened to a message is the
 * difference between the last look before it was sent and the one after its reply.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "client/cause.h"
#include "common/base.h"
#include "common/clock.h"

#define EVIDENCE_LOOKS 4

struct tcp_look {
    nsec_t at;                      /* [ns, monotonic], 0 = there was none */
    nsec_t rto;
    uint32_t retransmits;           /* since the connection began, as the next four */
    uint32_t needless;              /* of them: the peer had the data, and said so (DSACK) */
    uint32_t timeouts;
    uint32_t holes;
    nsec_t shut_out;                /* with something to send, but no room in the peer's window */
    bool unacked;
};

/* Of a connection. */
struct tcp_evidence {
    struct tcp_look looks[EVIDENCE_LOOKS];
    uint32_t n_looks;               /* free-running */
};

struct sched_look {
    nsec_t at;
    nsec_t run_delay;               /* that the thread waited for a CPU, since it began */
};

/* Of a thread. */
struct sched_evidence {
    int fd;                         /* /proc/thread-self/schedstat; -1 = not to be had */
    struct sched_look looks[EVIDENCE_LOOKS];
    uint32_t n_looks;
};

#define SCHED_EVIDENCE_INIT {.fd = -1}

/* To be called by the thread itself; without schedstat there is no evidence, which is no error. */
void sched_evidence_init(struct sched_evidence *e);
void sched_evidence_deinit(struct sched_evidence *e);

/* A new connection: its counters begin anew. */
static inline void tcp_evidence_reset(struct tcp_evidence *e)
{
    e->n_looks = 0;
}

/* Looks at a connection; without TCP there is no evidence, which is no error. */
void tcp_evidence_look(struct tcp_evidence *e, int fd, nsec_t now);

/* To be called by the thread itself, as it looks at its own counters. */
void sched_evidence_look(struct sched_evidence *e, nsec_t now);

/**
 * evidence_note() - what the counters say about a message
 * @sent:       when it was sent [ns]
 * @nagle:      whether TCP_NODELAY is off
 *
 * The last look has to be one after its reply, or just before where others came with it; if it was
 * before the message was sent, the counters say nothing.
 */
struct cause_note evidence_note(const struct tcp_evidence *tcp, const struct sched_evidence *sched,
                                nsec_t sent, bool nagle);

/*
 * A running estimate of the 99th percentile: goes up by 99 steps for what is above it and down by
 * one for what is below (Ma, Muthukrishnan, Sandler, "Frugal Streaming for Estimating Quantiles",
 * 2013), so that it needs a comparison and an addition for each message. Steps are large at first,
 * so that the start of a run, which is slow, is soon forgotten; and none leads above what was seen,
 * or a burst of slow messages would lift it out of reach.
 */
struct slow_threshold {
    nsec_t value;
    uint32_t n;                     /* messages, up to those that make steps small */
};

#define SLOW_STEPS_FEWEST 32U       /* steps to the value itself, at first and finally */
#define SLOW_STEPS_MOST 2048U

static inline bool slow_threshold_exceeds(struct slow_threshold *t, nsec_t value)
{
    uint32_t n_steps = MIN(SLOW_STEPS_FEWEST + t->n / 4, SLOW_STEPS_MOST);
    nsec_t step = t->value / n_steps + 1;

    t->n += n_steps < SLOW_STEPS_MOST;
    if (unlikely(t->value == 0))
        t->value = value;           /* the first: as good a guess as any */
    if (value <= t->value) {
        t->value -= t->value > step ? step : 0;
        return false;
    }
    t->value = MIN(t->value + 99 * step, value);
    return true;
}
