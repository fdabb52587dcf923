/* SPDX-License-Identifier: MIT */
/*
 * Arrival: reads what has come for a session, and tells when it came as well as that can be known.
 *
 * A stamp of the kernel's is that of the last byte read, and the kernel merges what waits. So where
 * a native client's message may have come a while ago, it is read alone first; and where that does
 * not help, the time is bounded from below by the last moment at which nothing was there.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/stream.h"
#include "daemon/conn_shared.h"
#include "daemon/session.h"

/**
 * arrival_read() - what has come, as far as it fits the shared buffer
 * @session:            whose it is
 * @reads_alone:        the connection's memory of whether that pays; false at first
 * @ret_in:             the input, where the result is > 0
 *
 * Return: > 0, 0 at the end of the stream, or negative errno (-EAGAIN: nothing has come).
 */
ssize_t arrival_read(struct conn_shared *shared, const struct stream *stream,
                     const struct session *session, bool *reads_alone,
                     struct session_input *ret_in);
