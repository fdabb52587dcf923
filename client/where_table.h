/* SPDX-License-Identifier: MIT */
/*
 * Where table: for each percentile of the response RTT, where the time went.
 *
 * A percentile is one message's RTT, and one message is an accident. So the parts are averaged over
 * its neighbours: messages are counted by response RTT in classes 0.8 % wide, with the sum of each
 * part; a row takes the classes that the percentile's 95 % confidence interval (in ranks) touches,
 * and scales the mean of their parts to the percentile's own RTT, so that a row adds up to it.
 * Since each message's parts add up to its RTT, scaling changes no proportion; and it is small
 * where the percentile lies near the mean of its interval. In the tail it does not, as there the
 * interval may contain the maximum. So the base, of which all have the same, is not scaled.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "client/where.h"
#include "common/base.h"
#include "common/clock.h"

struct where_row {
    nsec_t rtt;                 /* response RTT; the sum of ns[] [ns] */
    nsec_t ns[PART_COUNT];
    uint64_t n_messages;        /* neighbours that it stands on */
};

struct where_table;

/* Return: 0, -ENOMEM. A table takes 0.3 MB, whatever the number of messages. */
int where_table_new(struct where_table **ret_table);
struct where_table *where_table_free(struct where_table *t);
DEFINE_CLEANUP(struct where_table *, where_table_free)

void where_table_add(struct where_table *t, const struct where_parts *parts);

/**
 * where_table_row() - where the time of a percentile went
 * @percentile: 0 .. 100
 * @rtt:        its response RTT as reported elsewhere, to which the row shall add up [ns]
 *
 * Return: 0, -ENODATA if no message was added.
 */
int where_table_row(const struct where_table *t, double percentile, nsec_t rtt,
                    struct where_row *ret_row);
