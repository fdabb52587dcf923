/* SPDX-License-Identifier: MIT */
#include "client/inflight.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 1

void inflight_deinit(struct inflight *f)
{
    free(f->ring);
    *f = (struct inflight)INFLIGHT_INIT;
}

static int grow(struct inflight *f)
{
    size_t capacity = f->capacity > 0 ? 2 * f->capacity : FIRST_CAPACITY;
    size_t n = f->tail - f->head;
    struct request *ring = calloc(capacity, sizeof(*ring));

    if (!ring)
        return -ENOMEM;

    for (size_t i = 0; i < n; i++)
        ring[i] = *inflight_at(f, i);
    free(f->ring);
    *f = (struct inflight){
        .ring = ring, .capacity = capacity, .wait = f->wait - f->head, .tail = n};
    return 0;
}

int inflight_push(struct inflight *f, struct request **ret)
{
    int r;

    if (f->tail - f->head == f->capacity) {
        r = grow(f);
        if (r < 0)
            return r;
    }

    *ret = inflight_at(f, f->tail - f->head);
    **ret = (struct request){0};
    f->tail++;
    return 0;
}

ssize_t inflight_find(const struct inflight *f, const uint8_t uuid[static UUID_SIZE])
{
    size_t n = inflight_n_sent(f);

    for (size_t i = 0; i < n; i++) {
        if (memcmp(inflight_at(f, i)->uuid, uuid, UUID_SIZE) == 0)
            return (ssize_t)i;
    }
    return -ENOENT;
}

void inflight_rewind(struct inflight *f)
{
    size_t n = inflight_n_sent(f);

    for (size_t i = 0; i < n; i++) {
        struct request *q = inflight_at(f, i);

        q->sent = 0;
        q->resent = true;
    }
    f->wait = f->head;
}
