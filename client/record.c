/* SPDX-License-Identifier: MIT */
#include "client/record.h"

#include <errno.h>
#include <stdlib.h>

int record_ring_init(struct record_ring *ring, size_t capacity)
{
    *ring = (struct record_ring){.capacity = capacity};
    ring->records = calloc(capacity, sizeof(*ring->records));
    return ring->records ? 0 : -ENOMEM;
}

void record_ring_deinit(struct record_ring *ring)
{
    free(ring->records);
    ring->records = NULL;
}

/*
 * Each side writes its own index and reads the other's. A release on writing and an acquire on
 * reading make what the index covers visible: the records to the reader, the places to the writer.
 */
struct record *record_ring_reserve(struct record_ring *ring)
{
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    size_t head = atomic_load_explicit(&ring->head, memory_order_acquire);

    if (tail - head == ring->capacity) {
        atomic_fetch_add_explicit(&ring->n_dropped, 1, memory_order_relaxed);
        return NULL;
    }
    return &ring->records[tail & (ring->capacity - 1)];
}

void record_ring_commit(struct record_ring *ring)
{
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
}

const struct record *record_ring_peek(struct record_ring *ring)
{
    size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

    if (head == atomic_load_explicit(&ring->tail, memory_order_acquire))
        return NULL;
    return &ring->records[head & (ring->capacity - 1)];
}

void record_ring_pop(struct record_ring *ring)
{
    size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
}
