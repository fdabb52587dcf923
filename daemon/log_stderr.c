/* SPDX-License-Identifier: MIT */
#include "daemon/log_sink.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "daemon/log_text.h"

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
