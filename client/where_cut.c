/* SPDX-License-Identifier: MIT */
#include "client/where_cut.h"

#include <math.h>
#include <string.h>

#include "common/base.h"

/* Fewer samples make no run. */
#define FEW 8

/* A cut is worth it if the gap falls to this share. Noise alone makes the gap of a part larger than
 * that of the whole. */
#define BETTER 4

struct search {
    const struct where_fitting *bad;
    const struct where_origin *origin;
    const struct where_sample *s;
    struct where_cut_room *room;
    size_t n_runs;
    double limit;                       /* a part with a gap above it is to be cut [ns] */
    size_t cuts[WHERE_CUTS_MAX];
    size_t n_cuts;
};

static void make_run(struct search *c, struct where_cut_run *r, size_t begin, size_t end)
{
    const struct where_lines *l = &c->bad->lines;
    struct hull_point *points = c->room->points;
    size_t n = 0;

    *r = (struct where_cut_run){.fastest = HUGE_VAL, .begin = begin, .end = end};
    for (size_t i = begin; i < end; i++) {
        const struct where_sample *s = &c->s[i];
        int64_t out, back;

        if (!(s->flags & SAMPLE_ARRIVAL))
            continue;
        out = where_out(l, c->origin, s);
        back = where_back(l, c->origin, s);
        r->fastest = MIN(r->fastest, (double)(out + back));
        points[n++] = (struct hull_point){where_arrival(c->origin, s), out};
    }
    hull_add_all(&r->pair.out, points, n);

    n = 0;
    for (size_t i = begin; i < end; i++)
        if (c->s[i].flags & SAMPLE_ARRIVAL)
            points[n++] = (struct hull_point){where_departure(c->origin, &c->s[i]),
                                              where_back(l, c->origin, &c->s[i])};
    hull_add_all(&r->pair.back, points, n);
    r->pair.weight = (double)n;
}

/* Adds a run to a part that lies before it, or behind. */
static void join_hull(struct search *c, struct hull *h, const struct hull *add)
{
    memcpy(c->room->points, add->at, add->n * sizeof(add->at[0]));
    hull_add_all(h, c->room->points, add->n);
}

static void join(struct search *c, struct where_cut_run *part, const struct where_cut_run *r)
{
    join_hull(c, &part->pair.out, &r->pair.out);
    join_hull(c, &part->pair.back, &r->pair.back);
    part->pair.weight += r->pair.weight;
    part->fastest = MIN(part->fastest, r->fastest);
}

static double gap_of(const struct where_cut_run *part, double *ret_slope)
{
    if (part->pair.weight == 0)
        return 0;

    *ret_slope = skew_best(&part->pair, 1, SKEW_BOTH, 0);
    return part->fastest - skew_base(&part->pair, 1, *ret_slope);
}

/* True if a sample lies below the lines of a part by more than is allowed. */
static bool violates(const struct search *c, const struct where_sample *s,
                     const struct where_cut_run *part, double slope)
{
    const struct where_lines *l = &c->bad->lines;
    double out = (double)where_out(l, c->origin, s) - slope * (double)where_arrival(c->origin, s);
    double back = (double)where_back(l, c->origin, s) +
                  slope * (double)where_departure(c->origin, s);

    return out < hull_touch(&part->pair.out, slope, NULL) - c->limit ||
           back < hull_touch(&part->pair.back, -slope, NULL) - c->limit;
}

/* The first sample that belongs to the part after a break somewhere within a run. */
static size_t find_sample(const struct search *c, const struct where_cut_run *zone,
                          const struct where_cut_run *before, double slope_before,
                          const struct where_cut_run *after, double slope_after)
{
    for (size_t i = zone->end; i-- > zone->begin;)
        if (c->s[i].flags & SAMPLE_ARRIVAL && violates(c, &c->s[i], after, slope_after))
            return i + 1;
    for (size_t i = zone->begin; i < zone->end; i++)
        if (c->s[i].flags & SAMPLE_ARRIVAL && violates(c, &c->s[i], before, slope_before))
            return i;
    return zone->end;
}

/* Cuts the part of the runs [begin, end) until each piece is good; the break itself is somewhere in
 * a run that neither side has to answer for. */
static bool cut(struct search *c, size_t begin, size_t end)
{
    struct where_cut_run *runs = c->room->runs, part = runs[begin];
    double gaps_before[WHERE_CUT_RUNS], slope, least = HUGE_VAL, slope_before = 0, slope_after = 0;
    struct where_cut_run before, after;
    size_t at = 0, sample;

    for (size_t i = begin; i < end; i++) {
        if (i > begin)
            join(c, &part, &runs[i]);
        gaps_before[i] = gap_of(&part, &slope);
    }
    if (gaps_before[end - 1] <= c->limit)
        return true;
    if (end - begin < 5 || c->n_cuts == WHERE_CUTS_MAX)
        return false;

    part = runs[end - 1];
    for (size_t i = end - 2; i >= begin + 2; i--) {
        double gap = gap_of(&part, &slope) + gaps_before[i - 1];

        if (gap < least) {
            least = gap;
            at = i;
            slope_after = slope;
            after = part;
        }
        join(c, &part, &runs[i]);
    }

    before = runs[begin];
    for (size_t i = begin + 1; i < at; i++)
        join(c, &before, &runs[i]);
    (void)gap_of(&before, &slope_before);
    sample = find_sample(c, &runs[at], &before, slope_before, &after, slope_after);

    if (!cut(c, begin, at))
        return false;
    if (c->n_cuts == WHERE_CUTS_MAX)
        return false;
    c->cuts[c->n_cuts++] = sample;
    return cut(c, at + 1, end);
}

size_t where_cut_find(const struct where_fitting *bad, const struct where_origin *origin,
                      const struct where_sample *s, size_t n, struct where_cut_room *room,
                      size_t ret_cuts[static WHERE_CUTS_MAX])
{
    size_t n_runs = MIN(n / FEW, (size_t)WHERE_CUT_RUNS);
    struct search c = {.bad = bad, .origin = origin, .s = s, .room = room, .n_runs = n_runs,
                       .limit = MAX(bad->gap / BETTER, bad->gap_by_chance / BETTER)};

    if (n_runs < 5)
        return 0;

    for (size_t i = 0; i < n_runs; i++)
        make_run(&c, &room->runs[i], n * i / n_runs, n * (i + 1) / n_runs);
    if (!cut(&c, 0, n_runs))
        return 0;

    memcpy(ret_cuts, c.cuts, c.n_cuts * sizeof(c.cuts[0]));
    return c.n_cuts;
}
