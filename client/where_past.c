/* SPDX-License-Identifier: MIT */
#include "client/where_past.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

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

static void add_sample(struct skew_pair *pair, const struct where_origin *o,
                       const struct where_sample *s)
{
    int64_t arrival = where_arrival(o, s), departure = where_departure(o, s);

    hull_add(&pair->out, arrival, arrival - where_client_time(o, s->send));
    hull_add(&pair->back, departure, where_client_time(o, s->rx) - departure);
    pair->weight++;
}

static void join(struct skew_pair *pair, const struct skew_pair *from)
{
    hull_join(&pair->out, &from->out);
    hull_join(&pair->back, &from->back);
    pair->weight += from->weight;
}

void where_clouds_add(struct where_clouds *c, const struct where_origin *origin,
                      const struct where_sample *s, size_t n)
{
    bool own = c->n_groups > 1;

    for (size_t i = 0; i < n; i++)
        if (s[i].flags & SAMPLE_ARRIVAL)
            add_sample(&c->pairs[own ? 1 + s[i].conn : 0], origin, &s[i]);
    for (size_t i = 1; i < c->n_groups; i++)
        join(&c->pairs[0], &c->pairs[i]);
}

void where_clouds_join(struct where_clouds *c, const struct where_clouds *from)
{
    for (size_t i = 0; i < c->n_groups; i++) {
        join(&c->pairs[i], &from->pairs[i]);
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

void where_past_recall(struct where_past *p, int64_t now, struct where_clouds *ret)
{
    while (p->n > 0 && span_at(p, 0)->begin < now - WHERE_PAST_SPANS * p->span) {
        p->first = (p->first + 1) % WHERE_PAST_SPANS;
        p->n--;
    }
    where_clouds_clear(ret);
    for (size_t i = 0; i < p->n; i++)
        where_clouds_join(ret, &span_at(p, i)->clouds);
}

void where_past_keep(struct where_past *p, int64_t begin, const struct where_clouds *clouds)
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
    where_clouds_join(&span_at(p, p->n - 1)->clouds, clouds);
}
