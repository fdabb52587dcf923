/* SPDX-License-Identifier: MIT */
/*
 * Clock: the one time base (nanoseconds of CLOCK_MONOTONIC), the seam through which it is read,
 * and wall time for people.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

typedef uint64_t nsec_t;

#define NSEC_PER_SEC ((nsec_t)1000000000)
#define NSEC_PER_MSEC ((nsec_t)1000000)
#define NSEC_PER_USEC ((nsec_t)1000)
#define NSEC_NEVER UINT64_MAX

/**
 * struct clock_ops - how time is read; a test puts its own clock here
 * @now:        time on the monotonic clock [ns], never decreasing
 * @real:       time on the real-time (wall) clock [ns since the epoch]; may step either way
 *
 * Both are called on the request path: they must not block.
 */
struct clock_ops {
    nsec_t (*now)(void *ctx);
    nsec_t (*real)(void *ctx);
};

struct clock_src {
    const struct clock_ops *ops;
    void *ctx;                      /* borrowed */
};

/* CLOCK_MONOTONIC and CLOCK_REALTIME; through the vDSO, so no system call. */
extern const struct clock_src clock_system;

static inline nsec_t clock_now(const struct clock_src *c)
{
    return c->ops->now(c->ctx);
}

static inline nsec_t clock_real(const struct clock_src *c)
{
    return c->ops->real(c->ctx);
}

/* That much later; NSEC_NEVER where no time is that late. */
static inline nsec_t nsec_add(nsec_t t, nsec_t by)
{
    return by < NSEC_NEVER - t ? t + by : NSEC_NEVER;
}

/* @ns, not below 0, without its fraction; NSEC_NEVER where it is too large. */
static inline nsec_t nsec_from_double(double ns)
{
    return ns < 0x1p64 ? (nsec_t)ns : NSEC_NEVER;
}

static inline nsec_t nsec_from_timespec(const struct timespec *ts)
{
    return (nsec_t)ts->tv_sec * NSEC_PER_SEC + (nsec_t)ts->tv_nsec;
}

static inline struct timespec nsec_to_timespec(nsec_t t)
{
    return (struct timespec){.tv_sec = (time_t)(t / NSEC_PER_SEC),
                             .tv_nsec = (long)(t % NSEC_PER_SEC)};
}

/* "2026-01-31T23:59:59.123456+01:00" and its NUL. */
#define CLOCK_RFC3339_SIZE 40

/**
 * clock_format_rfc3339() - wall time for people: RFC 3339, local time with its offset, microseconds
 * @real:       time [ns since the epoch]
 * @ret_text:   CLOCK_RFC3339_SIZE bytes
 */
void clock_format_rfc3339(nsec_t real, char ret_text[static CLOCK_RFC3339_SIZE]);
