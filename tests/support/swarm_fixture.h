/* SPDX-License-Identifier: MIT */
/*
 * Swarm fixture: a swarm against a server that the test plays itself.
 *
 * The server's socket is in the abstract name space: there connecting, sending and closing take
 * effect at once, so that nothing has to be waited for. Time is what the fake clock says.
 */
#pragma once

#include "client/swarm.h"
#include "tests/support/fake_clock.h"

#define SWARM_FIXTURE_START ((nsec_t)1000000000)
#define SWARM_FIXTURE_TIMEOUT NSEC_PER_SEC

struct swarm_fixture {
    struct fake_clock clock;
    struct clock_src clock_src;
    struct options options;
    struct addr addr;
    struct link_config link;
    struct tally tally;
    const struct result *result;    /* the tally's */
    struct swarm swarm;
    atomic_bool is_known;
    int listen_fd;
    int peer_fd;                    /* the server's end of the newest connection */
    int epoll_fd;
    int report_fd;
};

/* What cmocka calls before a case: in text, a run with or without an end, and the same with a new
 * connection for each message, the last with two connections; ... */
int swarm_fixture_finite(void **state);
int swarm_fixture_endless(void **state);
int swarm_fixture_connect(void **state);
int swarm_fixture_connect_endless(void **state);
/* ... without an end in other protocols, the last with messages as large as they may be. */
int swarm_fixture_auto(void **state);
int swarm_fixture_native(void **state);
int swarm_fixture_large(void **state);
/* And afterwards. */
int swarm_fixture_end(void **state);

/* ---- The server; what it does to a connection it does to the newest ---- */

void server_listen(struct swarm_fixture *f);
/* Closes the connection before. */
void server_accept(struct swarm_fixture *f);
void server_read_uuid(struct swarm_fixture *f, char ret_uuid[static TEXT_UUID_LEN + 1]);
void server_say(struct swarm_fixture *f, const char *text);
/* The text reply. */
void server_answer(struct swarm_fixture *f, const char *uuid);
/* Accepts, and fails unless a hello came. */
void server_read_hello(struct swarm_fixture *f);
/* Goes on as one that takes all that our options ask for; the first link is up then. */
void server_welcome(struct swarm_fixture *f, uint32_t idle_timeout_ms);

/* ---- The client ---- */

/* All that has happened by now, and what follows from it. */
void swarm_fixture_turn(struct swarm_fixture *f);

/* Time has passed. Return: as swarm_sweep(). */
bool swarm_fixture_sweep(struct swarm_fixture *f);

/* Opens all links, in text; the server has accepted one. */
void swarm_fixture_open(struct swarm_fixture *f);

/* The same of one link, in the native protocol. */
void swarm_fixture_open_native(struct swarm_fixture *f, uint32_t idle_timeout_ms);

/* A message is due now on the first link. */
void swarm_fixture_push(struct swarm_fixture *f);

/* The first record of that kind in the tally's ring, valid until the next call, or NULL; it and
 * those before it are gone. */
const char *swarm_fixture_next_text(struct swarm_fixture *f, enum record_kind kind);
