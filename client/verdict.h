/* SPDX-License-Identifier: MIT */
/*
 * Verdict: how a run went, in one number: the exit status.
 *
 * Pure: what the run has to show is given.
 */
#pragma once

#include <stdbool.h>

#include "client/result.h"

enum {
    EXIT_ALL_IN = 0,
    EXIT_REPLIES_MISSING = 1,
    EXIT_ERROR = 2,
    EXIT_FORCED = 3,
    EXIT_SLO_MET = 4,
};

/* Why there was no more load. */
enum run_end {
    RUN_END_OWN,                    /* that was all, or an error */
    RUN_END_ASKED,                  /* an interrupt, or the reader of the report left */
    RUN_END_FORCED,                 /* a second interrupt */
};

/**
 * verdict_of() - judge a run
 * @r:          what it produced
 * @end:        why there was no more load: who asks for the end asks for what was due to be left
 * @is_slo_met: whether a condition of --fail-if is true of it
 *
 * Where several hold, being forced counts most, then an error, then a condition that is met.
 *
 * Return: the exit status.
 */
int verdict_of(const struct result *r, enum run_end end, bool is_slo_met);
