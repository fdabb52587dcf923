/* SPDX-License-Identifier: MIT */
#include "client/pacer.h"

#include "common/base.h"

void pacer_init(struct pacer *p, enum pacer_kind kind, nsec_t start, double interval,
                nsec_t end, uint64_t n_max, uint64_t seed)
{
    *p = (struct pacer){
        .kind = kind,
        .start = start,
        .end = end,
        .interval = interval,
        .n_max = n_max,
    };
    rng_seed(&p->rng, seed);
    if (kind == PACER_POISSON)
        p->offset = rng_exponential(&p->rng, interval);
}

/*
 * A double holds whole nanoseconds up to 104 days of run. Behind that the grid gets coarser, by a
 * nanosecond first; it never drifts, as each point is computed from the start. One that lies beyond
 * what nsec_t can hold, some 584 years, is never due.
 */
static nsec_t next_due(const struct pacer *p)
{
    switch (p->kind) {
    case PACER_CLOSED:
        return p->start;
    case PACER_FIXED:
        return nsec_add(p->start, nsec_from_double((double)p->n_taken * p->interval));
    case PACER_POISSON:
        return nsec_add(p->start, nsec_from_double(p->offset));
    }
    return p->start;
}

nsec_t pacer_next(const struct pacer *p)
{
    nsec_t due;

    if (p->n_taken >= p->n_max)
        return NSEC_NEVER;
    due = next_due(p);
    return due < p->end ? due : NSEC_NEVER;
}

static void advance(struct pacer *p)
{
    p->n_taken++;
    if (p->kind == PACER_POISSON)
        p->offset += rng_exponential(&p->rng, p->interval);
}

bool pacer_take(struct pacer *p, nsec_t now, nsec_t *ret_due)
{
    nsec_t due = pacer_next(p);

    if (due > now)
        return false;
    if (p->kind == PACER_CLOSED) {
        if (now >= p->end)
            return false;
        due = now;
    }

    advance(p);
    *ret_due = due;
    return true;
}

bool pacer_is_done(const struct pacer *p, nsec_t now)
{
    return pacer_next(p) == NSEC_NEVER || (p->kind == PACER_CLOSED && now >= p->end);
}

/* Fixed: the number due before @until is a quotient, which rounding makes some 1e-16 of it too
 * small or too large: the last few are counted. */
static uint64_t skip_fixed(struct pacer *p, nsec_t until)
{
    uint64_t first = p->n_taken;
    double n = (double)(until - p->start) / p->interval * (1 - 1e-15) - 1;

    if (n > (double)first)
        p->n_taken = n < (double)p->n_max ? (uint64_t)n : p->n_max;
    while (pacer_next(p) < until)
        p->n_taken++;
    return p->n_taken - first;
}

/* Poisson: so many gaps are drawn, which takes some 20 ms; the number of more is their mean. */
#define DRAWN_MAX 1000000

static uint64_t skip_poisson(struct pacer *p, nsec_t until)
{
    uint64_t first = p->n_taken;

    while (pacer_next(p) < until) {
        double n;

        if (p->n_taken - first < DRAWN_MAX) {
            advance(p);
            continue;
        }
        n = 1 + (double)(until - next_due(p)) / p->interval;
        p->n_taken = n < (double)(p->n_max - p->n_taken) ? p->n_taken + (uint64_t)n : p->n_max;
        /* The next gap remembers nothing of those before. */
        p->offset = (double)(until - p->start) + rng_exponential(&p->rng, p->interval);
        break;
    }
    return p->n_taken - first;
}

uint64_t pacer_skip(struct pacer *p, nsec_t now)
{
    nsec_t until = MIN(now, p->end);

    if (until <= p->start)
        return 0;
    switch (p->kind) {
    case PACER_CLOSED:
        return 0;
    case PACER_FIXED:
        return skip_fixed(p, until);
    case PACER_POISSON:
        return skip_poisson(p, until);
    }
    return 0;
}
