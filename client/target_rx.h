/* SPDX-License-Identifier: MIT */
/*
 * Target rx: what comes in from a target.
 *
 * Bytes are read through its stream; what they mean comes out as events, one by one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/inflight.h"
#include "client/target.h"
#include "common/proto.h"
#include "common/stream.h"

/* What one read brought, as far as it is not consumed. */
struct target_rx {
    const uint8_t *at;
    const uint8_t *end;
    bool is_end;                    /* the server will send no more */
    bool is_full;                   /* there may be more to read */
    struct stream_rx info;          /* about the last byte of it, but for one from
                                     * target_look_behind() */
    const uint8_t *stamp_end;       /* behind the last byte that has that stamp; NULL = that may be
                                     * one that is not read yet */
};

/* Room in front of the buffer for what is carried over. */
#define TARGET_RX_SIZE (TARGET_CARRY_SIZE + 65536)

/* What is still to come of the next reply [bytes], 0 if that is not known. */
size_t target_reply_rest(const struct target *t);

/**
 * target_receive() - read once
 * @buf:        TARGET_RX_SIZE bytes, lent until target_next() returns TARGET_NOTHING
 * @most:       to read [bytes], 0 = all there is room for
 *
 * Return: 0 with @ret_rx (also at the end of the stream), -EAGAIN if there is nothing, or another
 * negative errno if the connection is lost.
 */
int target_receive(struct target *t, uint8_t *buf, size_t most, struct target_rx *ret_rx);

/* The same, but waits for something to read: see stream_ops.wait. Return: -EINTR beside those. */
int target_wait(struct target *t, uint8_t *buf, size_t most, struct target_rx *ret_rx);

/**
 * target_look_behind() - find out whether the stamp of what was read is its own
 * @buf:        as for the read
 * @rx:         the read's, as it came; some bytes wait behind it
 *
 * The kernel merges what waits, and then the stamp is that of a later byte. So one byte more is
 * read: if it has another stamp, the first one is that of what was read before.
 */
void target_look_behind(struct target *t, uint8_t *buf, struct target_rx *rx);

enum target_event_kind {
    TARGET_NOTHING,                 /* all that came is consumed */
    TARGET_GREETED,                 /* the protocol is agreed on: requests can leave */
    TARGET_REPLY,                   /* @request is answered */
    TARGET_MISSING,                 /* @request was passed over: a later one is answered */
    TARGET_WRONG,                   /* a reply that belongs to no request; @text names it */
    TARGET_TRY_TEXT,                /* the server wants no hello: connect again */
    TARGET_REFUSED,                 /* an error line or frame, @text is it; the end */
    TARGET_GOODBYE,                 /* the server goes, @text says why; answers may still come */
    TARGET_ENDED,                   /* the server sends no more; @text says where it stopped */
    TARGET_BROKEN,                  /* @text says what came instead of what was expected; the end */
};

#define TARGET_TEXT_SIZE (PROTO_TEXT_MAX + 1)

/* An error line that has no end yet, as far as it came, for people; false if there is none. To be
 * asked when nothing more is to be expected. */
bool target_error_so_far(const struct target *t, char ret_text[static TARGET_TEXT_SIZE]);

struct target_event {
    enum target_event_kind kind;
    struct request request;         /* TARGET_REPLY, TARGET_MISSING */
    struct proto_reply reply;       /* TARGET_REPLY, native; of text only delta is set */
    bool is_stopping;               /* TARGET_REFUSED, TARGET_GOODBYE: because the server stops */
    bool ends_stamp;                /* it is the last that the read's stamp is of: its own */
    char text[TARGET_TEXT_SIZE];
};

/**
 * target_next() - what the bytes mean, one thing at a time
 * @rx:         from target_receive()
 * @ret:        the event; only the fields of its kind are set
 *
 * To be called until it returns TARGET_NOTHING, TARGET_TRY_TEXT, TARGET_REFUSED, TARGET_ENDED or
 * TARGET_BROKEN: after one of the last four there is nothing to expect from this connection.
 */
enum target_event_kind target_next(struct target *t, struct target_rx *rx,
                                   struct target_event *ret);
