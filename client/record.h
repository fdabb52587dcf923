/* SPDX-License-Identifier: MIT */
/*
 * Record: what a measuring thread tells the reporting one, through a ring.
 *
 * The writer only copies a few words; turning them into text is the reader's work. A full ring
 * never makes it wait: the record is dropped, counted, and the count is reported.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/cause.h"
#include "client/where.h"
#include "common/clock.h"
#include "common/proto.h"
#include "common/ring.h"

enum record_kind {
    RECORD_CONNECTED,               /* connected: the first connection stands */
    RECORD_REPLY,                   /* reply */
    RECORD_OVERDUE,                 /* message: no reply in time; it may still come */
    RECORD_MISSING,                 /* message: no reply, and a later one was answered */
    RECORD_LOST,                    /* message: no reply, and its connection ended */
    RECORD_WRONG,                   /* a reply to no message; text = its UUID */
    RECORD_OUTAGE,                  /* a connection is lost; text = why */
    RECORD_RESTORED,                /* outage: it is back */
    RECORD_NOTICE,                  /* anything else worth a line; text */
};

/* As much as a link has to say. */
#define RECORD_TEXT_SIZE 384

struct record {
    uint8_t kind;
    bool has_note;
    uint32_t connection;            /* from 0 */
    nsec_t at;                      /* [ns, monotonic] */
    union {
        struct {
            bool is_native;         /* else text */
            size_t n_addr;          /* to which of the server's addresses */
        } connected;
        struct {
            struct where_sample sample;
            struct cause_note note; /* with has_note only */
        } reply;
        struct {
            uint64_t seq;
            uint8_t uuid[PROTO_UUID_LEN];
            bool omitted;           /* warm-up: in no count */
            bool was_overdue;       /* there was a RECORD_OVERDUE of it */
        } message;
        struct {
            nsec_t length;
            uint64_t n_lost;
            uint64_t n_resent;
            uint64_t n_not_sent;
        } outage;
        char text[RECORD_TEXT_SIZE];
    };
};

/* How much of a record is used, up to and with this member. */
#define RECORD_LEN(member)                                                                         \
    (offsetof(struct record, member) + sizeof(((struct record *)NULL)->member))

static inline nsec_t record_service(const struct record *r)
{
    return r->reply.sample.read - r->reply.sample.send;
}

static inline nsec_t record_response(const struct record *r)
{
    return r->reply.sample.read - r->reply.sample.due;
}
