/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"

#include "client/report.h"
#include "common/base.h"
#include "tests/support/fake_clock.h"
#include "tests/support/truth.h"

struct fixture {
    struct fake_clock clock;
    struct clock_src clock_src;
    struct options options;
    struct result result;
    struct where_stats *where;
    struct machine machine;
    struct report_summary summary;
    struct report report;
    char *text;
    size_t size;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

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

static int teardown(void **state)
{
    struct fixture *f = *state;

    (void)fclose(f->report.context.out);
    free(f->text);
    where_stats_free(f->where);
    result_deinit(&f->result);
    free(f);
    return 0;
}

/* ---- Steps ---- */

static void begin(struct fixture *f, const struct report_ops *ops)
{
    f->report.ops = ops;
    f->report.has_begun = true;
    ops->begin(&f->report, "text");
}

/* Ten replies of 1 to 10 ms. */
static void measure(struct fixture *f)
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

/* The way out gets 1.5 ms shorter, then the server's clock steps by 7 ms. */
static void change_path_and_clock(struct fixture *f)
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

static void reply(struct fixture *f)
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

static const char *text(struct fixture *f)
{
    assert_int_equal(fflush(f->report.context.out), 0);
    return f->text;
}

static void assert_has(struct fixture *f, const char *words)
{
    if (!strstr(text(f), words))
        fail_msg("no '%s' in:\n%s", words, f->text);
}

static void assert_has_not(struct fixture *f, const char *words)
{
    if (strstr(text(f), words))
        fail_msg("'%s' in:\n%s", words, f->text);
}

/* ---- Text ---- */

static void test_text_has_the_shape_of_ping(void **state)
{
    struct fixture *f = *state;

    begin(f, &report_text_ops);
    assert_has(f, "TCPTIMER server.example (192.0.2.1:47945): text protocol, "
                  "one message each 1s\n");
    reply(f);
    assert_has(f, "seq=4 rtt=1.000 ms response=2.000 ms delta=500.000 ms\n");
    measure(f);
    f->report.ops->end(&f->report, &f->summary);
    assert_has(f, "\n--- server.example tcptimer statistics ---\n"
                  "11 sent, 10 received, 9.091% lost, time 1000ms\n"
                  "rtt min/avg/max/mdev = 1.000/5.500/10.000/2.872 ms\n");
}

static void test_text_marks_what_the_sample_cannot_tell(void **state)
{
    struct fixture *f = *state;

    begin(f, &report_text_ops);
    measure(f);
    f->report.ops->end(&f->report, &f->summary);
    assert_has(f, "p50        5.001 (2.000 .. 9.003)");
    assert_has(f, "p99.9      10.000 (too few)");
}

static void test_text_shows_both_times_where_they_differ(void **state)
{
    struct fixture *f = *state;

    begin(f, &report_text_ops);
    measure(f);
    hist_record(f->result.service, NSEC_PER_MSEC);
    hist_record(f->result.response, NSEC_PER_SEC);
    f->report.ops->end(&f->report, &f->summary);
    assert_has(f, "response rtt min/avg/max/mdev = 1.000/95.909/1000.000");
    assert_has(f, "service RTT [ms] (95% confidence) response RTT [ms]");
}

static void test_values_beyond_the_histogram_are_told(void **state)
{
    struct fixture *f = *state;

    begin(f, &report_text_ops);
    measure(f);
    f->report.ops->end(&f->report, &f->summary);
    assert_has_not(f, "count as that");
    report_json_ops.end(&f->report, &f->summary);
    assert_has(f, "\"clamped\": 0");

    hist_record(f->result.response, 2 * HIST_TOP);
    f->report.ops->end(&f->report, &f->summary);
    assert_has(f, "\n1 of the response RTTs are above 73 min, and count as that in all but the "
                  "largest\n");
    report_json_ops.end(&f->report, &f->summary);
    assert_has(f, "\"clamped\": 1");
}

static void test_text_has_no_lines_when_quiet_or_fast(void **state)
{
    struct fixture *f = *state;

    f->options.quiet = true;
    begin(f, &report_text_ops);
    reply(f);
    assert_has_not(f, "seq=");

    f->options.quiet = false;
    f->options.interval = 1e6;
    reply(f);
    assert_has_not(f, "seq=");

    f->options.verbose = true;
    reply(f);
    assert_has(f, "seq=4 uuid=");
}

static void test_text_stamps_lines_when_asked(void **state)
{
    struct fixture *f = *state;

    f->options.timestamps = true;
    begin(f, &report_text_ops);
    reply(f);
    assert_has(f, "\n2023-11-14T22:13:20.000000+00:00 seq=4");
}

static void test_text_of_a_refused_run_is_empty(void **state)
{
    struct fixture *f = *state;

    f->report.ops = &report_text_ops;
    result_fail(&f->result, RUN_ERROR_CONNECT, "refused");
    f->report.ops->end(&f->report, &f->summary);
    assert_string_equal(text(f), "");
}

static void test_text_names_failed_conditions(void **state)
{
    struct fixture *f = *state;
    char why[SLO_ERROR_SIZE];

    assert_int_equal(slo_parse("p50>1ms,lost>5", &f->summary.slo, why), 0);
    f->summary.slo_met[0] = true;
    begin(f, &report_text_ops);
    measure(f);
    f->report.ops->end(&f->report, &f->summary);
    assert_has(f, "failed: p50>1ms\n");
    assert_has_not(f, "lost>5");
}

static void test_text_warns_of_a_machine_that_is_the_floor(void **state)
{
    struct fixture *f = *state;

    f->machine.thread_rtt = 600 * NSEC_PER_USEC;
    begin(f, &report_text_ops);
    measure(f);
    f->report.ops->end(&f->report, &f->summary);
    assert_has(f, "machine: Linux 6.1, 2 x CPU\n");
    assert_has(f, "warning: waking up");
}

static void test_text_says_that_the_path_or_the_clock_changed(void **state)
{
    struct fixture *f = *state;

    begin(f, &report_text_ops);
    measure(f);
    f->report.ops->end(&f->report, &f->summary);
    assert_has_not(f, "shifted");
    assert_has_not(f, "stepped");

    change_path_and_clock(f);
    f->report.ops->end(&f->report, &f->summary);
    assert_has(f, "the path's base shifted by -1.5");
    assert_has(f, " ms (out -1.5");
    assert_has(f, "\nthe server's clock stepped by +7.0");
    assert_has(f, " ms against ours\n");
}

/* ---- JSON ---- */

static const char *const fixed_keys[] = {
    "schema", "protocol", "sent", "received", "lost", "late", "duration_ns", "service_rtt_ns",
    "response_rtt_ns", "forward_pdv_ns", "return_pdv_ns", "residence_ns", "wakeup_ns", "base_ns",
    "clock_skew_ppm", "worst", "outages", "error",
};

static void assert_fixed_keys(struct fixture *f)
{
    for (size_t i = 0; i < ARRAY_SIZE(fixed_keys); i++) {
        char key[64];

        (void)snprintf(key, sizeof(key), "\"%s\":", fixed_keys[i]);
        assert_has(f, key);
    }
}

static void test_json_has_all_keys_after_a_run(void **state)
{
    struct fixture *f = *state;

    begin(f, &report_json_ops);
    measure(f);
    f->report.ops->end(&f->report, &f->summary);
    assert_fixed_keys(f);
    assert_has(f, "\"protocol\": \"text\"");
    assert_has(f, "\"lost\": 1");
    assert_has(f, "\"duration_ns\": 1000000000");
    assert_has(f, "\"forward_pdv_ns\": null");
    assert_has(f, "\"clock_skew_ppm\": null");
    assert_has(f, "\"clock_skew_min_ppm\": null");
    assert_has(f, "\"base_max_ns\": null");
    assert_has(f, "\"error\": null");
}

static void test_json_has_null_for_what_the_sample_cannot_tell(void **state)
{
    struct fixture *f = *state;

    begin(f, &report_json_ops);
    measure(f);
    f->report.ops->end(&f->report, &f->summary);
    assert_has(f, "\"99.9\": null");
    assert_has(f, "\"50\": 5001215");
}

static void test_json_has_all_keys_after_a_refusal(void **state)
{
    struct fixture *f = *state;

    f->report.ops = &report_json_ops;
    f->summary.where = NULL;
    f->summary.machine = NULL;
    result_fail(&f->result, RUN_ERROR_CONNECT, "connect to \"it\": refused");
    f->report.ops->end(&f->report, &f->summary);
    assert_fixed_keys(f);
    assert_has(f, "\"protocol\": null");
    assert_has(f, "\"code\": \"connect\"");
    assert_has(f, "\"message\": \"connect to \\\"it\\\": refused\"");
}

static void test_json_lists_outages(void **state)
{
    struct fixture *f = *state;
    const struct outage outage = {.began = 9500 * NSEC_PER_MSEC, .length = 250 * NSEC_PER_MSEC,
                                  .is_over = true, .n_lost = 2, .reason = "gone"};

    begin(f, &report_json_ops);
    measure(f);
    result_add_outage(&f->result, &outage);
    f->report.ops->end(&f->report, &f->summary);
    assert_has(f, "\"began_ns\": 500000000");
    assert_has(f, "\"duration_ns\": 250000000");
    assert_has(f, "\"reason\": \"gone\"");
}

static void test_json_lists_changes_of_the_path_and_the_clocks(void **state)
{
    struct fixture *f = *state;
    const struct where_change *shift, *step;
    char expected[2][128];

    begin(f, &report_json_ops);
    measure(f);
    f->report.ops->end(&f->report, &f->summary);
    assert_has(f, "\"changes\": []");

    change_path_and_clock(f);
    shift = where_stats_change(f->where, 0);
    step = where_stats_change(f->where, 1);
    assert_non_null(step);
    (void)snprintf(expected[0], sizeof(expected[0]), "\"base_shift_ns\": %lld",
                   (long long)shift->base_shift);
    (void)snprintf(expected[1], sizeof(expected[1]), "\"clock_step_ns\": %lld",
                   (long long)step->clock_step);
    f->report.ops->end(&f->report, &f->summary);
    assert_has(f, expected[0]);
    assert_has(f, expected[1]);
    (void)snprintf(expected[0], sizeof(expected[0]), "\"base_max_ns\": %llu",
                   (unsigned long long)where_stats_clock(f->where)->base_max);
    assert_has(f, expected[0]);
    assert_true(where_stats_clock(f->where)->base_max >
                where_stats_clock(f->where)->base + NSEC_PER_MSEC);
    assert_has(f, "\"base_shifts\": 1");
}

/* ---- NDJSON ---- */

static void test_stream_tells_what_is_known_of_a_reply(void **state)
{
    struct fixture *f = *state;

    begin(f, &report_json_stream_ops);
    assert_has(f, "{\"event\":\"start\"");
    reply(f);
    assert_has(f, "{\"event\":\"reply\"");
    assert_has(f, "\"seq\":4,\"uuid\":\"00000000-0000-0000-0000-000000000000\"");
    assert_has(f, "\"service_rtt_ns\":1000000,\"response_rtt_ns\":2000000,\"delta_ns\":500000000");
    assert_has(f, "\"residence_ns\":null,\"wakeup_ns\":100000");
    f->report.ops->end(&f->report, &f->summary);
}

static void test_stream_ends_with_the_document(void **state)
{
    struct fixture *f = *state;
    const char *last;

    begin(f, &report_json_stream_ops);
    measure(f);
    f->report.ops->end(&f->report, &f->summary);
    last = strstr(text(f), "{\"event\":\"end\"");
    assert_non_null(last);
    assert_ptr_equal(strchr(last, '\n'), f->text + f->size - 1);
    assert_fixed_keys(f);
}

static void test_stream_tells_losses_and_outages(void **state)
{
    struct fixture *f = *state;
    struct record record = {.kind = RECORD_MISSING, .message = {.seq = 9}};

    begin(f, &report_json_stream_ops);
    f->report.ops->record(&f->report, &record);
    assert_has(f, "{\"event\":\"lost\"");
    assert_has(f, "\"seq\":9");
    record = (struct record){.kind = RECORD_OUTAGE, .text = "gone"};
    f->report.ops->record(&f->report, &record);
    assert_has(f, "\"over\":false,\"reason\":\"gone\"");
    record = (struct record){.kind = RECORD_RESTORED, .outage = {.length = 77}};
    f->report.ops->record(&f->report, &record);
    assert_has(f, "\"over\":true,\"duration_ns\":77");
    record = (struct record){.kind = RECORD_WRONG, .text = "some UUID"};
    f->report.ops->record(&f->report, &record);
    assert_has(f, "{\"event\":\"error\"");
    f->report.ops->end(&f->report, &f->summary);
}

static void test_stream_reports_each_second_also_when_nothing_came(void **state)
{
    struct fixture *f = *state;

    begin(f, &report_json_stream_ops);
    reply(f);
    f->report.ops->tick(&f->report, f->clock.now + NSEC_PER_SEC - 1);
    assert_has_not(f, "interval\"");
    f->report.ops->tick(&f->report, f->clock.now + NSEC_PER_SEC);
    assert_has(f, "{\"event\":\"interval\"");
    assert_has(f, "\"duration_ns\":1000000000,\"received\":1");
    f->report.ops->tick(&f->report, f->clock.now + 2 * NSEC_PER_SEC);
    assert_has(f, "\"duration_ns\":1000000000,\"received\":0");
    f->report.ops->end(&f->report, &f->summary);
}

static void test_stream_counts_no_warm_up_among_the_lost(void **state)
{
    struct fixture *f = *state;
    struct record record = {.kind = RECORD_MISSING, .message = {.seq = 1, .omitted = true}};

    begin(f, &report_json_stream_ops);
    f->report.ops->record(&f->report, &record);
    assert_has(f, "\"why\":\"passed_over\",\"omitted\":true");
    record.kind = RECORD_LOST;
    f->report.ops->record(&f->report, &record);
    record.message = (typeof(record.message)){.seq = 3};
    f->report.ops->record(&f->report, &record);
    f->report.ops->tick(&f->report, f->clock.now + NSEC_PER_SEC);
    assert_has(f, "\"received\":0,\"late\":0,\"lost\":1,");
    f->report.ops->end(&f->report, &f->summary);
}

static void test_stream_tells_a_change_with_its_interval(void **state)
{
    struct fixture *f = *state;
    const struct where_change change = {.at = 9 * NSEC_PER_SEC, .base_shift = -5,
                                        .forward_shift = -4};

    begin(f, &report_json_stream_ops);
    for (int i = 0; i < 100; i++)       /* more than an interval takes */
        f->report.ops->change(&f->report, &change);
    f->report.ops->tick(&f->report, f->clock.now + NSEC_PER_SEC);
    assert_has(f, "\"changes\":[{\"time\":\"2023-11-14T22:13:19.000000+00:00\","
                  "\"base_shift_ns\":-5,\"forward_shift_ns\":-4,\"clock_step_ns\":0,");
    f->report.ops->tick(&f->report, f->clock.now + 2 * NSEC_PER_SEC);
    assert_has(f, "\"changes\":[]}");
    f->report.ops->end(&f->report, &f->summary);
}

static void test_stream_of_a_refused_run_is_start_error_end(void **state)
{
    struct fixture *f = *state;
    const char *start, *error, *end;

    f->report.ops = &report_json_stream_ops;
    f->summary.where = NULL;
    f->summary.machine = NULL;
    result_fail(&f->result, RUN_ERROR_RESOLVE, "no such host");
    f->report.ops->end(&f->report, &f->summary);
    start = strstr(text(f), "{\"event\":\"start\"");
    error = strstr(f->text, "{\"event\":\"error\"");
    end = strstr(f->text, "{\"event\":\"end\"");
    assert_true(start == f->text && error > start && end > error);
}

/* ---- CSV ---- */

static void test_csv_has_as_many_fields_as_names(void **state)
{
    struct fixture *f = *state;
    const struct where_sample sample = {.due = 1, .send = 2, .rx = 3, .read = 4, .seq = 5};
    const struct where_parts parts = {.ns = {[PART_QUEUED] = 1, [PART_UNSPLIT] = 2}};
    size_t n[2] = {0, 0};

    begin(f, &report_csv_ops);
    f->report.ops->row(&f->report, &sample, &parts, NULL, NULL);
    f->report.ops->end(&f->report, &f->summary);
    for (size_t line = 0, i = 0; i < (text(f), f->size); i++) {
        line += f->text[i] == '\n';
        if (line < 2)
            n[line] += f->text[i] == ',';
    }
    assert_true(n[0] > 10);
    assert_int_equal(n[0], n[1]);
    assert_has(f, ",2,3,1,,,,,,2,");    /* what is not known is empty */
}

static void test_csv_has_a_row_without_times_for_a_lost_message(void **state)
{
    struct fixture *f = *state;
    struct record record = {.kind = RECORD_LOST, .connection = 2, .message = {.seq = 9}};

    begin(f, &report_csv_ops);
    f->report.ops->record(&f->report, &record);
    assert_has(f, "\n,9,00000000-0000-0000-0000-000000000000,2,,,,,,,,,,,,,,0\n");
    record.message.omitted = true;
    f->report.ops->record(&f->report, &record);
    assert_has(f, ",2,,,,,,,,,,,,,,1\n");
}

#define IN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_text_has_the_shape_of_ping),
        IN(test_text_marks_what_the_sample_cannot_tell),
        IN(test_text_shows_both_times_where_they_differ),
        IN(test_values_beyond_the_histogram_are_told),
        IN(test_text_has_no_lines_when_quiet_or_fast),
        IN(test_text_stamps_lines_when_asked),
        IN(test_text_of_a_refused_run_is_empty),
        IN(test_text_names_failed_conditions),
        IN(test_text_warns_of_a_machine_that_is_the_floor),
        IN(test_text_says_that_the_path_or_the_clock_changed),
        IN(test_json_has_all_keys_after_a_run),
        IN(test_json_has_null_for_what_the_sample_cannot_tell),
        IN(test_json_has_all_keys_after_a_refusal),
        IN(test_json_lists_outages),
        IN(test_json_lists_changes_of_the_path_and_the_clocks),
        IN(test_stream_tells_what_is_known_of_a_reply),
        IN(test_stream_ends_with_the_document),
        IN(test_stream_tells_losses_and_outages),
        IN(test_stream_reports_each_second_also_when_nothing_came),
        IN(test_stream_counts_no_warm_up_among_the_lost),
        IN(test_stream_tells_a_change_with_its_interval),
        IN(test_stream_of_a_refused_run_is_start_error_end),
        IN(test_csv_has_a_row_without_times_for_a_lost_message),
        IN(test_csv_has_as_many_fields_as_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
