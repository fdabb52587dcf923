/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "tests/support/test.h"

#include "client/report.h"
#include "tests/support/report_fixture.h"

static void test_text_has_the_shape_of_ping(void **state)
{
    struct report_fixture *f = *state;

    report_fixture_begin(f, &report_text_ops);
    assert_has(f, "TCPTIMER server.example (192.0.2.1:47945): text protocol, "
                  "one message each 1s\n");
    report_fixture_reply(f);
    assert_has(f, "seq=4 rtt=1.000 ms response=2.000 ms delta=500.000 ms\n");
    report_fixture_measure(f);
    f->report.ops->end(&f->report, &f->summary);
    assert_has(f, "\n--- server.example tcptimer statistics ---\n"
                  "11 sent, 10 received, 9.091% lost, time 1000ms\n"
                  "rtt min/avg/max/mdev = 1.000/5.500/10.000/2.872 ms\n");
}

static void assert_loss(struct report_fixture *f, uint64_t sent, uint64_t lost, const char *words)
{
    f->result.sent = sent;
    f->result.lost = lost;
    f->result.received = sent - lost;
    f->report.ops->end(&f->report, &f->summary);
    assert_has(f, words);
}

/* Nor as a power of ten, which ping's readers do not read. */
static void test_loss_is_never_rounded_to_none_or_all(void **state)
{
    struct report_fixture *f = *state;

    report_fixture_begin(f, &report_text_ops);
    assert_loss(f, 0, 0, "0 sent, 0 received, 0% lost");
    assert_loss(f, 10000000, 1, "10000000 sent, 9999999 received, <0.0001% lost");
    assert_loss(f, 1000000, 1, "1000000 sent, 999999 received, 0.0001% lost");
    assert_loss(f, 1000000, 999999, "1000000 sent, 1 received, >99.99% lost");
    assert_loss(f, 10000, 9999, "10000 sent, 1 received, 99.99% lost");
    assert_loss(f, 7, 7, "7 sent, 0 received, 100% lost");
}

static void test_text_marks_what_the_sample_cannot_tell(void **state)
{
    struct report_fixture *f = *state;

    report_fixture_begin(f, &report_text_ops);
    report_fixture_measure(f);
    f->report.ops->end(&f->report, &f->summary);
    assert_has(f, "p50        5.001 (2.000 .. 9.003)");
    assert_has(f, "p99.9      10.000 (too few)");
}

static void test_text_shows_both_times_where_they_differ(void **state)
{
    struct report_fixture *f = *state;

    report_fixture_begin(f, &report_text_ops);
    report_fixture_measure(f);
    hist_record(f->result.service, NSEC_PER_MSEC);
    hist_record(f->result.response, NSEC_PER_SEC);
    f->report.ops->end(&f->report, &f->summary);
    assert_has(f, "response rtt min/avg/max/mdev = 1.000/95.909/1000.000");
    assert_has(f, "service RTT [ms] (95% confidence) response RTT [ms]");
}

static void test_values_beyond_the_histogram_are_told(void **state)
{
    struct report_fixture *f = *state;

    report_fixture_begin(f, &report_text_ops);
    report_fixture_measure(f);
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

static void test_text_has_lateness_and_the_time_to_connect(void **state)
{
    struct report_fixture *f = *state;

    report_fixture_begin(f, &report_text_ops);
    report_fixture_measure(f);
    hist_record(f->result.connect, 3 * NSEC_PER_MSEC);
    f->report.ops->end(&f->report, &f->summary);
    assert_has_not(f, "lateness");      /* the closed loop has none */
    assert_has_not(f, "connect");       /* one for all: no matter */

    hist_record(f->result.lateness, 50000);
    f->options.connect = true;
    f->report.ops->end(&f->report, &f->summary);
    assert_has(f, "\nlateness min/avg/max/mdev = 0.050/0.050/0.050/0.000 ms\n");
    assert_has(f, "\nconnect min/avg/max/mdev = 3.000/3.000/3.000/0.000 ms\n");
}

static void test_text_has_no_error_bar_of_nothing(void **state)
{
    struct report_fixture *f = *state;

    report_fixture_begin(f, &report_text_ops);
    report_fixture_measure(f);
    report_fixture_change(f);
    f->report.ops->end(&f->report, &f->summary);
    assert_true(where_stats_clock(f->where)->error > 0);
    assert_has(f, "one way +/- 0.0");
    assert_has_not(f, "one way +/- 0.000 ms");
    assert_has_not(f, "(+/- 0.00)");
    assert_has_not(f, "one stamp for several");
}

/* Three messages arrive at some time in a millisecond. */
static void add_shared(struct report_fixture *f)
{
    _cleanup_(where_window_freep) struct where_window *w = NULL;

    assert_int_equal(where_window_new(&w, &(struct where_window_config){.n_conns = 1}), 0);
    for (nsec_t i = 0; i < 100; i++) {
        const nsec_t send = NSEC_PER_SEC + i * 10 * NSEC_PER_MSEC;
        const nsec_t window = i < 3 ? NSEC_PER_MSEC : 0;
        const struct where_sample s = {
            .due = send, .send = send, .arrival = send + 10000 + window, .residence = 1000,
            .window = window, .rx = send + 20000 + window, .read = send + 21000 + window,
            .seq = i + 1,
            .flags = (uint16_t)(SAMPLE_ARRIVAL | SAMPLE_ARRIVAL_KERNEL | SAMPLE_RX_KERNEL |
                                (i < 3 ? SAMPLE_ARRIVAL_SHARED : 0)),
        };

        assert_non_null(where_window_add(w, &s));
    }
    where_stats_close(f->where, w, NULL, NULL);
}

static void test_text_says_what_the_stamps_could_not_tell(void **state)
{
    struct report_fixture *f = *state;
    char expected[128];

    report_fixture_begin(f, &report_text_ops);
    report_fixture_measure(f);
    add_shared(f);
    f->report.ops->end(&f->report, &f->summary);
    assert_has(f, "\none stamp for several: 3 requests at the server, 0 replies here\n");
    assert_true(where_stats_counts(f->where)->unknown > 0);
    (void)snprintf(expected, sizeof(expected), "\ncould not be told apart: out and server of %llu "
                   "messages, back and wake-up of 0\n",
                   (unsigned long long)where_stats_counts(f->where)->unknown);
    assert_has(f, expected);
}

static void test_text_has_no_lines_when_quiet_or_fast(void **state)
{
    struct report_fixture *f = *state;

    f->options.quiet = true;
    report_fixture_begin(f, &report_text_ops);
    report_fixture_reply(f);
    assert_has_not(f, "seq=");

    f->options.quiet = false;
    f->options.interval = 1e6;
    report_fixture_reply(f);
    assert_has_not(f, "seq=");

    f->options.verbose = true;
    report_fixture_reply(f);
    assert_has(f, "seq=4 uuid=");
}

static void test_text_stamps_lines_when_asked(void **state)
{
    struct report_fixture *f = *state;

    f->options.timestamps = true;
    report_fixture_begin(f, &report_text_ops);
    report_fixture_reply(f);
    assert_has(f, "\n2023-11-14T22:13:20.000000+00:00 seq=4");
}

static void test_text_of_a_refused_run_is_empty(void **state)
{
    struct report_fixture *f = *state;

    f->report.ops = &report_text_ops;
    result_fail(&f->result, RUN_ERROR_CONNECT, "refused");
    f->report.ops->end(&f->report, &f->summary);
    assert_string_equal(report_fixture_text(f), "");
}

static void test_text_names_failed_conditions(void **state)
{
    struct report_fixture *f = *state;
    char why[SLO_ERROR_SIZE];

    assert_int_equal(slo_parse("p50>1ms,lost>5", &f->options.slo, why), 0);
    f->summary.slo_met[0] = true;
    report_fixture_begin(f, &report_text_ops);
    report_fixture_measure(f);
    f->report.ops->end(&f->report, &f->summary);
    assert_has(f, "failed: p50>1ms\n");
    assert_has_not(f, "lost>5");
}

static void test_text_warns_of_a_machine_that_is_the_floor(void **state)
{
    struct report_fixture *f = *state;

    f->machine.thread_rtt = 600 * NSEC_PER_USEC;
    report_fixture_begin(f, &report_text_ops);
    report_fixture_measure(f);
    f->report.ops->end(&f->report, &f->summary);
    assert_has(f, "machine: Linux 6.1, 2 x CPU\n");
    assert_has(f, "warning: waking up");
}

static void test_text_says_that_the_path_or_the_clock_changed(void **state)
{
    struct report_fixture *f = *state;

    report_fixture_begin(f, &report_text_ops);
    report_fixture_measure(f);
    f->report.ops->end(&f->report, &f->summary);
    assert_has_not(f, "shifted");
    assert_has_not(f, "stepped");

    report_fixture_change(f);
    f->report.ops->end(&f->report, &f->summary);
    assert_has(f, "the path's base shifted by -1.5");
    assert_has(f, " ms (out -1.5");
    assert_has(f, "\nthe server's clock stepped by +7.0");
    assert_has(f, " ms against ours\n");
}

#define IN(test)                                                                                   \
    cmocka_unit_test_setup_teardown(test, report_fixture_setup, report_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_text_has_the_shape_of_ping),
        IN(test_loss_is_never_rounded_to_none_or_all),
        IN(test_text_marks_what_the_sample_cannot_tell),
        IN(test_text_shows_both_times_where_they_differ),
        IN(test_values_beyond_the_histogram_are_told),
        IN(test_text_has_lateness_and_the_time_to_connect),
        IN(test_text_has_no_error_bar_of_nothing),
        IN(test_text_says_what_the_stamps_could_not_tell),
        IN(test_text_has_no_lines_when_quiet_or_fast),
        IN(test_text_stamps_lines_when_asked),
        IN(test_text_of_a_refused_run_is_empty),
        IN(test_text_names_failed_conditions),
        IN(test_text_warns_of_a_machine_that_is_the_floor),
        IN(test_text_says_that_the_path_or_the_clock_changed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
