/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "tests/support/test.h"

#include "client/alarm.h"
#include "common/base.h"

#define PERIOD (5 * NSEC_PER_MSEC)

/* Nothing else would end that read. */
static void test_sleep_in_a_read_is_interrupted_again_and_again(void **state)
{
    _cleanup_(fd_closep) int read_end = -1, write_end = -1;
    struct alarm a = ALARM_INIT;
    int ends[2];
    char byte;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    read_end = ends[0];
    write_end = ends[1];
    assert_true(alarm_init(&a));
    alarm_set(&a, PERIOD);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(read(read_end, &byte, 1), -1);
        assert_int_equal(errno, EINTR);
        alarm_set(&a, PERIOD);      /* it is */
    }
    alarm_deinit(&a);
}

static void test_who_does_not_ask_is_left_in_peace(void **state)
{
    struct alarm a = ALARM_INIT;

    (void)state;
    alarm_unset(&a);                /* of one that could not be made */
    assert_true(alarm_init(&a));
    assert_int_equal(poll(NULL, 0, 5 * (int)(PERIOD / NSEC_PER_MSEC)), 0);
    alarm_set(&a, PERIOD);
    alarm_unset(&a);
    (void)poll(NULL, 0, 0);         /* one may have been on its way */
    assert_int_equal(poll(NULL, 0, 5 * (int)(PERIOD / NSEC_PER_MSEC)), 0);
    alarm_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sleep_in_a_read_is_interrupted_again_and_again),
        cmocka_unit_test(test_who_does_not_ask_is_left_in_peace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
