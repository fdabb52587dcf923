/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "tests/support/test.h"

#include "client/report.h"
#include "tests/support/report_fixture.h"

static void test_stream_tells_what_is_known_of_a_reply(void **state)
{
    struct report_fixture *f = *state;

    report_fixture_begin(f, &report_json_stream_ops);
    assert_has(f, "{\"event\":\"start\"");
    report_fixture_reply(f);
    assert_has(f, "{\"event\":\"reply\"");
    assert_has(f, "\"seq\":4,\"uuid\":\"00000000-0000-0000-0000-000000000000\"");
    assert_has(f, "\"service_rtt_ns\":1000000,\"response_rtt_ns\":2000000,\"delta_ns\":500000000");
    assert_has(f, "\"residence_ns\":null,\"wakeup_ns\":100000");
    f->report.ops->end(&f->report, &f->summary);
}

static void test_stream_ends_with_the_document(void **state)
{
    struct report_fixture *f = *state;
    const char *last;

    report_fixture_begin(f, &report_json_stream_ops);
    report_fixture_measure(f);
    f->report.ops->end(&f->report, &f->summary);
    last = strstr(report_fixture_text(f), "{\"event\":\"end\"");
    assert_non_null(last);
    assert_ptr_equal(strchr(last, '\n'), f->text + f->size - 1);
    assert_fixed_keys(f);
}

static void test_stream_tells_losses_and_outages(void **state)
{
    struct report_fixture *f = *state;
    struct record record = {.kind = RECORD_MISSING, .message = {.seq = 9}};

    report_fixture_begin(f, &report_json_stream_ops);
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
    struct report_fixture *f = *state;

    report_fixture_begin(f, &report_json_stream_ops);
    report_fixture_reply(f);
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
    struct report_fixture *f = *state;
    struct record record = {.kind = RECORD_MISSING, .message = {.seq = 1, .omitted = true}};

    report_fixture_begin(f, &report_json_stream_ops);
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

/* "lost" is what is lost in the end: as many as the document counts. */
static void test_stream_tells_an_overdue_message_from_a_lost_one(void **state)
{
    struct report_fixture *f = *state;
    struct record record = {.kind = RECORD_OVERDUE, .message = {.seq = 9}};

    report_fixture_begin(f, &report_json_stream_ops);
    f->report.ops->record(&f->report, &record);
    assert_has(f, "{\"event\":\"error\"");
    assert_has(f, "\"code\":\"overdue\",\"message\":\"no reply to message 9 (");
    assert_has(f, ") within 5s\",\"seq\":9,\"uuid\":\"");
    assert_has_not(f, "\"event\":\"lost\"");
    record = (struct record){.kind = RECORD_LOST, .message = {.seq = 9, .was_overdue = true}};
    f->report.ops->record(&f->report, &record);
    assert_has(f, "{\"event\":\"lost\"");
    assert_has(f, "\"why\":\"timeout\"");
    f->report.ops->tick(&f->report, f->clock.now + NSEC_PER_SEC);
    assert_has(f, "\"lost\":1,");
    f->report.ops->end(&f->report, &f->summary);
}

static void test_stream_has_all_replies_in_its_intervals(void **state)
{
    struct report_fixture *f = *state;

    report_fixture_begin(f, &report_json_stream_ops);
    report_fixture_reply(f);
    f->report.n_dropped = 7;
    f->report.ops->tick(&f->report, f->clock.now + NSEC_PER_SEC);
    assert_has(f, "\"duration_ns\":1000000000,\"received\":1,\"late\":0,\"lost\":0,"
                  "\"records_dropped\":7,");
    report_fixture_reply(f);
    f->report.n_dropped = 9;
    fake_clock_advance(&f->clock, NSEC_PER_SEC + NSEC_PER_SEC / 4);
    f->report.ops->end(&f->report, &f->summary);
    assert_has(f, "\"duration_ns\":250000000,\"received\":1,\"late\":0,\"lost\":0,"
                  "\"records_dropped\":2,");
}

static void test_stream_tells_a_change_with_its_interval(void **state)
{
    struct report_fixture *f = *state;
    const struct where_change change = {.at = 9 * NSEC_PER_SEC, .base_shift = -5,
                                        .forward_shift = -4};

    report_fixture_begin(f, &report_json_stream_ops);
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
    struct report_fixture *f = *state;
    const char *start, *error, *end;

    f->report.ops = &report_json_stream_ops;
    f->summary.where = NULL;
    f->summary.machine = NULL;
    result_fail(&f->result, RUN_ERROR_RESOLVE, "no such host");
    f->report.ops->end(&f->report, &f->summary);
    start = strstr(report_fixture_text(f), "{\"event\":\"start\"");
    error = strstr(f->text, "{\"event\":\"error\"");
    end = strstr(f->text, "{\"event\":\"end\"");
    assert_true(start == f->text && error > start && end > error);
}

#define IN(test)                                                                                   \
    cmocka_unit_test_setup_teardown(test, report_fixture_setup, report_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_stream_tells_what_is_known_of_a_reply),
        IN(test_stream_ends_with_the_document),
        IN(test_stream_tells_losses_and_outages),
        IN(test_stream_reports_each_second_also_when_nothing_came),
        IN(test_stream_counts_no_warm_up_among_the_lost),
        IN(test_stream_tells_an_overdue_message_from_a_lost_one),
        IN(test_stream_has_all_replies_in_its_intervals),
        IN(test_stream_tells_a_change_with_its_interval),
        IN(test_stream_of_a_refused_run_is_start_error_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
