/* SPDX-License-Identifier: MIT */
/*
 * Conn: one client's connection - reads, has its session answer, sends, and knows when to end.
 *
 * It holds no buffers: a worker has one pair for all of its connections, and only what a peer does
 * not take at once is kept aside. A connection that is told to go is half-closed and read to its
 * end, for closing with unread bytes would reset it and could destroy the last words on their way.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/lookout.h"
#include "common/stamp.h"
#include "common/stream.h"
#include "daemon/admission.h"
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

/* What may change while connections live. */
struct conn_limits {
    nsec_t idle_timeout;            /* 0 = off */
    nsec_t message_timeout;         /* 0 = off */
    nsec_t slow_threshold;          /* 0 = off */
    bool log_messages;
    uint32_t max_clients;
    uint32_t max_clients_per_source;        /* 0 = no limit */
};

/* What all connections of one worker share; the worker's, and its thread's alone. */
struct conn_shared {
    struct loop *loop;
    struct admission *admission;
    struct log *log;
    struct stats_live *stats;
    const struct clock_src *clock;
    struct stamp_bridge bridge;
    struct session_terms terms;
    struct conn_limits limits;
    struct list phases[N_CONN_PHASES];
    uint32_t n_conns;
    uint32_t n_refused;             /* of them: lingering ones that were never clients */
    nsec_t now;                     /* of the present batch [ns, monotonic] */
    nsec_t looked_at;               /* nothing that is read in this batch can have arrived before */
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

struct conn {
    struct source source;
    struct stream stream;
    struct conn_shared *shared;     /* borrowed */
    struct list link;               /* in shared->phases[phase] */
    nsec_t since;                   /* when it joined that list [ns, monotonic] */
    struct origin *origin;          /* NULL = refused, not one of the clients */
    struct conn_backlog *backlog;   /* what the peer has not taken yet */
    struct session session;
    uint32_t n_discarded;           /* lingering: bytes so far */
    uint32_t events;                /* what the loop waits for */
    uint16_t port;                  /* the peer's */
    uint8_t phase;
    bool reads_alone;               /* the kernel stamped what was read last, and it was little */
};

/* Allocates what a worker's connections share; @s has its borrowed parts. Return: 0 or -ENOMEM. */
int conn_shared_init(struct conn_shared *s);
void conn_shared_deinit(struct conn_shared *s);

/**
 * conn_new() - a client that was admitted
 * @shared:     its worker's; borrowed
 * @fd:         its non-blocking socket; taken over on success
 * @key:        the peer's address
 * @origin:     from admission_enter(); taken over on success
 * @ret_conn:   NULL = not wanted: the worker's lists own it
 *
 * Return: 0 or negative errno.
 */
int conn_new(struct conn_shared *shared, int fd, const struct addr_key *key, struct origin *origin,
             struct conn **ret_conn);

/**
 * conn_refuse() - tell a client that it cannot be served, and why
 * @fd:         its non-blocking socket; taken over always
 * @text:       what the error line says
 */
void conn_refuse(struct conn_shared *shared, int fd, const struct addr_key *key, const char *text);

/* As conn_refuse(), but in one go, for when there is neither memory nor a descriptor to spare. */
void conn_turn_away(struct conn_shared *shared, int fd, const char *text);

/* Ends it at once. NULL in, NULL out. */
struct conn *conn_free(struct conn *c);

/* Something has arrived, can be sent, or went wrong (the source's handler). */
void conn_ready(struct source *source, uint32_t events);

/* When the next connection has been in its phase for as long as it may [ns, monotonic]. */
nsec_t conn_next_deadline(const struct conn_shared *shared);

/* Ends the wait of all whose time is over; O(those), as the list of each phase is in order. */
void conn_expire(struct conn_shared *shared);

/* Does @act to all in a phase; it may free its connection or move it on, and no other one. */
void conn_for_each(struct conn_shared *shared, enum conn_phase phase, void (*act)(struct conn *c));

/* The server stops: native clients are told, text clients are served until they are quiet. */
void conn_stop_all(struct conn_shared *shared);

/* Half-closes it: what was said before is still sent, what comes from now on is discarded. */
void conn_finish(struct conn *c);
