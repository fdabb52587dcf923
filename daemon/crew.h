/* SPDX-License-Identifier: MIT */
/*
 * Crew: all workers as one - started, ordered, counted and joined together, by the control thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "daemon/admission.h"
#include "daemon/listener_set.h"
#include "daemon/log.h"
#include "daemon/stats.h"
#include "daemon/worker.h"

struct crew {
    struct worker **workers;
    size_t n_workers;
    struct admission admission;
    struct worker_orders orders;    /* the last that were given */
    int ended_fd;                   /* an eventfd, readable when a worker has ended */
};

#define CREW_INIT ((struct crew){.ended_fd = -1})

/**
 * crew_init() - workers that do not run yet
 * @c:          initialised by CREW_INIT; for the caller to deinit, also on failure
 * @n_workers:  how many, at least 1
 * @listeners:  borrowed, as are @log and @clock
 * @orders:     the first ones
 *
 * Return: 0 or negative errno.
 */
int crew_init(struct crew *c, size_t n_workers, const struct listener_set *listeners,
              struct log_shared *log, const struct clock_src *clock,
              const struct worker_orders *orders);

/* Joined or never started, and its logs drained. */
void crew_deinit(struct crew *c);

/* Return: 0 or negative errno; those that were started until then run. */
int crew_start(struct crew *c);

/* Gives all of them the orders in @c->orders. */
void crew_order(struct crew *c);

/* Do all of them act by these orders? */
bool crew_has_obeyed(struct crew *c);

/* Have all of them ended? Clears ended_fd. */
bool crew_has_ended(struct crew *c);

/* Waits for all threads, which were told to stop. */
void crew_join(struct crew *c);

/* What all of them have counted so far. */
struct stats crew_stats(struct crew *c);
