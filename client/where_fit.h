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

#include "client/skew.h"
#include "client/where.h"
#include "common/base.h"

/* Times are counted from these, so that they suit the arithmetic. */
struct where_origin {
    nsec_t client, server;
};

/* Client's time @t, counted from the origin. */
static inline int64_t where_client_time(const struct where_origin *o, nsec_t t)
{
    return (int64_t)(t - o->client);
}

static inline int64_t where_arrival(const struct where_origin *o, const struct where_sample *s)
{
    return (int64_t)(s->arrival - o->server);
}

static inline int64_t where_departure(const struct where_origin *o, const struct where_sample *s)
{
    return (int64_t)(s->arrival + s->residence - o->server);
}

/*
 * What is known of the clocks and paths; outlives the samples. Of the groups with common minima,
 * the first is all connections together, 1 + c is slot c, where slots may have minima of their own.
 */
struct where_past {
    size_t n_groups;
    struct skew_pair *pairs;        /* weight = number of samples */
    struct hull *fastest;           /* a point a stretch: (departure, both ways of the fastest) */
};

#define WHERE_PAST_INIT ((struct where_past){0})

/* Return: 0, -ENOMEM. */
int where_past_init(struct where_past *p, size_t n_groups);
void where_past_deinit(struct where_past *p);

/* Both have the same number of groups. */
void where_past_copy(struct where_past *p, const struct where_past *from);

/* Forgets all of before @x on the server's clock; INT64_MAX = everything. */
void where_past_forget(struct where_past *p, int64_t x);

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

struct where_fitting {
    struct where_fit fit;           /* but for what compares it with the stretch before */
    struct where_lines lines;       /* where the fit is valid */
    double gap;                     /* how much less than the fastest message took the lines leave
                                     * to it: large if they don't suit the clocks [ns] */
    double gap_by_chance;           /* what it may be in spite of good clocks [ns] */
};

/**
 * where_fit_stretch() - fit the clocks over a stretch
 * @past:       what is known from the same clocks; gets the stretch too
 * @prior:      slope to take where the stretch is too short to tell
 * @s:          the samples, their times plausible (where_sample_tidy())
 * @n:          their number, > 0
 * @room:       for @n + HULL_MAX points
 * @ret:        what was found
 */
void where_fit_stretch(struct where_past *past, double prior, const struct where_origin *origin,
                       const struct where_sample *s, size_t n, struct hull_point *room,
                       struct where_fitting *ret);
