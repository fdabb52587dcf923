/* SPDX-License-Identifier: MIT */
/*
 * Run log: every message and event of a run in the client's own file, which is rotated by size.
 *
 * Lines are gathered and written in batches, on the reporting thread.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "client/record.h"
#include "common/base.h"
#include "common/clock.h"

struct run_log;

/**
 * run_log_find_path() - the usual place
 * @ret_path:   $XDG_STATE_HOME/tcptimer/tcptimer.log, where the variable defaults to ~/.local/state
 *              (XDG base directory specification)
 *
 * Return: 0, -ENOENT where no home is known, or -ENAMETOOLONG.
 */
int run_log_find_path(char ret_path[static PATH_MAX]);

/**
 * run_log_new() - open the log
 * @path:           its file
 * @make_parents:   make missing directories
 * @timeout:        what a reply is given [ns], for the lines about those that it was too short for
 *
 * Return: 0 or negative errno.
 */
int run_log_new(struct run_log **ret, const char *path, bool make_parents,
                const struct clock_src *clock, nsec_t timeout);
struct run_log *run_log_free(struct run_log *log);
DEFINE_CLEANUP(struct run_log *, run_log_free)

void run_log_record(struct run_log *log, const struct record *record);
void run_log_line(struct run_log *log, const char *line);

/* What run_log_flush() tells beside errors. */
enum {
    RUN_LOG_RESUMED = 1,            /* the file is written again */
};

/**
 * run_log_flush() - write what was gathered
 *
 * Return: 0, RUN_LOG_RESUMED, or a negative errno when writing fails for the first time; the log
 * goes on and tries again.
 */
int run_log_flush(struct run_log *log);

/* How many lines did not get into the file, since this was last asked. */
uint64_t run_log_take_lost(struct run_log *log);
