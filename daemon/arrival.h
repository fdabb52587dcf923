/* SPDX-License-Identifier: MIT */
/*
 * Arrival: reads what has come for a session, and tells when it came as well as that can be known.
 *
 * A stamp of the kernel's is that of the last byte read, and the kernel merges what waits. So where
 * a native client's message may have come a while ago, it is read alone first; and where that does
 * not help, the time is bounded from below by the last moment at which nothing was there.
 *
 * What a read leaves behind was there at that read, and its stamp may have been that of what it
 * left: the kernel merges across the end of a read. So the bound is kept from read to read until
 * all is read, and moves on only with stamps that differ from the one before.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/stream.h"
#include "daemon/conn_shared.h"
#include "daemon/session.h"

/* What a connection remembers from one read to the next; zeroed at first. */
struct arrival_memory {
    nsec_t earliest;            /* with left_some: what is left came no earlier [ns, monotonic] */
    nsec_t away_until;          /* with left_some: from then on to this the process did not run */
    bool left_some;             /* something may wait since before the last look */
    bool has_stamp;             /* the kernel stamped what was read last ... */
    bool reads_alone;           /* ... and it was little */
};

/* The connection was not read for a while, although something may have come. */
static inline void arrival_pass_over(struct arrival_memory *m, const struct session *s)
{
    if (m->left_some)
        return;
    m->earliest = session_last_arrival(s);
    m->away_until = 0;
    m->left_some = true;
}

/* From now on each read of this socket tells what it leaves, which every read pays for: of use where
 * windows can be told, in the native protocol. */
void arrival_watch_queue(int fd);

/**
 * arrival_read() - what has come, as far as it fits the shared buffer
 * @session:            whose it is
 * @memory:             the connection's
 * @ret_in:             the input, where the result is > 0
 *
 * Return: > 0, 0 at the end of the stream, or negative errno (-EAGAIN: nothing has come).
 */
ssize_t arrival_read(struct conn_shared *shared, const struct stream *stream,
                     const struct session *session, struct arrival_memory *memory,
                     struct session_input *ret_in);
