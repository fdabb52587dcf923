/* SPDX-License-Identifier: MIT */
#include "client/analysis.h"

#include <errno.h>
#include <stdlib.h>

struct analysis {
    struct where_window *window;
    struct where_stats *stats;
    where_visit_fn visit;
    void *ctx;
};

int analysis_new(struct analysis **ret, uint32_t n_connections, uint32_t n_worst, bool merge,
                 where_visit_fn visit, void *ctx)
{
    const struct where_window_config config = {.n_conns = n_connections, .merge = merge};
    _cleanup_(analysis_freep) struct analysis *a = calloc(1, sizeof(*a));
    int r;

    if (!a)
        return -ENOMEM;
    a->visit = visit;
    a->ctx = ctx;
    r = where_window_new(&a->window, &config);
    if (r < 0)
        return r;
    r = where_stats_new(&a->stats, n_worst);
    if (r < 0)
        return r;
    *ret = take_ptr(a);
    return 0;
}

struct analysis *analysis_free(struct analysis *a)
{
    if (!a)
        return NULL;
    where_stats_free(a->stats);
    where_window_free(a->window);
    free(a);
    return NULL;
}

void analysis_close(struct analysis *a)
{
    where_stats_close(a->stats, a->window, a->visit, a->ctx);
}

void analysis_add(struct analysis *a, const struct record *record)
{
    struct where_sample *kept;

    if (where_window_due(a->window, record->at))
        analysis_close(a);
    kept = where_window_add(a->window, &record->reply.sample);
    if (kept && record->has_note)
        where_window_note(a->window, kept, &record->reply.note);
}

struct where_stats *analysis_stats(struct analysis *a)
{
    return a->stats;
}
