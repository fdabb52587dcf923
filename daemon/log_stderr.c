/* SPDX-License-Identifier: MIT */
#include "daemon/log_sink.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "daemon/log_text.h"

/* How long it is waited for while it takes nothing (a pipe that nobody reads, a terminal that was
 * halted): the stop waits for this thread. */
#define PATIENCE_MS 1000

/* The process has one standard error, and one thread that writes entries to it. */
static struct {
    bool stalled;                   /* it took nothing for so long: until it does, nobody waits */
    bool amid_line;                 /* a line that was lost had begun: the next one ends it */
} out;

/* Asks before each write, so that also a descriptor that blocks does not for longer. */
static int put(const char *bytes, size_t len)
{
    while (len > 0) {
        struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
        ssize_t n;

        if (poll(&p, 1, out.stalled ? 0 : PATIENCE_MS) == 0) {
            out.stalled = true;
            return -EAGAIN;
        }
        n = write(STDERR_FILENO, bytes, len);
        if (n >= 0) {
            bytes += n;
            len -= (size_t)n;
            out.stalled = false;
            out.amid_line = len > 0;
        } else if (errno != EAGAIN && errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

static int stderr_write(void *ctx, const struct log_entry *entry)
{
    char line[1 + LOG_LINE_MAX] = "\n";
    size_t len = log_line_format(entry, line + 1);

    (void)ctx;
    return out.amid_line ? put(line, 1 + len) : put(line + 1, len);
}

const struct log_sink_ops log_stderr_ops = {.write = stderr_write};
