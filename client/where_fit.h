/* SPDX-License-Identifier: MIT */
/*
 * Where fit: the two clocks against each other over a stretch of samples.
 *
 * The result are lines: the server's times at the client's rate, less the shortest way out or back,
 * which have the difference of the clocks in them. Then all times of a message are on one clock,
 * and its parts are plain differences.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/where.h"
#include "client/where_past.h"

struct where_lines {
    double slope;                   /* of the server's time */
    bool own;                       /* by the group of the connection, else by the first one */
    struct {
        int64_t out, back;
    } least[1 + WHERE_OWN_MINIMA_MAX];
};

static inline size_t where_lines_group(const struct where_lines *l, uint32_t conn)
{
    return l->own ? 1 + (size_t)conn : 0;
}

/* The server's time @x at the client's rate. What its clock gained is rounded down, as the minima
 * are, so that no sample that they come from falls below them. */
static inline int64_t where_at_rate(const struct where_lines *l, int64_t x)
{
    double gain = l->slope * (double)x;
    int64_t whole = (int64_t)gain;

    return x - (whole - ((double)whole > gain));
}

/* How much longer than the shortest the way out of @s was, and the way back [ns]; of a shared
 * stamp, at most that. */
static inline int64_t where_out(const struct where_lines *l, const struct where_origin *o,
                                const struct where_sample *s)
{
    return where_at_rate(l, where_arrival(o, s)) - where_client_time(o, s->send) -
           l->least[where_lines_group(l, s->conn)].out;
}

static inline int64_t where_back(const struct where_lines *l, const struct where_origin *o,
                                 const struct where_sample *s)
{
    return where_client_time(o, s->rx) - where_at_rate(l, where_departure(o, s)) -
           l->least[where_lines_group(l, s->conn)].back;
}

/* A fit is judged by the least residuals of this many runs of samples: a line that is right is
 * touched in most of them, noise or not. */
#define WHERE_RUNS 32

struct where_fitting {
    struct where_fit fit;           /* but for what compares it with the stretch before */
    struct where_lines lines;       /* where the fit is valid */
    double gap;                     /* how much less than the fastest message took the lines leave
                                     * to it: large if they don't suit the clocks [ns] */
    double gap_by_chance;           /* what it may be in spite of good clocks [ns] */
    size_t n_runs;                  /* 0 = the fit is not valid */
    struct where_run_least {
        int64_t x;                  /* last departure, server's time [ns] */
        double both;                /* what its fastest message took above the base [ns] */
    } runs[WHERE_RUNS];
};

/**
 * where_fit_stretch() - fit the clocks over a stretch
 * @fresh:      the stretch's clouds; gets its fastest messages
 * @all:        these and what else is known from the same clocks; or the same as @fresh
 * @prior:      slope to take where the stretch is too short to tell
 * @s:          the samples
 * @n:          their number, > 0
 * @ret:        what was found
 */
void where_fit_stretch(struct where_clouds *fresh, const struct where_clouds *all, double prior,
                       const struct where_origin *origin, const struct where_sample *s, size_t n,
                       struct where_fitting *ret);
