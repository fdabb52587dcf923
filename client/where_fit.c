/* SPDX-License-Identifier: MIT */
#include "client/where_fit.h"

#include <math.h>
#include <stdlib.h>

#include "common/base.h"

/* Fewer messages than this are no ground for a minimum. */
#define FEW 8

/* So many give a connection minima of its own. */
#define FEW_OF_OWN 32

/* A slope that may be off by more is not told; then an earlier one is taken, or 0 for want of it,
 * and believed within CRYSTAL: what a computer's crystal may be off. */
#define SLOPE_UNTOLD 100e-6
#define CRYSTAL 200e-6

/* Nor is one over a shorter time than this told, unless it is so many of its errors away from that:
 * clocks that NTP keeps are the better guess. */
#define TIME_UNTOLD ((double)NSEC_PER_SEC)
#define ERRORS_UNTOLD 3

/* What caches, governors and neighbours make of a shortest way from one moment to the next, for
 * longer than it takes many messages to come: no density tells [ns]. */
#define MOOD 500.0

/* One way that is touched closely by luck is no good witness: its error bar counts so often. */
#define ONE_SIDED 3

/* A base that is lower in one part of a stretch than in the rest of it has shifted only where both
 * parts last: what is shorter is congestion. */
#define SHIFT_SPAN ((int64_t)(10 * NSEC_PER_SEC))

/* Differences below this are never told from noise [ns]. */
#define NOISE 2000.0

/* What a fit works on. */
struct work {
    const struct where_clouds *all;
    size_t first, end;              /* groups in use: the common one, or those of the slots */
    const struct where_origin *origin;
    const struct where_sample *s;
    size_t n, n_arrivals;
};

/* Each connection that is in the stretch has enough samples. */
static bool has_own_minima(const struct where_clouds *fresh, const struct where_clouds *all)
{
    for (size_t i = 1; i < all->n_groups; i++)
        if (fresh->pairs[i].weight > 0 && all->pairs[i].weight < FEW_OF_OWN)
            return false;
    return all->n_groups > 1;
}

static void draw_group(struct where_lines *l, const struct where_clouds *all, size_t i)
{
    const struct skew_pair *pair = &all->pairs[i];

    if (pair->weight == 0)
        return;
    l->least[i].out = (int64_t)floor(hull_touch(&pair->out, l->slope, NULL));
    l->least[i].back = (int64_t)floor(hull_touch(&pair->back, -l->slope, NULL));
}

/* The minima that a slope leaves. */
static void draw(struct where_lines *l, const struct work *w, double slope)
{
    l->slope = slope;
    draw_group(l, w->all, 0);
    for (size_t i = 1; i < w->end; i++)
        draw_group(l, w->all, i);
}

static struct skew_aim aim_at(const struct work *w, enum skew_side side)
{
    const struct hull *first = &w->all->pairs[0].out, *last = &w->all->pairs[0].back;
    int64_t span = last->at[last->n - 1].x - first->at[0].x;

    return (struct skew_aim){.pairs = w->all->pairs + w->first, .n = w->end - w->first,
                             .side = side, .x_mid = first->at[0].x + span / 2};
}

/* How lines suit a stretch. Residuals are what a delay has above its line. */
struct verdict {
    size_t n_runs;
    struct run {
        double out, back, both;         /* least residuals, and least sum over one message */
        int64_t x;                      /* last departure */
    } runs[WHERE_RUNS];
    double median[2], quartile[2];      /* of the runs' least residuals; out, back [ns] */
    double fastest[1 + WHERE_OWN_MINIMA_MAX];   /* both ways, per group [ns]; HUGE_VAL = none */
    double gap;                         /* of the fastest above the base, mean of the groups [ns] */
};

static int by_value(const void *left, const void *right)
{
    double l = *(const double *)left, r = *(const double *)right;

    return (l > r) - (l < r);
}

static void judge_runs(struct verdict *v)
{
    for (int side = 0; side < 2; side++) {
        double least[WHERE_RUNS];

        for (size_t i = 0; i < v->n_runs; i++)
            least[i] = side == 0 ? v->runs[i].out : v->runs[i].back;
        qsort(least, v->n_runs, sizeof(least[0]), by_value);
        v->median[side] = least[v->n_runs / 2];
        v->quartile[side] = least[v->n_runs / 4];
    }
}

/* Samples that the minima of a group stand on, the mean of the groups. */
static double n_known(const struct work *w)
{
    double sum = 0, n = 0;

    for (size_t i = w->first; i < w->end; i++) {
        sum += w->all->pairs[i].weight;
        n += w->all->pairs[i].weight > 0;
    }
    return sum / n;
}

static void judge_gap(struct verdict *v, const struct work *w, const struct where_lines *l)
{
    double sum = 0, weight = 0;

    for (size_t i = w->first; i < w->end; i++) {
        double base, n = w->all->pairs[i].weight;

        if (v->fastest[i] == HUGE_VAL)
            continue;               /* no sample of this group: it has no minima either */
        base = (double)(l->least[i].out + l->least[i].back);
        sum += n * (MIN(v->fastest[i], w->all->fastest[i]) - base);
        weight += n;
    }
    v->gap = sum / weight;
}

static void judge(struct verdict *v, const struct work *w, const struct where_lines *l)
{
    size_t per_run = (w->n_arrivals + WHERE_RUNS - 1) / WHERE_RUNS, in_run = per_run;

    v->n_runs = 0;
    for (size_t i = w->first; i < w->end; i++)
        v->fastest[i] = HUGE_VAL;

    for (size_t i = 0; i < w->n; i++) {
        const struct where_sample *s = &w->s[i];
        double out, back, both;
        struct run *r;
        size_t group;

        if (!(s->flags & SAMPLE_ARRIVAL))
            continue;
        if (in_run++ == per_run) {
            v->runs[v->n_runs++] = (struct run){HUGE_VAL, HUGE_VAL, HUGE_VAL, INT64_MIN};
            in_run = 1;
        }
        group = where_lines_group(l, s->conn);
        out = (double)where_out(l, w->origin, s);
        back = (double)where_back(l, w->origin, s);
        both = out + back + (double)(l->least[group].out + l->least[group].back);
        v->fastest[group] = MIN(v->fastest[group], both);

        r = &v->runs[v->n_runs - 1];
        r->out = MIN(r->out, out);
        r->back = MIN(r->back, back);
        r->both = MIN(r->both, out + back);
        r->x = MAX(r->x, where_departure(w->origin, s));
    }
    judge_runs(v);
    judge_gap(v, w, l);
}

/* The gap that is no fault of the clocks: no message had both ways at their shortest. With
 * residuals as dense near 0 as the runs' medians show, that is where the first of n falls into the
 * triangle out + back < gap; four times that is not chance. */
static double gap_by_chance(const struct verdict *v, size_t n)
{
    return 4 * sqrt(2 * (double)n * v->median[0] * v->median[1]) / ((double)v->n_runs * M_LN2) +
           NOISE;
}

/* How far above the true minimum a line may be. If residuals are dense enough for a quarter of the
 * runs of n samples to have one below q, then of all N samples the least is below
 * q * sqrt(3 / ln(4/3) * n / N) with a certainty of 95 %. The root is for a density that rises from
 * 0 on: with one that begins at its height it were less, but programs and networks have that rarely
 * (of 200 runs on a loopback a fifth would be outside a bar that relies on it). */
static double closeness(const struct verdict *v, const struct work *w, int side)
{
    double per_run = (double)w->n_arrivals / (double)v->n_runs;

    return v->quartile[side] * sqrt(3 * per_run / (log(4.0 / 3) * n_known(w))) + 1;
}

static double span(const struct where_clouds *all)
{
    const struct hull *out = &all->pairs[0].out, *back = &all->pairs[0].back;

    return (double)(back->at[back->n - 1].x - out->at[0].x);
}

/* How far off the slope may be: whatever bounds it best, both ways or, less surely, one alone. */
static double slope_error(const struct verdict *v, const struct work *w, double slope)
{
    double out = closeness(v, w, 0), back = closeness(v, w, 1);
    struct skew_aim both_aim = aim_at(w, SKEW_BOTH), out_aim = aim_at(w, SKEW_OUT);
    struct skew_aim back_aim = aim_at(w, SKEW_BACK);
    double both_band = skew_band(&both_aim, slope, out + back);
    double out_band = skew_band(&out_aim, slope, out);
    double back_band = skew_band(&back_aim, slope, back);

    return fmin(both_band, ONE_SIDED * fmin(out_band, back_band)) + MOOD / fmax(span(w->all), 1);
}

/* The shortest of all groups. */
static int64_t least_base(const struct work *w, const struct where_lines *l)
{
    int64_t least = INT64_MAX;

    for (size_t i = w->first; i < w->end; i++)
        if (w->all->pairs[i].weight > 0)
            least = MIN(least, l->least[i].out + l->least[i].back);
    return least;
}

/* Tries the slope that suits one way alone best. */
static void try_side(struct verdict *v, struct where_lines *l, const struct work *w,
                     enum skew_side side)
{
    struct skew_aim both = aim_at(w, SKEW_BOTH), one = aim_at(w, side);
    double slope = l->slope, alone = skew_best(&one);
    struct verdict other;

    if (skew_height(&both, slope) - skew_height(&both, alone) >
        closeness(v, w, 0) + closeness(v, w, 1) + NOISE)
        return;

    draw(l, w, alone);
    judge(&other, w, l);
    if (least_base(w, l) >= 0 &&
        2 * MIN(other.median[0], other.median[1]) < MIN(v->median[0], v->median[1]))
        *v = other;
    else
        draw(l, w, slope);
}

/* One way that is congested all along leaves a range of slopes nearly as good as the best; there
 * the other way decides, if it is then touched much more closely. */
static void prefer_free_side(struct verdict *v, struct where_lines *l, const struct work *w)
{
    if (MIN(v->median[0], v->median[1]) <= NOISE)
        return;

    try_side(v, l, w, SKEW_OUT);
    try_side(v, l, w, SKEW_BACK);
}

/* Where the base is lower in a lasting part of the stretch than in the rest. */
static void find_shift(struct where_fit *fit, const struct verdict *v, double gap_by_chance,
                       int64_t x_first)
{
    double most = 3 * (double)fit->error + gap_by_chance + 10 * NOISE;

    for (size_t cut = 1; cut < v->n_runs; cut++) {
        double both[2] = {HUGE_VAL, HUGE_VAL}, out[2] = {HUGE_VAL, HUGE_VAL};
        int64_t x = v->runs[cut - 1].x;

        if (x - x_first < SHIFT_SPAN || v->runs[v->n_runs - 1].x - x < SHIFT_SPAN)
            continue;
        for (size_t i = 0; i < v->n_runs; i++) {
            both[i >= cut] = MIN(both[i >= cut], v->runs[i].both);
            out[i >= cut] = MIN(out[i >= cut], v->runs[i].out);
        }
        if (fabs(both[1] - both[0]) > most) {
            most = fabs(both[1] - both[0]);
            fit->base_shift = llround(both[1] - both[0]);
            fit->forward_shift = llround(out[1] - out[0]);
        }
    }
}

static bool is_told(const struct where_fit *fit, const struct work *w, double slope, double prior)
{
    if (fit->skew_error > SLOPE_UNTOLD)
        return false;
    return span(w->all) >= TIME_UNTOLD || fabs(slope - prior) > ERRORS_UNTOLD * fit->skew_error;
}

/* Takes a slope from elsewhere, unless that makes a way shorter than no time at all. The one found
 * still bounds how far that is off. */
static void assume(struct where_fit *fit, struct verdict *v, struct where_lines *l,
                   const struct work *w, double prior)
{
    double slope = l->slope;

    draw(l, w, prior);
    if (least_base(w, l) < 0) {
        draw(l, w, slope);
        return;
    }
    fit->validity = WHERE_SKEW_ASSUMED;
    fit->skew_error = fmin(CRYSTAL, fabs(slope - prior) + ERRORS_UNTOLD * fit->skew_error);
    judge(v, w, l);
}

static void fit_clocks(struct where_clouds *fresh, double prior, struct work *w,
                       struct where_fitting *ret)
{
    struct where_lines *l = &ret->lines;
    struct where_fit *fit = &ret->fit;
    struct skew_aim both;
    struct verdict v;
    int64_t base;

    fit->per_connection = l->own = has_own_minima(fresh, w->all);
    w->first = l->own ? 1 : 0;
    w->end = l->own ? w->all->n_groups : 1;

    both = aim_at(w, SKEW_BOTH);
    draw(l, w, skew_best(&both));
    judge(&v, w, l);
    prefer_free_side(&v, l, w);
    ret->gap_by_chance = gap_by_chance(&v, w->n_arrivals);

    fit->skew_error = slope_error(&v, w, l->slope);
    if (!is_told(fit, w, l->slope, prior) && v.gap <= ret->gap_by_chance)
        assume(fit, &v, l, w, prior);
    ret->gap = v.gap;

    base = least_base(w, l);
    if (base < 0) {
        fit->validity = WHERE_CLOCK_BROKEN;
        return;
    }

    /* The slope is by the server's time; by the client's it is 1 / (1 - slope) times that. */
    fit->skew = l->slope / (1 - l->slope);
    fit->base = (nsec_t)base;
    fit->error = (nsec_t)llround(MAX(closeness(&v, w, 0), closeness(&v, w, 1)) +
                                 fit->skew_error * span(w->all));
    if (fit->validity == WHERE_VALID && ret->gap > ret->gap_by_chance) {
        fit->validity = WHERE_SKEW_UNSTEADY;
        fit->error += (nsec_t)llround(ret->gap);
    }
    ret->n_runs = v.n_runs;
    for (size_t i = 0; i < v.n_runs; i++)
        ret->runs[i] = (struct where_run_least){.x = v.runs[i].x, .both = v.runs[i].both};
    find_shift(fit, &v, ret->gap_by_chance, fresh->pairs[0].out.at[0].x);
    for (size_t i = w->first; i < w->end; i++)
        fresh->fastest[i] = v.fastest[i];
}

void where_fit_stretch(struct where_clouds *fresh, const struct where_clouds *all, double prior,
                       const struct where_origin *origin, const struct where_sample *s, size_t n,
                       struct where_fitting *ret)
{
    struct work w = {.all = all, .origin = origin, .s = s, .n = n,
                     .n_arrivals = (size_t)fresh->pairs[0].weight};
    struct where_fit *fit = &ret->fit;

    ret->gap = 0;
    ret->gap_by_chance = 0;
    ret->n_runs = 0;
    *fit = (struct where_fit){.begin = s[0].send, .end = s[n - 1].read, .n_samples = (uint32_t)n};
    for (size_t i = 0; i < n; i++)
        fit->n_shared += (s[i].flags & SAMPLE_ARRIVAL_SHARED) != 0;

    if (w.n_arrivals == 0)
        fit->validity = WHERE_NO_ARRIVALS;
    else if (all->pairs[0].weight < FEW)
        fit->validity = WHERE_TOO_FEW;
    else
        fit_clocks(fresh, prior, &w, ret);
}
