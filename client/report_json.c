/* SPDX-License-Identifier: MIT */
/*
 * The report for programs: one document, or a line for each event and the document in the last one.
 *
 * All fixed keys are there whatever happened, null where a value could not be had. Times are integer
 * nanoseconds, with _ns in the key.
 */
#include <stdio.h>
#include <uuid.h>

#include "client/json_writer.h"
#include "client/report.h"
#include "common/base.h"

#define SCHEMA "tcptimer/1"

static void put_hist(struct json_writer *w, const char *key, const struct hist *h,
                     const struct options *o)
{
    nsec_t low, high;

    if (!h || hist_count(h) == 0) {
        json_null(w, key);
        return;
    }
    json_begin_object(w, key);
    json_u64(w, "count", hist_count(h));
    json_u64(w, "min", hist_min(h));
    json_u64(w, "mean", (uint64_t)(hist_mean(h) + 0.5));
    json_u64(w, "max", hist_max(h));
    json_u64(w, "stddev", (uint64_t)(hist_stddev(h) + 0.5));
    json_begin_object(w, "percentiles");
    for (size_t i = 0; i < o->n_percentiles; i++) {
        const struct percentile *p = &o->percentiles[i];

        if (hist_percentile_bounds(h, p->value, &low, &high))
            json_u64(w, p->name, hist_value_at_percentile(h, p->value));
        else
            json_null(w, p->name);
    }
    json_end_object(w);
    json_begin_object(w, "confidence95");
    for (size_t i = 0; i < o->n_percentiles; i++) {
        const struct percentile *p = &o->percentiles[i];

        if (!hist_percentile_bounds(h, p->value, &low, &high)) {
            json_null(w, p->name);
            continue;
        }
        json_begin_array(w, p->name);
        json_u64(w, NULL, low);
        json_u64(w, NULL, high);
        json_end_array(w);
    }
    json_end_object(w);
    json_end_object(w);
}

static void put_real_time(struct json_writer *w, const char *key, const struct report *r, nsec_t at)
{
    char text[CLOCK_RFC3339_SIZE];

    if (at == 0) {
        json_null(w, key);
        return;
    }
    clock_format_rfc3339(report_real_time(r, at), text);
    json_string(w, key, text);
}

static void put_outages(struct json_writer *w, const struct report *r, const struct result *res)
{
    json_begin_array(w, "outages");
    for (size_t i = 0; i < res->n_outages_kept; i++) {
        const struct outage *o = &res->outages[i];

        json_begin_object(w, NULL);
        put_real_time(w, "time", r, o->began);
        json_i64(w, "began_ns", (int64_t)(o->began - res->began));
        json_u64(w, "duration_ns", o->length);
        json_bool(w, "over", o->is_over);
        json_u64(w, "connection", o->connection);
        json_u64(w, "lost", o->n_lost);
        json_u64(w, "resent", o->n_resent);
        json_u64(w, "not_sent", o->n_not_sent);
        json_string(w, "reason", o->reason);
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_error(struct json_writer *w, enum run_error error, const char *message)
{
    if (error == RUN_ERROR_NONE) {
        json_null(w, "error");
        return;
    }
    json_begin_object(w, "error");
    json_string(w, "code", run_error_name(error));
    json_string(w, "message", message);
    json_end_object(w);
}

static void put_options(struct json_writer *w, const struct options *o)
{
    static const char *const loads[] = {
        [ARRIVALS_CLOSED] = "closed_loop",
        [ARRIVALS_FIXED] = "fixed",
        [ARRIVALS_POISSON] = "poisson",
    };

    json_begin_object(w, "load");
    json_string(w, "arrivals", loads[o->arrivals]);
    if (o->arrivals == ARRIVALS_CLOSED)
        json_null(w, "interval_ns");
    else
        json_double(w, "interval_ns", o->interval);
    json_u64(w, "connections", o->connections);
    json_u64(w, "threads", o->threads);
    json_u64(w, "timeout_ns", o->timeout);
    json_end_object(w);
}

static void put_slo(struct json_writer *w, const struct report_summary *s)
{
    json_begin_array(w, "fail_if");
    for (size_t i = 0; i < s->slo.n_conditions; i++) {
        json_begin_object(w, NULL);
        json_string(w, "condition", s->slo.conditions[i].text);
        json_bool(w, "failed", s->slo_met[i]);
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_document_keys(struct json_writer *w, struct report *r,
                              const struct report_summary *s)
{
    const struct options *o = r->context.options;
    const struct result *res = s->result;

    json_string(w, "schema", SCHEMA);
    json_string(w, "host", r->context.host);
    json_string(w, "address", r->context.address[0] ? r->context.address : NULL);
    json_string(w, "protocol", !r->has_begun ? NULL : res->is_native ? "native" : "text");
    put_real_time(w, "time", r, res->began);
    put_options(w, o);
    json_u64(w, "sent", res->sent);
    json_u64(w, "received", res->received);
    json_u64(w, "lost", res->lost);
    json_u64(w, "late", res->late);
    json_u64(w, "missing", res->missing);
    json_u64(w, "wrong", res->wrong);
    json_u64(w, "resent", res->resent);
    json_u64(w, "not_sent", res->not_sent);
    json_u64(w, "omitted", res->omitted);
    json_u64(w, "duration_ns", res->ended - res->began);
    put_hist(w, "service_rtt_ns", res->service, o);
    put_hist(w, "response_rtt_ns", res->response, o);
    json_null(w, "forward_pdv_ns");
    json_null(w, "return_pdv_ns");
    json_null(w, "residence_ns");
    json_null(w, "wakeup_ns");
    json_null(w, "base_ns");
    json_null(w, "clock_skew_ppm");
    put_hist(w, "lateness_ns", res->lateness, o);
    put_hist(w, "connect_ns", res->connect, o);
    json_begin_array(w, "worst");
    json_end_array(w);
    json_u64(w, "n_outages", res->n_outages);
    json_u64(w, "outage_time_ns", res->outage_time);
    put_outages(w, r, res);
    put_slo(w, s);
    json_u64(w, "records_dropped", s->n_dropped);
    json_bool(w, "interrupted", s->is_interrupted);
    put_error(w, res->error, res->message);
}

/* ---- One document ---- */

static void document_begin(_unused_ struct report *r, _unused_ const char *protocol)
{
}

static void document_record(_unused_ struct report *r, _unused_ const struct record *record)
{
}

/* There is one document, and it stands at the end. */
static void document_interim(_unused_ struct report *r, _unused_ const struct report_summary *s)
{
}

static void document_end(struct report *r, const struct report_summary *s)
{
    struct json_writer w = {.out = r->context.out, .pretty = true};

    json_begin_object(&w, NULL);
    put_document_keys(&w, r, s);
    json_end_object(&w);
    json_end_line(&w);
}

const struct report_ops report_json_ops = {
    .begin = document_begin,
    .record = document_record,
    .interim = document_interim,
    .end = document_end,
};

/* ---- A line for each event ---- */

static void begin_object(struct json_writer *w, struct report *r, const char *event)
{
    *w = (struct json_writer){.out = r->context.out};
    json_begin_object(w, NULL);
    json_string(w, "event", event);
}

static void begin_event(struct json_writer *w, struct report *r, const char *event, nsec_t at)
{
    begin_object(w, r, event);
    put_real_time(w, "time", r, at);
}

static void end_event(struct json_writer *w)
{
    json_end_object(w);
    json_end_line(w);
}

static void put_message(struct json_writer *w, const struct record *record)
{
    char uuid[37];

    uuid_unparse_lower(record->uuid, uuid);
    json_u64(w, "seq", record->seq);
    json_string(w, "uuid", uuid);
    json_u64(w, "connection", record->connection);
}

static void stream_begin(struct report *r, const char *protocol)
{
    struct json_writer w;

    begin_event(&w, r, "start", clock_now(r->context.clock));
    json_string(&w, "schema", SCHEMA);
    json_string(&w, "host", r->context.host);
    json_string(&w, "address", r->context.address);
    json_string(&w, "protocol", protocol);
    put_options(&w, r->context.options);
    end_event(&w);
}

static void stream_reply(struct report *r, const struct record *record)
{
    struct json_writer w;

    begin_event(&w, r, "reply", record->at);
    put_message(&w, record);
    json_u64(&w, "service_rtt_ns", record->reply.service);
    json_u64(&w, "response_rtt_ns", record->reply.response);
    json_u64(&w, "delta_ns", record->reply.delta);
    json_bool(&w, "late", record->is_late);
    json_bool(&w, "resent", record->is_resent);
    json_bool(&w, "omitted", record->is_omitted);
    end_event(&w);
}

static void stream_lost(struct report *r, const struct record *record, const char *why)
{
    struct json_writer w;

    begin_event(&w, r, "lost", record->at);
    put_message(&w, record);
    json_string(&w, "why", why);
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
        stream_lost(r, record, "timeout");
        return;
    case RECORD_MISSING:
        stream_lost(r, record, "passed_over");
        return;
    case RECORD_LOST:
        stream_lost(r, record, "connection_lost");
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

static void stream_summary(struct report *r, const struct report_summary *s, const char *event)
{
    struct json_writer w;

    begin_object(&w, r, event);         /* the document has a time of its own */
    put_document_keys(&w, r, s);
    end_event(&w);
}

static void stream_interim(struct report *r, const struct report_summary *s)
{
    stream_summary(r, s, "interval");
}

static void stream_end(struct report *r, const struct report_summary *s)
{
    const struct result *res = s->result;
    struct json_writer w;

    if (res->error != RUN_ERROR_NONE) {
        begin_event(&w, r, "error", clock_now(r->context.clock));
        json_string(&w, "code", run_error_name(res->error));
        json_string(&w, "message", res->message);
        end_event(&w);
    }
    stream_summary(r, s, "end");
}

const struct report_ops report_json_stream_ops = {
    .begin = stream_begin,
    .record = stream_record,
    .interim = stream_interim,
    .end = stream_end,
};
