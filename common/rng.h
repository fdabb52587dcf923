/* SPDX-License-Identifier: MIT */
/*
 * Rng: random numbers for UUIDs and arrival times, one generator for each thread.
 *
 * xoshiro256** 1.0 by David Blackman and Sebastiano Vigna (https://prng.di.unimi.it/, public
 * domain): two nanoseconds a number, where libuuid and getrandom() make a system call for each.
 * It is not a cipher: who sees some numbers can compute the others. Nothing secret comes from it.
 */
#pragma once

#include <stdint.h>

struct rng {
    uint64_t s[4];
};

/* The same numbers for the same @seed, for tests and for repeatable runs. */
void rng_seed(struct rng *rng, uint64_t seed);

/* Numbers that no other process has; 0 or the negative errno of getrandom(2). */
int rng_seed_from_kernel(struct rng *rng);

/* All 64 bits are random. */
uint64_t rng_next_u64(struct rng *rng);

/* A random UUID, RFC 9562 section 5.4: version 4, variant 10, 122 random bits. */
void rng_uuid4(struct rng *rng, uint8_t ret_uuid[static 16]);

/* A sample of the exponential distribution: the time to the next arrival of a Poisson process with
 * this mean between arrivals. Finite, >= 0, in the unit of @mean. */
double rng_exponential(struct rng *rng, double mean);

/* The output function of SplitMix64 (Vigna, public domain; same address): a permutation of the
 * 64-bit numbers under which neighbours come out unrelated. */
static inline uint64_t rng_mix64(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}
