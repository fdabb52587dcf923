/* SPDX-License-Identifier: MIT */
#include "client/run_log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/record_text.h"
#include "common/log_file.h"

#define SIZE_LIMIT (UINT64_C(2) << 20)      /* as the original */
#define N_OLD 1

#define BUFFER_SIZE 65536
#define LINE_MAX_LEN (CLOCK_RFC3339_SIZE + RECORD_LINE_SIZE + 2)

struct run_log {
    const struct clock_src *clock;
    nsec_t timeout;
    struct log_file *file;
    size_t len;                     /* of the lines in the buffer */
    int outcome;                    /* of writing, since it was last asked for */
    uint64_t n_lost;                /* lines before the file was written again */
    char buffer[BUFFER_SIZE];
};

int run_log_find_path(char ret_path[static PATH_MAX])
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    int n;

    /* What is not absolute has to be ignored, says the specification. */
    if (state && state[0] == '/')
        n = snprintf(ret_path, PATH_MAX, "%s/tcptimer/tcptimer.log", state);
    else if (home && home[0] == '/')
        n = snprintf(ret_path, PATH_MAX, "%s/.local/state/tcptimer/tcptimer.log", home);
    else
        return -ENOENT;
    return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int run_log_new(struct run_log **ret, const char *path, bool make_parents,
                const struct clock_src *clock, nsec_t timeout)
{
    const struct log_file_options options = {
        .path = path, .size_limit = SIZE_LIMIT, .n_old = N_OLD, .make_parents = make_parents};
    _cleanup_(run_log_freep) struct run_log *log = NULL;
    int r;

    log = calloc(1, sizeof(*log));
    if (!log)
        return -ENOMEM;
    log->clock = clock;
    log->timeout = timeout;
    r = log_file_new(&log->file, &options);
    if (r < 0)
        return r;
    r = log_file_reopen(log->file, clock_now(clock));
    if (r < 0)
        return r;
    *ret = take_ptr(log);
    return 0;
}

struct run_log *run_log_free(struct run_log *log)
{
    if (!log)
        return NULL;
    log_file_free(log->file);
    free(log);
    return NULL;
}

static void append(struct run_log *log, nsec_t real, const char *line);

/* The file says itself that there is a gap in it. */
static void resume(struct run_log *log)
{
    uint64_t n_lost = log_file_take_lost(log->file);
    char line[RECORD_LINE_SIZE];

    log->n_lost += n_lost;
    (void)snprintf(line, sizeof(line), "the file is written again, %" PRIu64 " lines were lost",
                   n_lost);
    append(log, clock_real(log->clock), line);
}

static void write_out(struct run_log *log)
{
    int r = log_file_write(log->file, log->buffer, log->len, clock_now(log->clock));

    log->len = 0;
    if (r == LOG_FILE_RESUMED)
        resume(log);
    if (log->outcome >= 0)
        log->outcome = r < 0 ? r : MAX(log->outcome, r == LOG_FILE_RESUMED ? RUN_LOG_RESUMED : 0);
}

static void append(struct run_log *log, nsec_t real, const char *line)
{
    char stamp[CLOCK_RFC3339_SIZE];
    int n;

    if (log->len + LINE_MAX_LEN > sizeof(log->buffer))
        write_out(log);
    clock_format_rfc3339(real, stamp);
    n = snprintf(log->buffer + log->len, LINE_MAX_LEN, "%s %s\n", stamp, line);
    log->len += (size_t)n;
}

void run_log_record(struct run_log *log, const struct record *record)
{
    char line[RECORD_LINE_SIZE];

    record_text_format(record, log->timeout, line);
    append(log, clock_real(log->clock) - (clock_now(log->clock) - record->at), line);
}

void run_log_line(struct run_log *log, const char *line)
{
    char text[RECORD_LINE_SIZE];

    (void)snprintf(text, sizeof(text), "%s", line);
    append(log, clock_real(log->clock), text);
}

int run_log_flush(struct run_log *log)
{
    int r;

    while (log->len > 0)            /* what is written again has a line more to write */
        write_out(log);
    r = log->outcome;
    log->outcome = 0;
    return r;
}

uint64_t run_log_take_lost(struct run_log *log)
{
    uint64_t n = log->n_lost + log_file_take_lost(log->file);

    log->n_lost = 0;
    return n;
}
