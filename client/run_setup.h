/* SPDX-License-Identifier: MIT */
/*
 * Run setup: what a run consists of, how it is made from the options, and taken down again.
 *
 * What can be wrong with the options, the host or the machine is found here, before the load
 * begins, and noted in the run's result; nothing is printed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "client/analysis.h"
#include "client/interrupt.h"
#include "client/machine.h"
#include "client/options.h"
#include "client/report.h"
#include "client/result.h"
#include "client/run_log.h"
#include "client/runner.h"
#include "client/warnings.h"
#include "common/addr.h"
#include "common/base.h"
#include "common/clock.h"

struct run {
    const struct options *options;
    const struct clock_src *clock;
    struct addr_target target;
    struct addr *addrs;
    char address[ADDR_TEXT_SIZE];
    struct runner_config config;
    struct runner **runners;
    uint32_t n_runners;
    uint32_t n_started;             /* of them with a thread */
    struct interrupt *interrupt;    /* NULL = the runners did not start */
    int report_fd;
    struct report report;
    struct result total;
    bool has_begun;                 /* all are connected and the load has begun */
    bool is_interrupted;
    bool is_forced;
    nsec_t tell_wait_at;            /* 0 = nothing is waited for, NSEC_NEVER = it was told */
    int output_error;               /* errno: the report can't be written any more */
    struct warnings warnings;
    struct run_log *log;
    FILE *hgrm;                     /* NULL = not asked for, or written */
    struct analysis *analysis;
    uint64_t n_changes_told;
    struct machine machine;
};

/* Only what is needed to report a failure; @o is borrowed. Return: 0 or -ENOMEM. */
int run_init(struct run *run, const struct options *o);

/**
 * run_set_up() - open the files, find the server, and start the threads, which connect
 *
 * Return: 0, or negative errno with the reason in the run's result. Some threads may have been
 * started even so: they have to be told to end, and be joined.
 */
int run_set_up(struct run *run);

/* Releases all; the threads have been joined. */
void run_tear_down(struct run *run);

/* The run fails, because of this; of several reasons the first is kept. Return: -EINVAL. */
int run_fail(struct run *run, enum run_error error, const char *format, ...) _printf_(3, 4);

/* To all runners that have a thread. */
static inline void run_command_all(struct run *run, enum runner_command command)
{
    for (uint32_t i = 0; i < run->n_started; i++)
        runner_command(run->runners[i], command);
}
