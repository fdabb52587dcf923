/* SPDX-License-Identifier: MIT */
/*
 * Admission: who may come in - how many clients there are, in all and from each source address.
 *
 * Shared by all workers. Its lock is taken when a client comes or goes, never for a message.
 */
#pragma once

#include <pthread.h>
#include <stdint.h>

#include "common/addr.h"

#define ADMISSION_BUCKETS 1024

/* A source address with clients; lives as long as the last of them. */
struct origin {
    struct origin *next;
    struct addr_key key;            /* its port means nothing */
    uint32_t n_clients;
};

struct admission {
    pthread_mutex_t lock;
    uint64_t seed;                  /* of the hash */
    uint32_t n_clients;
    struct origin *buckets[ADMISSION_BUCKETS];      /* O(clients / buckets) a look-up */
};

enum {
    ADMISSION_FULL = 1,
    ADMISSION_SOURCE_FULL = 2,
};

/* @seed: random, so that no peer can choose addresses whose hashes collide. */
void admission_init(struct admission *a, uint64_t seed);
/* All clients have left. */
void admission_deinit(struct admission *a);

/**
 * admission_enter() - a client comes
 * @key:                its address
 * @max_clients:        in all
 * @max_per_source:     from its address, 0 = no limit
 * @ret_origin:         to be given back to admission_leave(); only on success
 *
 * Return: 0, ADMISSION_FULL, ADMISSION_SOURCE_FULL or -ENOMEM.
 */
int admission_enter(struct admission *a, const struct addr_key *key, uint32_t max_clients,
                    uint32_t max_per_source, struct origin **ret_origin);

/* A client goes. */
void admission_leave(struct admission *a, struct origin *origin);
