/* SPDX-License-Identifier: MIT */
#include "daemon/log_sink.h"

#include <errno.h>
#include <poll.h>
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
    if ((size_t)n < LOG_LINE_MAX)
        return (size_t)n;

    ret_line[LOG_LINE_MAX - 1] = '\n';     /* cut, but a line */
    return LOG_LINE_MAX;
}

/* Whole lines only, also where the other end made its pipe non-blocking: this thread can wait. */
static int stderr_write(void *ctx, const struct log_entry *entry)
{
    char line[LOG_LINE_MAX];
    size_t len = log_line_format(entry, line);
    size_t done = 0;

    (void)ctx;
    while (done < len) {
        ssize_t n = write(STDERR_FILENO, line + done, len - done);

        if (n >= 0)
            done += (size_t)n;
        else if (errno == EAGAIN)
            (void)poll(&(struct pollfd){.fd = STDERR_FILENO, .events = POLLOUT}, 1, -1);
        else if (errno != EINTR)
            return -errno;
    }
    return 0;
}

const struct log_sink_ops log_stderr_ops = {.write = stderr_write};
