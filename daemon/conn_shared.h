/* SPDX-License-Identifier: MIT */
/*
 * Conn shared: what all connections of one worker have together - its loop, clock and limits, one
 * pair of buffers, and the lists from which the next deadline is read.
 *
 * The worker's, and its thread's alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/lookout.h"
#include "common/nic_lag.h"
#include "common/stamp.h"
#include "daemon/admission.h"
#include "daemon/conn_limits.h"
#include "daemon/list.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/ratelimit.h"
#include "daemon/session.h"
#include "daemon/stats.h"

/* One read, and room for the text replies to all that it can hold. */
#define CONN_RX_SIZE 65536
#define CONN_TX_SIZE 163840

/* Each has one timeout, so that in a list for each in order of entry the next one is in front. */
enum conn_phase {
    CONN_OPEN,                      /* between messages; idle_timeout */
    CONN_WAITING,                   /* amid a message, or for the peer to read; message_timeout */
    CONN_PARTING,                   /* the server stops and has said so; no timeout of its own */
    CONN_LINGERING,                 /* half-closed, read until the peer ends it */
    N_CONN_PHASES,
};

struct conn_shared {
    struct loop *loop;
    struct admission *admission;
    struct log *log;
    struct stats_live *stats;
    const struct clock_src *clock;
    struct stamp_bridge bridge;
    struct nic_lag nic_lag;
    struct session_terms terms;
    struct conn_limits limits;
    struct list phases[N_CONN_PHASES];
    uint32_t n_conns;
    uint32_t n_refused;             /* of them: lingering ones that were never clients */
    nsec_t now;                     /* of the present batch [ns, monotonic] */
    nsec_t looked_at;               /* nothing that is read in this batch can have arrived before */
    uint32_t n_ready;               /* how many events this batch has */
    struct lookout lookout;
    nsec_t last_native;             /* the last native message [ns, monotonic] */
    bool away;                      /* this thread was kept from running for most of the time since
                                     * looked_at */
    bool stopping;
    nsec_t stop_at;                 /* when it was told to stop [ns, monotonic] */
    struct ratelimit bad_message_limit;
    struct ratelimit timeout_limit;
    char *rx;                       /* CONN_RX_SIZE */
    struct session_output tx;       /* CONN_TX_SIZE */
    struct session_message *messages;   /* SESSION_MESSAGES; lent to `tx` where they are wanted */
};

/* Allocates what a worker's connections share; @s has its borrowed parts. Return: 0 or -ENOMEM. */
int conn_shared_init(struct conn_shared *s);
void conn_shared_deinit(struct conn_shared *s);
