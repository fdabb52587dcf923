/* SPDX-License-Identifier: MIT */
#include "client/run_output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/record_text.h"

/* A reply is a row, and what is lost with its connection is counted with that: no line for them.
 * Nor is there a second one for a message that has one, since its time was over. */
static bool is_warning(const struct record *record)
{
    if (record->kind == RECORD_MISSING)
        return !record->message.was_overdue;
    return record->kind != RECORD_REPLY && record->kind != RECORD_LOST;
}

/* Something that happened at @at, for a person. */
static void warn(struct run *run, nsec_t at, const char *what)
{
    char stamp[CLOCK_RFC3339_SIZE], line[CLOCK_RFC3339_SIZE + RECORD_LINE_SIZE];

    if (run->options->timestamps) {
        clock_format_rfc3339(report_real_time(&run->report, at), stamp);
        (void)snprintf(line, sizeof(line), "%s %s", stamp, what);
        what = line;
    }
    warnings_limited(&run->warnings, clock_now(run->clock), what);
}

static void handle_record(struct run *run, const struct record *record)
{
    if (record->kind == RECORD_REPLY)
        analysis_add(run->analysis, record);
    if (run->log)
        run_log_record(run->log, record);
    if (record->kind == RECORD_CONNECTED) {
        if (!run->report.has_begun) {
            run->report.has_begun = true;
            addr_format(&run->addrs[record->connected.n_addr], run->address);
            run->report.ops->begin(&run->report, record->connected.is_native ? "native" : "text");
        }
        return;
    }
    if (is_warning(record)) {
        char line[RECORD_LINE_SIZE];

        record_text_format(record, run->options->timeout, line);
        warn(run, record->at, line);
    }
    run->report.ops->record(&run->report, record);
}

void run_flush_log(struct run *run)
{
    int r = run->log ? run_log_flush(run->log) : 0;

    if (r < 0)
        warnings_say("log file: %s; the run goes on, lines are lost", strerror(-r));
    else if (r == RUN_LOG_RESUMED)
        warnings_say("log file: written again, %" PRIu64 " lines were lost",
                     run_log_take_lost(run->log));
}

void run_flush_output(struct run *run)
{
    FILE *out = run->report.context.out;

    if (run->output_error != 0)
        return;
    if (fflush(out) != 0)
        run->output_error = errno;
    else if (ferror(out))
        run->output_error = EIO;    /* tried before it was asked to, stdio left only the mark */
    if (run->output_error != 0)
        run_command_all(run, RUNNER_DRAIN);
}

/* A run that somebody watches for hours says at once that its path is another one; one with an end
 * says so in its report. */
static void tell_changes(struct run *run)
{
    const struct options *o = run->options;
    struct where_stats *stats = run->analysis ? analysis_stats(run->analysis) : NULL;

    for (; stats && run->n_changes_told < where_stats_n_changes(stats); run->n_changes_told++) {
        const struct where_change *c = where_stats_change(stats, run->n_changes_told);
        char line[WHERE_CHANGE_SIZE];

        if (!c)
            continue;
        if (run->report.ops->change)
            run->report.ops->change(&run->report, c);
        where_change_format(c, line);
        if (run->log)
            run_log_line(run->log, line);
        if (o->verbose && options_endless(o))
            warn(run, c->at, line);
    }
}

size_t run_drain_records(struct run *run, size_t max)
{
    const struct record *record;
    size_t n = 0;

    for (uint32_t i = 0; i < run->n_runners; i++) {
        struct ring *ring = &run->runners[i]->tally.ring;

        for (size_t k = 0; k < max && (record = ring_peek(ring)) != NULL; k++) {
            handle_record(run, record);
            ring_release(ring);
            n++;
        }
    }
    tell_changes(run);
    if (n > 0)
        run_flush_output(run);
    run_flush_log(run);
    return n;
}

uint64_t run_count_dropped(struct run *run)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < run->n_runners; i++)
        n += tally_n_dropped(&run->runners[i]->tally);
    return n;
}

struct report_summary run_summarise(struct run *run, const struct result *result)
{
    struct report_summary s = {
        .result = result,
        .n_dropped = run_count_dropped(run),
        .is_interrupted = run->is_interrupted,
    };

    s.is_slo_met = slo_judge(&run->options->slo, result, s.slo_met);
    if (run->analysis) {
        analysis_close(run->analysis);
        tell_changes(run);
        s.where = analysis_stats(run->analysis);
        s.machine = &run->machine;
    }
    run->report.n_dropped = s.n_dropped;
    return s;
}
