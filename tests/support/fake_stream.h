/* SPDX-License-Identifier: MIT */
/*
 * Fake stream: does what a script says - short writes, EAGAIN, an end or a reset at any byte - and
 * keeps what was sent.
 */
#pragma once

#include "common/stream.h"

#define FAKE_STREAM_STEPS_MAX 64
#define FAKE_STREAM_SENT_MAX 262144

/* What one call of recv() gives. */
struct fake_read {
    const void *bytes;              /* borrowed; what the reader has no room for comes next */
    size_t len;
    int error;                      /* negative errno in their place, or 0; neither = the end */
    struct stream_rx info;          /* told with the bytes */
};

struct fake_stream {
    struct fake_read reads[FAKE_STREAM_STEPS_MAX];
    size_t n_reads;
    size_t next_read;               /* behind the last: -EAGAIN for ever */
    size_t n_recvs;                 /* calls of recv() */

    ssize_t sends[FAKE_STREAM_STEPS_MAX];   /* most bytes that a send() takes, or negative errno */
    size_t n_sends;
    size_t next_send;               /* behind the last: all is taken */
    size_t n_calls;                 /* of send() */

    uint8_t sent[FAKE_STREAM_SENT_MAX];
    size_t n_sent;
};

/* A stream on @fake, which it borrows; the script may grow while it runs. */
struct stream fake_stream_start(struct fake_stream *fake);

void fake_stream_will_read(struct fake_stream *fake, const void *bytes, size_t len);
void fake_stream_will_read_text(struct fake_stream *fake, const char *text);
void fake_stream_will_end(struct fake_stream *fake);
void fake_stream_will_fail(struct fake_stream *fake, int error);

/* The next send() takes @n bytes at most, or fails with that negative errno. */
void fake_stream_will_take(struct fake_stream *fake, ssize_t n);

/* Forgets what was sent. */
void fake_stream_clear_sent(struct fake_stream *fake);
