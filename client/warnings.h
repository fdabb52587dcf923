/* SPDX-License-Identifier: MIT */
/*
 * Warnings: lines on stderr that a person should see at once, whatever the output of the run is;
 * a thousand connections that fail together do not make a thousand lines.
 */
#pragma once

#include <stdint.h>

#include "common/base.h"
#include "common/clock.h"

struct warnings {
    nsec_t since;                   /* the present second began [ns, monotonic] */
    unsigned n_shown;               /* in it */
    uint64_t n_suppressed;
};

/* A line, in any case. */
void warnings_say(const char *format, ...) _printf_(1, 2);

/* A line, unless too many came in this second; those are counted and the count is shown. */
void warnings_limited(struct warnings *w, nsec_t now, const char *line);

/* Shows how many lines were held back, if any. */
void warnings_flush(struct warnings *w);
