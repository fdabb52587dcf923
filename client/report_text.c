/* SPDX-License-Identifier: MIT */
/*
 * The report for people: ping's shape, then percentiles. All times are in one unit, milliseconds.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <uuid.h>

#include "client/report.h"
#include "common/base.h"
#include "common/parse.h"

/* Rows are shown by themselves from this interval on. */
#define ROW_INTERVAL (100.0 * (double)NSEC_PER_MSEC)

/* Below this median a microsecond is too coarse. */
#define FINE_BELOW (100 * NSEC_PER_USEC)

/* ">99.99%" */
#define LOSS_SIZE 24

static double ms(double ns)
{
    return ns / (double)NSEC_PER_MSEC;
}

static void print_load(FILE *out, const struct options *o)
{
    char text[FORMAT_DURATION_SIZE];

    if (o->arrivals == ARRIVALS_CLOSED) {
        (void)fputs("closed loop", out);
    } else if (o->interval < 1) {
        (void)fprintf(out, "%.6g messages/s", (double)NSEC_PER_SEC / o->interval);
    } else {
        format_duration((nsec_t)o->interval, text);
        (void)fprintf(out, "one message each %s%s", text,
                      o->arrivals == ARRIVALS_POISSON ? " in the mean" : "");
    }
    if (o->connections > 1)
        (void)fprintf(out, ", %u connections", o->connections);
}

static void text_begin(struct report *r, const char *protocol)
{
    FILE *out = r->context.out;

    (void)fprintf(out, "TCPTIMER %s (%s): %s protocol, ", r->context.host, r->context.address,
                  protocol);
    print_load(out, r->context.options);
    (void)fputc('\n', out);
}

/* Rows scroll by while they come slowly enough to be read, as with ping. */
static bool shows_rows(const struct options *o)
{
    if (o->output != OUTPUT_TEXT || o->quiet)
        return false;
    return o->verbose || (o->arrivals != ARRIVALS_CLOSED && o->interval >= ROW_INTERVAL);
}

static void text_record(struct report *r, const struct record *record)
{
    const struct options *o = r->context.options;
    const struct where_sample *s = &record->reply.sample;
    FILE *out = r->context.out;
    char uuid[UUID_STR_LEN], stamp[CLOCK_RFC3339_SIZE];
    nsec_t service;

    /* Another kind is shorter, and what lies behind it is not ours to read. */
    if (record->kind != RECORD_REPLY || !shows_rows(o))
        return;
    service = record_service(record);
    if (o->timestamps) {
        clock_format_rfc3339(report_real_time(r, record->at), stamp);
        (void)fprintf(out, "%s ", stamp);
    }
    (void)fprintf(out, "seq=%" PRIu64, s->seq);
    if (o->connections > 1)
        (void)fprintf(out, " connection=%u", record->connection);
    if (o->verbose) {
        uuid_unparse_lower(s->uuid, uuid);
        (void)fprintf(out, " uuid=%s", uuid);
    }
    (void)fprintf(out, " rtt=%.3f ms", ms((double)service));
    if (record_response(record) - service >= NSEC_PER_USEC)
        (void)fprintf(out, " response=%.3f ms", ms((double)record_response(record)));
    (void)fprintf(out, " delta=%.3f ms%s%s%s\n", ms((double)s->delta),
                  service > o->timeout ? " (late)" : "",
                  s->flags & SAMPLE_RESENT ? " (sent again)" : "",
                  s->flags & SAMPLE_OMIT ? " (warm-up)" : "");
}

/* Four digits as ping has them, but no power of ten; and neither does what is lost round to
 * nothing, nor what came to everything lost. */
static void format_loss(const struct result *res, char ret[static LOSS_SIZE])
{
    double lost = res->sent > 0 ? 100.0 * (double)res->lost / (double)res->sent : 0;

    if (res->lost > 0 && lost < 0.0001)
        (void)snprintf(ret, LOSS_SIZE, "<0.0001%%");
    else if (res->lost < res->sent && lost >= 99.995)
        (void)snprintf(ret, LOSS_SIZE, ">99.99%%");
    else
        (void)snprintf(ret, LOSS_SIZE, "%.4g%%", lost);
}

static void print_counts(FILE *out, const struct result *res)
{
    char loss[LOSS_SIZE];

    format_loss(res, loss);
    (void)fprintf(out, "%" PRIu64 " sent, %" PRIu64 " received, %s lost, time %.0fms\n", res->sent,
                  res->received, loss, ms((double)(res->ended - res->began)));
    const struct {
        uint64_t n;
        const char *what;
    } more[] = {
        {res->late, "late"},
        {res->missing, "passed over by the server"},
        {res->wrong, "wrong replies"},
        {res->resent, "sent again on a new connection"},
        {res->not_sent, "due but not sent"},
        {res->omitted, "left out as warm-up"},
    };
    bool any = false;

    for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
        if (more[i].n == 0)
            continue;
        (void)fprintf(out, "%s%" PRIu64 " %s", any ? ", " : "", more[i].n, more[i].what);
        any = true;
    }
    if (any)
        (void)fputc('\n', out);
    if (res->n_outages > 0)
        (void)fprintf(out, "%" PRIu64 " outage%s, %.3f s in all\n", res->n_outages,
                      res->n_outages == 1 ? "" : "s",
                      (double)res->outage_time / (double)NSEC_PER_SEC);
}

static void print_ping_line(FILE *out, const char *name, const struct hist *h, int digits)
{
    (void)fprintf(out, "%s min/avg/max/mdev = %.*f/%.*f/%.*f/%.*f ms\n", name, digits,
                  ms((double)hist_min(h)), digits, ms(hist_mean(h)), digits,
                  ms((double)hist_max(h)), digits, ms(hist_stddev(h)));
}

/* "0.062 (0.061 .. 0.063)"; a percentile that the sample is too small for is marked. */
static void format_percentile(char *ret, size_t size, const struct hist *h, double percentile,
                              int digits)
{
    nsec_t low, high;
    double value = ms((double)hist_value_at_percentile(h, percentile));

    if (hist_percentile_bounds(h, percentile, &low, &high))
        (void)snprintf(ret, size, "%.*f (%.*f .. %.*f)", digits, value, digits, ms((double)low),
                       digits, ms((double)high));
    else
        (void)snprintf(ret, size, "%.*f (too few)", digits, value);
}

static bool differ(const struct result *res)
{
    double service = hist_mean(res->service), response = hist_mean(res->response);

    return response - service > 0.001 * service;
}

static void print_percentiles(FILE *out, const struct options *o, const struct result *res,
                              int digits)
{
    bool both = differ(res);
    char service[64], response[64];

    (void)fprintf(out, "\n%-10s %-32s%s\n", "percentile", "service RTT [ms] (95% confidence)",
                  both ? " response RTT [ms]" : "");
    for (size_t i = 0; i < o->n_percentiles; i++) {
        const struct percentile *p = &o->percentiles[i];

        format_percentile(service, sizeof(service), res->service, p->value, digits);
        format_percentile(response, sizeof(response), res->response, p->value, digits);
        if (both)
            (void)fprintf(out, "p%-9s %-33s %s\n", p->name, service, response);
        else
            (void)fprintf(out, "p%-9s %s\n", p->name, service);
    }
    /* No service RTT is above its response RTT. */
    if (hist_n_clamped(res->response) > 0)
        (void)fprintf(out, "%" PRIu64 " of the response RTTs are above %.0f min, and count as that "
                      "in all but the largest\n", hist_n_clamped(res->response),
                      (double)HIST_TOP / (double)(60 * NSEC_PER_SEC));
}

static const struct {
    enum where_part part;
    const char *title;
} columns[] = {
    {PART_QUEUED, "queued"},    {PART_BASE, "base"},   {PART_FORWARD, "out"},
    {PART_RESIDENCE, "server"}, {PART_RETURN, "back"}, {PART_WAKEUP, "wake-up"},
    {PART_UNSPLIT, "unsplit"},
};

static void print_parts(FILE *out, const struct where_stats *where,
                        const nsec_t ns[static PART_COUNT], int digits)
{
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        if (report_knows_part(where, columns[i].part))
            (void)fprintf(out, " %8.*f", digits, ms((double)ns[columns[i].part]));
        else
            (void)fprintf(out, " %8s", "-");
    }
}

static void print_where_titles(FILE *out, const char *first, const char *second)
{
    (void)fprintf(out, "\n%-10s %9s", first, second);
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
        (void)fprintf(out, " %8s", columns[i].title);
}

/* For each percentile where its messages' time went; a row adds up to its response RTT. */
static void print_where(FILE *out, const struct options *o, const struct report_summary *s,
                        int digits)
{
    const struct hist *response = s->result->response;
    struct where_row row;
    nsec_t low, high;

    print_where_titles(out, "where [ms]", "response");
    (void)fputc('\n', out);
    for (size_t i = 0; i < o->n_percentiles; i++) {
        const struct percentile *p = &o->percentiles[i];
        nsec_t rtt = hist_value_at_percentile(response, p->value);

        if (!hist_percentile_bounds(response, p->value, &low, &high) ||
            where_table_row(where_stats_table(s->where), p->value, rtt, &row) < 0)
            continue;
        (void)fprintf(out, "p%-9s %9.*f", p->name, digits, ms((double)row.rtt));
        print_parts(out, s->where, row.ns, digits);
        (void)fputc('\n', out);
    }
}

static void print_times(FILE *out, const char *what, uint64_t n)
{
    if (n == 1)
        (void)fprintf(out, "%s by ", what);
    else
        (void)fprintf(out, "%s %" PRIu64 " times, by up to ", what, n);
}

/* What was not the same all along: a reader would else take it for congestion. */
static void print_changes(FILE *out, const struct where_stats *where)
{
    const struct where_counts *n = where_stats_counts(where);
    const struct where_clock *c = where_stats_clock(where);

    if (n->base_shifts > 0) {
        const struct where_change *most = where_stats_largest_shift(where);

        print_times(out, "the path's base shifted", n->base_shifts);
        (void)fprintf(out, "%+.3f ms (out %+.3f, back %+.3f)\n", ms((double)most->base_shift),
                      ms((double)most->forward_shift),
                      ms((double)(most->base_shift - most->forward_shift)));
    }
    if (n->clock_steps > 0) {
        print_times(out, "the server's clock stepped", n->clock_steps);
        (void)fprintf(out, "%+.3f ms against ours\n",
                      ms((double)where_stats_largest_step(where)->clock_step));
    }
    if (n->skew_changes > 0)
        (void)fprintf(out, "the clocks' skew changed %" PRIu64 " time%s: %+.2f to %+.2f ppm\n",
                      n->skew_changes, n->skew_changes == 1 ? "" : "s", c->skew_min * 1e6,
                      c->skew_max * 1e6);
}

/* An error bar is rounded up: it never says that there is none. */
static double bar(double value, int digits)
{
    double unit = pow(10, -digits);

    return ceil(value / unit) * unit;
}

/* What the stamps could not tell. */
static void print_unsplit(FILE *out, const struct where_counts *n)
{
    if (n->arrival_shared + n->rx_shared > 0)
        (void)fprintf(out, "one stamp for several: %" PRIu64 " requests at the server, %" PRIu64
                      " replies here\n", n->arrival_shared, n->rx_shared);
    if (n->unknown + n->unknown_return > 0)
        (void)fprintf(out, "could not be told apart: out and server of %" PRIu64 " messages, back "
                      "and wake-up of %" PRIu64 "\n", n->unknown, n->unknown_return);
}

/* How the two clocks were brought together, or why they could not be. */
static void print_clocks(FILE *out, struct where_stats *where, int digits)
{
    const struct where_clock *c = where_stats_clock(where);
    const struct where_counts *n = where_stats_counts(where);
    enum where_validity validity = where_stats_validity(where);

    if (c->n_messages > 0) {
        (void)fprintf(out, "base %.*f ms, one way +/- %.*f ms; ", digits, ms((double)c->base),
                      digits, bar(ms((double)c->error), digits));
        if (c->skew_told)
            (void)fprintf(out, "server's clock %+.2f ppm (+/- %.2f)", c->skew * 1e6,
                          bar(c->skew_error * 1e6, 2));
    }
    if (validity != WHERE_VALID)
        (void)fprintf(out, "%s%s", c->n_messages > 0 && c->skew_told ? "; " : "",
                      where_validity_text(validity));
    (void)fprintf(out, "\nstamps of the kernel: %" PRIu64 " of %" PRIu64 " requests at the server, "
                  "%" PRIu64 " of %" PRIu64 " replies here\n", n->arrival_kernel, n->messages,
                  n->rx_kernel, n->messages);
    if (n->arrival_nic + n->rx_nic > 0)
        (void)fprintf(out, "and of network cards: %" PRIu64 " and %" PRIu64 "\n", n->arrival_nic,
                      n->rx_nic);
    print_unsplit(out, n);
    print_changes(out, where);
}

static void print_worst(FILE *out, struct where_stats *where, int digits)
{
    size_t n = 0;
    const struct worst_message *worst = where_stats_worst(where, &n);
    char uuid[UUID_STR_LEN];

    if (n == 0)
        return;
    print_where_titles(out, "worst [ms]", "response");
    (void)fputs("  cause, UUID\n", out);
    for (size_t i = 0; i < n; i++) {
        const struct worst_message *m = &worst[i];

        uuid_unparse_lower(m->uuid, uuid);
        (void)fprintf(out, "%-10" PRIu64 " %9.*f", m->seq, digits, ms((double)m->response));
        print_parts(out, where, m->parts.ns, digits);
        (void)fprintf(out, "  %s, %s\n", cause_name(m->cause), uuid);
    }
}

static void print_machine(FILE *out, const struct machine *m, nsec_t median)
{
    (void)fprintf(out, "\nmachine: %s, %u x %s", m->kernel, m->n_cpus,
                  m->cpu[0] ? m->cpu : "CPU");
    if (m->clock_source[0])
        (void)fprintf(out, ", clock %s", m->clock_source);
    if (m->governor[0])
        (void)fprintf(out, ", governor %s", m->governor);
    if (m->virtualization[0])
        (void)fprintf(out, ", virtual (%s)", m->virtualization);
    if (m->device[0])
        (void)fprintf(out, ", %s", m->device);
    (void)fputc('\n', out);
    if (machine_is_floor(m, median))
        (void)fprintf(out, "warning: waking up two of its own threads takes this machine %.4f ms, "
                      "more than a tenth of the median\n", ms((double)m->thread_rtt));
}

static void print_slo(FILE *out, const struct slo *slo, const bool met[static SLO_CONDITIONS_MAX])
{
    for (size_t i = 0; i < slo->n_conditions; i++) {
        if (met[i])
            (void)fprintf(out, "failed: %s\n", slo->conditions[i].text);
    }
}

static void print_summary(struct report *r, const struct report_summary *s)
{
    const struct result *res = s->result;
    FILE *out = r->context.out;
    int digits;

    (void)fprintf(out, "\n--- %s tcptimer statistics ---\n", r->context.host);
    print_counts(out, res);
    if (s->n_dropped > 0)
        (void)fprintf(out, "%" PRIu64 " replies came too fast to be shown and taken apart; slow "
                      "ones went first\n", s->n_dropped);
    if (hist_count(res->service) > 0) {
        digits = hist_value_at_percentile(res->service, 50) < FINE_BELOW ? 4 : 3;
        print_ping_line(out, "rtt", res->service, digits);
        if (differ(res))
            print_ping_line(out, "response rtt", res->response, digits);
        if (hist_count(res->lateness) > 0)
            print_ping_line(out, "lateness", res->lateness, digits);
        if (r->context.options->connect)
            print_ping_line(out, "connect", res->connect, digits);
        print_percentiles(out, r->context.options, res, digits);
        print_where(out, r->context.options, s, digits);
        print_clocks(out, s->where, digits);
        print_worst(out, s->where, digits);
        print_machine(out, s->machine, hist_value_at_percentile(res->service, 50));
    }
    print_slo(out, &r->context.options->slo, s->slo_met);
}

static void text_end(struct report *r, const struct report_summary *s)
{
    /* Refused or not resolved is one line, on stderr, and no statistics. */
    if (r->has_begun)
        print_summary(r, s);
}

const struct report_ops report_text_ops = {
    .begin = text_begin,
    .record = text_record,
    .interim = print_summary,
    .end = text_end,
};
