/* SPDX-License-Identifier: MIT */
/*
 * Conn: one client's connection - reads, has its session answer, sends, and only then counts and
 * logs. How long it may last stands in conn_phase.h, how it ends in conn_end.h.
 *
 * It holds no buffers: a worker has one pair for all of its connections, and only what a peer does
 * not take at once is kept aside.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/stream.h"
#include "daemon/admission.h"
#include "daemon/arrival.h"
#include "daemon/conn_shared.h"
#include "daemon/list.h"
#include "daemon/loop.h"
#include "daemon/session.h"

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
    struct arrival_memory arrival;
};

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

/* Ends it at once. NULL in, NULL out. */
struct conn *conn_free(struct conn *c);

/* Something has arrived, can be sent, or went wrong (the source's handler). */
void conn_ready(struct source *source, uint32_t events);

/* ---- for conn_end.c ---- */

/* What the peer has not taken yet. */
struct conn_backlog {
    size_t out_at, out_len;         /* unsent replies in `data` */
    struct session_input input;     /* what is to be answered after them; `bytes` in `data` */
    bool finish;                    /* half-close after them */
    char data[];
};

/* As conn_new(), of one that is not a client. */
int conn_add(struct conn_shared *shared, int fd, const struct addr_key *key,
             struct conn **ret_conn);

/* The peer's address. */
struct addr_key conn_key(const struct conn *c);

/* What the loop shall wait for. */
void conn_set_events(struct conn *c, uint32_t events);

/* Empties the shared output. */
void conn_reset_output(struct conn_shared *shared);

/**
 * conn_send() - send the shared output
 * @rest:       input that is still to be answered; NULL = there is none
 *
 * What the peer does not take is kept aside, with the rest of the input.
 *
 * Return: 0 or negative errno, which ends the connection.
 */
int conn_send(struct conn *c, const struct session_input *rest);

/* Ends it: the peer or the network broke it. */
void conn_break(struct conn *c);
