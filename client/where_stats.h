/* SPDX-License-Identifier: MIT */
/*
 * Where stats: what a run says about where its time went: histograms of the parts, the where-table,
 * the worst messages, the clocks, and what changed. Fed by closing windows, on one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/where.h"
#include "client/where_change.h"
#include "client/where_table.h"
#include "client/where_window.h"
#include "client/worst.h"
#include "common/base.h"
#include "common/clock.h"

struct hist;

/* What is counted. All but the first two count some of the first; from stretches on it is stretches
 * between clock events, see struct where_fit. */
#define WHERE_COUNTS(X)                                                                            \
    X(messages)             /* all but the omitted */                                              \
    X(omitted)              /* SAMPLE_OMIT */                                                      \
    X(arrival_kernel)       /* request stamped by the server's kernel */                           \
    X(arrival_nic)          /* ... and by its network card */                                      \
    X(arrival_user)         /* ... by the server's program */                                      \
    X(arrival_shared)       /* ... with one stamp for several */                                   \
    X(rx_kernel)            /* reply stamped by our kernel */                                      \
    X(rx_nic)               /* ... and by our network card */                                      \
    X(rx_user)              /* ... by our program */                                               \
    X(rx_shared)            /* ... with one stamp for several */                                   \
    X(unknown)              /* forward PDV and residence could not be told apart */                \
    X(unknown_return)       /* return PDV and wake-up could not */                                 \
    X(unfitted)             /* in stretches without a valid fit */                                 \
    X(stretches)                                                                                   \
    X(stretches_invalid)                                                                           \
    X(skew_assumed)         /* WHERE_SKEW_ASSUMED */                                               \
    X(skew_unsteady)        /* WHERE_SKEW_UNSTEADY */                                              \
    X(skew_changes)                                                                                \
    X(clock_steps)                                                                                 \
    X(base_shifts)

struct where_counts {
#define WHERE_COUNT(name) uint64_t name;
    WHERE_COUNTS(WHERE_COUNT)
#undef WHERE_COUNT
};

/* The clocks and the base over all valid stretches. */
struct where_clock {
    uint64_t n_messages;        /* that it stands on; 0 = nothing below is known */
    double skew;                /* server fast > 0, s per s; each stretch counts by its certainty */
    double skew_error;          /* of the stretch that is most certain; if others contradict it, as
                                 * far as to these */
    bool skew_told;             /* false = assumed throughout */
    double skew_min, skew_max;  /* of the stretches that tell it */
    nsec_t base;                /* least */
    nsec_t base_max;
    nsec_t error;               /* error bar of a PDV, mean by messages [ns] */
    nsec_t error_max;
};

struct where_stats;

/**
 * where_stats_new() - make empty statistics
 * @n_worst:    how many of the worst messages to keep
 *
 * Return: 0, -ENOMEM.
 */
int where_stats_new(struct where_stats **ret_stats, size_t n_worst);
struct where_stats *where_stats_free(struct where_stats *s);
DEFINE_CLEANUP(struct where_stats *, where_stats_free)

/* Closes @w into the statistics; @also (may be NULL) sees each sample too, as a CSV writer does. */
void where_stats_close(struct where_stats *s, struct where_window *w, where_visit_fn also,
                       void *ctx);

/* The distribution of PART_FORWARD, PART_RESIDENCE, PART_RETURN or PART_WAKEUP over the messages
 * for which it is known [ns]; NULL for another part, or if it is known of none. */
const struct hist *where_stats_hist(const struct where_stats *s, enum where_part part);

const struct where_table *where_stats_table(const struct where_stats *s);
const struct where_counts *where_stats_counts(const struct where_stats *s);
const struct where_clock *where_stats_clock(const struct where_stats *s);

/* As many changes are kept, the latest; all are counted. */
#define WHERE_CHANGES_KEPT 64

/* How many changes there were. */
uint64_t where_stats_n_changes(const struct where_stats *s);

/* The @i-th change, from 0; NULL if it is not kept any more, or did not happen yet. */
const struct where_change *where_stats_change(const struct where_stats *s, uint64_t i);

/* That with the largest shift of the base, and with the largest step, up or down, of all there
 * were; with 0 in it if there was none. */
const struct where_change *where_stats_largest_shift(const struct where_stats *s);
const struct where_change *where_stats_largest_step(const struct where_stats *s);

/* The most telling validity: that of the most messages; WHERE_TOO_FEW if there were none. */
enum where_validity where_stats_validity(const struct where_stats *s);

/* In order, largest response RTT first; valid until the next close. */
const struct worst_message *where_stats_worst(struct where_stats *s, size_t *ret_n);
