/* SPDX-License-Identifier: MIT */
/*
 * Where: splits a message's time into the way out, the server, the way back and the client's own
 * wake-up, from stamps of two clocks that nobody has synchronised.
 *
 * The server's clock runs at its own rate and from its own origin. Both are found from the messages
 * themselves: delays only ever add, so the straight line under all (arrival, arrival - send) is the
 * clock plus the shortest way out, and the line under all (departure, receipt - departure) is the
 * shortest way back minus the clock. One rate has to serve both; the right one is that which leaves
 * the most to the two minima together, since a wrong one tilts both lines off their points.
 *
 * Pure: no clock is read, nothing is sent, nothing is allocated.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/proto.h"

/* As many connections can have minima of their own: their paths may differ (ECMP goes by port).
 * With more, or with too few messages in each, all share one pair. */
#define WHERE_OWN_MINIMA_MAX 64

/* What is known of a sample. */
enum {
    SAMPLE_ARRIVAL = 0x0001,        /* the server told arrival, residence and window */
    SAMPLE_ARRIVAL_KERNEL = 0x0002, /* the arrival is the server kernel's receive stamp */
    SAMPLE_ARRIVAL_SHARED = 0x0004, /* ... of a later byte: it was in [arrival - window, arrival] */
    SAMPLE_SERVER_AWAY = 0x0008,    /* the server did not run for nearly all of that window */
    SAMPLE_RX_KERNEL = 0x0010,      /* rx is our kernel's receive stamp, else rx = read */
    SAMPLE_RX_SHARED = 0x0020,      /* ... of a later byte: the reply was there at rx or before */
    SAMPLE_FIRST = 0x0040,          /* the first message of a new connection in its slot */
    SAMPLE_HELD = 0x0080,           /* when it was due it had to wait for earlier ones' replies */
    SAMPLE_OMIT = 0x0100,           /* warm-up: serves the fit, is left out of the statistics */
    SAMPLE_RESENT = 0x0200,         /* sent before, on a connection that ended: for rows only */
    SAMPLE_ARRIVAL_NIC = 0x0400,    /* beside the kernel's: less the wait that the stamp of the
                                     * server's network card told */
    SAMPLE_RX_NIC = 0x0800,         /* the same here */
};

/*
 * One answered message. The measuring thread fills this in and hands it over; all else happens on
 * the reporting one, when the message's window closes. Within a connection samples come in the
 * order of their replies.
 */
struct where_sample {
    /* Client's monotonic clock [ns]; due <= send <= rx <= read. */
    nsec_t due;             /* when the message was meant to leave */
    nsec_t send;            /* just before the send */
    nsec_t rx;              /* the reply reached our kernel */
    nsec_t read;            /* the program had it */

    /* Server's monotonic clock [ns]; with SAMPLE_ARRIVAL. */
    nsec_t arrival;         /* of the request */
    nsec_t residence;       /* from arrival to departure */
    nsec_t window;          /* with SAMPLE_ARRIVAL_SHARED: how much earlier it may have arrived */

    nsec_t rx_earliest;     /* with SAMPLE_RX_SHARED: the reply came later than this, client's
                             * clock; 0 = not known */

    nsec_t delta;           /* as the server told it: for rows only */
    uint64_t seq;
    uint8_t uuid[PROTO_UUID_LEN];
    uint32_t conn;          /* slot of the connection, counted from 0 */
    uint16_t flags;         /* SAMPLE_* */
    uint16_t note;          /* 0, or see where_window_note() */
};

/* Where a message's time can have gone. */
enum where_part {
    PART_QUEUED,            /* due but not sent yet */
    PART_BASE,              /* the shortest way out and the shortest way back, together */
    PART_FORWARD,           /* forward PDV: above the shortest way out */
    PART_RESIDENCE,         /* in the server, its own wake-up included */
    PART_RETURN,            /* return PDV: above the shortest way back */
    PART_WAKEUP,            /* from our kernel to the program */
    PART_UNSPLIT,           /* passed somewhere among the parts that are not known */
    PART_COUNT,
};

/*
 * A message's response RTT, taken apart: the sum of all ns[] is read - due exactly, and without
 * PART_QUEUED it is read - send, the service RTT.
 *
 * A part that is not in @known holds the share that is certain; the rest is in PART_UNSPLIT. On the
 * user's clock (no SAMPLE_RX_KERNEL) the return contains the wake-up, which is then not known.
 */
struct where_parts {
    nsec_t ns[PART_COUNT];
    uint8_t known;          /* bit 1 << part: measured, for base and both PDVs to within @error */
    bool behind_out;        /* arrived right behind an earlier message that took longer out */
    bool behind_back;       /* so did the reply */
    bool behind_others;     /* for most of its way out the server had earlier ones unanswered, or
                             * did not run */
    nsec_t error;           /* the fit's error bar [ns] */
};

static inline bool where_parts_known(const struct where_parts *p, enum where_part part)
{
    return p->known >> part & 1;
}

/* Whether ns[@part] says anything: all of the part, the share of it that is certain, or what is
 * always told. What this leaves out is 0, so what is told adds up. */
static inline bool where_parts_told(const struct where_parts *p, enum where_part part)
{
    return part == PART_QUEUED || part == PART_UNSPLIT || where_parts_known(p, part) ||
           p->ns[part] > 0;
}

/* How a fit came out. The first three give numbers, the others don't. */
enum where_validity {
    WHERE_VALID,
    WHERE_SKEW_ASSUMED,     /* too short to tell the skew: an earlier one or 0 taken, and the error
                             * bar grown by what it may be wrong */
    WHERE_SKEW_UNSTEADY,    /* no straight line fits both ways: the rate changed too often, or both
                             * ways are never free at once; the error bar says how far off */
    WHERE_TOO_FEW,          /* messages */
    WHERE_NO_ARRIVALS,      /* the server does not tell them (text) */
    WHERE_CLOCK_BROKEN,     /* stamps contradict each other: a clock stepped again and again, or
                             * there are several servers */
    WHERE_VALIDITIES,
};

static inline bool where_validity_ok(enum where_validity v)
{
    return v <= WHERE_SKEW_UNSTEADY;
}

/* A word for programs: "valid", "skew_assumed", ... */
const char *where_validity_name(enum where_validity v);

/* In words, for people: "too few messages". */
const char *where_validity_text(enum where_validity v);

/*
 * What was found for a stretch of time: a window, or the part of it between two clock events.
 */
struct where_fit {
    enum where_validity validity;
    nsec_t begin, end;      /* first send, last read [ns, client's clock] */
    uint32_t n_samples;
    uint32_t n_shared;      /* of them with SAMPLE_ARRIVAL_SHARED */
    double skew;            /* the server's clock gains this on ours, s per s; x 1e6 = ppm */
    double skew_error;      /* +/- */
    nsec_t base;            /* shortest way out and back, least of all connections [ns] */
    nsec_t error;           /* error bar of a PDV [ns] */
    bool per_connection;    /* each connection has its own minima */
    bool skew_changed;      /* against the stretch before */
    int64_t clock_step;     /* the server's against ours since the stretch before [ns], 0 = none */
    int64_t base_shift;     /* of the base since the stretch before, or within [ns], 0 = none */
    int64_t forward_shift;  /* how much of that was on the way out [ns] */
};
