/* SPDX-License-Identifier: MIT */
/*
 * Truth: a simulated server with a clock of its own and a path with known delays, to compare with
 * what is found from the stamps alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "client/where.h"
#include "common/clock.h"
#include "common/rng.h"

struct truth {
    struct rng rng;
    nsec_t shortest_out, shortest_back; /* of the path [ns] */

    /* The server's clock is @server at the client's @client, and gains @skew from there on. */
    nsec_t client, server;
    double skew;

    uint64_t seq;
    nsec_t last_arrival, last_departure, last_rx;   /* in order, as TCP delivers; true times on the
                                                     * client's clock */
};

/* What happens to a message, on the client's clock [ns]. */
struct truth_message {
    nsec_t due, send;           /* due 0 = as it is sent */
    nsec_t out, back;           /* delays above the shortest */
    nsec_t residence;
    nsec_t wakeup;
};

/* Seconds since the boot of two unlike machines. */
void truth_init(struct truth *t, uint64_t seed, double skew);

/* From the client's time @now on the server's clock gains @skew, and is ahead by @step at once. */
void truth_change_clock(struct truth *t, nsec_t now, double skew, int64_t step);

/* The server's clock at the client's time @now. */
nsec_t truth_server_time(const struct truth *t, nsec_t now);

/**
 * truth_send() - let a message go, and come back
 * @m:      what happens to it; out and back become longer if it has to wait for the one before
 *
 * Return: the stamps of it, all of its own, all by the kernels.
 */
struct where_sample truth_send(struct truth *t, struct truth_message *m);

/* Uniform in [0, 1). */
double truth_uniform(struct truth *t);
