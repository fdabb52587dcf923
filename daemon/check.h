/* SPDX-License-Identifier: MIT */
/*
 * Check: looks at a configuration without running by it, for --check-config.
 *
 * The unit's ExecReload= does so first, and a reload that fails there never reaches the daemon: its
 * faults are told as the daemon tells those of a reload, where standard error goes to the journal.
 */
#pragma once

#include "daemon/options.h"

/* Says every fault of the configuration. Return: 0 or negative errno. */
int check_config(const struct options *options);
