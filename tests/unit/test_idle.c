/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"

#include "daemon/idle.h"

#define LIMIT (60 * NSEC_PER_SEC)
#define START (1000 * NSEC_PER_SEC)

static const struct stats nobody = {.accepted = 5, .closed = 5};
static const struct stats somebody = {.accepted = 6, .closed = 5};

static struct idle idle;

static int setup(void **state)
{
    idle = (struct idle){.since = START, .n_accepted = 5};
    *state = &idle;
    return 0;
}

static enum idle_action decide(const struct stats *stats, bool obeyed, nsec_t after)
{
    return idle_decide(&idle, stats, LIMIT, obeyed, START + after);
}

static void test_idle_daemon_goes_in_two_steps(void **state)
{
    (void)state;
    assert_int_equal(decide(&nobody, true, LIMIT - 1), IDLE_STAY);
    assert_int_equal(decide(&nobody, true, LIMIT), IDLE_CLOSE);
    assert_int_equal(decide(&nobody, false, LIMIT + 1), IDLE_STAY);
    assert_int_equal(decide(&nobody, true, LIMIT + 2), IDLE_GO);
}

static void test_client_who_slips_in_keeps_it(void **state)
{
    (void)state;
    assert_int_equal(decide(&nobody, true, LIMIT), IDLE_CLOSE);
    assert_int_equal(decide(&somebody, true, LIMIT + 1), IDLE_REOPEN);
    assert_int_equal(decide(&somebody, true, LIMIT + 2), IDLE_STAY);
}

/* It came and went between two looks: somebody uses the daemon. */
static void test_client_who_came_and_went_begins_the_time_anew(void **state)
{
    static const struct stats gone = {.accepted = 6, .closed = 6};

    (void)state;
    assert_int_equal(decide(&gone, true, LIMIT - 1), IDLE_STAY);
    assert_int_equal(decide(&gone, true, LIMIT), IDLE_STAY);
    assert_int_equal(decide(&gone, true, 2 * LIMIT - 2), IDLE_STAY);
    assert_int_equal(decide(&gone, true, 2 * LIMIT - 1), IDLE_CLOSE);
}

static void test_reload_that_switches_it_off_keeps_it(void **state)
{
    struct idle *i = *state;

    assert_int_equal(decide(&nobody, true, LIMIT), IDLE_CLOSE);
    assert_int_equal(idle_decide(i, &nobody, 0, true, START + LIMIT + 1), IDLE_REOPEN);
    assert_int_equal(idle_decide(i, &nobody, 0, true, START + 100 * LIMIT), IDLE_STAY);
}

static void test_looks_come_soon_enough(void **state)
{
    struct idle *i = *state;

    assert_true(idle_next_check(i, NSEC_PER_SEC) < NSEC_PER_SEC / 2);
    assert_true(idle_next_check(i, 3600 * NSEC_PER_SEC) <= 10 * NSEC_PER_SEC);
    assert_true(idle_next_check(i, 0) <= 10 * NSEC_PER_SEC);
    i->closing = true;
    assert_true(idle_next_check(i, 3600 * NSEC_PER_SEC) < NSEC_PER_SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_idle_daemon_goes_in_two_steps, setup),
        cmocka_unit_test_setup(test_client_who_slips_in_keeps_it, setup),
        cmocka_unit_test_setup(test_client_who_came_and_went_begins_the_time_anew, setup),
        cmocka_unit_test_setup(test_reload_that_switches_it_off_keeps_it, setup),
        cmocka_unit_test_setup(test_looks_come_soon_enough, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
