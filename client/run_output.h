/* SPDX-License-Identifier: MIT */
/*
 * Run output: what is seen of a run: each record in the analysis, the log, the report and, where it
 * is a person's matter, as a warning; and what the report is made of.
 *
 * All of it on the reporting thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "client/report.h"
#include "client/result.h"
#include "client/run_setup.h"

/* Takes up to @max records of each measuring thread. Return: how many there were. */
size_t run_drain_records(struct run *run, size_t max);

/* How many records the measuring threads did not hand over so far. */
uint64_t run_count_dropped(struct run *run);

/* What the report is to say of @result, which is borrowed. */
struct report_summary run_summarise(struct run *run, const struct result *result);

/* Writes what was reported. If it cannot be written, that is noted, and the run ends. */
void run_flush_output(struct run *run);

/* Writes what was logged; a log that cannot be written is warned of, and the run goes on. */
void run_flush_log(struct run *run);
