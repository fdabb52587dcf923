/* SPDX-License-Identifier: MIT */
/*
 * Analysis: where the time of a run's messages went, worked out on the reporting thread from the
 * records of all measuring ones.
 *
 * A fit of thousands of messages takes milliseconds, which the measuring threads must not spend.
 */
#pragma once

#include <stdint.h>

#include "client/record.h"
#include "client/where_stats.h"
#include "client/where_window.h"
#include "common/base.h"

struct analysis;

/**
 * analysis_new() - begin
 * @n_connections:  of the run
 * @n_worst:        how many of the worst messages to keep
 * @merge:          one connection is as good as another, as with a new one for each message
 * @visit:          gets every message once it is taken apart; NULL = none
 * @ctx:            for @visit, borrowed
 *
 * Return: 0 or -ENOMEM.
 */
int analysis_new(struct analysis **ret, uint32_t n_connections, uint32_t n_worst, bool merge,
                 where_visit_fn visit, void *ctx);
struct analysis *analysis_free(struct analysis *a);
DEFINE_CLEANUP(struct analysis *, analysis_free)

/* A RECORD_REPLY. */
void analysis_add(struct analysis *a, const struct record *record);

/* Takes apart what has come so far. */
void analysis_close(struct analysis *a);

/* What was found up to the last close; the analysis' own. */
struct where_stats *analysis_stats(struct analysis *a);
