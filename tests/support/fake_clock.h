/* SPDX-License-Identifier: MIT */
/*
 * Fake clock: moves when it is told to.
 */
#pragma once

#include "common/clock.h"

struct fake_clock {
    nsec_t now;
    nsec_t real;
    nsec_t step;                    /* added to both after each reading, 0 = stands still */
};

/* A clock_src that reads @clock, which it borrows. */
struct clock_src fake_clock_src(struct fake_clock *clock);

/* Moves both clocks on by @by [ns]. */
void fake_clock_advance(struct fake_clock *clock, nsec_t by);
