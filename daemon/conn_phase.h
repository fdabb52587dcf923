/* SPDX-License-Identifier: MIT */
/*
 * Conn phase: how long a connection may stay as it is. Each phase has one timeout, and a list of
 * its connections in order of entry, so that the first one's deadline is the next.
 */
#pragma once

#include <stdbool.h>

#include "daemon/conn.h"

/* Puts it at the end of the phase's list; its time there begins now. */
void conn_enter_phase(struct conn *c, enum conn_phase phase);

/* Has an open one been in its place for long enough to be put at the list's end again? */
bool conn_wants_renewal(const struct conn *c);

/* When the first of a phase has been in it for as long as it may [ns, monotonic]. */
nsec_t conn_phase_deadline(const struct conn_shared *shared, enum conn_phase phase);

/* The same of the first of all phases. */
nsec_t conn_next_deadline(const struct conn_shared *shared);

/* Does @act to all in a phase; it may free its connection or move it on, and no other one. */
void conn_for_each(struct conn_shared *shared, enum conn_phase phase, void (*act)(struct conn *c));
