/* SPDX-License-Identifier: MIT */
/*
 * Link: the life of one connection of a run: connecting (all addresses of the server in turn), the
 * greeting, being up, being closed, and what went wrong in one line.
 *
 * When to try again, and what becomes of the requests of a connection that is lost, is decided
 * elsewhere: see client/outage.h, whose notes are kept here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "client/dial.h"
#include "client/evidence.h"
#include "client/target_rx.h"
#include "common/addr.h"
#include "common/clock.h"

/* A server may be given little time for a reply; what comes before, which is more than one round
 * trip, has at least so long. */
#define LINK_TIMEOUT_MIN (5 * NSEC_PER_SEC)

/* What all links of a run have in common. */
struct link_config {
    const struct addr *addrs;       /* the server's, in the order to try; borrowed */
    size_t n_addrs;
    struct dial_config dial;
    struct target_config target;
    nsec_t timeout;                 /* of connecting to an address, and of the greeting */
};

enum link_state {
    LINK_DOWN,
    LINK_CONNECTING,                /* without a descriptor while a backlog is full */
    LINK_GREETING,
    LINK_UP,                        /* requests can be sent */
};

/* What a server says, with words before it. */
#define LINK_FAILURE_SIZE (TARGET_TEXT_SIZE + 128)

/* A thousand of them do not fit into the caches: what every message needs stands together in front,
 * that of the target last, in three cache lines. */
struct link {
    /* For every message; some of it are notes of the swarm, and of the outage. */
    _Alignas(64) uint64_t n_replies;        /* on this connection */
    nsec_t looked_at;               /* its counters, for the evidence; 0 = not yet [ns] */
    nsec_t down_since;              /* outage: when the server was last heard of; 0 = none [ns] */
    nsec_t stamp;                   /* of the last read, if it has one [ns, monotonic] */
    nsec_t left_since;              /* what the last read left came later than this [ns]; 0 = it
                                     * left nothing */
    int fd;
    uint32_t index;                 /* in the run, from 0 */
    enum link_state state;
    bool has_stamp;                 /* the kernel stamped the last read */
    bool is_watched;                /* by epoll; else replies are looked for in the socket */
    bool is_dirty;                  /* in the list of those to be flushed */
    bool is_told;                   /* outage: the server said that it stops */
    bool is_known;                  /* ... the link was up before: a loss is an outage */
    bool was_native;                /* ... and spoke that protocol before it */
    bool is_out;                    /* ... it is no matter of moments: nothing waits for its end */
    struct target target;

    /* Now and then. */
    const struct link_config *config;       /* borrowed */
    int epoll_fd;                   /* borrowed */
    size_t n_addr;                  /* the address that is tried or connected */
    nsec_t deadline;                /* connecting or greeting ends, or a new try begins; or NEVER */
    nsec_t began;                   /* when connecting to this address began [ns] */
    nsec_t connect_time;            /* how long that took, once it is done [ns] */
    nsec_t up_since;                /* the greeting was over [ns] */
    struct tcp_evidence evidence;
    uint64_t n_lost;                /* outage: messages in it */
    uint64_t n_resent;
    uint64_t n_not_sent;
    char outage_reason[LINK_FAILURE_SIZE];  /* ... of the failure that began it */
    char reason[LINK_FAILURE_SIZE]; /* of the last failure */
};

/* @epoll_fd gets the link's descriptors with the link's address as data. */
void link_init(struct link *l, const struct link_config *config, uint32_t index, int epoll_fd,
               struct rng *rng);
void link_deinit(struct link *l);

/**
 * link_open() - begin to connect, to the first address
 *
 * Return: 0: it goes on, or it stands already; negative errno with l->reason if no address could be
 * connected to.
 */
int link_open(struct link *l, nsec_t now);

/**
 * link_connected() - a socket that connects has an answer
 * @may_have_failed:    it has to be asked which
 *
 * Return: as link_open().
 */
int link_connected(struct link *l, bool may_have_failed, nsec_t now);

/**
 * link_expire() - the deadline of connecting or greeting has passed
 *
 * Return: as link_open().
 */
int link_expire(struct link *l, nsec_t now);

/* Whether the server has been sent a hello, and text is to be tried if it takes none. */
bool link_may_try_text(const struct link *l);

/* The server wants no hello: connect again, in text. As link_open(). */
int link_try_text(struct link *l, nsec_t now);

/* The greeting is over. */
void link_is_up(struct link *l, nsec_t now);

/* What is there already is told once more: to be called where not all of it was read, or where the
 * end of the stream may be all that is left. */
void link_look_again(struct link *l);

/* Whether replies are looked for in the socket, and epoll shall not tell of them. */
void link_await(struct link *l, bool is_awaited);

/* Ends the connection, if there is one. */
void link_close(struct link *l);

/* Notes why, for people: "what: error". */
void link_say(struct link *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same of an error line whose end has not come: what the server said last tells more than how
 * the connection ended. Return: whether there is one. */
bool link_say_error_so_far(struct link *l);
