/* SPDX-License-Identifier: MIT */
#include "client/where_rise.h"

#include <math.h>

#include "common/base.h"

/* More than one window. */
#define SPAN ((int64_t)(15 * NSEC_PER_SEC))

/* Not near the base is what is so many times as far as was usual, and above noise [ns]. */
#define FAR_TIMES 3
#define FAR_LEAST 20000.0

/* Much the same are runs that have in the mean no more above their least than was usual, or than
 * this share of it. A run that a busy machine has spoiled counts as so many times the least: one in
 * ten may be. */
#define EVEN_SHARE 8
#define SPOILED_TIMES 2

/* So that half of those runs are below. */
static double median(const struct where_run_least *runs, size_t n)
{
    double low = 0, high;

    for (size_t i = 0; i < n; i++) {
        size_t n_below = 0;

        high = runs[i].both;
        for (size_t k = 0; k < n; k++)
            n_below += runs[k].both < high;
        if (n_below <= n / 2)
            low = fmax(low, high);
    }
    return low;
}

static void add_runs(struct where_rise *r, const struct where_run_least *runs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        r->least = r->n == 0 ? runs[i].both : fmin(r->least, runs[i].both);
        r->sum += fmin(runs[i].both, SPOILED_TIMES * r->least);
        r->n++;
        r->until = runs[i].x;
    }
}

static bool is_even(const struct where_rise *r)
{
    return r->sum / (double)r->n - r->least <= fmax(FAR_TIMES * r->calm, r->least / EVEN_SHARE);
}

bool where_rise_follow(struct where_rise *r, const struct where_fitting *f, int64_t begin)
{
    double limit = fmax(FAR_TIMES * r->calm, FAR_LEAST);
    size_t n_near = f->n_runs;

    while (r->calm > 0 && n_near > 0 && f->runs[n_near - 1].both > limit)
        n_near--;
    if (n_near == 0 && r->is_missed)
        return false;
    if (n_near > 0) {
        if (n_near == f->n_runs && r->n == 0)
            r->calm = median(f->runs, n_near) + 1;
        *r = (struct where_rise){.calm = r->calm, .since = f->runs[n_near - 1].x};
        n_near++;                   /* the next may have begun before the rise */
    } else if (r->n == 0) {
        *r = (struct where_rise){.calm = r->calm, .since = begin};
    }
    if (n_near < f->n_runs)
        add_runs(r, f->runs + n_near, f->n_runs - n_near);
    return n_near == 0 && r->until - r->since >= SPAN && is_even(r);
}
