/* SPDX-License-Identifier: MIT */
/*
 * Log setup: which sink and which file the configuration and the environment mean.
 */
#pragma once

#include <stdbool.h>

#include "daemon/config.h"
#include "daemon/logger.h"

/* Does standard error go to the journal (JOURNAL_STREAM, systemd.exec(5))? */
bool log_setup_is_journal(void);

/**
 * log_setup_resolve() - a logger's settings
 * @ret_settings:       for the caller to deinit, on success only
 *
 * Reads JOURNAL_STREAM and LOGS_DIRECTORY, systemd.exec(5).
 *
 * Return: 0 or -ENOMEM.
 */
int log_setup_resolve(const struct config *c, struct logger_settings *ret_settings);
