/* SPDX-License-Identifier: MIT */
/*
 * Stamp: carries the kernel's time stamps over to the monotonic clock.
 *
 * The kernel stamps packets with its real-time clock, which may be stepped at any moment;
 * everything else here lives on the monotonic one. NTP slews both alike, so that their difference
 * is constant between two steps: each look at the clocks bounds it from both sides, the bounds of
 * all looks since the last step must overlap, and a look that does not overlap them is a step.
 */
#pragma once

#include <stdbool.h>

#include "common/clock.h"

/**
 * stamp_enable() - ask for receive stamps on a socket, or on all that a listener will accept
 *
 * The kernel's own, and those of a network card that was told to make any (hwstamp_ctl(8)). Where
 * neither is to be had, nothing else comes of it.
 */
void stamp_enable(int fd);

struct stamp_bridge {
    int64_t low, high;          /* bounds of real - monotonic since the last step [ns] */
    int64_t before_step;        /* the same, one number, before that step [ns] */
    nsec_t last_look;           /* [ns, monotonic] */
    nsec_t step_after;          /* the last step happened after this look ... [ns, monotonic] */
    nsec_t step_before;         /* ... and before this one; 0 = none seen */
    uint64_t n_steps;
};

/* Takes the first look at @clock. */
void stamp_bridge_init(struct stamp_bridge *b, const struct clock_src *clock);

/**
 * stamp_bridge_look() - compare the two clocks again
 * @b:          bridge
 * @clock:      the clocks
 *
 * To be called before the stamps of a batch are converted; costs three readings of a clock.
 *
 * Return: the present time [ns, monotonic].
 */
nsec_t stamp_bridge_look(struct stamp_bridge *b, const struct clock_src *clock);

/* How far the real-time clock went at the last step [ns]; > 0 = forward. */
int64_t stamp_bridge_last_step(const struct stamp_bridge *b);

/**
 * stamp_bridge_convert() - a kernel stamp on the monotonic clock
 * @b:          bridge
 * @real:       stamp [ns, real-time clock]
 * @now:        a time at which the stamp was already made [ns, monotonic]
 * @ret_mono:   the same moment [ns, monotonic], never after @now
 *
 * Return: true; or false, leaving @ret_mono alone, if a step makes it ambiguous or the stamp lies
 * in the future: the caller then uses the time of its own reading.
 */
bool stamp_bridge_convert(const struct stamp_bridge *b, nsec_t real, nsec_t now, nsec_t *ret_mono);
