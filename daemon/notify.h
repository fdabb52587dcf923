/* SPDX-License-Identifier: MIT */
/*
 * Notify: what the service manager is told, sd_notify(3); nothing happens where there is none.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base.h"
#include "common/clock.h"

/* Each sends at once; a failure is of no use to anybody and is dropped. From the control thread. */
void notify_ready(void);
void notify_reloading(nsec_t now);
void notify_stopping(nsec_t time_needed);        /* more than the unit allows is granted, too */
void notify_status(const char *format, ...) _printf_(1, 2);
void notify_watchdog(void);

/* How often the watchdog wants to be fed [ns], 0 = there is none. */
nsec_t notify_watchdog_interval(void);
