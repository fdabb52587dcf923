/* SPDX-License-Identifier: MIT */
#include "client/where_window.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "client/where_cut.h"
#include "client/where_fit.h"
#include "client/where_rise.h"
#include "client/where_split.h"

#define N_SAMPLES 16384
#define DURATION (10 * NSEC_PER_SEC)
#define HORIZON (120 * NSEC_PER_SEC)
#define SAMPLES_PER_NOTE 16

/* So few samples stay in their window until the horizon: their fit gains by what follows. */
#define SAMPLES_MIN 32

/* The farthest that a time may be from the origin [ns]: 9 years. */
#define FAR (INT64_C(1) << 58)

/* A step or a shift below this is not told from noise [ns]. */
#define STEP_MIN 20000.0

struct where_window {
    uint32_t n_conns;
    nsec_t duration, horizon;

    struct where_sample *samples;
    size_t n, max;
    struct cause_note *notes;
    size_t n_notes, max_notes;

    bool has_origin;
    struct where_origin origin;
    struct where_trail *trails;         /* by slot */
    struct where_past past;
    struct where_clouds fresh, all;     /* of a stretch, and with the past; while closing */
    struct where_cut_room room;

    double skew, skew_error;            /* the last that were told; error 0 = none yet */
    bool broke;                         /* the clocks, since then */
    bool has_last;
    struct where_fitting last;          /* the last that was valid */
    struct where_rise rise;
    struct where_fit fits[WHERE_CUTS_MAX + 1];
    size_t n_fits;
};

static void reset_trails(struct where_window *w)
{
    for (size_t i = 0; i < w->n_conns; i++)
        w->trails[i] = WHERE_TRAIL_INIT;
}

int where_window_new(struct where_window **ret_window, const struct where_window_config *config)
{
    _cleanup_(where_window_freep) struct where_window *w = NULL;
    bool own = !config->merge && config->n_conns > 1 && config->n_conns <= WHERE_OWN_MINIMA_MAX;
    size_t n_groups = own ? 1 + (size_t)config->n_conns : 1;
    int r;

    if (config->n_conns == 0)
        return -EINVAL;

    w = calloc(1, sizeof(*w));
    if (!w)
        return -ENOMEM;

    w->n_conns = config->n_conns;
    w->duration = config->duration > 0 ? config->duration : DURATION;
    w->horizon = config->horizon > 0 ? config->horizon : HORIZON;
    w->max = config->n_samples > 0 ? config->n_samples : N_SAMPLES;
    w->max_notes = MIN((w->max + SAMPLES_PER_NOTE - 1) / SAMPLES_PER_NOTE, (size_t)UINT16_MAX);
    w->samples = malloc(w->max * sizeof(*w->samples));
    w->notes = malloc(w->max_notes * sizeof(*w->notes));
    w->trails = malloc(w->n_conns * sizeof(*w->trails));
    w->room.worst = malloc((w->max + 1) * sizeof(*w->room.worst));
    if (!w->samples || !w->notes || !w->trails || !w->room.worst)
        return -ENOMEM;

    reset_trails(w);

    r = where_past_init(&w->past, n_groups, w->horizon);
    if (r < 0)
        return r;
    r = where_clouds_init(&w->fresh, n_groups);
    if (r < 0)
        return r;
    r = where_clouds_init(&w->all, n_groups);
    if (r < 0)
        return r;

    *ret_window = take_ptr(w);
    return 0;
}

struct where_window *where_window_free(struct where_window *w)
{
    if (!w)
        return NULL;

    where_clouds_deinit(&w->all);
    where_clouds_deinit(&w->fresh);
    where_past_deinit(&w->past);
    free(w->room.worst);
    free(w->trails);
    free(w->notes);
    free(w->samples);
    free(w);
    return NULL;
}

struct where_sample *where_window_add(struct where_window *w, const struct where_sample *sample)
{
    struct where_sample *s;

    if (w->n == w->max)
        return NULL;

    s = &w->samples[w->n++];
    *s = *sample;
    s->note = 0;
    return s;
}

void where_window_note(struct where_window *w, struct where_sample *sample,
                       const struct cause_note *note)
{
    if (w->n_notes == w->max_notes)
        return;

    w->notes[w->n_notes++] = *note;
    sample->note = (uint16_t)w->n_notes;
}

bool where_window_due(const struct where_window *w, nsec_t now)
{
    nsec_t age;

    if (w->n == 0)
        return false;

    age = now - MIN(now, w->samples[0].read);
    return w->n == w->max || age >= w->horizon || (age >= w->duration && w->n >= SAMPLES_MIN);
}

static bool is_near(int64_t t)
{
    return t > -FAR && t < FAR;
}

/* A server can tell any times; and stamps that were carried over from another clock are off by some
 * nanoseconds. What follows relies on this order. */
static void tidy(struct where_window *w, struct where_sample *s)
{
    const struct where_origin *o = &w->origin;

    s->send = MIN(s->send, s->read);
    s->due = MIN(s->due, s->send);
    s->rx = MIN(MAX(s->rx, s->send), s->read);
    if (s->flags & SAMPLE_ARRIVAL &&
        (s->residence >= (nsec_t)FAR || !is_near(where_arrival(o, s))))
        s->flags = (uint16_t)(s->flags & ~(SAMPLE_ARRIVAL | SAMPLE_ARRIVAL_SHARED));
    s->window = MIN(s->window, (nsec_t)FAR);
}

static void set_origin(struct where_window *w)
{
    for (size_t i = 0; i < w->n && !w->has_origin; i++) {
        const struct where_sample *s = &w->samples[i];

        if (!(s->flags & SAMPLE_ARRIVAL))
            continue;
        w->origin = (struct where_origin){.client = s->send, .server = s->arrival};
        w->has_origin = true;
    }
}

/* Fits that suit no clocks, which a cut may help. */
static bool is_bad(const struct where_fitting *f)
{
    return f->fit.validity == WHERE_SKEW_UNSTEADY || f->fit.validity == WHERE_CLOCK_BROKEN;
}

static bool is_told(double shift, double error)
{
    return fabs(shift) > MAX(STEP_MIN, 3 * error);
}

/* What changed since the stretch before. Where the clocks are the same ones, a line that moved is a
 * path that did. Where they broke, what both ways have in common, with opposite signs, is the
 * clock's; a route that gets longer one way by as much as shorter the other looks the same. */
static void compare(struct where_fitting *f, const struct where_fitting *last, bool broke,
                    int64_t x)
{
    double apart = (double)(int64_t)(f->fit.begin - last->fit.end), step = 0;
    double turned = f->lines.slope - last->lines.slope, moved = turned * (double)x;
    double error = (double)(f->fit.error + last->fit.error) + fabs(turned * apart);
    double out = (double)(f->lines.least[0].out - last->lines.least[0].out) + moved;
    double back = (double)(f->lines.least[0].back - last->lines.least[0].back) - moved;

    if (broke && out * back < 0)
        step = fabs(out) < fabs(back) ? out : -back;
    if (!is_told(step, error))
        step = 0;
    f->fit.clock_step = llround(step);
    if (is_told(out + back, error)) {
        f->fit.base_shift = llround(out + back);
        f->fit.forward_shift = llround(out - step);
    }
}

/* A rate that changed shows only where both are told; a step is no reason for it to change. */
static void compare_skew(struct where_window *w, struct where_fit *fit)
{
    bool was_told = w->skew_error > 0;

    fit->skew_changed = was_told && w->broke &&
                        fabs(fit->skew - w->skew) > fit->skew_error + w->skew_error;
    w->skew = fit->skew;
    w->skew_error = fit->skew_error;
    w->broke = false;
}

/* Keeps what a stretch has shown. */
static void accept(struct where_window *w, struct where_fitting *f, bool broke)
{
    if (broke) {
        where_past_clear(&w->past);
        reset_trails(w);            /* the server's times from before say nothing of those after */
    }
    w->broke = w->broke || broke;
    if (w->fresh.pairs[0].weight > 0)
        where_past_keep(&w->past, w->fresh.pairs[0].out.at[0].x, &w->fresh);
    if (where_validity_ok(f->fit.validity)) {
        if (w->has_last)
            compare(f, &w->last, w->broke, w->fresh.pairs[0].out.at[0].x);
        if (f->fit.validity == WHERE_VALID)
            compare_skew(w, &f->fit);
        /* While it seems to rise the base is known less well than it was before. */
        if (!w->has_last || w->rise.n == 0 || f->fit.base_shift != 0)
            w->last = *f;
        w->has_last = true;
    }
    w->fits[w->n_fits++] = f->fit;
}

static void split(struct where_window *w, const struct where_fitting *f, size_t begin, size_t end,
                  where_visit_fn visit, void *ctx)
{
    for (size_t i = begin; i < end; i++) {
        const struct where_sample *s = &w->samples[i];
        struct where_parts parts;

        where_split(&w->trails[s->conn], f, &w->origin, s, &parts);
        if (visit)
            visit(ctx, s, &parts, &f->fit, s->note > 0 ? &w->notes[s->note - 1] : NULL);
    }
}

/* Fits a stretch, together with what is known unless the clocks broke since. Return: if they did.
 */
static bool fit_stretch(struct where_window *w, size_t begin, size_t end, struct where_fitting *ret)
{
    const struct where_sample *s = w->samples + begin;
    double slope = w->skew / (1 + w->skew);
    struct where_fitting anew;
    size_t n = end - begin;

    where_clouds_clear(&w->fresh);
    where_clouds_add(&w->fresh, &w->origin, s, n);
    if (begin > 0 || w->fresh.pairs[0].weight == 0) {
        where_fit_stretch(&w->fresh, &w->fresh, slope, &w->origin, s, n, ret);
        return begin > 0;
    }

    where_past_recall(&w->past, w->fresh.pairs[0].out.at[0].x, &w->all);
    where_clouds_join(&w->all, &w->fresh);
    where_fit_stretch(&w->fresh, &w->all, slope, &w->origin, s, n, ret);
    if (!is_bad(ret) || w->past.n == 0)
        return false;

    where_fit_stretch(&w->fresh, &w->fresh, slope, &w->origin, s, n, &anew);
    if (is_bad(&anew) && anew.gap > ret->gap / 2)
        return false;

    *ret = anew;
    return true;
}

/* Fits a whole window. A base that has risen is forgotten: then the fit has the new one, and it is
 * told like any change. Return: as fit_stretch(). */
static bool fit_window(struct where_window *w, struct where_fitting *ret)
{
    bool broke = fit_stretch(w, 0, w->n, ret);

    if (broke || ret->n_runs == 0 || is_bad(ret)) {
        where_rise_lose(&w->rise);
        return broke;
    }
    if (!where_rise_follow(&w->rise, ret, w->fresh.pairs[0].out.at[0].x)) {
        w->rise.was_told = w->rise.was_told || (w->rise.n > 0 && ret->fit.base_shift > 0);
        return false;
    }

    where_past_clear(&w->past);
    (void)fit_stretch(w, 0, w->n, ret);
    if (w->rise.was_told)
        w->last = *ret;
    where_rise_end(&w->rise);
    return false;
}

void where_window_close(struct where_window *w, where_visit_fn visit, void *ctx)
{
    size_t cuts[WHERE_CUTS_MAX + 1], n_cuts = 0, begin = 0;
    struct where_fitting f;
    bool broke;

    w->n_fits = 0;
    if (w->n == 0)
        return;

    set_origin(w);
    for (size_t i = 0; i < w->n; i++)
        tidy(w, &w->samples[i]);

    broke = fit_window(w, &f);
    if (is_bad(&f))
        n_cuts = where_cut_find(&f, &w->origin, w->samples, w->n, &w->room, cuts);
    cuts[n_cuts] = w->n;
    for (size_t i = 0; i <= n_cuts; i++) {
        if (n_cuts > 0)
            broke = fit_stretch(w, begin, cuts[i], &f);
        accept(w, &f, broke);
        split(w, &f, begin, cuts[i], visit, ctx);
        begin = cuts[i];
    }
    w->n = 0;
    w->n_notes = 0;
}

const struct where_fit *where_window_fits(const struct where_window *w, size_t *ret_n)
{
    *ret_n = w->n_fits;
    return w->fits;
}
