/* SPDX-License-Identifier: MIT */
#include "client/run_setup.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "client/share.h"

/* Descriptors of the reporting thread, with a margin: standard ones, signals, files, a resolver. */
#define OWN_FDS 32

int run_fail(struct run *run, enum run_error error, const char *format, ...)
{
    char message[RESULT_MESSAGE_SIZE];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    result_fail(&run->total, error, message);
    return -EINVAL;
}

static int resolve(struct run *run)
{
    const struct options *o = run->options;
    const char *reason = "";
    int r;

    r = addr_parse_target(o->host, o->port, &run->target, &reason);
    if (r < 0)
        return run_fail(run, RUN_ERROR_USAGE, "host '%.80s': expected %s", o->host, reason);
    run->report.context.host = run->target.host;
    r = addr_resolve(&run->target, o->family, &run->addrs, &run->config.link.n_addrs, &reason);
    if (r < 0)
        return run_fail(run, RUN_ERROR_RESOLVE, "host '%.80s': %s", run->target.host, reason);
    addr_format(&run->addrs[0], run->address);
    run->config.link.addrs = run->addrs;
    r = dial_config_init(&run->config.link.dial, o, &reason);
    if (r < 0)
        return run_fail(run, RUN_ERROR_USAGE, "--interface '%.80s': expected %s", o->source,
                        reason);
    return 0;
}

/* Connections take a descriptor each, runners some of their own, and the rest is ours. */
static int raise_descriptor_limit(struct run *run)
{
    rlim_t needed = (rlim_t)run->options->connections +
                    RUNNER_FDS * (rlim_t)run->options->threads + OWN_FDS;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= needed)
        return 0;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < needed)
        return run_fail(run, RUN_ERROR_SYSTEM,
                        "%u connections need %llu descriptors, the limit is %llu (ulimit -n)",
                        run->options->connections, (unsigned long long)needed,
                        (unsigned long long)limit.rlim_max);
    return 0;
}

static int open_log(struct run *run)
{
    const struct options *o = run->options;
    const char *path = o->log_path;
    char usual[PATH_MAX] = "";
    int r = 0;

    if (!o->log)
        return 0;
    if (!path) {
        r = run_log_find_path(usual);
        path = usual;
    }
    if (r == -ENOENT)
        return run_fail(run, RUN_ERROR_USAGE, "--log-file: there is no $HOME for the usual "
                        "file, expected the name of one");
    if (r == 0)
        r = run_log_new(&run->log, path, !o->log_path, run->clock, o->timeout);
    if (r < 0)
        return run_fail(run, RUN_ERROR_USAGE, "--log-file '%.80s': %s", path,
                        r == -EINVAL ? "not a regular file" : strerror(-r));
    return 0;
}

/* An hour's run should not find out in the end that it has no place for its file. What is in it
 * stays until then. */
static int open_hgrm(struct run *run)
{
    const char *path = run->options->hgrm_path;

    if (!path)
        return 0;
    run->hgrm = fopen(path, "ae");
    if (!run->hgrm)
        return run_fail(run, RUN_ERROR_USAGE, "--hgrm '%.80s': %s", path, strerror(errno));
    return 0;
}

static int start_runners(struct run *run)
{
    const struct options *o = run->options;
    int r;

    run->runners = calloc(o->threads, sizeof(struct runner *));
    if (!run->runners)
        return run_fail(run, RUN_ERROR_SYSTEM, "out of memory");
    for (uint32_t i = 0; i < o->threads; i++) {
        struct share share = share_make(o, i);

        r = runner_new(&run->runners[i], &run->config, &share);
        if (r < 0)
            return run_fail(run, RUN_ERROR_SYSTEM, "setting up: %s", strerror(-r));
        run->n_runners++;
    }
    for (; run->n_started < run->n_runners; run->n_started++) {
        r = runner_start(run->runners[run->n_started]);
        if (r < 0)
            return run_fail(run, RUN_ERROR_SYSTEM, "starting a thread: %s", strerror(-r));
    }
    return 0;
}

int run_init(struct run *run, const struct options *o)
{
    *run = (struct run){
        .options = o,
        .clock = &clock_system,
        .report_fd = -1,
        .report = {
            .ops = report_find(o->output),
            .context = {.options = o, .clock = &clock_system, .host = o->host,
                        .address = run->address, .out = stdout},
        },
    };
    return result_init(&run->total);
}

int run_set_up(struct run *run)
{
    int r;

    r = open_log(run);
    if (r == 0)
        r = open_hgrm(run);
    if (r == 0)
        r = resolve(run);
    if (r == 0)
        r = raise_descriptor_limit(run);
    if (r < 0)
        return r;

    interrupt_block();
    run->report_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (run->report_fd < 0)
        return run_fail(run, RUN_ERROR_SYSTEM, "eventfd: %s", strerror(errno));
    run->config.options = run->options;
    run->config.clock = run->clock;
    run->config.link.timeout = MAX(run->options->timeout, LINK_TIMEOUT_MIN);
    run->config.report_fd = run->report_fd;
    target_config_init(&run->config.link.target, run->clock, run->options);
    /* A sleep may else last 50 us longer than asked for; threads inherit it, prctl(2). */
    (void)prctl(PR_SET_TIMERSLACK, 1UL);
    machine_read(&run->machine, run->clock, &run->addrs[0]);
    r = analysis_new(&run->analysis, run->options->connections, run->options->worst,
                     run->options->connect, run->report.ops->row, &run->report);
    if (r < 0)
        return run_fail(run, RUN_ERROR_SYSTEM, "out of memory");
    r = start_runners(run);
    if (r < 0)
        return r;
    r = interrupt_new(&run->interrupt, run->runners, run->n_started, run->report_fd);
    if (r < 0)
        return run_fail(run, RUN_ERROR_SYSTEM, "starting a thread: %s", strerror(-r));
    return 0;
}

void run_tear_down(struct run *run)
{
    interrupt_free(run->interrupt);
    for (uint32_t i = 0; i < run->n_runners; i++)
        runner_free(run->runners[i]);
    free(run->runners);
    free(run->addrs);
    run_log_free(run->log);
    if (run->hgrm)
        (void)fclose(run->hgrm);
    analysis_free(run->analysis);
    fd_closep(&run->report_fd);
    result_deinit(&run->total);
}
