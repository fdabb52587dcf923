/* SPDX-License-Identifier: MIT */
#include <sys/epoll.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "common/timer.h"

#define TOO_LONG_MS 10000           /* only so that a timer which never fires ends the test */

struct loop {
    int epoll_fd;
    struct timer timer;
};

static int set_up(void **state)
{
    struct loop *l = test_malloc(sizeof(*l));

    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    assert_true(l->epoll_fd >= 0);
    assert_int_equal(timer_init(&l->timer, l->epoll_fd, l), 0);
    *state = l;
    return 0;
}

static int tear_down(void **state)
{
    struct loop *l = *state;

    timer_deinit(&l->timer);
    fd_closep(&l->epoll_fd);
    test_free(l);
    return 0;
}

static int await(struct loop *l, int timeout_ms)
{
    struct epoll_event event;
    int n = epoll_wait(l->epoll_fd, &event, 1, timeout_ms);

    if (n == 1)
        assert_ptr_equal(event.data.ptr, l);
    return n;
}

static void test_timer_fires_at_its_deadline(void **state)
{
    struct loop *l = *state;
    nsec_t now = clock_now(&clock_system);

    timer_set(&l->timer, now, now + NSEC_PER_MSEC);
    assert_int_equal(l->timer.fires_at, now + NSEC_PER_MSEC);
    assert_int_equal(await(l, TOO_LONG_MS), 1);
    assert_true(clock_now(&clock_system) >= now + NSEC_PER_MSEC);
}

/* Nobody reads it. */
static void test_timer_tells_of_an_expiry_once(void **state)
{
    struct loop *l = *state;

    timer_set(&l->timer, 0, 1);
    assert_int_equal(await(l, TOO_LONG_MS), 1);
    timer_fired(&l->timer);
    assert_int_equal(await(l, 0), 0);

    timer_set(&l->timer, 0, 1);
    assert_int_equal(await(l, TOO_LONG_MS), 1);
}

static void test_timer_keeps_the_earlier_deadline(void **state)
{
    struct loop *l = *state;

    timer_set(&l->timer, 0, NSEC_PER_SEC * 3600);
    timer_set(&l->timer, 0, NSEC_NEVER);
    assert_int_equal(l->timer.fires_at, NSEC_PER_SEC * 3600);

    timer_set(&l->timer, 0, NSEC_PER_MSEC);
    timer_set(&l->timer, 0, NSEC_PER_SEC * 3600);
    assert_int_equal(l->timer.fires_at, NSEC_PER_MSEC);
    assert_int_equal(await(l, TOO_LONG_MS), 1);
}

static void test_timer_without_a_deadline_is_silent(void **state)
{
    struct loop *l = *state;

    timer_set(&l->timer, 0, NSEC_NEVER);
    assert_int_equal(await(l, 0), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_timer_fires_at_its_deadline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_timer_tells_of_an_expiry_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_timer_keeps_the_earlier_deadline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_timer_without_a_deadline_is_silent, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
