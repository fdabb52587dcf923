/* SPDX-License-Identifier: MIT */
/*
 * Cause: the one word beside a slow message.
 *
 * The largest part of its time says where, TCP and the scheduler say why. A rule speaks only on
 * evidence that concerns the part it explains; without, the answer is the place alone, and where
 * even that is not known, "unknown".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "client/where.h"
#include "common/clock.h"

enum cause {
    CAUSE_UNKNOWN,
    CAUSE_SERVER,           /* the server had it */
    CAUSE_PATH_OUT,
    CAUSE_PATH_BACK,
    CAUSE_LOCAL_WAKEUP,     /* this host did not run us: late to send, or late to read */
    CAUSE_RETRANSMIT,       /* it was lost and sent again on the strength of later ones */
    CAUSE_RTO,              /* it was lost and sent again when the retransmission timer ran out */
    CAUSE_DELAYED_ACK,      /* Nagle's algorithm held it until a delayed ACK came */
    CAUSE_HEAD_OF_LINE,     /* it waited for an earlier message of its connection */
    CAUSE_COUNT,
};

/* "server", "path_out", ... as in reports. */
const char *cause_name(enum cause cause);

/*
 * What was seen around a message, beyond its stamps; zeroed = nothing was. Differences are taken
 * between the last look at TCP_INFO before its send and the first one after its reply.
 */
struct cause_note {
    bool tcp_sampled;
    bool nagle;             /* TCP_NODELAY is off at our end */
    bool unacked;           /* earlier data was not acknowledged (or answered) when it was sent */
    uint32_t retransmits;   /* rise of tcpi_total_retrans less that of tcpi_dsack_dups: segments
                             * that we sent again, and not in vain */
    uint32_t timeouts;      /* rise of tcpi_total_rto (Linux 6.7), or of tcpi_backoff; else 0 */
    uint32_t holes;         /* rise of tcpi_rcv_ooopack: segments that came in above a hole */
    nsec_t rto;             /* tcpi_rto before [ns] */
    nsec_t shut_out;        /* rise of tcpi_rwnd_limited: we waited for room in the server's
                             * receive window [ns] */
    bool sched_sampled;
    nsec_t run_delay;       /* rise of the thread's wait for a CPU (schedstat) [ns] */
};

/**
 * cause_of() - why a message was slow
 * @parts:      where its time went
 * @flags:      its SAMPLE_* flags
 * @note:       what was seen around it, or NULL
 *
 * The rules, in order:
 *
 * 1. Nothing but the base stands out of the error bar: unknown.
 * 2. Most of the time was before the send: head_of_line if it was held (SAMPLE_HELD), else we were
 *    late ourselves: local_wakeup.
 * 3. Most was our wake-up: local_wakeup. Most was in the server: server; but where we retransmitted
 *    and the server did not say that it was away, as below: what its kernel got above a hole has
 *    waited there for what was lost, and lends its stamp to that (tcp_ofo_queue()).
 * 4. Most was on a way, or could not be split:
 *    - way out or unsplit, the server's receive window was shut for most of that time, while it had
 *      earlier messages unanswered: server, as it did not read and this one could not even leave (a
 *      path that holds them all fills the window, too, but then the server has none; and what its
 *      kernel had no room for, it dropped, and we sent again);
 *    - way out or unsplit, and we retransmitted: head_of_line if it came in right behind a message
 *      that was delayed longer, else rto if the timer ran out or the delay is as long as it is,
 *      else retransmit;
 *    - way back or unsplit, and segments came in above a hole: head_of_line likewise, else
 *      retransmit (a lost last segment leaves no trace on this side);
 *    - way out or unsplit, our Nagle is on with data unacknowledged, and the delay is that of a
 *      delayed ACK (40 ms, Linux' TCP_DELACK_MIN): delayed_ack;
 *    - our wake-up may be in it, as the reply has no kernel stamp of its own, and we waited for a
 *      CPU for most of that time: local_wakeup;
 *    - else path_out or path_back; but unknown for what could not be split, and without a kernel
 *      stamp, as then the way contains its reader's wake-up.
 */
enum cause cause_of(const struct where_parts *parts, uint16_t flags,
                    const struct cause_note *note);
