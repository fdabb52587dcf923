/* SPDX-License-Identifier: MIT */
#include "client/where_cut.h"

#include <math.h>
#include <string.h>

#include "common/base.h"

/* Fewer samples make no run, and fewer runs nothing to cut. */
#define FEW 8
#define FEW_RUNS 3

/* A cut is worth it if the gap falls to this share. Noise alone makes the gap of a part larger than
 * that of the whole. */
#define BETTER 4

struct search {
    const struct where_fitting *bad;
    const struct where_origin *origin;
    const struct where_sample *s;
    struct where_cut_room *room;
    double limit;                       /* a part with a gap above it is to be cut [ns] */
    size_t n;
    size_t cuts[WHERE_CUTS_MAX], last_cut;
    size_t n_cuts;
};

static void make_run(struct search *c, struct where_cut_run *r, size_t begin, size_t end)
{
    const struct where_lines *l = &c->bad->lines;

    *r = (struct where_cut_run){.fastest = HUGE_VAL, .begin = begin, .end = end};
    for (size_t i = begin; i < end; i++) {
        const struct where_sample *s = &c->s[i];
        int64_t out, back;

        if (!(s->flags & SAMPLE_ARRIVAL))
            continue;
        out = where_out(l, c->origin, s);
        back = where_back(l, c->origin, s);
        hull_add(&r->pair.out, where_arrival(c->origin, s), out);
        hull_add(&r->pair.back, where_departure(c->origin, s), back);
        r->pair.weight++;
        r->fastest = MIN(r->fastest, (double)(out + back));
    }
}

static void join(struct where_cut_run *part, const struct where_cut_run *r)
{
    hull_join(&part->pair.out, &r->pair.out);
    hull_join(&part->pair.back, &r->pair.back);
    part->pair.weight += r->pair.weight;
    part->fastest = MIN(part->fastest, r->fastest);
}

static double gap_of(struct where_cut_run *part)
{
    struct skew_aim aim = {.pairs = &part->pair, .n = 1, .side = SKEW_BOTH};

    if (part->pair.weight == 0)
        return 0;

    part->slope = skew_best(&aim);
    return part->fastest - skew_height(&aim, part->slope);
}

/* How far a sample lies below the lines of a part [ns]. */
static double violation(const struct search *c, size_t i, const struct where_cut_run *part)
{
    const struct where_lines *l = &c->bad->lines;
    const struct where_sample *s = &c->s[i];
    double out, back;

    if (part->pair.weight == 0 || !(s->flags & SAMPLE_ARRIVAL))
        return 0;

    out = (double)where_out(l, c->origin, s) - part->slope * (double)where_arrival(c->origin, s);
    back = (double)where_back(l, c->origin, s) +
           part->slope * (double)where_departure(c->origin, s);
    return fmax(0, fmax(hull_touch(&part->pair.out, part->slope, NULL) - out,
                        hull_touch(&part->pair.back, -part->slope, NULL) - back));
}

/* The first sample that belongs to the part after a break somewhere within a run: so that none lies
 * far below the lines of its own side. A side without samples takes what the other can't. */
static size_t find_sample(const struct search *c, const struct where_cut_run *zone,
                          const struct where_cut_run *before, const struct where_cut_run *after)
{
    double *worst_after = c->room->worst, worst_before = 0, least = HUGE_VAL;
    bool one_sided = before->pair.weight == 0 || after->pair.weight == 0;
    double slack = one_sided ? c->limit : 0;
    size_t at = zone->end;

    worst_after[zone->end] = 0;
    for (size_t i = zone->end; i-- > zone->begin;)
        worst_after[i] = fmax(worst_after[i + 1], violation(c, i, after) - slack);
    for (size_t i = zone->begin; i <= zone->end; i++) {
        double worst = fmax(worst_before, worst_after[i]);

        if (worst < least || (worst == least && after->pair.weight == 0)) {
            least = worst;
            at = i;
        }
        if (i < zone->end)
            worst_before = fmax(worst_before, violation(c, i, before) - slack);
    }
    return at;
}

static void join_all(struct search *c, struct where_cut_run *part, size_t begin, size_t end)
{
    *part = (struct where_cut_run){.fastest = HUGE_VAL};
    for (size_t i = begin; i < end; i++)
        join(part, &c->room->runs[i]);
}

/* Cuts the part of the runs [begin, end) until each piece is good; a break itself is somewhere in a
 * run that neither side has to answer for. */
static bool cut(struct search *c, size_t begin, size_t end)
{
    double gaps_before[WHERE_CUT_RUNS], least = HUGE_VAL, gap_after = 0;
    struct where_cut_run before = {.fastest = HUGE_VAL}, after = before;
    struct where_cut_run *runs = c->room->runs;
    size_t at = begin, sample;

    for (size_t i = begin; i < end; i++) {
        gaps_before[i] = gap_of(&before);
        join(&before, &runs[i]);
    }
    if (gap_of(&before) <= c->limit)
        return true;
    if (end - begin < FEW_RUNS || c->n_cuts == WHERE_CUTS_MAX)
        return false;

    for (size_t i = end; i-- > begin;) {
        if (gaps_before[i] + gap_after < least) {
            least = gaps_before[i] + gap_after;
            at = i;
        }
        join(&after, &runs[i]);
        gap_after = gap_of(&after);
    }
    join_all(c, &before, begin, at);
    join_all(c, &after, at + 1, end);
    (void)gap_of(&before);
    (void)gap_of(&after);
    sample = find_sample(c, &runs[at], &before, &after);

    if (!cut(c, begin, at) || c->n_cuts == WHERE_CUTS_MAX)
        return false;
    if (sample > c->last_cut && sample < c->n)      /* else there is nothing on one of its sides */
        c->last_cut = c->cuts[c->n_cuts++] = sample;
    return cut(c, at + 1, end);
}

size_t where_cut_find(const struct where_fitting *bad, const struct where_origin *origin,
                      const struct where_sample *s, size_t n, struct where_cut_room *room,
                      size_t ret_cuts[static WHERE_CUTS_MAX])
{
    size_t n_runs = MIN(n / FEW, (size_t)WHERE_CUT_RUNS);
    struct search c = {.bad = bad, .origin = origin, .s = s, .n = n, .room = room};
    struct where_cut_run whole;

    for (size_t i = 0; i < n_runs; i++)
        make_run(&c, &room->runs[i], n * i / n_runs, n * (i + 1) / n_runs);
    join_all(&c, &whole, 0, n_runs);
    c.limit = gap_of(&whole) / BETTER;
    if (!cut(&c, 0, n_runs))
        return 0;

    memcpy(ret_cuts, c.cuts, c.n_cuts * sizeof(c.cuts[0]));
    return c.n_cuts;
}
