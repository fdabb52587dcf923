/* SPDX-License-Identifier: MIT */
#include "common/ring.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/base.h"

/* In front of every record: how far it is to the next one. */
struct prefix {
    uint32_t stride;                /* [bytes], this prefix included */
    uint32_t is_gap;                /* nothing but the unused end of the ring */
};

static size_t round_up(size_t n)
{
    return (n + sizeof(struct prefix) - 1) & ~(sizeof(struct prefix) - 1);
}

int ring_init(struct ring *r, size_t size)
{
    assert((size & (size - 1)) == 0);
    *r = (struct ring){.bytes = malloc(size)};
    if (!r->bytes)
        return -ENOMEM;

    r->size = size;
    return 0;
}

void ring_deinit(struct ring *r)
{
    free(take_ptr(r->bytes));
}

static struct prefix *prefix_at(struct ring *r, uint64_t position)
{
    return (struct prefix *)(void *)(r->bytes + (position & (r->size - 1)));
}

static bool has_free(struct ring *r, uint64_t head, size_t len)
{
    if (r->size - (head - r->known_tail) >= len)
        return true;

    /* Pairs with the release in ring_release(): what was there has been read to its end. */
    r->known_tail = atomic_load_explicit(&r->tail, memory_order_acquire);
    return r->size - (head - r->known_tail) >= len;
}

void *ring_claim(struct ring *r, size_t len)
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    size_t need = sizeof(struct prefix) + round_up(len);
    size_t to_end = r->size - (head & (r->size - 1));
    size_t gap = to_end < need ? to_end : 0;

    if (!has_free(r, head, gap + need)) {
        atomic_store_explicit(&r->n_dropped, ring_dropped(r) + 1, memory_order_relaxed);
        return NULL;
    }
    if (gap > 0) {
        *prefix_at(r, head) = (struct prefix){.stride = (uint32_t)gap, .is_gap = true};
        head += gap;
        atomic_store_explicit(&r->head, head, memory_order_release);
    }

    return prefix_at(r, head) + 1;
}

void ring_commit(struct ring *r, size_t len)
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    size_t stride = sizeof(struct prefix) + round_up(len);

    *prefix_at(r, head) = (struct prefix){.stride = (uint32_t)stride};
    /* Pairs with the load in ring_peek(): who sees the head sees the record. */
    atomic_store_explicit(&r->head, head + stride, memory_order_release);
}

const void *ring_peek(struct ring *r)
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire);
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

    while (tail != head && prefix_at(r, tail)->is_gap) {
        ring_release(r);
        tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    }

    return tail != head ? prefix_at(r, tail) + 1 : NULL;
}

void ring_release(struct ring *r)
{
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

    atomic_store_explicit(&r->tail, tail + prefix_at(r, tail)->stride, memory_order_release);
}
