/* SPDX-License-Identifier: MIT */
/*
 * Worst: the K messages with the largest response RTT, whatever the number of messages.
 *
 * A heap with the least of them on top: nearly every message is turned away by one comparison.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/cause.h"
#include "client/where.h"
#include "common/clock.h"

struct worst_message {
    uint64_t seq;
    uint8_t uuid[PROTO_UUID_LEN];
    uint32_t conn;              /* slot of its connection */
    nsec_t send;                /* client's monotonic clock [ns] */
    nsec_t response;            /* read - due [ns] */
    nsec_t service;             /* read - send [ns] */
    struct where_parts parts;
    enum cause cause;
};

struct worst {
    struct worst_message *heap;
    struct worst_message *list;     /* room to put them into order */
    size_t n, max;
};

#define WORST_INIT ((struct worst){0})

/* Room for @max messages, 0 = keep none. Return: 0, -ENOMEM. */
int worst_init(struct worst *w, size_t max);
void worst_deinit(struct worst *w);

/* True if a message with this response RTT may be kept. */
static inline bool worst_wants(const struct worst *w, nsec_t response)
{
    return w->n < w->max || (w->max > 0 && response >= w->heap[0].response);
}

/* Keeps a copy if it belongs to the worst; of equal ones that which was sent earlier. */
void worst_add(struct worst *w, const struct worst_message *message);

/**
 * worst_list() - what was kept, in order
 * @ret_n:      how many
 *
 * Return: them, largest response RTT first, valid until the next call or change; NULL if none.
 */
const struct worst_message *worst_list(struct worst *w, size_t *ret_n);
