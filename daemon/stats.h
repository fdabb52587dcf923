/* SPDX-License-Identifier: MIT */
/*
 * Stats: what a worker counts; it alone writes, any thread reads.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

/* X(name, what it counts) */
#define STATS_COUNTERS(X)                                                                          \
    X(accepted,         "clients accepted")                                                        \
    X(closed,           "clients gone")                                                            \
    X(native,           "clients that spoke the native protocol")                                  \
    X(messages,         "messages answered")                                                       \
    X(stamps_kernel,    "reads with a time stamp of the kernel's")                                 \
    X(stamps_nic,       "of them with one of the network card's, too")                             \
    X(stamps_user,      "reads without one, stamped by the reader's clock")                        \
    X(bad_messages,     "clients ended for what they sent")                                        \
    X(refused_full,     "clients refused, max_clients reached")                                    \
    X(refused_source,   "clients refused, max_clients_per_source reached")                         \
    X(refused_stopping, "clients refused, stopping")                                               \
    X(refused_fds,      "clients refused, no descriptor or memory left")                           \
    X(idle_timeouts,    "clients ended by idle_timeout")                                           \
    X(message_timeouts, "clients ended by message_timeout")                                        \
    X(resets,           "connections that the peer or the network broke")                          \
    X(unread,           "clients gone before they had read all their replies")                     \
    X(let_go,           "clients that had not left when drain_timeout was over")                   \
    X(discarded,        "bytes discarded from clients that were told to go")                       \
    X(accept_errors,    "accepts that failed for another reason")

/* Counters: plain numbers for sums, atomic ones for the worker that counts. */
struct stats {
#define X(name, text) uint64_t name;
    STATS_COUNTERS(X)
#undef X
};

struct stats_live {
#define X(name, text) _Atomic uint64_t name;
    STATS_COUNTERS(X)
#undef X
};

/* Not an atomic increment, which would lock the bus: there is one writer. */
#define stats_add(live, name, n)                                                                   \
    atomic_store_explicit(                                                                         \
        &(live)->name, atomic_load_explicit(&(live)->name, memory_order_relaxed) + (n),            \
        memory_order_relaxed)

/* Adds what @live has counted so far to @sum. From any thread. */
static inline void stats_collect(struct stats *sum, struct stats_live *live)
{
#define X(name, text) sum->name += atomic_load_explicit(&live->name, memory_order_relaxed);
    STATS_COUNTERS(X)
#undef X
}

/* The counters are not of one moment: who came and went between two readings is gone only. */
static inline uint64_t stats_clients(const struct stats *s)
{
    return s->accepted > s->closed ? s->accepted - s->closed : 0;
}

static inline uint64_t stats_refused(const struct stats *s)
{
    return s->refused_full + s->refused_source + s->refused_stopping + s->refused_fds;
}

static inline uint64_t stats_timed_out(const struct stats *s)
{
    return s->idle_timeouts + s->message_timeouts;
}

/* Writes all counters that are not 0, for people, in one line without an end. */
void stats_print(const struct stats *s, FILE *to);
