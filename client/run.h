/* SPDX-License-Identifier: MIT */
/*
 * Run: a measurement from the command line to the exit status.
 *
 * The calling thread reports: it starts and stops the runners, drains their records, and writes.
 * The measuring threads never wait for it, and a thread of its own hears signals.
 */
#pragma once

#include "client/options.h"

/* Return: the exit status, see verdict.h. */
int run_measurement(const struct options *o);

/* Reports that the command line is wrong, in the output that it asks for. Return: EXIT_ERROR. */
int run_refuse(const struct options *o, const char *message);
