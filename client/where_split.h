/* SPDX-License-Identifier: MIT */
/*
 * Where split: takes one message's time apart, once the clocks are fitted.
 *
 * A stamp of its own tells when a message came in. One that the kernel merged with later ones only
 * says until when it must have been there. Three things narrow that down: the message cannot have
 * come sooner than the shortest way takes, nor before the one ahead of it in the stream; and while
 * an older message of the connection lay unanswered, the reader was away and an earlier arrival
 * would not have been read any sooner, so that this time is the reader's, wherever the message was.
 * What is left is not told apart, and never blamed on the path. The same holds for replies that our
 * own kernel merged.
 */
#pragma once

#include <stdint.h>

#include "client/where.h"
#include "client/where_fit.h"

/* What earlier messages of a connection prove about the next; times counted from the origin. */
struct where_trail {
    int64_t arrived;                    /* the next came in no sooner, server's clock */
    int64_t busy_from, busy_to;         /* the server had something to answer, server's clock */
    int64_t stalled_from, stalled_to;   /* ... or did not run */
    int64_t received;                   /* the next reply came in no sooner, client's clock */
    int64_t unread_from, unread_to;     /* we had something to read, client's clock */
    int64_t last_arrival, last_out;     /* of the message before: stamp, and stamp - send */
    int64_t last_rx, last_back;         /* its reply: stamp, and stamp - departure */
    int64_t last_service;               /* 0 = there is none before */
};

#define WHERE_TRAIL_INIT                                                                           \
    ((struct where_trail){.arrived = INT64_MIN, .busy_to = INT64_MIN, .stalled_to = INT64_MIN,     \
                          .received = INT64_MIN, .unread_to = INT64_MIN})

/**
 * where_split() - where a message's time went
 * @trail:      its connection's; gets the message
 * @fitting:    the stretch that it is in
 * @ret_parts:  add up to read - due
 */
void where_split(struct where_trail *trail, const struct where_fitting *fitting,
                 const struct where_origin *origin, const struct where_sample *s,
                 struct where_parts *ret_parts);
