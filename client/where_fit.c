/* SPDX-License-Identifier: MIT */
#include "client/where_fit.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Fewer messages than this are no ground for a minimum. */
#define FEW 8

/* So many give a connection minima of its own. */
#define FEW_OF_OWN 32

/* A fit is judged by the least residuals of this many runs of samples: a line that is right is
 * touched in most of them, noise or not. */
#define RUNS 32

/* A slope that may be off by more is not told; then an earlier one is taken, or 0 for want of it,
 * and believed within CRYSTAL: what a computer's crystal may be off. */
#define SLOPE_UNTOLD 100e-6
#define CRYSTAL 200e-6

/* A base that is lower in one part of a stretch than in the rest of it has shifted only where both
 * parts last: what is shorter is congestion. */
#define SHIFT_SPAN ((int64_t)(10 * NSEC_PER_SEC))

/* Differences below this are never told from noise [ns]. */
#define NOISE 2000.0

int where_past_init(struct where_past *p, size_t n_groups)
{
    *p = (struct where_past){.n_groups = n_groups};
    p->pairs = calloc(n_groups, sizeof(*p->pairs));
    p->fastest = calloc(n_groups, sizeof(*p->fastest));
    return p->pairs && p->fastest ? 0 : -ENOMEM;
}

void where_past_deinit(struct where_past *p)
{
    free(p->fastest);
    free(p->pairs);
    *p = WHERE_PAST_INIT;
}

void where_past_copy(struct where_past *p, const struct where_past *from)
{
    memcpy(p->pairs, from->pairs, from->n_groups * sizeof(*p->pairs));
    memcpy(p->fastest, from->fastest, from->n_groups * sizeof(*p->fastest));
}

/* Which share of the time that a hull spans is not before @x. */
static double share_since(const struct hull *h, int64_t x)
{
    const struct hull_point *first = &h->at[0], *last = &h->at[h->n - 1];

    if (h->n < 2 || first->x >= x)
        return 1;
    return last->x < x ? 0 : (double)(last->x - x) / (double)(last->x - first->x);
}

void where_past_forget(struct where_past *p, int64_t x)
{
    for (size_t i = 0; i < p->n_groups; i++) {
        struct skew_pair *pair = &p->pairs[i];

        pair->weight *= share_since(&pair->back, x);
        hull_drop_before(&pair->out, x);
        hull_drop_before(&pair->back, x);
        hull_drop_before(&p->fastest[i], x);
        if (pair->out.n == 0 || pair->back.n == 0) {
            pair->weight = 0;
            pair->out.n = 0;
            pair->back.n = 0;
            p->fastest[i].n = 0;
        }
    }
}

/* Within a connection times rise, unless the server's clock is broken: such a point is left out. */
static void add_in_order(struct hull *h, struct hull_point p)
{
    if (h->n == 0 || p.x >= h->at[h->n - 1].x)
        hull_add(h, p.x, p.y);
}

/* What a fit works on. */
struct work {
    const struct where_past *past;
    size_t first, end;              /* groups in use: the common one, or those of the slots */
    const struct where_origin *origin;
    const struct where_sample *s;
    size_t n, n_arrivals;
};

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

/* A stamp that is shared is too late, which makes a way too long and harms no minimum. */
static size_t learn(struct where_past *past, const struct where_origin *origin,
                    const struct where_sample *s, size_t n, struct hull_point *room)
{
    size_t n_points = 0;

    for (size_t i = 0; i < n; i++)
        if (s[i].flags & SAMPLE_ARRIVAL)
            room[n_points++] = out_point(origin, &s[i]);
    hull_add_all(&past->pairs[0].out, room, n_points);

    n_points = 0;
    for (size_t i = 0; i < n; i++)
        if (s[i].flags & SAMPLE_ARRIVAL)
            room[n_points++] = back_point(origin, &s[i]);
    hull_add_all(&past->pairs[0].back, room, n_points);
    past->pairs[0].weight += (double)n_points;

    for (size_t i = 0; i < n && past->n_groups > 1; i++) {
        struct skew_pair *own = &past->pairs[1 + s[i].conn];

        if (!(s[i].flags & SAMPLE_ARRIVAL))
            continue;
        add_in_order(&own->out, out_point(origin, &s[i]));
        add_in_order(&own->back, back_point(origin, &s[i]));
        own->weight++;
    }
    return n_points;
}

static bool has_own_minima(const struct where_past *past, const struct where_sample *s, size_t n)
{
    if (past->n_groups == 1)
        return false;

    for (size_t i = 0; i < n; i++)
        if (s[i].flags & SAMPLE_ARRIVAL && past->pairs[1 + s[i].conn].weight < FEW_OF_OWN)
            return false;
    return true;
}

static void draw_group(struct where_lines *l, const struct where_past *past, size_t i)
{
    const struct skew_pair *pair = &past->pairs[i];

    if (pair->weight == 0)
        return;
    l->least[i].out = (int64_t)floor(hull_touch(&pair->out, l->slope, NULL));
    l->least[i].back = (int64_t)floor(hull_touch(&pair->back, -l->slope, NULL));
}

/* The minima that a slope leaves. */
static void draw(struct where_lines *l, const struct work *w, double slope)
{
    l->slope = slope;
    draw_group(l, w->past, 0);
    for (size_t i = 1; i < w->end; i++)
        draw_group(l, w->past, i);
}

static double best_slope(const struct work *w, enum skew_side side)
{
    const struct hull *first = &w->past->pairs[0].out, *last = &w->past->pairs[0].back;
    int64_t x_mid = first->at[0].x + (last->at[last->n - 1].x - first->at[0].x) / 2;

    return skew_best(w->past->pairs + w->first, w->end - w->first, side, x_mid);
}

static double base_left(const struct work *w, double slope)
{
    return skew_base(w->past->pairs + w->first, w->end - w->first, slope);
}

/* How lines suit a stretch. Residuals are what a delay has above its line. */
struct verdict {
    size_t n_runs;
    struct run {
        double out, back, both;         /* least residuals, and least sum over one message */
        int64_t x;                      /* last departure */
    } runs[RUNS];
    double median[2], quartile[2];      /* of the runs' least residuals; out, back [ns] */
    double gap;                         /* the least sum, mean over the groups [ns] */
    int64_t fastest[1 + WHERE_OWN_MINIMA_MAX];      /* per group; INT64_MAX = none in the stretch */
};

static int by_value(const void *left, const void *right)
{
    double l = *(const double *)left, r = *(const double *)right;

    return (l > r) - (l < r);
}

static void judge_runs(struct verdict *v)
{
    for (int side = 0; side < 2; side++) {
        double least[RUNS];

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
        sum += w->past->pairs[i].weight;
        n += w->past->pairs[i].weight > 0;
    }
    return sum / n;
}

static void judge_gap(struct verdict *v, const struct work *w, const struct where_lines *l)
{
    double sum = 0, weight = 0;

    for (size_t i = w->first; i < w->end; i++) {
        double gap = (double)v->fastest[i], n = w->past->pairs[i].weight;

        if (v->fastest[i] == INT64_MAX)
            continue;
        if (w->past->fastest[i].n > 0) {
            double before = hull_touch(&w->past->fastest[i], 0, NULL);

            gap = MIN(gap, before - (double)(l->least[i].out + l->least[i].back));
        }
        sum += n * gap;
        weight += n;
    }
    v->gap = sum / weight;
}

static void judge(struct verdict *v, const struct work *w, const struct where_lines *l)
{
    size_t per_run = (w->n_arrivals + RUNS - 1) / RUNS, in_run = per_run;

    v->n_runs = 0;
    for (size_t i = w->first; i < w->end; i++)
        v->fastest[i] = INT64_MAX;

    for (size_t i = 0; i < w->n; i++) {
        const struct where_sample *s = &w->s[i];
        int64_t out, back, *fastest;
        struct run *r;

        if (!(s->flags & SAMPLE_ARRIVAL))
            continue;
        if (in_run++ == per_run) {
            v->runs[v->n_runs++] = (struct run){HUGE_VAL, HUGE_VAL, HUGE_VAL, INT64_MIN};
            in_run = 1;
        }
        out = where_out(l, w->origin, s);
        back = where_back(l, w->origin, s);
        fastest = &v->fastest[where_lines_group(l, s->conn)];
        *fastest = MIN(*fastest, out + back);

        r = &v->runs[v->n_runs - 1];
        r->out = MIN(r->out, (double)out);
        r->back = MIN(r->back, (double)back);
        r->both = MIN(r->both, (double)(out + back));
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
 * 3 q / ln(4/3) * n / N with a certainty of 95 %. */
static double closeness(const struct verdict *v, const struct work *w)
{
    double per_run = (double)w->n_arrivals / (double)v->n_runs;

    return 3 * MAX(v->quartile[0], v->quartile[1]) * per_run / (log(4.0 / 3) * n_known(w)) + 1;
}

/* One way that is congested all along leaves a range of slopes nearly as good as the best; there
 * the other way decides, if it is then touched much more closely. */
static void prefer_free_side(struct verdict *v, struct where_lines *l, const struct work *w)
{
    double least = MIN(v->median[0], v->median[1]), most = MAX(v->median[0], v->median[1]);
    double common = l->slope, alone;
    struct verdict other;

    if (most < 4 * least + NOISE)
        return;

    alone = best_slope(w, v->median[0] < v->median[1] ? SKEW_OUT : SKEW_BACK);
    if (base_left(w, common) - base_left(w, alone) > v->quartile[0] + v->quartile[1] + NOISE)
        return;

    draw(l, w, alone);
    judge(&other, w, l);
    if (2 * MIN(other.median[0], other.median[1]) < least)
        *v = other;
    else
        draw(l, w, common);
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

static void remember_fastest(struct where_past *past, const struct work *w,
                             const struct where_lines *l, const struct verdict *v)
{
    int64_t x = v->runs[v->n_runs - 1].x;

    for (size_t i = w->first; i < w->end; i++)
        if (v->fastest[i] != INT64_MAX)
            add_in_order(&past->fastest[i],
                         (struct hull_point){x, v->fastest[i] + l->least[i].out +
                                                    l->least[i].back});
}

/* The shortest of all groups. */
static int64_t least_base(const struct work *w, const struct where_lines *l)
{
    int64_t least = INT64_MAX;

    for (size_t i = w->first; i < w->end; i++)
        if (w->past->pairs[i].weight > 0)
            least = MIN(least, l->least[i].out + l->least[i].back);
    return least;
}

static double span(const struct where_past *past)
{
    const struct hull *out = &past->pairs[0].out, *back = &past->pairs[0].back;

    return (double)(back->at[back->n - 1].x - out->at[0].x);
}

static void fit_clocks(struct where_past *past, double prior, struct work *w,
                       struct where_fitting *ret)
{
    struct where_lines *l = &ret->lines;
    struct where_fit *fit = &ret->fit;
    struct verdict v;
    double band;
    int64_t base;

    fit->per_connection = l->own = has_own_minima(past, w->s, w->n);
    w->first = l->own ? 1 : 0;
    w->end = l->own ? past->n_groups : 1;

    draw(l, w, best_slope(w, SKEW_BOTH));
    judge(&v, w, l);
    prefer_free_side(&v, l, w);
    ret->gap_by_chance = gap_by_chance(&v, w->n_arrivals);

    band = skew_band(past->pairs + w->first, w->end - w->first, l->slope, closeness(&v, w));
    if (band > SLOPE_UNTOLD && v.gap <= ret->gap_by_chance) {
        fit->validity = WHERE_SKEW_ASSUMED;
        band = CRYSTAL;
        draw(l, w, prior);
        judge(&v, w, l);
    }
    ret->gap = v.gap;

    base = least_base(w, l);
    if (base < 0) {
        fit->validity = WHERE_CLOCK_BROKEN;
        return;
    }

    /* The slope is by the server's time; by the client's it is 1 / (1 - slope) times that. */
    fit->skew = l->slope / (1 - l->slope);
    fit->skew_error = band;
    fit->base = (nsec_t)base;
    fit->error = (nsec_t)llround(closeness(&v, w) + band * span(past));
    if (fit->validity == WHERE_VALID && ret->gap > ret->gap_by_chance) {
        fit->validity = WHERE_SKEW_UNSTEADY;
        fit->error += (nsec_t)llround(ret->gap);
    }
    find_shift(fit, &v, ret->gap_by_chance, where_arrival(w->origin, &w->s[0]));
    remember_fastest(past, w, l, &v);
}

void where_fit_stretch(struct where_past *past, double prior, const struct where_origin *origin,
                       const struct where_sample *s, size_t n, struct hull_point *room,
                       struct where_fitting *ret)
{
    struct work w = {.past = past, .origin = origin, .s = s, .n = n};
    struct where_fit *fit = &ret->fit;

    ret->gap = 0;
    ret->gap_by_chance = 0;
    *fit = (struct where_fit){.begin = s[0].send, .end = s[n - 1].read, .n_samples = (uint32_t)n};
    for (size_t i = 0; i < n; i++)
        fit->n_shared += (s[i].flags & SAMPLE_ARRIVAL_SHARED) != 0;

    w.n_arrivals = learn(past, origin, s, n, room);
    if (w.n_arrivals == 0)
        fit->validity = WHERE_NO_ARRIVALS;
    else if (past->pairs[0].weight < FEW)
        fit->validity = WHERE_TOO_FEW;
    else
        fit_clocks(past, prior, &w, ret);
}
