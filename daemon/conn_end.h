/* SPDX-License-Identifier: MIT */
/*
 * Conn end: how a connection is told to go and why - a refusal, a timeout, the server's stop - and
 * how it goes.
 *
 * It is half-closed and read to its end, for closing with unread bytes would reset it and could
 * destroy the last words on their way.
 */
#pragma once

#include "daemon/conn.h"

/**
 * conn_refuse() - tell a client that it cannot be served, and why
 * @fd:         its non-blocking socket; taken over always
 * @text:       what the error line says
 */
void conn_refuse(struct conn_shared *shared, int fd, const struct addr_key *key, const char *text);

/* As conn_refuse(), but in one go, for when there is neither memory nor a descriptor to spare. */
void conn_turn_away(struct conn_shared *shared, int fd, const char *text);

/* Half-closes it: what was said before is still sent, what comes from now on is discarded. */
void conn_finish(struct conn *c);

/* As conn_finish(), of one that has no backlog. */
void conn_linger(struct conn *c);

/* Reads and forgets what comes for one that lingers, up to its end. */
void conn_discard(struct conn *c);

/* Ends the wait of all whose time is over; O(those), as the list of each phase is in order. */
void conn_expire(struct conn_shared *shared);

/* The server stops: native clients are told, text clients are served until they are quiet. */
void conn_stop_all(struct conn_shared *shared);

/* The same for one: tells a native client, as soon as that is not amid a reply. */
void conn_stop(struct conn *c);
