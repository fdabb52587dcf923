/* SPDX-License-Identifier: MIT */
/*
 * Schedstat: how long a thread waited for a CPU, as the scheduler counts it.
 *
 * /proc/PID/task/TID/schedstat has three numbers: the time on a CPU, the time waiting for one [ns],
 * the number of slices (Documentation/scheduler/sched-stats.rst).
 */
#pragma once

#include <stdbool.h>

#include "common/clock.h"

/* The calling thread's file; -1 where the kernel has none or it is not to be seen, which is no
 * error. */
int schedstat_open(void);

/* The time that the thread waited for a CPU since it began [ns]; false if that is not known. */
bool schedstat_read(int fd, nsec_t *ret_run_delay);
