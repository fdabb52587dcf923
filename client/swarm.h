/* SPDX-License-Identifier: MIT */
/*
 * Swarm: all connections of a thread: opening them, what goes out and comes in, what becomes of
 * them and of their messages when they are lost.
 *
 * When a message is due is not known here: the runner says so.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "client/link.h"
#include "client/options.h"
#include "client/tally.h"
#include "common/clock.h"

struct swarm_config {
    const struct options *options;          /* borrowed, as all here */
    const struct clock_src *clock;
    const struct link_config *link;
    struct tally *tally;
    atomic_bool *is_known;          /* a connection of the run stood; with those of other threads */
    int epoll_fd;
    uint32_t first_link;            /* number of the first connection in the run */
    uint32_t step;                  /* from one connection to the next */
    uint32_t n_links;
};

struct swarm {
    struct swarm_config config;
    struct link *links;
    uint32_t n_begun;               /* links that were begun, while opening */
    uint32_t n_up;
    struct link **dirty;            /* those where there may be something new to send */
    uint32_t n_dirty;
    uint64_t n_pushed;              /* messages so far */
    uint64_t n_open;                /* of them neither answered nor given up */
    uint64_t n_omit;                /* the first that many are warm-up... */
    nsec_t omit_until;              /* ...and what is due before this */
    nsec_t next_sweep;              /* no deadline passes before [ns] */
    bool is_ending;                 /* nothing new is sent, nothing is opened again */
    bool has_failed;                /* the run has to end: the tally's result says why */
    bool has_greeted;               /* the first connection was reported */
    uint8_t *rx;
    uint8_t *tx;
};

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
