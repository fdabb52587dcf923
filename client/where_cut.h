/* SPDX-License-Identifier: MIT */
/*
 * Where cut: finds where clocks broke within a stretch that no straight line fits.
 *
 * A clock that steps makes one way longer and the other shorter by as much; one that changes its
 * rate does so bit by bit. Either leaves less to the two minima together than the fastest message
 * took, and a congested path does not: that gap is what a cut has to close on both its sides.
 */
#pragma once

#include <stddef.h>

#include "client/skew.h"
#include "client/where_fit.h"

/* More cuts than this in one stretch, and the clocks are of no use. */
#define WHERE_CUTS_MAX 7

/* A stretch is searched by the hulls of so many runs of samples. */
#define WHERE_CUT_RUNS 32

struct where_cut_run {
    struct skew_pair pair;              /* of residuals */
    double fastest;                     /* least sum of both */
    double slope;                       /* that suits it best */
    size_t begin, end;
};

/* What a search needs; for the stack it is much. */
struct where_cut_room {
    double *worst;                      /* for all samples, and one more */
    struct where_cut_run runs[WHERE_CUT_RUNS];
};

/**
 * where_cut_find() - find cuts
 * @bad:        a fit of the whole stretch, with too large a gap
 * @s:          the samples
 * @n:          their number
 * @ret_cuts:   each the first sample after a break, rising
 *
 * Return: how many; 0 if cutting does not help.
 */
size_t where_cut_find(const struct where_fitting *bad, const struct where_origin *origin,
                      const struct where_sample *s, size_t n, struct where_cut_room *room,
                      size_t ret_cuts[static WHERE_CUTS_MAX]);
