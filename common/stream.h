/* SPDX-License-Identifier: MIT */
/*
 * Stream: the seam between a connection and its socket, and what the kernel told about a read.
 *
 * A connection is driven through these two operations alone, so that a test can script short
 * writes, EAGAIN, a reset or an end of stream at any byte.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/clock.h"

/* What one read brought beside its bytes. */
struct stream_rx {
    nsec_t stamp_real;      /* when the kernel got the last byte read [real time], 0 = not told */
    nsec_t stamp_nic;       /* when the network card did [the card's clock], 0 = not told */
    uint32_t n_queued;      /* bytes that still wait in the kernel, 0 also when not told */
    bool has_queued;        /* it was told */
};

/**
 * struct stream_ops - the contract
 * @send:       takes what fits now; > 0 bytes taken (may be fewer than @len), or negative errno
 * @recv:       > 0 bytes read, 0 = the peer will send no more, or negative errno; fills @ret_rx
 *              where the result is > 0
 * @wait:       as @recv, but waits for something to read if it is a blocking socket, and may be
 *              interrupted: -EINTR; NULL = not to be had
 *
 * The first two do not block: -EAGAIN when nothing can be done now. Nor do they return -EINTR. None
 * raises SIGPIPE. A reset is -ECONNRESET or -EPIPE.
 */
struct stream_ops {
    ssize_t (*send)(void *ctx, const void *buf, size_t len);
    ssize_t (*recv)(void *ctx, void *buf, size_t len, struct stream_rx *ret_rx);
    ssize_t (*wait)(void *ctx, void *buf, size_t len, struct stream_rx *ret_rx);
};

struct stream {
    const struct stream_ops *ops;
    void *ctx;              /* borrowed */
};

/* The operations of a real socket; ctx is a pointer to its descriptor (int *). */
extern const struct stream_ops stream_socket_ops;

static inline ssize_t stream_send(const struct stream *s, const void *buf, size_t len)
{
    return s->ops->send(s->ctx, buf, len);
}

static inline ssize_t stream_recv(const struct stream *s, void *buf, size_t len,
                                  struct stream_rx *ret_rx)
{
    return s->ops->recv(s->ctx, buf, len, ret_rx);
}

static inline ssize_t stream_wait(const struct stream *s, void *buf, size_t len,
                                  struct stream_rx *ret_rx)
{
    return s->ops->wait(s->ctx, buf, len, ret_rx);
}
