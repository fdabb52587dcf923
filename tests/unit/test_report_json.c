/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "tests/support/test.h"

#include "client/report.h"
#include "tests/support/report_fixture.h"

static void test_json_has_all_keys_after_a_run(void **state)
{
    struct report_fixture *f = *state;

    report_fixture_begin(f, &report_json_ops);
    report_fixture_measure(f);
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
    struct report_fixture *f = *state;

    report_fixture_begin(f, &report_json_ops);
    report_fixture_measure(f);
    f->report.ops->end(&f->report, &f->summary);
    assert_has(f, "\"99.9\": null");
    assert_has(f, "\"50\": 5001215");
}

static void test_json_has_all_keys_after_a_refusal(void **state)
{
    struct report_fixture *f = *state;

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

static void test_json_says_why_there_is_no_fit(void **state)
{
    struct report_fixture *f = *state;

    report_fixture_begin(f, &report_json_ops);
    f->report.ops->end(&f->report, &f->summary);
    assert_has(f, "\"validity\": \"too few messages\"");
    assert_has(f, "\"validity_code\": \"too_few\"");
    assert_has(f, "\"valid\": false");
    report_fixture_change(f);
    f->report.ops->end(&f->report, &f->summary);
    assert_has(f, "\"validity_code\": \"valid\"");
}

static void test_json_lists_outages(void **state)
{
    struct report_fixture *f = *state;
    const struct outage outage = {.began = 9500 * NSEC_PER_MSEC, .length = 250 * NSEC_PER_MSEC,
                                  .is_over = true, .n_lost = 2, .reason = "gone"};

    report_fixture_begin(f, &report_json_ops);
    report_fixture_measure(f);
    result_add_outage(&f->result, &outage);
    f->report.ops->end(&f->report, &f->summary);
    assert_has(f, "\"began_ns\": 500000000");
    assert_has(f, "\"duration_ns\": 250000000");
    assert_has(f, "\"reason\": \"gone\"");
}

static void test_json_lists_changes_of_the_path_and_the_clocks(void **state)
{
    struct report_fixture *f = *state;
    const struct where_change *shift, *step;
    char expected[2][128];

    report_fixture_begin(f, &report_json_ops);
    report_fixture_measure(f);
    f->report.ops->end(&f->report, &f->summary);
    assert_has(f, "\"changes\": []");

    report_fixture_change(f);
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

#define IN(test)                                                                                   \
    cmocka_unit_test_setup_teardown(test, report_fixture_setup, report_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_json_has_all_keys_after_a_run),
        IN(test_json_has_null_for_what_the_sample_cannot_tell),
        IN(test_json_has_all_keys_after_a_refusal),
        IN(test_json_says_why_there_is_no_fit),
        IN(test_json_lists_outages),
        IN(test_json_lists_changes_of_the_path_and_the_clocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
