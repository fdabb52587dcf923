/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"

#include "client/result.h"

static void make(struct result *r)
{
    assert_int_equal(result_init(r), 0);
}

static void test_merge_adds_counts_and_distributions(void **state)
{
    struct result a, b;

    (void)state;
    make(&a);
    make(&b);
    a.sent = 3;
    a.received = 2;
    a.lost = 1;
    hist_record(a.response, 100);
    b.sent = 5;
    b.received = 5;
    b.late = 4;
    b.omitted = 7;
    hist_record(b.response, 300);
    b.is_native = true;
    result_merge(&a, &b);
    assert_int_equal(a.sent, 8);
    assert_int_equal(a.received, 7);
    assert_int_equal(a.lost, 1);
    assert_int_equal(a.late, 4);
    assert_int_equal(a.omitted, 7);
    assert_int_equal(hist_count(a.response), 2);
    assert_int_equal(hist_max(a.response), 300);
    assert_true(a.is_native);
    result_deinit(&a);
    result_deinit(&b);
}

static void test_merge_spans_all_parts(void **state)
{
    struct result sum, part;

    (void)state;
    make(&sum);
    make(&part);
    part.began = 100;
    part.ended = 200;
    result_merge(&sum, &part);
    part.began = 50;
    part.ended = 150;
    result_merge(&sum, &part);
    part.began = 0;                 /* one that never began */
    part.ended = 0;
    result_merge(&sum, &part);
    assert_int_equal(sum.began, 50);
    assert_int_equal(sum.ended, 200);
    result_deinit(&sum);
    result_deinit(&part);
}

static void test_first_error_stays(void **state)
{
    struct result a, b;

    (void)state;
    make(&a);
    make(&b);
    result_fail(&b, RUN_ERROR_CONNECT, "refused");
    result_fail(&b, RUN_ERROR_PROTOCOL, "rubbish");
    assert_int_equal(b.error, RUN_ERROR_CONNECT);
    assert_string_equal(b.message, "refused");
    result_merge(&a, &b);
    assert_int_equal(a.error, RUN_ERROR_CONNECT);
    result_fail(&b, RUN_ERROR_NONE, "");
    assert_string_equal(b.message, "refused");
    result_deinit(&a);
    result_deinit(&b);
}

static void test_outages_are_counted_beyond_those_kept(void **state)
{
    const struct outage outage = {.length = 10, .n_lost = 1};
    struct result a, b;

    (void)state;
    make(&a);
    make(&b);
    for (int i = 0; i < OUTAGES_KEPT_MAX; i++) {
        result_add_outage(&a, &outage);
        result_add_outage(&b, &outage);
    }
    result_add_outage(&a, &outage);
    result_merge(&a, &b);
    assert_int_equal(a.n_outages, 2 * OUTAGES_KEPT_MAX + 1);
    assert_int_equal(a.n_outages_kept, OUTAGES_KEPT_MAX);
    assert_int_equal(a.outage_time, 10 * (2 * OUTAGES_KEPT_MAX + 1));
    result_deinit(&a);
    result_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge_adds_counts_and_distributions),
        cmocka_unit_test(test_merge_spans_all_parts),
        cmocka_unit_test(test_first_error_stays),
        cmocka_unit_test(test_outages_are_counted_beyond_those_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
