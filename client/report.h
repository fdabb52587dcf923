/* SPDX-License-Identifier: MIT */
/*
 * Report: the seam between what a run finds and how it is written down.
 *
 * All of it happens on the reporting thread. A writer reports an error of its stream by ferror();
 * nothing else can go wrong.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "client/machine.h"
#include "client/options.h"
#include "client/record.h"
#include "client/result.h"
#include "client/slo.h"
#include "client/where_stats.h"
#include "common/clock.h"

/* What is known before the first message. */
struct report_context {
    const struct options *options;
    const struct clock_src *clock;
    const char *host;               /* as the user named it, without the port */
    const char *address;            /* that of the first connection, until then the first that was
                                     * found; "" = none yet */
    FILE *out;                      /* borrowed */
};

/* What is known in the end. */
struct report_summary {
    const struct result *result;
    bool is_interrupted;            /* by a signal */
    uint64_t n_dropped;             /* records that the reporter missed */
    struct where_stats *where;      /* borrowed; NULL if there was no run */
    const struct machine *machine;  /* borrowed; likewise */
    bool slo_met[SLO_CONDITIONS_MAX];       /* of the conditions in the options */
    bool is_slo_met;                /* any of them */
};

struct report;

struct report_ops {
    void (*begin)(struct report *r, const char *protocol);
    /* Something happened; RECORD_CONNECTED comes as begin(). */
    void (*record)(struct report *r, const struct record *record);
    /* Time passes: called some ten times a second; NULL = of no interest. */
    void (*tick)(struct report *r, nsec_t now);
    /* A message was taken apart, some time after its record; NULL = of no interest. @ctx is the
     * report. */
    where_visit_fn row;
    /* The path or a clock is not what it was; NULL = of no interest. */
    void (*change)(struct report *r, const struct where_change *change);
    /* What there is so far; NULL = the output has no place for it, people are told on stderr. */
    void (*interim)(struct report *r, const struct report_summary *summary);
    void (*end)(struct report *r, const struct report_summary *summary);
};

struct report {
    const struct report_ops *ops;
    struct report_context context;
    bool has_begun;
    uint64_t n_dropped;             /* records that the reporter missed so far */
    struct report_stream *stream;   /* the NDJSON stream's own */
};

extern const struct report_ops report_text_ops;
extern const struct report_ops report_json_ops;
extern const struct report_ops report_json_stream_ops;
extern const struct report_ops report_csv_ops;

/* The writer of an output. */
const struct report_ops *report_find(enum output output);

/* Whether the analysis could tell this part apart for any message at all. */
static inline bool report_knows_part(const struct where_stats *where, enum where_part part)
{
    if (part == PART_QUEUED || part == PART_UNSPLIT)
        return true;
    if (part == PART_BASE)
        return where_stats_clock(where)->n_messages > 0;
    return where_stats_hist(where, part) != NULL;
}

/* Wall time of a moment on the monotonic clock [ns since the epoch]. */
static inline nsec_t report_real_time(const struct report *r, nsec_t at)
{
    return clock_real(r->context.clock) - (clock_now(r->context.clock) - at);
}
