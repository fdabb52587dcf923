/* SPDX-License-Identifier: MIT */
/*
 * Ring: bytes from one writer thread to one reader thread, without a lock or a wait on either side.
 *
 * Records of any length lie in one piece, so that the writer fills them in place. Where the rest of
 * the ring up to its end is too short for one, it is skipped. A full ring takes nothing: the writer
 * counts what it dropped, the reader learns the count.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
    /* the writer's */
    _Alignas(64) _Atomic uint64_t head;     /* bytes ever written */
    uint64_t known_tail;                    /* as last seen: spares a shared cache line */
    _Atomic uint64_t n_dropped;             /* records ever dropped */
    /* the reader's */
    _Alignas(64) _Atomic uint64_t tail;     /* bytes ever released */
    /* both read these, nobody writes them */
    _Alignas(64) size_t size;               /* a power of two */
    char *bytes;
};

/* Drops all records. */
#define RING_INIT ((struct ring){.bytes = NULL})

/* A ring of @size bytes, a power of two. Return: 0, or -ENOMEM, leaving it like RING_INIT. */
int ring_init(struct ring *r, size_t size);
void ring_deinit(struct ring *r);

/**
 * ring_claim() - room for a record of at most @len bytes (writer)
 *
 * Return: the room, aligned to 8 bytes, or NULL if the ring is full: the record is then counted as
 * dropped. The reader sees nothing until ring_commit().
 */
void *ring_claim(struct ring *r, size_t len);

/* Hands the claimed record over with its true length, <= the claimed one (writer). */
void ring_commit(struct ring *r, size_t len);

/* The oldest record, or NULL (reader). It stays until ring_release(). */
const void *ring_peek(struct ring *r);
void ring_release(struct ring *r);

/* Records dropped so far (reader). */
static inline uint64_t ring_dropped(struct ring *r)
{
    return atomic_load_explicit(&r->n_dropped, memory_order_relaxed);
}
