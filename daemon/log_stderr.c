/* SPDX-License-Identifier: MIT */
#include "daemon/log_sink.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static const char *const priority_names[] = {
    [LOG_EMERG] = "emerg", [LOG_ALERT] = "alert",   [LOG_CRIT] = "crit", [LOG_ERR] = "err",
    [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice", [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
};

size_t log_line_format(const struct log_entry *entry, char ret_line[static LOG_LINE_MAX])
{
    char when[CLOCK_RFC3339_SIZE];
    int n;

    clock_format_rfc3339(entry->record->real, when);
    n = snprintf(ret_line, LOG_LINE_MAX, "%s %s %.*s\n", when, priority_names[entry->priority],
                 (int)entry->text_len, entry->text);
    return n > 0 ? MIN((size_t)n, (size_t)LOG_LINE_MAX - 1) : 0;
}

static int stderr_write(void *ctx, const struct log_entry *entry)
{
    char line[LOG_LINE_MAX];
    size_t len = log_line_format(entry, line);

    (void)ctx;
    return write(STDERR_FILENO, line, len) < 0 ? -errno : 0;
}

static int stderr_flush(void *ctx)
{
    (void)ctx;
    return 0;
}

const struct log_sink_ops log_stderr_ops = {.write = stderr_write, .flush = stderr_flush};
