/* SPDX-License-Identifier: MIT */
#include "daemon/conn_phase.h"

#include "common/base.h"

/* How long a peer that was told to go is listened to. */
#define LINGER_TIMEOUT (5 * NSEC_PER_SEC)

/* The same when the server stops, and for silence only: who connects now waits until it is gone. */
#define LINGER_TIMEOUT_STOPPING NSEC_PER_SEC

/* A stopping server takes a text client for done that sent nothing for this long. */
#define QUIET_TIMEOUT (100 * NSEC_PER_MSEC)

/*
 * A connection's place in its list is renewed only when it is as old as this: the request path then
 * writes to no neighbour's cache line, and a timeout is late by as much. A part of the timeout, and
 * at most a second, so that one that a reload makes shorter does not meet places that are old.
 */
static nsec_t renewal_age(const struct conn_shared *shared)
{
    nsec_t part = shared->limits.idle_timeout / 16;

    return part > 0 ? MIN(part, NSEC_PER_SEC) : NSEC_PER_SEC;
}

/* How long a connection may stay in a phase [ns]; NSEC_NEVER = without end. */
static nsec_t phase_timeout(const struct conn_shared *shared, enum conn_phase phase)
{
    switch (phase) {
    case CONN_OPEN:
        if (shared->stopping)
            return QUIET_TIMEOUT;
        if (shared->limits.idle_timeout > 0)
            return shared->limits.idle_timeout + renewal_age(shared);
        break;
    case CONN_WAITING:
        if (shared->stopping)
            return QUIET_TIMEOUT;
        if (shared->limits.message_timeout > 0)
            return shared->limits.message_timeout;
        break;
    case CONN_LINGERING:
        return shared->stopping ? LINGER_TIMEOUT_STOPPING : LINGER_TIMEOUT;
    case CONN_PARTING:
    case N_CONN_PHASES:
        break;
    }
    return NSEC_NEVER;
}

nsec_t conn_phase_deadline(const struct conn_shared *shared, enum conn_phase phase)
{
    const struct list *head = &shared->phases[phase];
    nsec_t timeout, since;

    if (list_is_empty(head))
        return NSEC_NEVER;
    timeout = phase_timeout(shared, phase);
    if (timeout == NSEC_NEVER)
        return NSEC_NEVER;

    since = list_first(head, struct conn, link)->since;
    /* Who was quiet before the server began to stop may be about to speak. */
    if (shared->stopping && phase != CONN_LINGERING)
        since = MAX(since, shared->stop_at);
    return since + timeout;
}

nsec_t conn_next_deadline(const struct conn_shared *shared)
{
    nsec_t next = NSEC_NEVER;

    for (enum conn_phase phase = 0; phase < N_CONN_PHASES; phase++)
        next = MIN(next, conn_phase_deadline(shared, phase));
    return next;
}

void conn_for_each(struct conn_shared *shared, enum conn_phase phase, void (*act)(struct conn *c))
{
    struct list *head = &shared->phases[phase];

    /* The next one is looked up first, as `act` may free this one. */
    for (struct list *link = head->next, *next; link != head; link = next) {
        next = link->next;
        act(container_of(link, struct conn, link));
    }
}

void conn_enter_phase(struct conn *c, enum conn_phase phase)
{
    list_remove(&c->link);
    list_append(&c->shared->phases[phase], &c->link);
    c->phase = (uint8_t)phase;
    c->since = c->shared->now;
}

bool conn_wants_renewal(const struct conn *c)
{
    return c->shared->stopping || c->shared->now - c->since >= renewal_age(c->shared);
}
