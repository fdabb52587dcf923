/* SPDX-License-Identifier: MIT */
#include "daemon/conn_shared.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/base.h"

int conn_shared_init(struct conn_shared *s)
{
    for (size_t i = 0; i < N_CONN_PHASES; i++)
        list_init(&s->phases[i]);

    s->rx = malloc(CONN_RX_SIZE);
    s->messages = malloc(SESSION_MESSAGES * sizeof(*s->messages));
    s->tx = (struct session_output){
        .buf = malloc(CONN_TX_SIZE),
        .size = CONN_TX_SIZE,
        .heads = malloc(SESSION_MESSAGES * sizeof(*s->tx.heads)),
    };
    if (!s->rx || !s->messages || !s->tx.buf || !s->tx.heads) {
        conn_shared_deinit(s);
        return -ENOMEM;
    }

    s->now = clock_now(s->clock);
    s->looked_at = s->now;
    stamp_bridge_init(&s->bridge, s->clock);
    return 0;
}

void conn_shared_deinit(struct conn_shared *s)
{
    assert(s->n_conns == 0);
    free(take_ptr(s->rx));
    free(take_ptr(s->messages));
    free(take_ptr(s->tx.buf));
    free(take_ptr(s->tx.heads));
}
