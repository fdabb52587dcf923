/* SPDX-License-Identifier: MIT */
#include "client/run.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "client/interrupt.h"
#include "client/record_text.h"
#include "client/report.h"
#include "client/run_log.h"
#include "client/run_output.h"
#include "client/run_setup.h"
#include "client/runner.h"
#include "client/verdict.h"
#include "client/warnings.h"
#include "common/base.h"
#include "common/parse.h"

/* How often records are fetched while they come slowly, and while they come fast. */
#define TICK_SLOW_MS 100
#define TICK_FAST_MS 10

/* More than these at a time is fast. */
#define RECORDS_FAST 2000

/* After so many of a thread's it looks up: they may come faster than they can be written, and an
 * interrupt must not wait for that to end. */
#define RECORDS_BATCH 10000

/* Without a word for so long after an interrupt, a run seems to hang. */
#define WAIT_IN_SILENCE (500 * NSEC_PER_MSEC)

#define REPORTER_NICE 10

/* From the word to start to the start: all runners have heard it by then. */
#define START_DELAY (5 * NSEC_PER_MSEC)

/* ---- Phases ---- */

static bool all_are(struct run *run, enum runner_phase phase)
{
    for (uint32_t i = 0; i < run->n_runners; i++) {
        if (runner_phase(run->runners[i]) != phase)
            return false;
    }
    return true;
}

/* One that ends early takes the others with it: its share of the load is gone. */
static void follow_phases(struct run *run)
{
    if (!run->has_begun && all_are(run, RUNNER_STANDBY)) {
        run->has_begun = true;
        run->config.start = clock_now(run->clock) + START_DELAY;
        run_command_all(run, RUNNER_GO);
        return;
    }
    for (uint32_t i = 0; i < run->n_runners; i++) {
        struct runner *r = run->runners[i];

        if (runner_phase(r) == RUNNER_OVER && (!run->has_begun || r->tally.result.error))
            run_command_all(run, RUNNER_DRAIN);
    }
}

/* A document, or rows, are for a program; who sends a signal looks at a terminal. */
static void print_interim(struct run *run, const struct report_summary *s)
{
    struct report aside = run->report;

    if (run->report.ops->interim) {
        run->report.ops->interim(&run->report, s);
        return;
    }
    aside.ops = &report_text_ops;
    aside.context.out = stderr;
    aside.ops->interim(&aside, s);
}

/* What there is so far, while the measuring goes on. */
static void report_interim(struct run *run)
{
    struct result sum;

    if (!run->has_begun || result_init(&sum) < 0)
        return;
    for (uint32_t i = 0; i < run->n_runners; i++) {
        struct runner *r = run->runners[i];

        runner_ask_snapshot(r, &sum);
        while (!runner_has_snapshot(r) && runner_phase(r) != RUNNER_OVER) {
            struct pollfd p = {.fd = run->report_fd, .events = POLLIN};
            uint64_t count;

            (void)poll(&p, 1, TICK_SLOW_MS);
            (void)!read(run->report_fd, &count, sizeof(count));
        }
        if (!runner_has_snapshot(r))
            result_merge(&sum, &r->tally.result);
    }
    sum.ended = clock_now(run->clock);
    struct report_summary s = run_summarise(run, &sum);

    print_interim(run, &s);
    run_flush_output(run);
    result_deinit(&sum);
}

/* The runners were told by the thread that hears. */
static void count_interrupts(struct run *run)
{
    unsigned n = interrupt_count(run->interrupt);

    run->is_interrupted = n > 0;
    run->is_forced = n > 1;
}

static void tell_wait(struct run *run, nsec_t now)
{
    char timeout[FORMAT_DURATION_SIZE];

    if (!run->is_interrupted || !run->has_begun)
        return;
    if (run->tell_wait_at == 0)
        run->tell_wait_at = now + WAIT_IN_SILENCE;
    if (now < run->tell_wait_at)
        return;
    run->tell_wait_at = NSEC_NEVER;
    format_duration(run->options->timeout, timeout);
    warnings_say("waiting up to %s for replies; a second interrupt ends that", timeout);
}

static void report_loop(struct run *run)
{
    struct pollfd p = {.fd = run->report_fd, .events = POLLIN};
    int tick = TICK_SLOW_MS;
    uint64_t count;
    size_t n;

    /* Where both share a CPU, the measuring threads go first; on Linux the value is a thread's. */
    (void)setpriority(PRIO_PROCESS, 0, REPORTER_NICE);
    while (!all_are(run, RUNNER_OVER)) {
        (void)poll(&p, 1, tick);
        (void)!read(run->report_fd, &count, sizeof(count));
        count_interrupts(run);
        tell_wait(run, clock_now(run->clock));
        if (interrupt_take_quit(run->interrupt))
            report_interim(run);
        follow_phases(run);
        n = run_drain_records(run, RECORDS_BATCH);
        run->report.n_dropped = run_count_dropped(run);
        if (run->has_begun && run->report.ops->tick)
            run->report.ops->tick(&run->report, clock_now(run->clock));
        if (n >= RECORDS_BATCH)
            tick = 0;
        else
            tick = n > RECORDS_FAST ? TICK_FAST_MS : TICK_SLOW_MS;
    }
    count_interrupts(run);
}

/* ---- The end ---- */

static void log_end(struct run *run)
{
    const struct result *r = &run->total;
    char line[RECORD_LINE_SIZE];
    uint64_t n_lost;

    if (!run->log)
        return;
    (void)snprintf(line, sizeof(line), "end: %" PRIu64 " sent, %" PRIu64 " received, %" PRIu64
                   " lost%s%s", r->sent, r->received, r->lost, r->error ? ": " : "",
                   r->error ? r->message : "");
    run_log_line(run->log, line);
    run_flush_log(run);
    n_lost = run_log_take_lost(run->log);
    if (n_lost > 0)
        warnings_say("log file: %" PRIu64 " lines were lost", n_lost);
}

static void write_hgrm(struct run *run)
{
    FILE *f = run->hgrm;
    int r;

    if (!f || !run->has_begun)
        return;
    run->hgrm = NULL;
    /* Of a pipe or a terminal there is nothing to cut off. */
    r = ftruncate(fileno(f), 0) < 0 && errno != EINVAL ? -errno : 0;
    if (r == 0)
        r = hist_write_hgrm(run->total.response, NSEC_PER_MSEC, f);
    if (fclose(f) != 0 && r == 0)
        r = -errno;
    if (r < 0)
        (void)run_fail(run, RUN_ERROR_SYSTEM, "--hgrm '%.80s': %s", run->options->hgrm_path,
                       strerror(-r));
}

/* Outputs in which a reader would take the rows for all there were. */
static bool has_rows(const struct options *o)
{
    return o->output == OUTPUT_CSV || o->output == OUTPUT_JSON_STREAM;
}

/* "0% lost" of nothing looks like a good run. */
static void warn_of_nothing(const struct run *run)
{
    const struct result *r = &run->total;

    if (r->omitted > 0 && r->sent + r->not_sent == 0)
        warnings_say("nothing was measured: --omit left out all there was (%" PRIu64 ")",
                     r->omitted);
}

/* A percentile that is reported as not known should not pass, or fail, without a word. */
static void warn_of_guesses(const struct run *run)
{
    const struct slo *slo = &run->options->slo;

    for (size_t i = 0; i < slo->n_conditions; i++) {
        if (hist_count(run->total.response) > 0 &&
            !slo_is_supported(&slo->conditions[i], &run->total))
            warnings_say("--fail-if '%s': too few replies to be sure of that percentile",
                         slo->conditions[i].text);
    }
}

static enum run_end end_of(const struct run *run)
{
    if (run->is_forced)
        return RUN_END_FORCED;
    return run->is_interrupted || run->output_error != 0 ? RUN_END_ASKED : RUN_END_OWN;
}

static int finish(struct run *run)
{
    int status;

    for (uint32_t i = 0; i < run->n_runners; i++)
        result_merge(&run->total, &run->runners[i]->tally.result);

    if (run->is_interrupted && !run->has_begun && run->total.error == RUN_ERROR_NONE)
        (void)run_fail(run, RUN_ERROR_CONNECT, "interrupted before the server had answered");
    write_hgrm(run);

    struct report_summary s = run_summarise(run, &run->total);

    log_end(run);
    warnings_flush(&run->warnings);
    if (run->total.error != RUN_ERROR_NONE)
        warnings_say("%s", run->total.message);
    warn_of_nothing(run);
    warn_of_guesses(run);

    status = verdict_of(&run->total, end_of(run), s.is_slo_met);
    run->report.ops->end(&run->report, &s);
    run_flush_output(run);
    if (s.n_dropped > 0 && has_rows(run->options))
        warnings_say("%" PRIu64 " replies came too fast to be written, and are in the "
                     "distributions only; slow ones were kept first", s.n_dropped);
    /* A reader who went away has seen enough; that the disk is full he must be told. */
    if (run->output_error != 0 && run->output_error != EPIPE) {
        warnings_say("writing the report: %s", strerror(run->output_error));
        return EXIT_ERROR;
    }
    return status;
}

int run_measurement(const struct options *o)
{
    struct run run;
    int status;

    if (run_init(&run, o) < 0) {
        warnings_say("out of memory");
        return EXIT_ERROR;
    }
    if (run_set_up(&run) == 0)
        report_loop(&run);
    else
        run_command_all(&run, RUNNER_ABORT);
    for (uint32_t i = 0; i < run.n_started; i++)
        runner_join(run.runners[i]);
    (void)run_drain_records(&run, SIZE_MAX);
    status = finish(&run);
    run_tear_down(&run);
    return status;
}

int run_refuse(const struct options *o, const char *message)
{
    struct run run;
    int status;

    if (run_init(&run, o) < 0) {
        warnings_say("out of memory");
        return EXIT_ERROR;
    }
    (void)run_fail(&run, RUN_ERROR_USAGE, "%s", message);
    status = finish(&run);
    run_tear_down(&run);
    return status;
}
