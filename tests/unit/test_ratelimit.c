/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"

#include "daemon/ratelimit.h"

static void test_first_ones_of_a_period_pass(void **state)
{
    struct ratelimit r = {0};
    uint64_t suppressed = 99;

    (void)state;
    for (unsigned i = 0; i < RATELIMIT_BURST; i++) {
        assert_true(ratelimit_pass(&r, 5, &suppressed));
        assert_int_equal(suppressed, 0);
    }
    for (unsigned i = 0; i < 7; i++)
        assert_false(ratelimit_pass(&r, 5 + RATELIMIT_PERIOD - 1, &suppressed));
}

static void test_next_that_passes_says_how_many_did_not(void **state)
{
    struct ratelimit r = {0};
    uint64_t suppressed;

    (void)state;
    for (unsigned i = 0; i < RATELIMIT_BURST + 7; i++)
        (void)ratelimit_pass(&r, 5, &suppressed);
    assert_true(ratelimit_pass(&r, 5 + RATELIMIT_PERIOD, &suppressed));
    assert_int_equal(suppressed, 7);
    assert_true(ratelimit_pass(&r, 5 + RATELIMIT_PERIOD, &suppressed));
    assert_int_equal(suppressed, 0);
}

static void test_period_begins_with_its_first_line(void **state)
{
    struct ratelimit r = {0};
    uint64_t suppressed;

    (void)state;
    assert_true(ratelimit_pass(&r, 0, &suppressed));
    assert_true(ratelimit_pass(&r, 100 * RATELIMIT_PERIOD + 1, &suppressed));
    for (unsigned i = 1; i < RATELIMIT_BURST; i++)
        assert_true(ratelimit_pass(&r, 101 * RATELIMIT_PERIOD, &suppressed));
    assert_false(ratelimit_pass(&r, 101 * RATELIMIT_PERIOD, &suppressed));
    assert_true(ratelimit_pass(&r, 101 * RATELIMIT_PERIOD + 1, &suppressed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_ones_of_a_period_pass),
        cmocka_unit_test(test_next_that_passes_says_how_many_did_not),
        cmocka_unit_test(test_period_begins_with_its_first_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
