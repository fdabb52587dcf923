/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"

#include "client/verdict.h"

static void test_all_replies_in_is_success(void **state)
{
    const struct result r = {.sent = 10, .received = 10, .late = 3, .wrong = 1};

    (void)state;
    assert_int_equal(verdict_of(&r, RUN_END_OWN, false), 0);
}

static void test_missing_replies_are_told(void **state)
{
    const struct result r = {.sent = 10, .received = 9, .lost = 1};

    (void)state;
    assert_int_equal(verdict_of(&r, RUN_END_OWN, false), 1);
}

/* A server that is too slow for the load has answered all that it got. */
static void test_load_that_could_not_be_sent_is_told(void **state)
{
    const struct result r = {.sent = 10, .received = 10, .not_sent = 5};

    (void)state;
    assert_int_equal(verdict_of(&r, RUN_END_OWN, false), 1);
    assert_int_equal(verdict_of(&r, RUN_END_OWN, true), 4);
}

static void test_who_interrupts_wants_the_rest_not_sent(void **state)
{
    struct result r = {.sent = 10, .received = 10, .not_sent = 5};

    (void)state;
    assert_int_equal(verdict_of(&r, RUN_END_ASKED, false), 0);
    r.lost = 1;
    assert_int_equal(verdict_of(&r, RUN_END_ASKED, false), 1);
}

/* Each of them hides those before it. */
static void test_graver_verdicts_come_first(void **state)
{
    struct result r = {.sent = 10, .lost = 1};

    (void)state;
    assert_int_equal(verdict_of(&r, RUN_END_OWN, true), 4);
    r.error = RUN_ERROR_CONNECTION_LOST;
    assert_int_equal(verdict_of(&r, RUN_END_OWN, true), 2);
    assert_int_equal(verdict_of(&r, RUN_END_FORCED, true), 3);
}

static void test_forced_run_without_a_fault_is_forced_all_the_same(void **state)
{
    const struct result r = {.sent = 10, .received = 10};

    (void)state;
    assert_int_equal(verdict_of(&r, RUN_END_FORCED, false), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_replies_in_is_success),
        cmocka_unit_test(test_missing_replies_are_told),
        cmocka_unit_test(test_load_that_could_not_be_sent_is_told),
        cmocka_unit_test(test_who_interrupts_wants_the_rest_not_sent),
        cmocka_unit_test(test_graver_verdicts_come_first),
        cmocka_unit_test(test_forced_run_without_a_fault_is_forced_all_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
