/* SPDX-License-Identifier: MIT */
#include "client/where_stats.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/hist.h"

/* A skew is not believed to be more certain than this: crystals wander. */
#define SKEW_ERROR_MIN 1e-9

struct where_stats {
    struct hist *hists[PART_COUNT];     /* of those that have one */
    struct where_table *table;
    struct worst worst;
    struct where_counts counts;
    struct where_clock clock;
    struct where_change changes[WHERE_CHANGES_KEPT];    /* a ring */
    uint64_t n_changes;                 /* free-running */
    struct where_change largest_shift, largest_step;
    uint64_t validities[WHERE_VALIDITIES];  /* messages under each */
    double sum_skew, sum_certainty;     /* of stretches: 1 / the square of the error */
    double sum_error;                   /* by message */
    double least_skew_error;
    double skew_at_least, skew_at_most; /* some stretch tells the one, another the other: where the
                                         * skew changed the first is above the second */
};

static const enum where_part with_hist[] = {PART_FORWARD, PART_RESIDENCE, PART_RETURN, PART_WAKEUP};

int where_stats_new(struct where_stats **ret_stats, size_t n_worst)
{
    _cleanup_(where_stats_freep) struct where_stats *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return -ENOMEM;

    s->skew_at_least = -HUGE_VAL;
    s->skew_at_most = HUGE_VAL;
    for (size_t i = 0; i < ARRAY_SIZE(with_hist); i++) {
        r = hist_new(&s->hists[with_hist[i]]);
        if (r < 0)
            return r;
    }
    r = where_table_new(&s->table);
    if (r < 0)
        return r;
    r = worst_init(&s->worst, n_worst);
    if (r < 0)
        return r;

    *ret_stats = take_ptr(s);
    return 0;
}

struct where_stats *where_stats_free(struct where_stats *s)
{
    if (!s)
        return NULL;

    worst_deinit(&s->worst);
    where_table_free(s->table);
    for (size_t i = 0; i < ARRAY_SIZE(with_hist); i++)
        hist_free(s->hists[with_hist[i]]);
    free(s);
    return NULL;
}

static void count(struct where_counts *c, const struct where_sample *s,
                  const struct where_parts *p, const struct where_fit *fit)
{
    bool arrival = s->flags & SAMPLE_ARRIVAL, valid = where_validity_ok(fit->validity);

    c->messages++;
    c->arrival_kernel += arrival && s->flags & SAMPLE_ARRIVAL_KERNEL;
    c->arrival_nic += arrival && s->flags & SAMPLE_ARRIVAL_NIC;
    c->arrival_user += arrival && !(s->flags & SAMPLE_ARRIVAL_KERNEL);
    c->arrival_shared += arrival && s->flags & SAMPLE_ARRIVAL_SHARED;
    c->rx_kernel += (s->flags & SAMPLE_RX_KERNEL) != 0;
    c->rx_nic += (s->flags & SAMPLE_RX_NIC) != 0;
    c->rx_user += !(s->flags & SAMPLE_RX_KERNEL);
    c->rx_shared += (s->flags & SAMPLE_RX_SHARED) != 0;
    c->unfitted += !valid;
    c->unknown += valid && arrival && !where_parts_known(p, PART_FORWARD);
    c->unknown_return += valid && arrival && !where_parts_known(p, PART_RETURN);
}

static void keep_worst(struct worst *worst, const struct where_sample *s,
                       const struct where_parts *p, const struct cause_note *note)
{
    struct worst_message m = {
        .seq = s->seq,
        .conn = s->conn,
        .send = s->send,
        .response = s->read - s->due,
        .service = s->read - s->send,
        .parts = *p,
        .cause = cause_of(p, s->flags, note),
    };

    memcpy(m.uuid, s->uuid, sizeof(m.uuid));
    worst_add(worst, &m);
}

struct close {
    struct where_stats *stats;
    where_visit_fn also;
    void *ctx;
};

static void visit(void *ctx, const struct where_sample *s, const struct where_parts *p,
                  const struct where_fit *fit, const struct cause_note *note)
{
    const struct close *close = ctx;
    struct where_stats *stats = close->stats;

    if (close->also)
        close->also(close->ctx, s, p, fit, note);
    if (s->flags & SAMPLE_OMIT) {
        stats->counts.omitted++;
        return;
    }

    count(&stats->counts, s, p, fit);
    for (size_t i = 0; i < ARRAY_SIZE(with_hist); i++)
        if (where_parts_known(p, with_hist[i]))
            hist_record(stats->hists[with_hist[i]], p->ns[with_hist[i]]);
    where_table_add(stats->table, p);
    if (worst_wants(&stats->worst, s->read - s->due))
        keep_worst(&stats->worst, s, p, note);
}

/* The clock and the base of one more valid stretch. */
static void add_clock(struct where_stats *s, const struct where_fit *fit)
{
    double error = MAX(fit->skew_error, SKEW_ERROR_MIN), certainty = 1 / (error * error);
    struct where_clock *c = &s->clock;
    bool is_first = c->n_messages == 0;

    c->n_messages += fit->n_samples;
    s->sum_skew += fit->skew * certainty;
    s->sum_certainty += certainty;
    s->sum_error += (double)fit->error * fit->n_samples;
    s->least_skew_error = is_first ? fit->skew_error : MIN(s->least_skew_error, fit->skew_error);
    if (fit->validity != WHERE_SKEW_ASSUMED) {
        c->skew_min = c->skew_told ? MIN(c->skew_min, fit->skew) : fit->skew;
        c->skew_max = c->skew_told ? MAX(c->skew_max, fit->skew) : fit->skew;
        s->skew_at_least = MAX(s->skew_at_least, fit->skew - fit->skew_error);
        s->skew_at_most = MIN(s->skew_at_most, fit->skew + fit->skew_error);
        c->skew_told = true;
    }
    c->base = is_first ? fit->base : MIN(c->base, fit->base);
    c->base_max = MAX(c->base_max, fit->base);
    c->error_max = MAX(c->error_max, fit->error);

    c->skew = s->sum_skew / s->sum_certainty;
    c->skew_error = fmax(s->least_skew_error,
                         fmax(s->skew_at_least - c->skew, c->skew - s->skew_at_most));
    c->error = (nsec_t)llround(s->sum_error / (double)c->n_messages);
}

static void keep_change(struct where_stats *s, const struct where_fit *fit)
{
    struct where_change c;

    if (!where_change_take(fit, &c))
        return;
    s->changes[s->n_changes++ % WHERE_CHANGES_KEPT] = c;
    if (llabs(c.base_shift) > llabs(s->largest_shift.base_shift))
        s->largest_shift = c;
    if (llabs(c.clock_step) > llabs(s->largest_step.clock_step))
        s->largest_step = c;
}

static void add_fit(struct where_stats *s, const struct where_fit *fit)
{
    struct where_counts *c = &s->counts;

    s->validities[fit->validity] += fit->n_samples;
    c->stretches++;
    if (!where_validity_ok(fit->validity)) {
        c->stretches_invalid++;
        return;
    }

    c->skew_assumed += fit->validity == WHERE_SKEW_ASSUMED;
    c->skew_unsteady += fit->validity == WHERE_SKEW_UNSTEADY;
    c->skew_changes += fit->skew_changed;
    c->clock_steps += fit->clock_step != 0;
    c->base_shifts += fit->base_shift != 0;
    keep_change(s, fit);
    add_clock(s, fit);
}

void where_stats_close(struct where_stats *s, struct where_window *w, where_visit_fn also,
                       void *ctx)
{
    struct close close = {.stats = s, .also = also, .ctx = ctx};
    const struct where_fit *fits;
    size_t n;

    where_window_close(w, visit, &close);
    fits = where_window_fits(w, &n);
    for (size_t i = 0; i < n; i++)
        add_fit(s, &fits[i]);
}

const struct hist *where_stats_hist(const struct where_stats *s, enum where_part part)
{
    const struct hist *h = s->hists[part];

    return h && hist_count(h) > 0 ? h : NULL;
}

const struct where_table *where_stats_table(const struct where_stats *s)
{
    return s->table;
}

const struct where_counts *where_stats_counts(const struct where_stats *s)
{
    return &s->counts;
}

const struct where_clock *where_stats_clock(const struct where_stats *s)
{
    return &s->clock;
}

uint64_t where_stats_n_changes(const struct where_stats *s)
{
    return s->n_changes;
}

const struct where_change *where_stats_change(const struct where_stats *s, uint64_t i)
{
    if (i >= s->n_changes || s->n_changes - i > WHERE_CHANGES_KEPT)
        return NULL;
    return &s->changes[i % WHERE_CHANGES_KEPT];
}

const struct where_change *where_stats_largest_shift(const struct where_stats *s)
{
    return &s->largest_shift;
}

const struct where_change *where_stats_largest_step(const struct where_stats *s)
{
    return &s->largest_step;
}

enum where_validity where_stats_validity(const struct where_stats *s)
{
    enum where_validity most = WHERE_TOO_FEW;   /* as long as there are none */

    for (int v = 0; v < WHERE_VALIDITIES; v++)
        if (s->validities[v] > s->validities[most])
            most = (enum where_validity)v;
    return most;
}

const struct worst_message *where_stats_worst(struct where_stats *s, size_t *ret_n)
{
    return worst_list(&s->worst, ret_n);
}
