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
#include "common/stream.h"
#include "daemon/admission.h"
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
    bool reads_alone;               /* the kernel stamped what was read last, and it was little */
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
