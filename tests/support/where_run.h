/* SPDX-License-Identifier: MIT */
/*
 * Where run: messages through simulated connections into a window, and beside what truly happened
 * to each what was found.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "client/where_window.h"
#include "tests/support/truth.h"

#define MS NSEC_PER_MSEC
#define US NSEC_PER_USEC
#define PPM 1e-6

/* When runs begin, client's clock. */
#define START (2000 * NSEC_PER_SEC)

struct where_run {
    uint64_t seed;                      /* told when a test fails */
    struct truth *conns;
    struct rng *rng;                    /* of the first one */
    struct where_window *window;
    size_t n, max;
    struct truth_message *messages;     /* by seq: what happened */
    struct where_parts *parts;          /* what was found */
    size_t n_visited;

    struct where_fit last;              /* of the last window */
    unsigned n_fits, n_valid, n_steps, n_changes, n_shifts;
    int64_t clock_step, base_shift, forward_shift;      /* the last that was told */
};

/* A run of @max messages; all connections lead to the same server. @config NULL = one of them. */
void where_run_init(struct where_run *r, uint64_t seed, double skew, size_t max,
                    const struct where_window_config *config);
void where_run_deinit(struct where_run *r);

/* Lets a message go over a connection; its stamps, to be changed before they are added. */
struct where_sample where_run_send(struct where_run *r, uint32_t conn, struct truth_message m);

/* Adds a sample, and closes the window where it is due; fails if parts don't add up. */
void where_run_add(struct where_run *r, const struct where_sample *s);
void where_run_close(struct where_run *r);

/* Both at once, over the first connection. */
void where_run_message(struct where_run *r, struct truth_message m);

/* A message with exponential delays of these means [ns], and what servers and wake-ups take. */
struct truth_message where_run_noisy(struct where_run *r, nsec_t now, double out, double back);

/* The largest error of a PDV of messages [begin, end) [ns]. */
double where_run_error(const struct where_run *r, size_t begin, size_t end);

/* Fails, and tells the seed, unless @value is below @limit. */
void assert_below(const struct where_run *r, double value, double limit, const char *what);
