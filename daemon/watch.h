/* SPDX-License-Identifier: MIT */
/*
 * Watch: decides whether the workers deserve that the service manager's watchdog is fed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/worker.h"

struct watch {
    uint64_t *turns;                /* of each worker, when last looked at */
    size_t n_workers;
};

#define WATCH_INIT ((struct watch){.turns = NULL})

/* Return: 0 or -ENOMEM. */
int watch_init(struct watch *w, size_t n_workers);
void watch_deinit(struct watch *w);

/**
 * watch_look() - have all workers turned since the last look?
 * @workers:    as many as at the beginning; each is then poked, so that an idle one turns too
 * @ret_stuck:  the first that has not, if any
 *
 * A worker that has ended counts as turning.
 */
bool watch_look(struct watch *w, struct worker **workers, unsigned *ret_stuck);
