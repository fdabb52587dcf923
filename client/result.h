/* SPDX-License-Identifier: MIT */
/*
 * Result: what a run produced, in numbers: one for each measuring thread, merged in the end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/hist.h"

/* A server's text in full, with our words before it. */
#define RESULT_MESSAGE_SIZE 384

/* A time during which a connection was not there. */
struct outage {
    nsec_t began;                   /* [ns, monotonic] */
    nsec_t length;
    bool is_over;                   /* else it lasted to the end of the run */
    uint32_t connection;
    uint64_t n_lost;                /* messages without a reply */
    uint64_t n_resent;              /* sent again on the next connection */
    uint64_t n_not_sent;            /* due, and no connection to send them on */
    char reason[RESULT_MESSAGE_SIZE];
};

/* As many are kept with their details; all are counted. */
#define OUTAGES_KEPT_MAX 256

/* Why a run ended before its time: exit status 2. */
enum run_error {
    RUN_ERROR_NONE,
    RUN_ERROR_USAGE,
    RUN_ERROR_RESOLVE,
    RUN_ERROR_CONNECT,
    RUN_ERROR_CONNECTION_LOST,
    RUN_ERROR_PROTOCOL,
    RUN_ERROR_SYSTEM,
};

/* "usage", "resolve", ... as in reports. */
const char *run_error_name(enum run_error error);

struct result {
    struct hist *service;           /* from the send to the reply [ns] */
    struct hist *response;          /* from the due time to the reply [ns] */
    struct hist *lateness;          /* open loop: how late we were to claim what was due [ns] */
    struct hist *connect;           /* how long connecting took [ns] */

    /* Messages, without the omitted ones. */
    uint64_t sent;
    uint64_t received;              /* a reply came, in time or not */
    uint64_t lost;                  /* none came until the end */
    uint64_t late;                  /* of the received: after the timeout */
    uint64_t missing;               /* of the lost: a later one was answered */
    uint64_t resent;                /* sent again on another connection */
    uint64_t not_sent;              /* due, but it could not leave */
    uint64_t omitted;               /* warm-up: in none of the counts above */
    uint64_t wrong;                 /* replies that belong to no message */

    nsec_t began;                   /* [ns, monotonic] */
    nsec_t ended;

    struct outage *outages;
    size_t n_outages_kept;
    uint64_t n_outages;
    nsec_t outage_time;             /* of all together [ns] */

    bool is_native;
    enum run_error error;
    char message[RESULT_MESSAGE_SIZE];
};

/* Return: 0 or -ENOMEM. */
int result_init(struct result *r);
void result_deinit(struct result *r);

/* Adds @from to @r; the first error stays. */
void result_merge(struct result *r, const struct result *from);

void result_add_outage(struct result *r, const struct outage *outage);

/* Notes why the run ended; the first one stays. */
void result_fail(struct result *r, enum run_error error, const char *message);
