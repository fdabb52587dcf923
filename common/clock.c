/* SPDX-License-Identifier: MIT */
#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>

static nsec_t read_clock(clockid_t id)
{
    struct timespec ts;

    (void)clock_gettime(id, &ts);   /* fails only for an unknown clock */
    return nsec_from_timespec(&ts);
}

static nsec_t system_now(void *ctx)
{
    (void)ctx;
    return read_clock(CLOCK_MONOTONIC);
}

static nsec_t system_real(void *ctx)
{
    (void)ctx;
    return read_clock(CLOCK_REALTIME);
}

static const struct clock_ops system_ops = {.now = system_now, .real = system_real};

const struct clock_src clock_system = {.ops = &system_ops};

void clock_format_rfc3339(nsec_t real, char ret_text[static CLOCK_RFC3339_SIZE])
{
    time_t seconds = (time_t)(real / NSEC_PER_SEC);
    unsigned micros = (unsigned)(real % NSEC_PER_SEC / NSEC_PER_USEC);
    struct tm tm;
    long offset;
    size_t n;

    if (!localtime_r(&seconds, &tm))
        (void)gmtime_r(&(time_t){0}, &tm);  /* the year does not fit an int */

    offset = tm.tm_gmtoff / 60;
    n = strftime(ret_text, CLOCK_RFC3339_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(ret_text + n, CLOCK_RFC3339_SIZE - n, ".%06u%c%02ld:%02ld", micros,
                   offset < 0 ? '-' : '+', labs(offset) / 60, labs(offset) % 60);
}
