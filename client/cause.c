/* SPDX-License-Identifier: MIT */
#include "client/cause.h"

#include "common/base.h"

/* Linux waits so long before it acknowledges data alone: TCP_DELACK_MIN, HZ / 25; plus what a timer
 * of 250 Hz, and the path that it adds to, may be late. */
#define DELAYED_ACK (40 * NSEC_PER_MSEC)
#define DELAYED_ACK_SLACK (8 * NSEC_PER_MSEC)

const char *cause_name(enum cause cause)
{
    static const char *const names[CAUSE_COUNT] = {
        [CAUSE_UNKNOWN] = "unknown",
        [CAUSE_SERVER] = "server",
        [CAUSE_PATH_OUT] = "path_out",
        [CAUSE_PATH_BACK] = "path_back",
        [CAUSE_LOCAL_WAKEUP] = "local_wakeup",
        [CAUSE_RETRANSMIT] = "retransmit",
        [CAUSE_RTO] = "rto",
        [CAUSE_DELAYED_ACK] = "delayed_ack",
        [CAUSE_HEAD_OF_LINE] = "head_of_line",
    };

    return names[cause];
}

/* The part with the most time, the base aside, which every message has. */
static enum where_part largest(const struct where_parts *p)
{
    enum where_part most = PART_QUEUED;

    for (int part = 0; part < PART_COUNT; part++)
        if (part != PART_BASE && p->ns[part] > p->ns[most])
            most = (enum where_part)part;
    return most;
}

static bool is_delayed_ack(nsec_t delay)
{
    return delay + NSEC_PER_MSEC >= DELAYED_ACK && delay <= DELAYED_ACK + DELAYED_ACK_SLACK;
}

/* We lost a segment. */
static enum cause explain_retransmit(const struct where_parts *p, const struct cause_note *note,
                                     nsec_t delay)
{
    if (p->behind_out)
        return CAUSE_HEAD_OF_LINE;
    if (note->timeouts > 0 || (note->rto > 0 && delay >= note->rto))
        return CAUSE_RTO;
    return CAUSE_RETRANSMIT;
}

/* A part that may contain our own wake-up: nothing tells when the reply reached our kernel. */
static bool may_be_wakeup(const struct where_parts *p, uint16_t flags, enum where_part part)
{
    return (part == PART_RETURN && !(flags & SAMPLE_RX_KERNEL)) ||
           (part == PART_UNSPLIT && !where_parts_known(p, PART_RETURN));
}

/* Why a delay on a way, or somewhere; CAUSE_UNKNOWN without evidence. */
static enum cause explain(const struct where_parts *p, uint16_t flags,
                          const struct cause_note *note, enum where_part part)
{
    bool maybe_out = part != PART_RETURN, maybe_back = part != PART_FORWARD;
    nsec_t delay = p->ns[part];

    if (note->tcp_sampled && maybe_out && p->behind_others && note->shut_out > delay / 2)
        return CAUSE_SERVER;
    if (note->tcp_sampled && maybe_out && note->retransmits > 0)
        return maybe_back && p->behind_back ? CAUSE_HEAD_OF_LINE
                                            : explain_retransmit(p, note, delay);
    if (note->tcp_sampled && maybe_back && note->holes > 0)
        return p->behind_back ? CAUSE_HEAD_OF_LINE : CAUSE_RETRANSMIT;
    if (note->tcp_sampled && maybe_out && note->nagle && note->unacked && is_delayed_ack(delay))
        return CAUSE_DELAYED_ACK;
    if (note->sched_sampled && may_be_wakeup(p, flags, part) && note->run_delay > delay / 2)
        return CAUSE_LOCAL_WAKEUP;
    return CAUSE_UNKNOWN;
}

enum cause cause_of(const struct where_parts *parts, uint16_t flags, const struct cause_note *note)
{
    static const struct cause_note nothing;
    enum where_part part = largest(parts);
    enum cause why;

    if (!note)
        note = &nothing;
    if (parts->ns[part] <= parts->error)
        return CAUSE_UNKNOWN;

    switch (part) {
    case PART_QUEUED:
        return flags & SAMPLE_HELD ? CAUSE_HEAD_OF_LINE : CAUSE_LOCAL_WAKEUP;
    case PART_WAKEUP:
        return CAUSE_LOCAL_WAKEUP;
    case PART_RESIDENCE:
        if (note->retransmits > 0 && !(flags & SAMPLE_SERVER_AWAY))
            return explain_retransmit(parts, note, parts->ns[part]);
        return CAUSE_SERVER;
    default:
        break;
    }

    why = explain(parts, flags, note, part);
    if (why != CAUSE_UNKNOWN)
        return why;
    if (part == PART_FORWARD && flags & SAMPLE_ARRIVAL_KERNEL)
        return CAUSE_PATH_OUT;
    if (part == PART_RETURN && flags & SAMPLE_RX_KERNEL)
        return CAUSE_PATH_BACK;
    return CAUSE_UNKNOWN;
}
