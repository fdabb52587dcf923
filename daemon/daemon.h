/* SPDX-License-Identifier: MIT */
/*
 * Daemon: the control thread - starts everything below it, answers signals, tells the service
 * manager how it goes, and stops everything in reverse order.
 */
#pragma once

#include "daemon/options.h"

/**
 * daemon_run() - run until told to stop
 * @options:    the command line, kept for reloads; borrowed
 *
 * What goes wrong is said in the log. Return: 0 after an orderly stop, or negative errno.
 */
int daemon_run(const struct options *options);
