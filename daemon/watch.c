/* SPDX-License-Identifier: MIT */
#include "daemon/watch.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base.h"

int watch_init(struct watch *w, size_t n_workers)
{
    uint64_t *turns = malloc(n_workers * sizeof(*turns));

    if (!turns)
        return -ENOMEM;
    for (size_t i = 0; i < n_workers; i++)
        turns[i] = UINT64_MAX;      /* nothing was asked of it yet: the first look passes */
    *w = (struct watch){.turns = turns, .n_workers = n_workers};
    return 0;
}

void watch_deinit(struct watch *w)
{
    free(take_ptr(w->turns));
}

bool watch_look(struct watch *w, struct worker **workers, unsigned *ret_stuck)
{
    bool all_turn = true;

    for (size_t i = w->n_workers; i-- > 0;) {
        uint64_t turns = worker_turns(workers[i]);

        if (turns == w->turns[i] && !atomic_load(&workers[i]->ended)) {
            all_turn = false;
            *ret_stuck = (unsigned)i;
        }
        w->turns[i] = turns;
        worker_poke(workers[i]);
    }
    return all_turn;
}
