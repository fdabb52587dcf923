/* SPDX-License-Identifier: MIT */
/*
 * Interrupt: a thread that hears signals, so that they are obeyed also while the reporting one
 * waits in a write for a reader who does not read.
 *
 * The first SIGINT or SIGTERM has the runners drain, the second one ends them at once; both are
 * theirs without the reporting thread. That one learns what came when it looks.
 */
#pragma once

#include <stdbool.h>

#include "client/runner.h"
#include "common/base.h"

/* From the second interrupt on the report has so long to end; then the process ends without it. */
#define INTERRUPT_PATIENCE (2 * NSEC_PER_SEC)

struct interrupt;

/* Keeps SIGINT, SIGTERM and SIGQUIT for the thread; to be called before any other thread is made,
 * as they inherit it. Also ignores SIGPIPE: that a reader went away is seen by the write. */
void interrupt_block(void);

/**
 * interrupt_new() - begin to hear what interrupt_block() kept, also what came since then
 * @runners:    all of the run, with their threads; borrowed until interrupt_free()
 * @n_runners:  their number
 * @report_fd:  eventfd that wakes the reporting thread
 *
 * Return: 0 or negative errno.
 */
int interrupt_new(struct interrupt **ret, struct runner **runners, uint32_t n_runners,
                  int report_fd);
struct interrupt *interrupt_free(struct interrupt *i);
DEFINE_CLEANUP(struct interrupt *, interrupt_free)

/* How many SIGINT and SIGTERM came so far; those within a tenth of a second are one. */
unsigned interrupt_count(const struct interrupt *i);

/* Whether SIGQUIT came since this was last asked. */
bool interrupt_take_quit(struct interrupt *i);
