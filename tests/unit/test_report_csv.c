/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"

#include "client/report.h"
#include "tests/support/report_fixture.h"

static void test_csv_has_as_many_fields_as_names(void **state)
{
    struct report_fixture *f = *state;
    const struct where_sample sample = {.due = 1, .send = 2, .rx = 3, .read = 4, .seq = 5};
    const struct where_parts parts = {.ns = {[PART_QUEUED] = 1, [PART_UNSPLIT] = 2}};
    size_t n[2] = {0, 0};

    report_fixture_begin(f, &report_csv_ops);
    f->report.ops->row(&f->report, &sample, &parts, NULL, NULL);
    f->report.ops->end(&f->report, &f->summary);
    for (size_t line = 0, i = 0; i < (report_fixture_text(f), f->size); i++) {
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
    struct report_fixture *f = *state;
    struct record record = {.kind = RECORD_LOST, .connection = 2, .message = {.seq = 9}};

    report_fixture_begin(f, &report_csv_ops);
    f->report.ops->record(&f->report, &record);
    assert_has(f, "\n,9,00000000-0000-0000-0000-000000000000,2,,,,,,,,,,,,,,0\n");
    record.message.omitted = true;
    f->report.ops->record(&f->report, &record);
    assert_has(f, ",2,,,,,,,,,,,,,,1\n");
}

#define IN(test)                                                                                   \
    cmocka_unit_test_setup_teardown(test, report_fixture_setup, report_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_csv_has_a_row_without_times_for_a_lost_message),
        IN(test_csv_has_as_many_fields_as_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
