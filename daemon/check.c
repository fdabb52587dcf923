/* SPDX-License-Identifier: MIT */
#include "daemon/check.h"

#include <stdio.h>
#include <string.h>

#include "common/base.h"
#include "daemon/log_setup.h"
#include "daemon/memo.h"

/* A logger that runs as long as this takes. Return: 0 or negative errno. */
static int say_in_journal(char *lines)
{
    _cleanup_(logger_freep) struct logger *logger = NULL;
    _cleanup_(log_deinit) struct log log = LOG_INIT;
    struct log_shared shared = {.level = LOG_INFO, .wake_fd = -1};
    struct logger_settings settings = {.sink = {.ops = &log_journal_ops}};
    char *line;
    int r;

    r = log_init(&log, &shared, &clock_system, LOG_NO_WORKER);
    if (r < 0)
        return r;
    r = logger_new(&logger, (struct log *[]){&log}, 1, &shared, &clock_system, &settings);
    if (r < 0)
        return r;
    while ((line = strsep(&lines, "\n")))
        if (*line)
            log_text(&log, RELOAD_FAILED, &((struct log_data){0}), "%s", line);
    (void)logger_stop(logger);      /* it has no thread that could hang */
    return 0;
}

int check_config(const struct options *options)
{
    _cleanup_(config_deinit) struct config config = CONFIG_INIT;
    _cleanup_(memo_deinit) struct memo faults = MEMO_INIT;
    char *lines;
    int r, result;

    r = memo_open(&faults);
    if (r < 0)
        return r;
    result = options_load(options, &config, faults.to);
    lines = memo_read(&faults);
    if (lines && !(log_setup_is_journal() && say_in_journal(lines) == 0))
        (void)fputs(lines, stderr);
    return result;
}
