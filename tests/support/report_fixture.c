/* SPDX-License-Identifier: MIT */
#include "tests/support/report_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "tests/support/truth.h"

int report_fixture_setup(void **state)
{
    struct report_fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    f->clock.now = 10 * NSEC_PER_SEC;
    f->clock.real = 1700000000 * NSEC_PER_SEC;
    f->clock_src = fake_clock_src(&f->clock);
    f->options = (struct options){
        .arrivals = ARRIVALS_FIXED,
        .interval = 1e9,
        .timeout = 5 * NSEC_PER_SEC,
        .connections = 1,
        .threads = 1,
        .n_percentiles = 2,
        .percentiles = {{"50", 50}, {"99.9", 99.9}},
    };
    assert_int_equal(result_init(&f->result), 0);
    assert_int_equal(where_stats_new(&f->where, 10), 0);
    f->machine = (struct machine){.kernel = "Linux 6.1", .n_cpus = 2, .rx_coalesce_us = -1};
    f->summary = (struct report_summary){
        .result = &f->result, .where = f->where, .machine = &f->machine};
    f->report.context = (struct report_context){
        .options = &f->options,
        .clock = &f->clock_src,
        .host = "server.example",
        .address = "192.0.2.1:47945",
        .out = open_memstream(&f->text, &f->size),
    };
    assert_non_null(f->report.context.out);
    *state = f;
    return 0;
}

int report_fixture_teardown(void **state)
{
    struct report_fixture *f = *state;

    (void)fclose(f->report.context.out);
    free(f->text);
    where_stats_free(f->where);
    result_deinit(&f->result);
    free(f);
    return 0;
}

void report_fixture_begin(struct report_fixture *f, const struct report_ops *ops)
{
    f->report.ops = ops;
    f->report.has_begun = true;
    ops->begin(&f->report, "text");
}

void report_fixture_measure(struct report_fixture *f)
{
    f->result.began = 9 * NSEC_PER_SEC;
    f->result.ended = 10 * NSEC_PER_SEC;
    f->result.sent = 11;
    f->result.received = 10;
    f->result.lost = 1;
    for (nsec_t i = 1; i <= 10; i++) {
        hist_record(f->result.service, i * NSEC_PER_MSEC);
        hist_record(f->result.response, i * NSEC_PER_MSEC);
    }
}

static void fill_window(struct where_window *w, struct truth *t, nsec_t start)
{
    for (nsec_t i = 0; i < 500; i++) {
        struct truth_message m = {.send = start + i * 20 * NSEC_PER_MSEC,
                                  .out = (nsec_t)rng_exponential(&t->rng, 1e3),
                                  .back = (nsec_t)rng_exponential(&t->rng, 1e3)};
        const struct where_sample s = truth_send(t, &m);

        assert_non_null(where_window_add(w, &s));
    }
}

void report_fixture_change(struct report_fixture *f)
{
    _cleanup_(where_window_freep) struct where_window *w = NULL;
    const nsec_t start = 1000 * NSEC_PER_SEC;
    struct truth t;

    assert_int_equal(where_window_new(&w, &(struct where_window_config){.n_conns = 1}), 0);
    truth_init(&t, 1, 0);
    t.shortest_out += 2 * NSEC_PER_MSEC;
    fill_window(w, &t, start);
    where_stats_close(f->where, w, NULL, NULL);
    t.shortest_out -= 3 * NSEC_PER_MSEC / 2;
    fill_window(w, &t, start + 10 * NSEC_PER_SEC);
    where_stats_close(f->where, w, NULL, NULL);
    truth_change_clock(&t, start + 20 * NSEC_PER_SEC, 0, 7 * (int64_t)NSEC_PER_MSEC);
    fill_window(w, &t, start + 20 * NSEC_PER_SEC);
    where_stats_close(f->where, w, NULL, NULL);
    f->clock.now = start + 30 * NSEC_PER_SEC;
}

void report_fixture_reply(struct report_fixture *f)
{
    const struct record record = {
        .kind = RECORD_REPLY,
        .at = 10 * NSEC_PER_SEC,
        .reply.sample = {.due = 9 * NSEC_PER_SEC, .send = 9 * NSEC_PER_SEC + 1000000,
                         .rx = 9 * NSEC_PER_SEC + 1900000, .read = 9 * NSEC_PER_SEC + 2000000,
                         .delta = 500 * NSEC_PER_MSEC, .seq = 4, .flags = SAMPLE_RX_KERNEL},
    };

    f->report.ops->record(&f->report, &record);
}

const char *report_fixture_text(struct report_fixture *f)
{
    assert_int_equal(fflush(f->report.context.out), 0);
    return f->text;
}

void assert_has(struct report_fixture *f, const char *words)
{
    if (!strstr(report_fixture_text(f), words))
        fail_msg("no '%s' in:\n%s", words, f->text);
}

void assert_has_not(struct report_fixture *f, const char *words)
{
    if (strstr(report_fixture_text(f), words))
        fail_msg("'%s' in:\n%s", words, f->text);
}

static const char *const fixed_keys[] = {
    "schema", "protocol", "sent", "received", "lost", "late", "duration_ns", "service_rtt_ns",
    "response_rtt_ns", "forward_pdv_ns", "return_pdv_ns", "residence_ns", "wakeup_ns", "base_ns",
    "clock_skew_ppm", "worst", "outages", "error",
};

void assert_fixed_keys(struct report_fixture *f)
{
    for (size_t i = 0; i < ARRAY_SIZE(fixed_keys); i++) {
        char key[64];

        (void)snprintf(key, sizeof(key), "\"%s\":", fixed_keys[i]);
        assert_has(f, key);
    }
}
