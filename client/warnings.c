/* SPDX-License-Identifier: MIT */
#include "client/warnings.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define SHOWN_MAX 10                /* in a second */
#define LINE_SIZE 512

void warnings_say(const char *format, ...)
{
    char line[LINE_SIZE];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    (void)fprintf(stderr, "tcptimer: %s\n", line);
}

void warnings_flush(struct warnings *w)
{
    if (w->n_suppressed > 0)
        warnings_say("%" PRIu64 " more lines like these", w->n_suppressed);
    w->n_shown = 0;
    w->n_suppressed = 0;
}

void warnings_limited(struct warnings *w, nsec_t now, const char *line)
{
    if (now - w->since >= NSEC_PER_SEC) {
        warnings_flush(w);
        w->since = now;
    }
    if (w->n_shown == SHOWN_MAX) {
        w->n_suppressed++;
        return;
    }
    w->n_shown++;
    warnings_say("%s", line);
}
