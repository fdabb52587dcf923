/* SPDX-License-Identifier: MIT */
/*
 * Run: a measurement from the command line to the exit status.
 *
 * The calling thread reports: it takes signals, starts and stops the runners, drains their records,
 * and writes. The measuring threads never wait for it.
 */
#pragma once

#include "client/options.h"

enum {
    EXIT_ALL_IN = 0,
    EXIT_REPLIES_MISSING = 1,
    EXIT_ERROR = 2,
    EXIT_FORCED = 3,
    EXIT_SLO_MET = 4,
};

/* Return: the exit status. */
int run_measurement(const struct options *o);

/* Reports that the command line is wrong, in the output that it asks for. Return: EXIT_ERROR. */
int run_refuse(const struct options *o, const char *message);
