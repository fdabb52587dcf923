/* SPDX-License-Identifier: MIT */
#include "client/where_past.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base.h"

int where_clouds_init(struct where_clouds *c, size_t n_groups)
{
    *c = (struct where_clouds){.n_groups = n_groups};
    c->pairs = malloc(n_groups * sizeof(*c->pairs));
    c->fastest = malloc(n_groups * sizeof(*c->fastest));
    if (!c->pairs || !c->fastest)
        return -ENOMEM;

    where_clouds_clear(c);
    return 0;
}

void where_clouds_deinit(struct where_clouds *c)
{
    free(c->fastest);
    free(c->pairs);
    *c = (struct where_clouds){0};
}

void where_clouds_clear(struct where_clouds *c)
{
    for (size_t i = 0; i < c->n_groups; i++) {
        c->pairs[i].weight = 0;
        c->pairs[i].out.n = 0;
        c->pairs[i].back.n = 0;
        c->fastest[i] = HUGE_VAL;
    }
}

static struct hull_point out_point(const struct where_origin *o, const struct where_sample *s)
{
    int64_t x = where_arrival(o, s);

    return (struct hull_point){.x = x, .y = x - where_client_time(o, s->send)};
}

static struct hull_point back_point(const struct where_origin *o, const struct where_sample *s)
{
    int64_t x = where_departure(o, s);

    return (struct hull_point){.x = x, .y = where_client_time(o, s->rx) - x};
}

/* Within a connection times rise, unless the server's clock is broken: such a point is left out. */
static void add_in_order(struct hull *h, struct hull_point p)
{
    if (h->n == 0 || p.x >= h->at[h->n - 1].x)
        hull_add(h, p.x, p.y);
}

static void add_to_own(struct where_clouds *c, const struct where_origin *origin,
                       const struct where_sample *s)
{
    struct skew_pair *own = &c->pairs[1 + s->conn];

    add_in_order(&own->out, out_point(origin, s));
    add_in_order(&own->back, back_point(origin, s));
    own->weight++;
}

void where_clouds_add(struct where_clouds *c, const struct where_origin *origin,
                      const struct where_sample *s, size_t n, struct hull_point *room)
{
    size_t n_points = 0;

    for (size_t i = 0; i < n; i++)
        if (s[i].flags & SAMPLE_ARRIVAL)
            room[n_points++] = out_point(origin, &s[i]);
    hull_add_all(&c->pairs[0].out, room, n_points);

    n_points = 0;
    for (size_t i = 0; i < n; i++)
        if (s[i].flags & SAMPLE_ARRIVAL)
            room[n_points++] = back_point(origin, &s[i]);
    hull_add_all(&c->pairs[0].back, room, n_points);
    c->pairs[0].weight += (double)n_points;

    for (size_t i = 0; i < n && c->n_groups > 1; i++)
        if (s[i].flags & SAMPLE_ARRIVAL)
            add_to_own(c, origin, &s[i]);
}

static void join(struct hull *h, const struct hull *from, struct hull_point *room)
{
    memcpy(room, from->at, from->n * sizeof(*room));
    hull_add_all(h, room, from->n);
}

void where_clouds_join(struct where_clouds *c, const struct where_clouds *from,
                       struct hull_point *room)
{
    for (size_t i = 0; i < c->n_groups; i++) {
        join(&c->pairs[i].out, &from->pairs[i].out, room);
        join(&c->pairs[i].back, &from->pairs[i].back, room);
        c->pairs[i].weight += from->pairs[i].weight;
        c->fastest[i] = MIN(c->fastest[i], from->fastest[i]);
    }
}

int where_past_init(struct where_past *p, size_t n_groups, nsec_t horizon)
{
    int r = 0;

    *p = (struct where_past){.span = (int64_t)(horizon / (WHERE_PAST_SPANS - 1))};
    for (size_t i = 0; i < WHERE_PAST_SPANS && r == 0; i++)
        r = where_clouds_init(&p->spans[i].clouds, n_groups);
    return r;
}

void where_past_deinit(struct where_past *p)
{
    for (size_t i = 0; i < WHERE_PAST_SPANS; i++)
        where_clouds_deinit(&p->spans[i].clouds);
}

void where_past_clear(struct where_past *p)
{
    p->n = 0;
}

static struct where_past_span *span_at(struct where_past *p, size_t i)
{
    return &p->spans[(p->first + i) % WHERE_PAST_SPANS];
}

void where_past_recall(struct where_past *p, int64_t now, struct where_clouds *ret,
                       struct hull_point *room)
{
    while (p->n > 0 && span_at(p, 0)->begin < now - WHERE_PAST_SPANS * p->span) {
        p->first = (p->first + 1) % WHERE_PAST_SPANS;
        p->n--;
    }
    where_clouds_clear(ret);
    for (size_t i = 0; i < p->n; i++)
        where_clouds_join(ret, &span_at(p, i)->clouds, room);
}

void where_past_keep(struct where_past *p, int64_t begin, const struct where_clouds *clouds,
                     struct hull_point *room)
{
    if (p->n == 0 || begin >= span_at(p, p->n - 1)->begin + p->span) {
        if (p->n == WHERE_PAST_SPANS) {
            p->first = (p->first + 1) % WHERE_PAST_SPANS;
            p->n--;
        }
        p->n++;
        where_clouds_clear(&span_at(p, p->n - 1)->clouds);
        span_at(p, p->n - 1)->begin = begin;
    }
    where_clouds_join(&span_at(p, p->n - 1)->clouds, clouds, room);
}
