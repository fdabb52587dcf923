/* SPDX-License-Identifier: MIT */
/*
 * Daemon run: what tests need that run the daemon in their own process: options, and signals that
 * wait for it, blocked, so that it takes them as soon as it looks.
 */
#pragma once

#include "daemon/options.h"

/* Two workers on a free port, no log; with these options too, NULL = none. */
void daemon_run_options(struct options *ret_options, const char *option, const char *another);

/* A group's setup: SIGHUP and SIGTERM are blocked. */
int daemon_run_block_signals(void **state);

/* Takes those that a daemon did not get so far as to take. */
void daemon_run_take_signals(void);
