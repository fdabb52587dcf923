/* SPDX-License-Identifier: MIT */
/*
 * Proto: the native protocol's frames; PROTOCOL.md has the bytes.
 *
 * A connection begins with two lines of words (proto_lines.h). What follows are frames: a header of
 * eight bytes, fixed fields, then a tail (padding or text) that a receiver may skip as it streams
 * in. So nobody has to hold more of a frame than its head, whose length is known beforehand.
 *
 * Pure: no clock is read, nothing is allocated, nothing is sent.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/clock.h"

/* TCP port of the service. */
#define PROTO_PORT 47945

/* The versions that this code speaks. */
#define PROTO_VERSION_MIN 1
#define PROTO_VERSION_MAX 1

/* The most padding a message of version 1 may have [bytes]; also a server's default limits. */
#define PROTO_PADDING_MAX 65536

#define PROTO_UUID_LEN 16

/* Lengths of frame heads: header and fixed fields. */
#define PROTO_HEADER_LEN 8
#define PROTO_REQUEST_LEN 36
#define PROTO_REPLY_LEN 72

/* A goodbye or an error with the longest text that we send. */
#define PROTO_TEXT_MAX 255
#define PROTO_NOTICE_MAX (PROTO_HEADER_LEN + PROTO_TEXT_MAX)

/* No frame of version 1 states a length (all but the header) above this. */
#define PROTO_LENGTH_MAX (PROTO_REPLY_LEN - PROTO_HEADER_LEN + PROTO_PADDING_MAX)

enum proto_type {
    PROTO_REQUEST = 0x01,       /* client to server */
    PROTO_REPLY = 0x02,         /* server to client */
    PROTO_KEEPALIVE = 0x03,     /* either way; asks for a PROTO_KEEPALIVE_ACK */
    PROTO_KEEPALIVE_ACK = 0x04,
    PROTO_GOODBYE = 0x05,       /* either way; code = enum proto_reason, tail = UTF-8 text */
    PROTO_ERROR = 0x06,         /* either way; code = enum proto_fault, tail = UTF-8 text */
};

/* Who does not know a type skips the frame where this bit is set; else it is a fault. */
#define PROTO_TYPE_MAY_IGNORE 0x80

/* Who does not know a flag ignores it where it is one of these; else it is a fault. */
#define PROTO_FLAGS_MAY_IGNORE 0xf0

/* Flags of a reply. */
enum {
    /* The arrival is the kernel's receive stamp. Without it, the time at which the server's read
     * returned, which is later by however long the server took to wake up. */
    PROTO_REPLY_KERNEL_STAMP = 0x10,
    /* The arrival is that of a later byte than the request's last one: the request came in some
     * time in [arrival - window, arrival]. */
    PROTO_REPLY_SHARED_STAMP = 0x20,
    /* Beside a shared stamp: for most of the window the server did not run. It was stopped, or its
     * CPU was taken away, and would have taken this request no earlier whenever it came. */
    PROTO_REPLY_SERVER_AWAY = 0x40,
    /* Beside the kernel's: the wait between the network card and the kernel is taken off, by a
     * stamp of the card's. */
    PROTO_REPLY_NIC_STAMP = 0x80,
};

/* Why a side says goodbye. One that is not known here means "going away" all the same. */
enum proto_reason {
    PROTO_REASON_DONE = 1,              /* nothing more to ask, or everything is answered */
    PROTO_REASON_STOPPING = 2,          /* the server stops; it goes on answering for a while */
    PROTO_REASON_IDLE_TIMEOUT = 3,      /* nothing came for longer than the idle timeout */
    PROTO_REASON_MESSAGE_TIMEOUT = 4,   /* a frame was begun and not ended within its timeout */
};

/*
 * What is wrong with the bytes that came. Those up to PROTO_FAULT_VERSION are about the lines at
 * the start, where a server says the text in an "ERROR: " line; the others go in an error frame.
 */
enum proto_fault {
    PROTO_FAULT_NONE = 0,
    PROTO_FAULT_LINE = 1,               /* not a hello (or welcome) at all */
    PROTO_FAULT_LINE_LENGTH = 2,        /* no ';' within the longest line */
    PROTO_FAULT_WORD = 3,               /* a known word is malformed, or one is missing */
    PROTO_FAULT_VERSION = 4,            /* no version that both sides speak */
    PROTO_FAULT_TYPE = 5,               /* unknown type that may not be ignored */
    PROTO_FAULT_DIRECTION = 6,          /* a type that only the other side may send */
    PROTO_FAULT_FLAG = 7,               /* unknown flag that may not be ignored */
    PROTO_FAULT_SHORT = 8,              /* length below the type's fixed fields */
    PROTO_FAULT_LONG = 9,               /* length above the limit */
    PROTO_FAULT_REPLY_PADDING = 10,     /* a request wants more reply padding than the limit */
};

/* "expected" and what, in words, for an error line, an error frame or a log; never NULL. */
const char *proto_fault_text(unsigned fault);

/* The reason in words, "going away" for one that is not known; never NULL. */
const char *proto_reason_text(unsigned reason);

/* What a function that eats a stream returns while all is well but not all is there. */
enum {
    PROTO_NEED_MORE = 0,
};

enum proto_role {
    PROTO_SERVER,
    PROTO_CLIENT,
};

/* Who receives, and what it allows: neither limit above PROTO_PADDING_MAX. */
struct proto_limits {
    enum proto_role role;
    uint32_t max_request_padding;   /* [bytes]; a server's */
    uint32_t max_reply_padding;     /* [bytes]; both: what may be asked for, what may come */
};

struct proto_frame {
    uint8_t type;           /* enum proto_type, or one that may be ignored */
    uint8_t flags;
    uint16_t code;          /* enum proto_reason of a goodbye, enum proto_fault of an error */
    uint32_t head_len;      /* header and fixed fields: to be had in one piece [bytes] */
    uint32_t tail_len;      /* what follows: padding, text, fields that we do not know [bytes] */
};

/**
 * proto_frame_peek() - look at the frame that begins at @buf and check it
 * @limits:     the receiver's
 * @buf:        what has arrived and is not yet consumed
 * @len:        its length
 * @ret_frame:  the frame, where the result is > 0
 * @ret_fault:  what is wrong, on -EPROTO only
 *
 * A frame that this function lets pass needs no other check: its decoder cannot fail. The caller
 * consumes the head, then takes or discards ret_frame->tail_len bytes as they come, before it looks
 * for the next frame. A type that is not in enum proto_type is one to ignore: discard it so.
 *
 * Return: the head's length (> 0, at most PROTO_REQUEST_LEN for a server and PROTO_REPLY_LEN for a
 * client), PROTO_NEED_MORE if @buf has less than the head, or -EPROTO.
 */
ssize_t proto_frame_peek(const struct proto_limits *limits, const uint8_t *buf, size_t len,
                         struct proto_frame *ret_frame, enum proto_fault *ret_fault);

struct proto_request {
    uint64_t seq;                   /* the client's own; the server gives it back */
    uint8_t uuid[PROTO_UUID_LEN];   /* in the order of its text form */
    uint32_t padding;               /* what follows the head [bytes] */
    uint32_t reply_padding;         /* what shall follow the reply's head [bytes] */
};

struct proto_reply {
    uint64_t seq;
    uint8_t uuid[PROTO_UUID_LEN];
    uint8_t flags;                  /* PROTO_REPLY_KERNEL_STAMP ... */
    uint32_t padding;               /* what follows the head [bytes] */
    nsec_t delta;                   /* arrival minus the arrival of the previous request, or minus
                                     * the connection's beginning */
    nsec_t arrival;                 /* of the request, server's monotonic clock */
    nsec_t arrival_real;            /* the same moment, server's real-time clock */
    nsec_t residence;               /* from arrival to just before the reply was sent */
    nsec_t window;                  /* how long before @arrival the request may have come in, 0 =
                                     * it did not */
};

/* Writes a request's head; its padding, any bytes, is the caller's to send. */
void proto_request_encode(uint8_t ret_head[static PROTO_REQUEST_LEN],
                          const struct proto_request *request);

/* Reads a head that proto_frame_peek() let pass. */
void proto_request_decode(const uint8_t head[static PROTO_REQUEST_LEN],
                          struct proto_request *ret_request);

/* As above. The padding can come from anywhere: a page of zeros serves all connections. */
void proto_reply_encode(uint8_t ret_head[static PROTO_REPLY_LEN], const struct proto_reply *reply);
void proto_reply_decode(const uint8_t head[static PROTO_REPLY_LEN], struct proto_reply *ret_reply);

/**
 * proto_reply_set_departure() - say in an encoded reply when it leaves
 * @head:       as proto_reply_encode() wrote it
 * @departure:  just before the send, server's monotonic clock [ns]
 *
 * Makes the residence from it and the head's own arrival (0 where that is later), so that a batch
 * is encoded first and stamped with one reading of the clock at the end.
 */
void proto_reply_set_departure(uint8_t head[static PROTO_REPLY_LEN], nsec_t departure);

/* Writes a PROTO_KEEPALIVE or PROTO_KEEPALIVE_ACK. */
void proto_keepalive_encode(uint8_t ret_frame[static PROTO_HEADER_LEN], enum proto_type type);

/**
 * proto_notice_encode() - write a goodbye or an error, whole
 * @type:       PROTO_GOODBYE or PROTO_ERROR
 * @code:       enum proto_reason or enum proto_fault
 * @text:       for people, UTF-8; cut at a character's end to PROTO_TEXT_MAX bytes; may be empty
 *
 * Return: its length.
 */
size_t proto_notice_encode(uint8_t ret_frame[static PROTO_NOTICE_MAX], enum proto_type type,
                           uint16_t code, const char *text);

/**
 * proto_notice_text() - the text of a goodbye or an error, made fit to be printed
 * @tail:       the frame's tail, or its first PROTO_TEXT_MAX bytes
 * @len:        its length; what is beyond PROTO_TEXT_MAX is left out
 * @ret_text:   the text and its NUL, valid UTF-8 without control characters: each byte that is not
 *              part of that becomes a '?'
 */
void proto_notice_text(const uint8_t *tail, size_t len, char ret_text[static PROTO_TEXT_MAX + 1]);
