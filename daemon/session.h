/* SPDX-License-Identifier: MIT */
/*
 * Session: the server's side of both protocols as a pure machine - bytes and their arrival in,
 * reply bytes and events out.
 *
 * Deltas are differences of one truncated time since the session's start, so that they telescope:
 * their sum is the elapsed time to within one unit, however many there are.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/proto.h"
#include "common/proto_lines.h"
#include "common/text.h"

struct session {
    nsec_t start;                   /* the earlier of accept and first arrival [ns, monotonic] */
    nsec_t last;                    /* arrival of the previous message [ns since start] */
    uint32_t n_request;             /* native: length of the last request [bytes] */
    uint32_t n_discard;             /* native: bytes of the present frame's tail still to skip */
    uint32_t n_padding;             /* native: bytes of the present reply's padding to write yet */
    struct proto_hello hello;       /* native: what the client said */
    uint8_t speech;                 /* enum session_speech */
    uint8_t line_end;               /* text: what a line end would mean now */
    uint8_t n_held;                 /* bytes in `held` */
    bool parted;                    /* we have said goodbye */
    bool lines;                     /* text: replies end in LF, as this peer's messages do */
    union {                         /* the beginning of a message that has not ended */
        char held[TEXT_UUID_LEN];
        struct proto_line line;
    };
};

_Static_assert(PROTO_REQUEST_LEN <= TEXT_UUID_LEN, "a frame's head has to fit where a UUID does");

enum session_speech {
    SESSION_UNDECIDED,              /* nothing has arrived */
    SESSION_TEXT,
    SESSION_HELLO,                  /* a native hello has begun */
    SESSION_NATIVE,
};

/* What the server offers to every native client. */
struct session_terms {
    struct proto_welcome welcome;
    struct proto_limits limits;
};

/* Input, as it was read in one go. */
struct session_input {
    const char *bytes;
    size_t len;
    /* Where the first message was read alone and has a stamp of its own: */
    size_t n_behind;                /* bytes at the end that came behind it; 0 = it has none */
    nsec_t first_arrival;           /* of the message [ns, monotonic] */
    nsec_t first_arrival_real;      /* the same moment [ns, real time] */
    bool first_nic_stamp;           /* as nic_stamp */
    /* Of all others: */
    nsec_t arrival;                 /* of the last byte [ns, monotonic] */
    nsec_t arrival_real;            /* the same moment [ns, real time] */
    nsec_t window;                  /* how long before it any byte can have arrived [ns] */
    bool kernel_stamp;              /* the arrival is the kernel's, not the time of the reading */
    bool nic_stamp;                 /* ... less the wait that the network card's stamp told */
    bool more;                      /* the kernel holds more: the stamp may be of a later byte */
    bool away;                      /* this process did not run for most of the window */
};

/* A message that was answered. */
struct session_message {
    char uuid[TEXT_UUID_LEN];
    nsec_t delta;                   /* [ns], as told to the peer */
};

/* One output holds no more messages than this: the caller's arrays are as large. */
#define SESSION_MESSAGES 2048

/* Room that a reply's head and an error behind it need at most: with less, nothing is consumed. */
#define SESSION_OUTPUT_MIN 1024

#define SESSION_FAULT_SIZE 128

struct session_output {
    char *buf;                      /* replies; the caller's */
    size_t size;
    size_t len;                     /* so far */
    size_t n_messages;              /* answered, so far */
    size_t n_heads;                 /* native replies in `buf`, so far ... */
    uint32_t *heads;                /* ... and where they begin */
    struct session_message *messages;       /* each message; NULL = not wanted */
    const char *fault;              /* as the peer was told, at SESSION_FAULT */
    char fault_text[SESSION_FAULT_SIZE];    /* where it is not one of the fixed ones */
};

enum session_result {
    SESSION_OK,                     /* all input is consumed */
    SESSION_FULL,                   /* the output is full: send it, then feed the rest */
    SESSION_FAULT,                  /* the peer broke the protocol and was told; feed no more */
    SESSION_DONE,                   /* the peer said goodbye and was answered; feed no more */
};

/* A session that began at @accepted [ns, monotonic]. */
void session_init(struct session *s, nsec_t accepted);

/**
 * session_rest() - how much of the present message is still to come
 *
 * Return: the bytes up to its end, or up to where the next message probably ends; > 0.
 */
size_t session_rest(const struct session *s);

/**
 * session_feed() - answer what has arrived
 * @s:          session
 * @terms:      the server's
 * @in:         input; what is consumed is taken off its front
 * @out:        output; replies are appended to it
 *
 * Messages are answered in order. At the first byte that cannot belong, an error follows the
 * replies to the messages before it.
 */
enum session_result session_feed(struct session *s, const struct session_terms *terms,
                                 struct session_input *in, struct session_output *out);

/* Stamps the native replies in @out: they leave at @departure [ns, monotonic]. */
void session_depart(const struct session_output *out, nsec_t departure);

/**
 * session_part() - tell the peer that the connection ends, and why
 * @reason:     for a native peer
 * @text:       for a peer that speaks text, or nothing yet: an error line; NULL = nothing
 * @out:        has room for SESSION_OUTPUT_MIN bytes
 *
 * A native peer is told even in the midst of its message, but not in the midst of a reply of ours.
 */
void session_part(struct session *s, enum proto_reason reason, const char *text,
                  struct session_output *out);

/* The arrival of the previous message, or the beginning [ns, monotonic]. */
static inline nsec_t session_last_arrival(const struct session *s)
{
    return s->start + s->last;
}

/* Has a message begun that has not ended? */
static inline bool session_is_amid_message(const struct session *s)
{
    return s->n_held > 0 || s->n_discard > 0 || s->speech == SESSION_HELLO;
}
