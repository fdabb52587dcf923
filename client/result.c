/* SPDX-License-Identifier: MIT */
#include "client/result.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base.h"

const char *run_error_name(enum run_error error)
{
    static const char *const names[] = {
        [RUN_ERROR_NONE] = "none",
        [RUN_ERROR_USAGE] = "usage",
        [RUN_ERROR_RESOLVE] = "resolve",
        [RUN_ERROR_CONNECT] = "connect",
        [RUN_ERROR_CONNECTION_LOST] = "connection_lost",
        [RUN_ERROR_PROTOCOL] = "protocol",
        [RUN_ERROR_SYSTEM] = "system",
    };

    return names[error];
}

int result_init(struct result *r)
{
    struct hist **hists[] = {&r->service, &r->response, &r->lateness, &r->connect};

    *r = (struct result){.began = 0};
    r->outages = calloc(OUTAGES_KEPT_MAX, sizeof(*r->outages));
    for (size_t i = 0; r->outages && i < ARRAY_SIZE(hists); i++) {
        if (hist_new(hists[i]) < 0)
            break;
    }
    if (r->connect)
        return 0;

    result_deinit(r);
    return -ENOMEM;
}

void result_deinit(struct result *r)
{
    hist_freep(&r->service);
    hist_freep(&r->response);
    hist_freep(&r->lateness);
    hist_freep(&r->connect);
    free(r->outages);
    *r = (struct result){.began = 0};
}

void result_add_outage(struct result *r, const struct outage *outage)
{
    if (r->n_outages_kept < OUTAGES_KEPT_MAX)
        r->outages[r->n_outages_kept++] = *outage;
    r->n_outages++;
    r->outage_time += outage->length;
}

static void merge_outages(struct result *r, const struct result *from)
{
    for (size_t i = 0; i < from->n_outages_kept && r->n_outages_kept < OUTAGES_KEPT_MAX; i++)
        r->outages[r->n_outages_kept++] = from->outages[i];
    r->n_outages += from->n_outages;
    r->outage_time += from->outage_time;
}

void result_merge(struct result *r, const struct result *from)
{
    hist_merge(r->service, from->service);
    hist_merge(r->response, from->response);
    hist_merge(r->lateness, from->lateness);
    hist_merge(r->connect, from->connect);

    r->sent += from->sent;
    r->received += from->received;
    r->lost += from->lost;
    r->late += from->late;
    r->missing += from->missing;
    r->resent += from->resent;
    r->not_sent += from->not_sent;
    r->omitted += from->omitted;
    r->wrong += from->wrong;

    if (from->began > 0 && (r->began == 0 || from->began < r->began))
        r->began = from->began;
    r->ended = MAX(r->ended, from->ended);

    merge_outages(r, from);
    r->is_native = r->is_native || from->is_native;
    result_fail(r, from->error, from->message);
}

void result_fail(struct result *r, enum run_error error, const char *message)
{
    if (r->error != RUN_ERROR_NONE || error == RUN_ERROR_NONE)
        return;
    r->error = error;
    (void)snprintf(r->message, sizeof(r->message), "%s", message);
}
