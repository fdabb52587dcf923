/* SPDX-License-Identifier: MIT */
/*
 * Conn fixture: what a worker gives its connections, on a clock that stands still, and connections
 * whose streams are scripted.
 *
 * The source's descriptor is one end of a socket pair, so that the loop, and a half-close that the
 * test sees at the other end, are real.
 */
#pragma once

#include "daemon/admission.h"
#include "daemon/conn.h"
#include "daemon/loop.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_stream.h"

#define CONN_FIXTURE_START (1000 * NSEC_PER_SEC)

struct conn_fixture {
    struct fake_clock clock;
    struct clock_src clock_src;
    struct loop loop;
    struct admission admission;
    struct log_shared log_shared;
    struct log log;
    struct stats_live stats;
    struct conn_shared shared;
    struct fake_stream fake;        /* of the one connection */
    struct conn *conn;              /* NULL = not made */
    int peer_fd;                    /* the other end of its socket pair */
};

/* Allocates and asserts; limits are the daemon's defaults, all events are logged. */
struct conn_fixture *conn_fixture_new(void);
/* Ends all connections. */
void conn_fixture_free(struct conn_fixture *f);

/* For cmocka: *state is a fixture with its connection, and its end. */
int conn_fixture_set_up(void **state);
int conn_fixture_tear_down(void **state);

/* Makes f->conn, a client whose stream is f->fake. */
void conn_fixture_accept(struct conn_fixture *f);

/* Time goes on by @by; a new batch begins. */
void conn_fixture_advance(struct conn_fixture *f, nsec_t by);

/* The loop reports @events on f->conn. */
void conn_fixture_ready(struct conn_fixture *f, uint32_t events);

/* The peer's bytes come, in one read. */
void conn_fixture_feed(struct conn_fixture *f, const char *text);

/* Has the connection ended? Its fixture forgets it then. */
bool conn_fixture_is_gone(struct conn_fixture *f);

/* Does the peer see the end of the stream? */
bool conn_fixture_peer_sees_end(struct conn_fixture *f);

/* What was sent since the last call, with its NUL; valid until the next one. */
const char *conn_fixture_take_sent(struct conn_fixture *f);

/* Takes the next record out of the log: its event, or N_LOG_EVENTS. */
enum log_event conn_fixture_take_event(struct conn_fixture *f);
