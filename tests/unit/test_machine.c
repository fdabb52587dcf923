/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <string.h>

#include "tests/support/test.h"

#include "client/machine.h"
#include "tests/support/fake_clock.h"

static void test_kernel_and_cpus_are_always_known(void **state)
{
    struct machine m;

    (void)state;
    machine_read(&m, &clock_system, NULL);
    assert_int_equal(strncmp(m.kernel, "Linux ", 6), 0);
    assert_true(m.n_cpus >= 1);
    assert_true(m.timer_slack > 0);
    assert_string_equal(m.device, "");
    assert_int_equal(m.rx_coalesce_us, -1);
}

/* The clock moves a little with each reading, and nothing else moves it. */
static void test_trials_are_timed_with_the_given_clock(void **state)
{
    struct fake_clock fake = {.now = 1, .step = 7};
    struct clock_src clock = fake_clock_src(&fake);
    struct machine m;

    (void)state;
    machine_read(&m, &clock, NULL);
    assert_int_equal(m.clock_cost, 7);
    assert_int_equal(m.thread_rtt, 7);
}

static void test_device_of_a_path_is_none(void **state)
{
    struct addr peer = {.un = {.sun_family = AF_UNIX}, .len = sizeof(sa_family_t)};
    struct machine m;

    (void)state;
    machine_read(&m, &clock_system, &peer);
    assert_string_equal(m.device, "");
}

static void test_floor_is_a_tenth_of_the_median(void **state)
{
    const struct machine m = {.thread_rtt = 100}, unknown = {.thread_rtt = 0};

    (void)state;
    assert_true(machine_is_floor(&m, 1000));
    assert_false(machine_is_floor(&m, 1010));
    assert_false(machine_is_floor(&unknown, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernel_and_cpus_are_always_known),
        cmocka_unit_test(test_trials_are_timed_with_the_given_clock),
        cmocka_unit_test(test_device_of_a_path_is_none),
        cmocka_unit_test(test_floor_is_a_tenth_of_the_median),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
