/* SPDX-License-Identifier: MIT */
/*
 * Where past: what samples have shown of the clocks and the paths, after they are gone.
 *
 * All that a fit can touch is the lower hulls. Hulls of different times can be joined but not cut,
 * as a corner that goes leaves no trace of the points that it hid; so the past is kept in spans,
 * and forgotten span by span.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "client/skew.h"
#include "client/where.h"

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
 * The two clouds of each group with common minima. The first group is all connections together,
 * 1 + c is that of slot c, where slots may have minima of their own.
 */
struct where_clouds {
    size_t n_groups;
    struct skew_pair *pairs;        /* weight = number of samples */
    double *fastest;                /* both ways of the fastest message [ns], HUGE_VAL = none */
};

/* Return: 0, -ENOMEM. */
int where_clouds_init(struct where_clouds *c, size_t n_groups);
void where_clouds_deinit(struct where_clouds *c);
void where_clouds_clear(struct where_clouds *c);

/* Adds the points of samples with plausible times; those without arrival are passed over. A stamp
 * that is shared is too late, which makes a way too long and harms no minimum. */
void where_clouds_add(struct where_clouds *c, const struct where_origin *origin,
                      const struct where_sample *s, size_t n);

/* Adds all points of @from. */
void where_clouds_join(struct where_clouds *c, const struct where_clouds *from);

#define WHERE_PAST_SPANS 9

struct where_past {
    int64_t span;                   /* [ns, server's clock] */
    size_t first, n;                /* spans in use, in a ring */
    struct where_past_span {
        int64_t begin;
        struct where_clouds clouds;
    } spans[WHERE_PAST_SPANS];
};

/* It reaches back by @horizon, and up to an eighth more. Return: 0, -ENOMEM. */
int where_past_init(struct where_past *p, size_t n_groups, nsec_t horizon);
void where_past_deinit(struct where_past *p);

/* Forgets everything. */
void where_past_clear(struct where_past *p);

/* Joins all that is still known at @now on the server's clock into @ret, and forgets the rest. */
void where_past_recall(struct where_past *p, int64_t now, struct where_clouds *ret);

/* Adds what was seen from @begin on. */
void where_past_keep(struct where_past *p, int64_t begin, const struct where_clouds *clouds);
