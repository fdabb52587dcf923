/* SPDX-License-Identifier: MIT */
#include "daemon/crew.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base.h"
#include "common/rng.h"
#include "daemon/wake.h"

int crew_init(struct crew *c, size_t n_workers, const struct listener_set *listeners,
              struct log_shared *log, const struct clock_src *clock,
              const struct worker_orders *orders)
{
    struct rng rng;
    int r;

    r = rng_seed_from_kernel(&rng);
    if (r < 0)
        return r;
    admission_init(&c->admission, rng_next_u64(&rng));

    c->orders = *orders;
    c->ended_fd = wake_open();
    if (c->ended_fd < 0)
        return c->ended_fd;
    c->workers = calloc(n_workers, sizeof(struct worker *));
    if (!c->workers)
        return -ENOMEM;

    for (; c->n_workers < n_workers; c->n_workers++) {
        struct worker_shared shared = {
            .clock = clock,
            .log = log,
            .admission = &c->admission,
            .listeners = listeners->items,
            .n_listeners = listeners->n,
            .n_workers = (unsigned)n_workers,
            .ended_fd = c->ended_fd,
        };

        r = worker_new(&c->workers[c->n_workers], &shared, (unsigned)c->n_workers, orders);
        if (r < 0)
            return r;
    }
    return 0;
}

void crew_deinit(struct crew *c)
{
    for (size_t i = 0; i < c->n_workers; i++)
        (void)worker_free(c->workers[i]);
    if (c->ended_fd >= 0)
        admission_deinit(&c->admission);
    free(take_ptr(c->workers));
    c->n_workers = 0;
    fd_closep(&c->ended_fd);
}

int crew_start(struct crew *c)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < c->n_workers; i++)
        r = worker_start(c->workers[i]);
    return r;
}

void crew_order(struct crew *c)
{
    for (size_t i = 0; i < c->n_workers; i++)
        worker_order(c->workers[i], &c->orders);
}

bool crew_has_obeyed(struct crew *c)
{
    for (size_t i = 0; i < c->n_workers; i++)
        if (!worker_has_obeyed(c->workers[i]))
            return false;
    return true;
}

bool crew_has_ended(struct crew *c)
{
    wake_clear(c->ended_fd);
    for (size_t i = 0; i < c->n_workers; i++)
        if (!atomic_load(&c->workers[i]->ended))
            return false;
    return true;
}

void crew_join(struct crew *c)
{
    for (size_t i = 0; i < c->n_workers; i++)
        worker_join(c->workers[i]);
}

struct stats crew_stats(struct crew *c)
{
    struct stats sum = {0};

    for (size_t i = 0; i < c->n_workers; i++)
        stats_collect(&sum, &c->workers[i]->stats);
    return sum;
}
