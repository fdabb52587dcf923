/* SPDX-License-Identifier: MIT */
/*
 * Record: what a measuring thread tells the reporting one, through a ring with one writer and one
 * reader.
 *
 * The writer only copies a few words; turning them into text is the reader's work. A full ring never
 * makes it wait: the record is dropped, counted, and the count is reported.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/inflight.h"
#include "common/clock.h"

enum record_kind {
    RECORD_CONNECTED,               /* the first connection stands; text = its protocol */
    RECORD_REPLY,
    RECORD_OVERDUE,                 /* no reply in time; it may still come */
    RECORD_MISSING,                 /* no reply: a later message was answered */
    RECORD_LOST,                    /* no reply: its connection ended */
    RECORD_WRONG,                   /* a reply to no message; text = its UUID */
    RECORD_OUTAGE,                  /* a connection is lost; text = why */
    RECORD_RESTORED,                /* it is back */
    RECORD_NOTICE,                  /* anything else worth a line; text */
};

#define RECORD_TEXT_SIZE 256

struct record {
    uint8_t kind;
    bool is_late;
    bool is_omitted;
    bool is_resent;
    bool has_delta;                 /* the server told the delta */
    uint32_t connection;            /* from 0 */
    nsec_t at;                      /* [ns, monotonic] */
    uint64_t seq;
    uint8_t uuid[UUID_SIZE];
    union {
        struct {                    /* RECORD_REPLY */
            nsec_t service;
            nsec_t response;
            nsec_t delta;
        } reply;
        struct {                    /* RECORD_RESTORED */
            nsec_t length;
            uint64_t n_lost;
            uint64_t n_resent;
            uint64_t n_not_sent;
        } outage;
        char text[RECORD_TEXT_SIZE];
    };
};

struct record_ring {
    struct record *records;
    size_t capacity;                /* power of two */
    _Alignas(64) atomic_size_t head;        /* next to read; the reader's */
    _Alignas(64) atomic_size_t tail;        /* next to write; the writer's */
    atomic_uint_fast64_t n_dropped;
};

/* Return: 0 or -ENOMEM. @capacity is a power of two. */
int record_ring_init(struct record_ring *ring, size_t capacity);
void record_ring_deinit(struct record_ring *ring);

/* The place for the next record, for the writer to fill; NULL if the ring is full, which counts. */
struct record *record_ring_reserve(struct record_ring *ring);
/* The record in that place is complete. */
void record_ring_commit(struct record_ring *ring);

/* The oldest record, for the reader; NULL if there is none. */
const struct record *record_ring_peek(struct record_ring *ring);
/* The reader is done with it. */
void record_ring_pop(struct record_ring *ring);

static inline uint64_t record_ring_n_dropped(struct record_ring *ring)
{
    return atomic_load_explicit(&ring->n_dropped, memory_order_relaxed);
}
