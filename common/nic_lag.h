/* SPDX-License-Identifier: MIT */
/*
 * NIC lag: how long a packet waited between the network card and the kernel.
 *
 * A card that stamps what it receives does so on a clock of its own, which may be set to anything.
 * So one stamp says nothing; but the least of the differences between the kernel's stamp and the
 * card's, over the last moments, is the distance of the two clocks and the shortest way from the
 * one to the other. What a packet has above that is its wait: for the card's interrupt, which is
 * held back to serve several at once, or for a CPU to take it.
 *
 * A moment is short, so that a card's clock that nobody disciplines (50 ppm) drifts by no more than
 * 10 us within it. Two cards whose clocks do not agree spoil no stamp: a lag that cannot be is not
 * told.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"

/* A moment. */
#define NIC_LAG_SPAN (100 * NSEC_PER_MSEC)

/* So many stamps in the last moments are ground enough for a minimum. */
#define NIC_LAG_FEW 8

/* A longer wait is none: the clocks are others, or one was stepped. */
#define NIC_LAG_MAX (20 * NSEC_PER_MSEC)

struct nic_lag {
    int64_t least[2];       /* of kernel - card, in the moment before and in this one [ns] */
    uint32_t n[2];          /* stamps in them */
    nsec_t began;           /* this one [ns, monotonic] */
};

/**
 * nic_lag_take() - one more packet
 * @l:          all zero in the beginning
 * @kernel:     when the kernel had it [ns, monotonic]
 * @card:       when the card had it [ns, the card's clock]
 * @ret_lag:    how much less than that it would have taken at best [ns]
 *
 * Return: true; or false, leaving @ret_lag alone, if that cannot be told (yet).
 */
bool nic_lag_take(struct nic_lag *l, nsec_t kernel, nsec_t card, nsec_t *ret_lag);
