/* SPDX-License-Identifier: MIT */
/*
 * Swarm: all connections of a thread: opening them, what goes out and comes in, and whose time is
 * over.
 *
 * When a message is due is not known here: the runner says so.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/link.h"
#include "client/result.h"
#include "client/swarm_state.h"
#include "common/clock.h"

/* @config is copied. Return: 0 or negative errno. */
int swarm_init(struct swarm *s, const struct swarm_config *config);
void swarm_deinit(struct swarm *s);

/* Opens links, as long as not too many are on their way; true when all are up. */
bool swarm_open(struct swarm *s, nsec_t now);

/* A message is due on this link; sent by the next swarm_flush(). Return: 0 or -ENOMEM. */
int swarm_push(struct swarm *s, struct link *l, nsec_t due);

/* Room for messages on this link, without one having to wait for replies. */
size_t swarm_room(const struct swarm *s, const struct link *l);

/* A message was due on a link that is out: counted. */
void swarm_skip(struct swarm *s, struct link *l, nsec_t due);

/* Something happened on a link; @events as epoll tells them. */
void swarm_handle(struct swarm *s, struct link *l, uint32_t events);

/* Whether nothing is to be done on this link but to wait for a reply. */
bool swarm_can_await(const struct link *l);

/**
 * swarm_await() - read replies, without having been told that there are any
 * @l:          a link for which swarm_can_await(); until link_await(l, false) epoll does not tell of
 *              its replies
 * @may_sleep:  waits for them, until the thread is interrupted; with dial_config.reads_wait
 *
 * Return: 0 if something came, or happened to the connection; -EAGAIN if not, -EINTR if the thread
 * was interrupted meanwhile.
 */
int swarm_await(struct swarm *s, struct link *l, bool may_sleep);

/* Sends what can be sent on the dirty links, and cleans the list. */
void swarm_flush(struct swarm *s, nsec_t now);

/**
 * swarm_sweep() - see whose time is over, and what has to be opened again or kept alive
 *
 * To be called when s->next_sweep has come, and sets it anew.
 *
 * Return: whether a message is overdue.
 */
bool swarm_sweep(struct swarm *s, nsec_t now);

/* Whether a reply is still to be waited for, or a message can still be sent; to be asked after
 * swarm_flush(). */
bool swarm_is_hopeful(const struct swarm *s, nsec_t now);

/* Whether a connection is lost and not yet back. */
bool swarm_has_outage(const struct swarm *s);

/* Nothing new leaves any more; what is due and has not left is given up. */
void swarm_drain(struct swarm *s, nsec_t now);

/* Adds what there is so far to @sum, with the outages that go on. */
void swarm_snapshot(const struct swarm *s, nsec_t now, struct result *sum);

/* Says goodbye, ends all connections, and gives up what is open. */
void swarm_close(struct swarm *s, nsec_t now);
