/* SPDX-License-Identifier: MIT */
#include "client/report_json.h"

#include <stdio.h>
#include <uuid.h>

#include "common/base.h"

void report_json_hist(struct json_writer *w, const char *key, const struct hist *h,
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
    json_u64(w, "clamped", hist_n_clamped(h));
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

void report_json_text(struct json_writer *w, const char *key, const char *text)
{
    json_string(w, key, text[0] ? text : NULL);
}

void report_json_known(struct json_writer *w, const char *key, bool is_known, uint64_t value)
{
    if (is_known)
        json_u64(w, key, value);
    else
        json_null(w, key);
}

void report_json_uuid(struct json_writer *w, uint64_t seq,
                      const uint8_t uuid[static PROTO_UUID_LEN])
{
    char text[UUID_STR_LEN];

    uuid_unparse_lower(uuid, text);
    json_u64(w, "seq", seq);
    json_string(w, "uuid", text);
}

void report_json_time(struct json_writer *w, const char *key, const struct report *r, nsec_t at)
{
    char text[CLOCK_RFC3339_SIZE];

    if (at == 0) {
        json_null(w, key);
        return;
    }
    clock_format_rfc3339(report_real_time(r, at), text);
    json_string(w, key, text);
}

/* ---- Where the time went ---- */

static const char *const part_keys[PART_COUNT] = {
    [PART_QUEUED] = "queued_ns",         [PART_BASE] = "base_ns",
    [PART_FORWARD] = "forward_pdv_ns",   [PART_RESIDENCE] = "residence_ns",
    [PART_RETURN] = "return_pdv_ns",     [PART_WAKEUP] = "wakeup_ns",
    [PART_UNSPLIT] = "unsplit_ns",
};

static void put_part_hists(struct json_writer *w, const struct where_stats *where,
                           const struct options *o)
{
    static const enum where_part with_hist[] = {PART_FORWARD, PART_RETURN, PART_RESIDENCE,
                                                PART_WAKEUP};

    for (size_t i = 0; i < ARRAY_SIZE(with_hist); i++)
        report_json_hist(w, part_keys[with_hist[i]],
                         where ? where_stats_hist(where, with_hist[i]) : NULL, o);
}

static void put_ppm(struct json_writer *w, const char *key, bool is_known, double skew)
{
    if (is_known)
        json_double(w, key, skew * 1e6);
    else
        json_null(w, key);
}

void report_json_change(struct json_writer *w, const struct report *r,
                        const struct where_change *c)
{
    json_begin_object(w, NULL);
    report_json_time(w, "time", r, c->at);
    json_i64(w, "base_shift_ns", c->base_shift);
    json_i64(w, "forward_shift_ns", c->forward_shift);
    json_i64(w, "clock_step_ns", c->clock_step);
    json_bool(w, "skew_changed", c->skew_changed);
    json_double(w, "clock_skew_ppm", c->skew * 1e6);
    json_end_object(w);
}

/* The latest, in order of time. */
static void put_changes(struct json_writer *w, const struct report *r,
                        const struct where_stats *where)
{
    uint64_t n = where_stats_n_changes(where);

    json_begin_array(w, "changes");
    for (uint64_t i = n - MIN(n, (uint64_t)WHERE_CHANGES_KEPT); i < n; i++)
        report_json_change(w, r, where_stats_change(where, i));
    json_end_array(w);
}

/* How the clocks were brought together, and what was used for stamps. */
static void put_clock(struct json_writer *w, const struct report *r,
                      const struct where_stats *where)
{
    static const struct where_clock none = {.n_messages = 0};
    const struct where_clock *c = where ? where_stats_clock(where) : &none;
    bool is_known = c->n_messages > 0;

    report_json_known(w, "base_ns", is_known, c->base);
    put_ppm(w, "clock_skew_ppm", is_known && c->skew_told, c->skew);
    put_ppm(w, "clock_skew_error_ppm", is_known && c->skew_told, c->skew_error);
    report_json_known(w, "pdv_error_ns", is_known, c->error);
    if (!where) {
        json_null(w, "where");
        return;
    }
    json_begin_object(w, "where");
    json_string(w, "validity", where_validity_text(where_stats_validity(where)));
    json_string(w, "validity_code", where_validity_name(where_stats_validity(where)));
    json_bool(w, "valid", where_validity_ok(where_stats_validity(where)));
    put_ppm(w, "clock_skew_min_ppm", is_known && c->skew_told, c->skew_min);
    put_ppm(w, "clock_skew_max_ppm", is_known && c->skew_told, c->skew_max);
    report_json_known(w, "base_max_ns", is_known, c->base_max);
    report_json_known(w, "pdv_error_max_ns", is_known, c->error_max);
#define PUT_COUNT(name) json_u64(w, #name, where_stats_counts(where)->name);
    WHERE_COUNTS(PUT_COUNT)
#undef PUT_COUNT
    put_changes(w, r, where);
    json_end_object(w);
}

static void put_table(struct json_writer *w, const struct result *res,
                      const struct where_stats *where, const struct options *o)
{
    struct where_row row;

    if (!where || hist_count(res->response) == 0) {
        json_null(w, "where_table");
        return;
    }
    json_begin_object(w, "where_table");
    for (size_t i = 0; i < o->n_percentiles; i++) {
        const struct percentile *p = &o->percentiles[i];
        nsec_t rtt = hist_value_at_percentile(res->response, p->value);
        nsec_t low, high;

        if (!hist_percentile_bounds(res->response, p->value, &low, &high) ||
            where_table_row(where_stats_table(where), p->value, rtt, &row) < 0) {
            json_null(w, p->name);
            continue;
        }
        json_begin_object(w, p->name);
        json_u64(w, "response_rtt_ns", row.rtt);
        for (enum where_part part = 0; part < PART_COUNT; part++)
            report_json_known(w, part_keys[part], report_knows_part(where, part), row.ns[part]);
        json_u64(w, "messages", row.n_messages);
        json_end_object(w);
    }
    json_end_object(w);
}

static void put_worst(struct json_writer *w, const struct report *r, struct where_stats *where)
{
    size_t n = 0;
    const struct worst_message *worst = where ? where_stats_worst(where, &n) : NULL;

    json_begin_array(w, "worst");
    for (size_t i = 0; i < n; i++) {
        const struct worst_message *m = &worst[i];

        json_begin_object(w, NULL);
        report_json_uuid(w, m->seq, m->uuid);
        report_json_time(w, "time", r, m->send);
        json_u64(w, "connection", m->conn);
        json_u64(w, "service_rtt_ns", m->service);
        json_u64(w, "response_rtt_ns", m->response);
        for (enum where_part part = 0; part < PART_COUNT; part++)
            report_json_known(w, part_keys[part], where_parts_told(&m->parts, part),
                              m->parts.ns[part]);
        json_u64(w, "pdv_error_ns", m->parts.error);
        json_string(w, "cause", cause_name(m->cause));
        json_end_object(w);
    }
    json_end_array(w);
}

/* ---- The document ---- */

static void put_outages(struct json_writer *w, const struct report *r, const struct result *res)
{
    json_begin_array(w, "outages");
    for (size_t i = 0; i < res->n_outages_kept; i++) {
        const struct outage *o = &res->outages[i];

        json_begin_object(w, NULL);
        report_json_time(w, "time", r, o->began);
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

void report_json_load(struct json_writer *w, const struct options *o)
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
        json_u64(w, "interval_ns", (uint64_t)(o->interval + 0.5));
    json_u64(w, "connections", o->connections);
    json_u64(w, "threads", o->threads);
    json_u64(w, "timeout_ns", o->timeout);
    json_end_object(w);
}

static void put_slo(struct json_writer *w, const struct slo *slo, const struct result *res,
                    const bool met[static SLO_CONDITIONS_MAX])
{
    json_begin_array(w, "fail_if");
    for (size_t i = 0; i < slo->n_conditions; i++) {
        json_begin_object(w, NULL);
        json_string(w, "condition", slo->conditions[i].text);
        json_bool(w, "failed", met[i]);
        json_bool(w, "supported", slo_is_supported(&slo->conditions[i], res));
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_machine(struct json_writer *w, const struct machine *m, const struct result *res)
{
    nsec_t median = hist_value_at_percentile(res->service, 50);

    if (!m) {
        json_null(w, "environment");
        return;
    }
    json_begin_object(w, "environment");
    report_json_text(w, "kernel", m->kernel);
    report_json_text(w, "cpu", m->cpu);
    json_u64(w, "cpus", m->n_cpus);
    report_json_text(w, "clock_source", m->clock_source);
    report_json_text(w, "governor", m->governor);
    report_json_text(w, "virtualization", m->virtualization);
    report_json_known(w, "timer_slack_ns", m->timer_slack > 0, m->timer_slack);
    json_u64(w, "clock_cost_ns", m->clock_cost);
    report_json_known(w, "thread_rtt_ns", m->thread_rtt > 0, m->thread_rtt);
    json_bool(w, "floor_warning", hist_count(res->service) > 0 && machine_is_floor(m, median));
    report_json_text(w, "device", m->device);
    json_begin_object(w, "offloads");
    for (enum machine_offload i = 0; i < OFFLOAD_COUNT; i++) {
        if (m->has_offload[i])
            json_bool(w, machine_offload_name(i), m->offload[i]);
        else
            json_null(w, machine_offload_name(i));
    }
    json_end_object(w);
    if (m->rx_coalesce_us >= 0)
        json_u64(w, "rx_coalesce_us", (uint64_t)m->rx_coalesce_us);
    else
        json_null(w, "rx_coalesce_us");
    json_end_object(w);
}

void report_json_document(struct json_writer *w, struct report *r, const struct report_summary *s)
{
    const struct options *o = r->context.options;
    const struct result *res = s->result;

    json_string(w, "schema", REPORT_JSON_SCHEMA);
    json_string(w, "host", r->context.host);
    report_json_text(w, "address", r->context.address);
    json_string(w, "protocol", !r->has_begun ? NULL : res->is_native ? "native" : "text");
    report_json_time(w, "time", r, res->began);
    report_json_load(w, o);
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
    report_json_hist(w, "service_rtt_ns", res->service, o);
    report_json_hist(w, "response_rtt_ns", res->response, o);
    put_part_hists(w, s->where, o);
    put_clock(w, r, s->where);
    report_json_hist(w, "lateness_ns", res->lateness, o);
    report_json_hist(w, "connect_ns", res->connect, o);
    put_table(w, res, s->where, o);
    put_worst(w, r, s->where);
    json_u64(w, "n_outages", res->n_outages);
    json_u64(w, "outage_time_ns", res->outage_time);
    put_outages(w, r, res);
    put_slo(w, &o->slo, res, s->slo_met);
    put_machine(w, s->machine, res);
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

static void document_end(struct report *r, const struct report_summary *s)
{
    struct json_writer w = {.out = r->context.out, .pretty = true};

    json_begin_object(&w, NULL);
    report_json_document(&w, r, s);
    json_end_object(&w);
    json_end_line(&w);
}

const struct report_ops report_json_ops = {
    .begin = document_begin,
    .record = document_record,
    .end = document_end,
};
