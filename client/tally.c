/* SPDX-License-Identifier: MIT */
#include "client/tally.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base.h"

/* Some 25,000 replies: what comes in the longest time between two visits of the reader. */
#define RING_BYTES (UINT64_C(4) << 20)

/* A look at a connection's counters each 100 ms; with many of them, one a millisecond in all. */
#define LOOK_INTERVAL (100 * NSEC_PER_MSEC)
#define LOOK_COST NSEC_PER_MSEC

/* A slow reply has its look at once, and what came beside it soon. Where all connections are always
 * busy those may be nearly all messages, and a look costs as much as a message; so there are no more
 * of them in all than 1,000 a second, beyond a store of one for each connection. What is only beside
 * has to leave half of that. */
#define LOOK_BESIDE NSEC_PER_MSEC
#define LOOK_PRICE NSEC_PER_MSEC
#define LOOK_STORE_MIN 64

/* When it is known this well when a reply came, no system call is worth to know it better. */
#define VAGUE_ABOVE (50 * NSEC_PER_USEC)

/* Slow replies without a pause are the rule after this. */
#define CALM_AGE NSEC_PER_SEC

/* A reader who cannot keep up gets no ordinary reply for so many, so that there is room for the
 * slow ones, which matter more. */
#define THIN_OUT 4096

int tally_init(struct tally *t, const struct clock_src *clock, const struct options *options,
               uint32_t n_links, int report_fd)
{
    int r;

    *t = (struct tally){
        .ring = RING_INIT,
        .clock = clock,
        .options = options,
        .look_interval = MAX(LOOK_INTERVAL, n_links * LOOK_COST),
        .look_store = MAX(n_links, (uint32_t)LOOK_STORE_MIN) * LOOK_PRICE,
        .report_fd = report_fd,
        .sched = SCHED_EVIDENCE_INIT,
        .lookout = LOOKOUT_INIT,
    };
    r = result_init(&t->result);
    return r < 0 ? r : ring_init(&t->ring, RING_BYTES);
}

void tally_deinit(struct tally *t)
{
    lookout_deinit(&t->lookout);
    sched_evidence_deinit(&t->sched);
    ring_deinit(&t->ring);
    result_deinit(&t->result);
}

void tally_begin(struct tally *t)
{
    stamp_bridge_init(&t->bridge, t->clock);
    sched_evidence_init(&t->sched);
    lookout_init(&t->lookout);
    t->last_look = clock_now(t->clock);
}

static struct record *begin_record(struct tally *t, enum record_kind kind, const struct link *l,
                                   nsec_t at, size_t len)
{
    struct record *record = ring_claim(&t->ring, len);

    if (!record)
        return NULL;
    record->kind = (uint8_t)kind;
    record->has_note = false;
    record->connection = l->index;
    record->at = at;
    return record;
}

/* What is rare is seen at once; rows are fetched now and then. */
static void end_record(struct tally *t, size_t len)
{
    uint64_t one = 1;

    ring_commit(&t->ring, len);
    (void)!write(t->report_fd, &one, sizeof(one));
}

void tally_text(struct tally *t, enum record_kind kind, const struct link *l, nsec_t now,
                const char *text)
{
    struct record *record = begin_record(t, kind, l, now, RECORD_LEN(text));

    if (kind == RECORD_WRONG)
        t->result.wrong++;
    if (!record)
        return;
    (void)snprintf(record->text, sizeof(record->text), "%s", text);
    end_record(t, offsetof(struct record, text) + strlen(record->text) + 1);
}

void tally_connected(struct tally *t, const struct link *l, nsec_t now)
{
    struct record *record = begin_record(t, RECORD_CONNECTED, l, now, RECORD_LEN(connected));

    t->result.is_native = l->target.native;
    if (!record)
        return;
    record->connected.is_native = l->target.native;
    record->connected.n_addr = l->n_addr;
    end_record(t, RECORD_LEN(connected));
}

static void tell_about(struct tally *t, enum record_kind kind, const struct link *l, nsec_t now,
                       const struct request *q)
{
    struct record *record = begin_record(t, kind, l, now, RECORD_LEN(message));

    if (!record)
        return;
    record->message.seq = q->seq;
    memcpy(record->message.uuid, q->uuid, UUID_SIZE);
    record->message.omitted = q->omitted;
    record->message.was_overdue = kind != RECORD_OVERDUE && q->overdue;
    end_record(t, RECORD_LEN(message));
}

void tally_lost(struct tally *t, const struct link *l, const struct request *q,
                enum record_kind kind, nsec_t now)
{
    if (q->omitted) {
        t->result.omitted++;
    } else {
        t->result.lost++;
        t->result.missing += kind == RECORD_MISSING;
    }
    tell_about(t, kind, l, now, q);
}

void tally_overdue(struct tally *t, const struct link *l, const struct request *q, nsec_t now)
{
    tell_about(t, RECORD_OVERDUE, l, now, q);
}

static struct outage describe_outage(const struct link *l, nsec_t now, bool is_over)
{
    struct outage outage = {
        .began = l->down_since,
        .length = now - l->down_since,
        .is_over = is_over,
        .connection = l->index,
        .n_lost = l->n_lost,
        .n_resent = l->n_resent,
        .n_not_sent = l->n_not_sent,
    };

    (void)snprintf(outage.reason, sizeof(outage.reason), "%s", l->outage_reason);
    return outage;
}

void tally_outage_so_far(const struct link *l, nsec_t now, struct result *sum)
{
    struct outage outage = describe_outage(l, now, false);

    result_add_outage(sum, &outage);
}

void tally_outage(struct tally *t, struct link *l, nsec_t now, bool is_over)
{
    struct record *record = begin_record(t, RECORD_RESTORED, l, now, RECORD_LEN(outage));
    struct outage outage = describe_outage(l, now, is_over);

    result_add_outage(&t->result, &outage);
    l->down_since = 0;
    if (!record || !is_over)
        return;
    record->outage.length = outage.length;
    record->outage.n_lost = outage.n_lost;
    record->outage.n_resent = outage.n_resent;
    record->outage.n_not_sent = outage.n_not_sent;
    end_record(t, RECORD_LEN(outage));
}

/* ---- Replies ---- */

nsec_t tally_look(struct tally *t, int n, bool left_some)
{
    nsec_t now = n > 0 ? stamp_bridge_look(&t->bridge, t->clock) : clock_now(t->clock);

    if (!t->left_some) {
        t->looked_before = t->looked_at;
        t->looked_at = t->last_look;
    }
    t->last_look = now;
    t->left_some = left_some;
    return now;
}

struct tally_read tally_read(struct tally *t, const struct stream_rx *info, nsec_t now)
{
    struct tally_read read = {.now = now, .n_queued = info->n_queued};
    nsec_t lag;

    if (info->stamp_real == 0)
        return read;
    read.has_stamp = stamp_bridge_convert(&t->bridge, info->stamp_real, read.now, &read.stamp);
    if (unlikely(info->stamp_nic > 0) && read.has_stamp &&
        nic_lag_take(&t->nic_lag, read.stamp, info->stamp_nic, &lag)) {
        read.stamp -= lag;
        read.has_nic_stamp = true;
    }
    return read;
}

static uint16_t sample_flags(const struct request *q, const struct link *l,
                             const struct proto_reply *reply)
{
    uint16_t flags = 0;

    if (q->held)
        flags |= SAMPLE_HELD;
    if (q->omitted)
        flags |= SAMPLE_OMIT;
    if (q->resent)
        flags |= SAMPLE_RESENT;
    if (l->n_replies == 1)
        flags |= SAMPLE_FIRST;
    if (!l->target.native)
        return flags;

    flags |= SAMPLE_ARRIVAL;
    if (reply->flags & PROTO_REPLY_KERNEL_STAMP)
        flags |= SAMPLE_ARRIVAL_KERNEL;
    if (reply->flags & PROTO_REPLY_NIC_STAMP)
        flags |= SAMPLE_ARRIVAL_NIC;
    if (reply->flags & PROTO_REPLY_SHARED_STAMP)
        flags |= SAMPLE_ARRIVAL_SHARED;
    if (reply->flags & PROTO_REPLY_SERVER_AWAY)
        flags |= SAMPLE_SERVER_AWAY;
    return flags;
}

/* A look that did not see what had come by then was one before: the thread was stopped between it
 * and the reading of the clock. */
static nsec_t look_before(const struct tally *t, const struct tally_read *read)
{
    return read->has_stamp && read->stamp < t->looked_at ? t->looked_before : t->looked_at;
}

/* What is read now came later than this. Where its stamp is earlier than the thread was called for
 * it, the thread was called before, and stopped on its way up: it is not known when it woke. */
static nsec_t find_earliest(struct tally *t, const struct link *l, const struct tally_read *read)
{
    nsec_t earliest;

    if (l->left_since > 0)
        return l->left_since;
    earliest = lookout_earliest(&t->lookout, t->looked_at);
    if (!read->has_stamp || read->stamp >= earliest)
        return earliest;
    lookout_forget(&t->lookout);
    return look_before(t, read);
}

bool tally_is_vague(const struct tally *t, const struct link *l, const struct tally_read *read)
{
    nsec_t earliest = l->left_since > 0 ? l->left_since : look_before(t, read);

    return read->has_stamp && read->stamp > earliest + VAGUE_ABOVE;
}

/* What a read leaves was there at that read. Its stamp may have been that of what it left; but once
 * there is another stamp, all that had the one before is read, and the rest came later. */
void tally_read_done(struct tally *t, struct link *l, const struct tally_read *read)
{
    nsec_t since = 0;

    if (read->n_queued > 0) {
        since = find_earliest(t, l, read);
        if (l->has_stamp && read->has_stamp && read->stamp > l->stamp)
            since = MAX(since, l->stamp);
    }
    l->left_since = since;
    l->has_stamp = read->has_stamp;
    l->stamp = read->stamp;
}

/* The stamp of a read is that of its last byte, or of one behind it: the replies before were there
 * by then, and no more is known of them than that they were not there when we last looked. */
static void fill_sample(struct tally *t, struct where_sample *s, const struct link *l,
                        const struct target_event *event, const struct tally_read *read)
{
    const struct request *q = &event->request;
    bool has_stamp = read->has_stamp && read->stamp >= q->sent;

    *s = (struct where_sample){
        .due = q->due,
        .send = q->sent,
        .rx = has_stamp ? read->stamp : read->now,
        .read = read->now,
        .delta = event->reply.delta,
        .seq = q->seq,
        .conn = l->index,
        .flags = sample_flags(q, l, &event->reply),
    };
    memcpy(s->uuid, q->uuid, UUID_SIZE);
    if (has_stamp)
        s->flags |= SAMPLE_RX_KERNEL;
    if (has_stamp && read->has_nic_stamp)
        s->flags |= SAMPLE_RX_NIC;
    if (has_stamp && !event->ends_stamp) {
        s->flags |= SAMPLE_RX_SHARED;
        s->rx_earliest = find_earliest(t, l, read);
    }
    if (!l->target.native)
        return;
    s->arrival = event->reply.arrival;
    s->residence = event->reply.residence;
    s->window = event->reply.window;
}

/* Looks are paid for with time: that which is spent beyond now has to come out of the store. */
static bool can_pay_look(struct tally *t, nsec_t now, nsec_t store)
{
    if (t->looks_paid_until > now + store)
        return false;
    t->looks_paid_until = MAX(t->looks_paid_until, now) + LOOK_PRICE;
    return true;
}

/* One look for all slow ones that came together, or the looks before them would be forgotten. */
static bool wants_look(struct tally *t, nsec_t looked_at, nsec_t now, bool is_slow, bool is_beside)
{
    nsec_t age = now - looked_at;

    if (looked_at == 0 || age >= t->look_interval)
        return true;
    if (is_slow)
        return age > 0 && can_pay_look(t, now, t->look_store);
    return is_beside && age >= LOOK_BESIDE && can_pay_look(t, now, t->look_store / 2);
}

/* A connection that has one message has no look before it: then there are the thread's counters
 * only. Return: when the last look was. */
static nsec_t look_at_counters(struct tally *t, struct link *l, nsec_t now, bool is_slow,
                               bool is_beside)
{
    nsec_t *looked_at = t->options->connect ? &t->sched_looked_at : &l->looked_at;

    if (!wants_look(t, *looked_at, now, is_slow, is_beside))
        return *looked_at;
    if (!t->options->connect)
        tcp_evidence_look(&l->evidence, l->fd, now);
    sched_evidence_look(&t->sched, now);
    return *looked_at = now;
}

/*
 * A burst of slow ones lifts the threshold at once. So what was under way together with one that
 * was slow is compared with the threshold as it was before them all; or, if that goes on and on,
 * some time ago.
 */
static bool is_slow_along(const struct tally *t, const struct request *q, nsec_t service)
{
    return q->sent < t->slow_until && service > t->calm;
}

static void follow_slow(struct tally *t, const struct request *q, nsec_t now, nsec_t calm)
{
    if (q->sent >= t->slow_until || now - t->slow_since > CALM_AGE) {
        t->slow_since = now;
        t->calm = calm;
    }
    t->slow_until = now;
}

void tally_reply(struct tally *t, struct link *l, const struct target_event *event,
                 const struct tally_read *read)
{
    const struct request *q = &event->request;
    nsec_t service = read->now - q->sent;
    nsec_t response = read->now - q->due;
    nsec_t calm = t->slow_service.value;
    /* Either: a path that loses much would hide behind a client that is late. */
    bool has_waited = slow_threshold_exceeds(&t->slow_response, response);
    bool is_slow = slow_threshold_exceeds(&t->slow_service, service) || has_waited;
    /* What came with a slow reply may have waited for it. */
    bool is_beside = t->slow_look == t->last_look || is_slow_along(t, q, service);
    nsec_t looked_at;
    struct record *record;
    bool has_note;
    size_t len;

    l->n_replies++;
    t->result.ended = read->now;
    if (q->omitted) {
        t->result.omitted++;
    } else {
        t->result.received++;
        t->result.late += service > t->options->timeout;
        hist_record(t->result.service, service);
        hist_record(t->result.response, response);
    }
    if (is_slow)
        follow_slow(t, q, read->now, calm);
    looked_at = look_at_counters(t, l, read->now, is_slow, is_beside);
    has_note = (is_slow || is_beside) && looked_at > q->sent;
    len = has_note ? RECORD_LEN(reply) : RECORD_LEN(reply.sample);

    if (unlikely(t->n_to_skip > 0) && !is_slow) {
        t->n_to_skip--;
        atomic_store_explicit(&t->n_thinned, t->n_thinned + 1, memory_order_relaxed);
        return;
    }
    record = begin_record(t, RECORD_REPLY, l, read->now, len);
    if (!record) {
        t->n_to_skip = THIN_OUT;
        return;
    }
    fill_sample(t, &record->reply.sample, l, event, read);
    if (is_slow)
        t->slow_look = t->last_look;
    if (has_note) {
        record->has_note = true;
        record->reply.note = evidence_note(&l->evidence, &t->sched, q->sent,
                                           t->options->nagle);
        record->reply.note.unacked |= q->follows;
    }
    ring_commit(&t->ring, len);
}
