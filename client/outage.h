/* SPDX-License-Identifier: MIT */
/*
 * Outage: what becomes of a connection that is lost (whether and when it is tried again, for how
 * long the server was away) and of its messages (given up, or sent again).
 *
 * A run with an end takes none: it fails, except while a server restarts that said that it stops.
 * The notes on an outage are in the link; whether the run has failed, what is open and when to look
 * again, in the swarm. @now is the present time throughout [ns, monotonic].
 */
#pragma once

#include <stdbool.h>

#include "client/inflight.h"
#include "client/link.h"
#include "client/record.h"
#include "client/result.h"
#include "client/swarm_state.h"
#include "common/clock.h"

/* Begins to connect, for the first time or once more; a failure is as outage_cannot_connect(). */
void outage_open_link(struct swarm *s, struct link *l, nsec_t now);

/**
 * outage_cannot_connect() - no address of the server could be connected to, as l->reason says
 *
 * The link is tried again later, where the server was there before and the run takes outages; else
 * the run has failed.
 */
void outage_cannot_connect(struct swarm *s, struct link *l, nsec_t now);

/**
 * outage_lose_connection() - a connection is gone or of no use any more, as l->reason says
 * @l:          its link: closed here, and where an outage begins with it opened again at once
 * @error:      what that is for a run that takes no outage
 * @in_peace:   the server closed it, it did not break: what is not answered is sent again on the
 *              next one, instead of being lost
 */
void outage_lose_connection(struct swarm *s, struct link *l, enum run_error error, bool in_peace,
                            nsec_t now);

/* A connection stands. Where the server itself has spoken, an outage has ended with that. */
void outage_connected(struct swarm *s, struct link *l, nsec_t now);

/* The first reply after an outage: it ended when the connection stood. */
void outage_answered(struct swarm *s, struct link *l);

/* Where there are several, l->reason says of which connection from now on. */
void outage_name_connection(const struct swarm *s, struct link *l);

/* Nothing of what was sent on this link will be answered, nothing of what waits can be sent. */
void outage_give_up(struct swarm *s, struct link *l, nsec_t now);

/* The same for one that waited to be sent, and is not in the link's ring any more. */
void outage_give_up_waiting(struct swarm *s, struct link *l, const struct request *q, nsec_t now);

/* The same for one that was sent; @kind as tally_lost() takes it. */
void outage_lose_message(struct swarm *s, struct link *l, const struct request *q,
                         enum record_kind kind, nsec_t now);
