/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"

#include "client/report.h"
#include "tests/support/fake_clock.h"
#include "tests/support/report_fixture.h"

static void test_each_output_has_its_writer(void **state)
{
    (void)state;
    assert_ptr_equal(report_find(OUTPUT_TEXT), &report_text_ops);
    assert_ptr_equal(report_find(OUTPUT_JSON), &report_json_ops);
    assert_ptr_equal(report_find(OUTPUT_JSON_STREAM), &report_json_stream_ops);
    assert_ptr_equal(report_find(OUTPUT_CSV), &report_csv_ops);
}

static void test_parts_are_known_once_they_were_told_apart(void **state)
{
    struct report_fixture *f = *state;

    assert_true(report_knows_part(f->where, PART_QUEUED));
    assert_true(report_knows_part(f->where, PART_UNSPLIT));
    assert_false(report_knows_part(f->where, PART_BASE));
    assert_false(report_knows_part(f->where, PART_FORWARD));
    report_fixture_change(f);
    assert_true(report_knows_part(f->where, PART_BASE));
    assert_true(report_knows_part(f->where, PART_FORWARD));
}

static void test_real_time_is_as_long_ago_as_the_moment(void **state)
{
    struct report_fixture *f = *state;

    assert_int_equal(report_real_time(&f->report, f->clock.now - NSEC_PER_SEC),
                     f->clock.real - NSEC_PER_SEC);
}

#define IN(test)                                                                                   \
    cmocka_unit_test_setup_teardown(test, report_fixture_setup, report_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_output_has_its_writer),
        IN(test_parts_are_known_once_they_were_told_apart),
        IN(test_real_time_is_as_long_ago_as_the_moment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
