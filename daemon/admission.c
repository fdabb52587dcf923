/* SPDX-License-Identifier: MIT */
#include "daemon/admission.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

void admission_init(struct admission *a, uint64_t seed)
{
    *a = (struct admission){.lock = PTHREAD_MUTEX_INITIALIZER, .seed = seed};
}

void admission_deinit(struct admission *a)
{
    assert(a->n_clients == 0);
    (void)pthread_mutex_destroy(&a->lock);  /* fails only while it is held */
}

static struct origin **bucket_of(struct admission *a, const struct addr_key *key)
{
    return &a->buckets[addr_key_hash_source(key, a->seed) % ADMISSION_BUCKETS];
}

/* Where the pointer to the origin stands, or to NULL if it has no clients. */
static struct origin **find(struct admission *a, const struct addr_key *key)
{
    struct origin **at = bucket_of(a, key);

    while (*at && !addr_key_same_source(&(*at)->key, key))
        at = &(*at)->next;

    return at;
}

static int enter(struct admission *a, const struct addr_key *key, uint32_t max_clients,
                 uint32_t max_per_source, struct origin **ret_origin)
{
    struct origin **at;

    if (a->n_clients >= max_clients)
        return ADMISSION_FULL;

    at = find(a, key);
    if (*at && max_per_source > 0 && (*at)->n_clients >= max_per_source)
        return ADMISSION_SOURCE_FULL;
    if (!*at) {
        *at = malloc(sizeof(**at));
        if (!*at)
            return -ENOMEM;
        **at = (struct origin){.key = *key};
    }

    (*at)->n_clients++;
    a->n_clients++;
    *ret_origin = *at;
    return 0;
}

int admission_enter(struct admission *a, const struct addr_key *key, uint32_t max_clients,
                    uint32_t max_per_source, struct origin **ret_origin)
{
    int r;

    pthread_mutex_lock(&a->lock);
    r = enter(a, key, max_clients, max_per_source, ret_origin);
    pthread_mutex_unlock(&a->lock);

    return r;
}

void admission_leave(struct admission *a, struct origin *origin)
{
    pthread_mutex_lock(&a->lock);
    a->n_clients--;
    if (--origin->n_clients == 0) {
        struct origin **at = find(a, &origin->key);

        *at = origin->next;
        free(origin);
    }
    pthread_mutex_unlock(&a->lock);
}
