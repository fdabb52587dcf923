/* SPDX-License-Identifier: MIT */
/*
 * Where change: what became different from one stretch of a run to the next: another route, a clock
 * that stepped or changed its rate.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "client/where.h"
#include "common/clock.h"

struct where_change {
    nsec_t at;                  /* the stretch began that shows it [ns, client's clock] */
    int64_t base_shift;         /* of the shortest way out and back together [ns], 0 = none */
    int64_t forward_shift;      /* how much of that was on the way out [ns] */
    int64_t clock_step;         /* the server's against ours [ns], 0 = none */
    bool skew_changed;
    double skew;                /* from then on, s per s */
};

/* Return: false, leaving @ret alone, if nothing changed. */
bool where_change_take(const struct where_fit *fit, struct where_change *ret);

#define WHERE_CHANGE_SIZE 256

/* One line for people, without its end: "the path's base shifted by +1.200 ms (...)". */
void where_change_format(const struct where_change *c, char ret_line[static WHERE_CHANGE_SIZE]);
