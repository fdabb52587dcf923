/* SPDX-License-Identifier: MIT */
/*
 * The report for programs that look on: a JSON line for each event, and the document in the last.
 */
#include <stdio.h>
#include <stdlib.h>

#include "client/record_text.h"
#include "client/report_json.h"
#include "common/base.h"

/* Between two "interval" events. */
#define INTERVAL NSEC_PER_SEC

#define INTERVAL_CHANGES_MAX 16

/* What came since the last interval was reported. */
struct report_stream {
    nsec_t began;                   /* [ns, monotonic] */
    struct hist *service;
    struct hist *response;
    uint64_t late;
    uint64_t lost;
    struct where_change changes[INTERVAL_CHANGES_MAX];      /* further ones are in the document */
    size_t n_changes;
    uint64_t n_dropped;             /* in the intervals before */
};

static struct report_stream *stream_free(struct report_stream *s)
{
    if (!s)
        return NULL;
    hist_free(s->service);
    hist_free(s->response);
    free(s);
    return NULL;
}

static struct report_stream *stream_new(nsec_t now)
{
    struct report_stream *s = calloc(1, sizeof(*s));

    if (!s || hist_new(&s->service) < 0 || hist_new(&s->response) < 0)
        return stream_free(s);
    s->began = now;
    return s;
}

static void begin_object(struct json_writer *w, struct report *r, const char *event)
{
    *w = (struct json_writer){.out = r->context.out};
    json_begin_object(w, NULL);
    json_string(w, "event", event);
}

static void begin_event(struct json_writer *w, struct report *r, const char *event, nsec_t at)
{
    begin_object(w, r, event);
    report_json_time(w, "time", r, at);
}

static void end_event(struct json_writer *w)
{
    json_end_object(w);
    json_end_line(w);
}

static void put_message(struct json_writer *w, uint64_t seq,
                        const uint8_t uuid[static PROTO_UUID_LEN], uint32_t connection)
{
    report_json_uuid(w, seq, uuid);
    json_u64(w, "connection", connection);
}

/* An interval is told even if nothing came in it. Without memory there are none. */
static void put_interval(struct report *r, nsec_t now)
{
    struct report_stream *i = r->stream;
    struct json_writer w;

    begin_event(&w, r, "interval", now);
    json_bool(&w, "interim", false);
    json_u64(&w, "duration_ns", now - i->began);
    json_u64(&w, "received", hist_count(i->response));
    json_u64(&w, "late", i->late);
    json_u64(&w, "lost", i->lost);
    json_u64(&w, "records_dropped", r->n_dropped - i->n_dropped);
    report_json_hist(&w, "service_rtt_ns", i->service, r->context.options);
    report_json_hist(&w, "response_rtt_ns", i->response, r->context.options);
    json_begin_array(&w, "changes");
    for (size_t k = 0; k < i->n_changes; k++)
        report_json_change(&w, r, &i->changes[k]);
    json_end_array(&w);
    end_event(&w);

    hist_reset(i->service);
    hist_reset(i->response);
    i->late = i->lost = 0;
    i->n_changes = 0;
    i->n_dropped = r->n_dropped;
    i->began = now;
}

static void stream_tick(struct report *r, nsec_t now)
{
    if (r->stream && now - r->stream->began >= INTERVAL)
        put_interval(r, now);
}

static void stream_begin(struct report *r, const char *protocol)
{
    struct json_writer w;

    r->stream = stream_new(clock_now(r->context.clock));
    begin_event(&w, r, "start", clock_now(r->context.clock));
    json_string(&w, "schema", REPORT_JSON_SCHEMA);
    json_string(&w, "host", r->context.host);
    report_json_text(&w, "address", r->context.address);
    json_string(&w, "protocol", protocol);
    report_json_load(&w, r->context.options);
    end_event(&w);
}

static void stream_reply(struct report *r, const struct record *record)
{
    const struct where_sample *s = &record->reply.sample;
    uint16_t arrival = s->flags & (SAMPLE_ARRIVAL | SAMPLE_ARRIVAL_SHARED);
    uint16_t rx = s->flags & (SAMPLE_RX_KERNEL | SAMPLE_RX_SHARED);
    struct json_writer w;

    if (r->stream && !(s->flags & SAMPLE_OMIT)) {
        hist_record(r->stream->service, record_service(record));
        hist_record(r->stream->response, record_response(record));
        r->stream->late += record_service(record) > r->context.options->timeout;
    }
    begin_event(&w, r, "reply", s->read);
    put_message(&w, s->seq, s->uuid, s->conn);
    json_u64(&w, "service_rtt_ns", record_service(record));
    json_u64(&w, "response_rtt_ns", record_response(record));
    json_u64(&w, "delta_ns", s->delta);
    /* The two ways need a fit of the clocks, which comes in the end; these two are known now. */
    report_json_known(&w, "residence_ns", arrival == SAMPLE_ARRIVAL, s->residence);
    report_json_known(&w, "wakeup_ns", rx == SAMPLE_RX_KERNEL, s->read - s->rx);
    json_bool(&w, "late", record_service(record) > r->context.options->timeout);
    json_bool(&w, "resent", s->flags & SAMPLE_RESENT);
    json_bool(&w, "omitted", s->flags & SAMPLE_OMIT);
    end_event(&w);
}

/* It is certain that no reply comes any more. */
static void stream_lost(struct report *r, const struct record *record, const char *why)
{
    struct json_writer w;

    if (r->stream && !record->message.omitted)
        r->stream->lost++;
    begin_event(&w, r, "lost", record->at);
    put_message(&w, record->message.seq, record->message.uuid, record->connection);
    json_string(&w, "why", why);
    json_bool(&w, "omitted", record->message.omitted);
    end_event(&w);
}

/* Its reply may still come, and is late then. */
static void stream_overdue(struct report *r, const struct record *record)
{
    char line[RECORD_LINE_SIZE];
    struct json_writer w;

    record_text_format(record, r->context.options->timeout, line);
    begin_event(&w, r, "error", record->at);
    json_string(&w, "code", "overdue");
    json_string(&w, "message", line);
    put_message(&w, record->message.seq, record->message.uuid, record->connection);
    json_bool(&w, "omitted", record->message.omitted);
    end_event(&w);
}

static void stream_outage(struct report *r, const struct record *record)
{
    bool is_over = record->kind == RECORD_RESTORED;
    struct json_writer w;

    begin_event(&w, r, "outage", record->at);
    json_u64(&w, "connection", record->connection);
    json_bool(&w, "over", is_over);
    if (is_over) {
        json_u64(&w, "duration_ns", record->outage.length);
        json_u64(&w, "lost", record->outage.n_lost);
        json_u64(&w, "resent", record->outage.n_resent);
        json_u64(&w, "not_sent", record->outage.n_not_sent);
    } else {
        json_string(&w, "reason", record->text);
    }
    end_event(&w);
}

static void stream_error(struct report *r, const struct record *record, const char *code)
{
    struct json_writer w;

    begin_event(&w, r, "error", record->at);
    json_string(&w, "code", code);
    json_string(&w, "message", record->text);
    end_event(&w);
}

static void stream_record(struct report *r, const struct record *record)
{
    switch ((enum record_kind)record->kind) {
    case RECORD_CONNECTED:
        return;
    case RECORD_REPLY:
        stream_reply(r, record);
        return;
    case RECORD_OVERDUE:
        stream_overdue(r, record);
        return;
    case RECORD_MISSING:
        stream_lost(r, record, "passed_over");
        return;
    case RECORD_LOST:
        stream_lost(r, record, record->message.was_overdue ? "timeout" : "connection_lost");
        return;
    case RECORD_WRONG:
        stream_error(r, record, "wrong_reply");
        return;
    case RECORD_OUTAGE:
    case RECORD_RESTORED:
        stream_outage(r, record);
        return;
    case RECORD_NOTICE:
        stream_error(r, record, "notice");
        return;
    }
}

/* Told with the interval in which it was found, up to two minutes after it happened. */
static void stream_change(struct report *r, const struct where_change *change)
{
    struct report_stream *i = r->stream;

    if (i && i->n_changes < INTERVAL_CHANGES_MAX)
        i->changes[i->n_changes++] = *change;
}

/* Asked for by a signal: the document so far. Who adds up intervals must not add this one. */
static void stream_interim(struct report *r, const struct report_summary *s)
{
    struct json_writer w;

    begin_object(&w, r, "interval");    /* the document has a time of its own */
    json_bool(&w, "interim", true);
    report_json_document(&w, r, s);
    end_event(&w);
}

static void stream_end(struct report *r, const struct report_summary *s)
{
    const struct result *res = s->result;
    nsec_t now = clock_now(r->context.clock);
    struct json_writer w;

    if (!r->has_begun)
        stream_begin(r, NULL);
    else if (r->stream && now > r->stream->began)
        put_interval(r, now);       /* what came since the last whole one */
    if (res->error != RUN_ERROR_NONE) {
        begin_event(&w, r, "error", now);
        json_string(&w, "code", run_error_name(res->error));
        json_string(&w, "message", res->message);
        end_event(&w);
    }
    begin_object(&w, r, "end");
    report_json_document(&w, r, s);
    end_event(&w);
    r->stream = stream_free(r->stream);
}

const struct report_ops report_json_stream_ops = {
    .begin = stream_begin,
    .record = stream_record,
    .tick = stream_tick,
    .change = stream_change,
    .interim = stream_interim,
    .end = stream_end,
};
