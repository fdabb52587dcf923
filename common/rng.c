/* SPDX-License-Identifier: MIT */
#include "common/rng.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/random.h>

#include "common/base.h"

static uint64_t rotate_left(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

/* SplitMix64, as the authors advise: nearby seeds must not give nearby states. */
void rng_seed(struct rng *rng, uint64_t seed)
{
    for (size_t i = 0; i < ARRAY_SIZE(rng->s); i++)
        rng->s[i] = rng_mix64(seed += UINT64_C(0x9e3779b97f4a7c15));
}

int rng_seed_from_kernel(struct rng *rng)
{
    struct rng seeded;
    ssize_t n;

    /* getrandom(2): 32 bytes come whole or not at all; a signal can interrupt the wait at boot */
    do
        n = getrandom(&seeded, sizeof(seeded), 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;

    *rng = seeded;
    return 0;
}

uint64_t rng_next_u64(struct rng *rng)
{
    uint64_t *s = rng->s;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);

    return result;
}

void rng_uuid4(struct rng *rng, uint8_t ret_uuid[static 16])
{
    uint64_t halves[2] = {rng_next_u64(rng), rng_next_u64(rng)};

    memcpy(ret_uuid, halves, sizeof(halves));
    ret_uuid[6] = (ret_uuid[6] & 0x0f) | 0x40;
    ret_uuid[8] = (ret_uuid[8] & 0x3f) | 0x80;
}

double rng_exponential(struct rng *rng, double mean)
{
    double u = (double)(rng_next_u64(rng) >> 11) * 0x1p-53;     /* [0, 1) */

    return -mean * log1p(-u);
}
