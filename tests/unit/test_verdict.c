/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"

#include "client/verdict.h"

static void test_all_replies_in_is_success(void **state)
{
    const struct result r = {.sent = 10, .received = 10, .late = 3, .wrong = 1};

    (void)state;
    assert_int_equal(verdict_of(&r, false, false), 0);
}

static void test_missing_replies_are_told(void **state)
{
    const struct result r = {.sent = 10, .received = 9, .lost = 1};

    (void)state;
    assert_int_equal(verdict_of(&r, false, false), 1);
}

/* Each of them hides those before it. */
static void test_graver_verdicts_come_first(void **state)
{
    struct result r = {.sent = 10, .lost = 1};

    (void)state;
    assert_int_equal(verdict_of(&r, false, true), 4);
    r.error = RUN_ERROR_CONNECTION_LOST;
    assert_int_equal(verdict_of(&r, false, true), 2);
    assert_int_equal(verdict_of(&r, true, true), 3);
}

static void test_forced_run_without_a_fault_is_forced_all_the_same(void **state)
{
    const struct result r = {.sent = 10, .received = 10};

    (void)state;
    assert_int_equal(verdict_of(&r, true, false), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_replies_in_is_success),
        cmocka_unit_test(test_missing_replies_are_told),
        cmocka_unit_test(test_graver_verdicts_come_first),
        cmocka_unit_test(test_forced_run_without_a_fault_is_forced_all_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
