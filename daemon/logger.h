/* SPDX-License-Identifier: MIT */
/*
 * Logger: a thread that takes the records out of all rings, oldest first, makes text of them and
 * feeds the sinks. It alone waits for disks and for the journal.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/clock.h"
#include "daemon/log.h"
#include "daemon/log_sink.h"

/* One sink for people (journal or standard error) and one file. */
struct logger_settings {
    struct log_sink sink;           /* ops = NULL: none */
    char *file;                     /* path, owned; NULL: none */
    uint64_t file_size;             /* when it is rotated [bytes] */
    uint32_t file_count;            /* old ones to keep */
};

void logger_settings_deinit(struct logger_settings *s);

struct logger;

/**
 * logger_new() - a logger that does not run yet
 * @logs:       all threads' logs, borrowed; records of this logger's own go to its own ring
 * @shared:     theirs; gets the descriptor that wakes the logger
 * @settings:   copied
 *
 * Return: 0 or negative errno.
 */
int logger_new(struct logger **ret_logger, struct log **logs, size_t n_logs,
               struct log_shared *shared, const struct clock_src *clock,
               const struct logger_settings *settings);

/* Starts its thread. Return: 0 or negative errno. */
int logger_start(struct logger *l);

/* Takes over new settings, copied. From the control thread. */
int logger_configure(struct logger *l, const struct logger_settings *settings);

/* Opens the file anew, after something else has moved it. From the control thread. */
void logger_reopen(struct logger *l);

/**
 * logger_stop() - write all that was emitted so far, and end the thread
 *
 * Nothing more may be emitted. Without a thread it is the caller who waits for a sink that hangs.
 *
 * Return: 0; or -ETIMEDOUT where the thread hangs in a journal or a disk: it may go on at any time,
 * so that all that it was given has to stay as it is, to the end of the process.
 */
int logger_stop(struct logger *l);

/* Stopped or never started. NULL in, NULL out. */
struct logger *logger_free(struct logger *l);
DEFINE_CLEANUP(struct logger *, logger_free)

/**
 * logger_turn() - what the thread does again and again; for a test that stands in for it
 *
 * Takes over new settings, reports drops, and feeds the oldest records to the sinks.
 *
 * Return: how many records; it leaves some in the rings only if more come than it takes at once.
 */
unsigned logger_turn(struct logger *l);
