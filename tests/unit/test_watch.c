/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "daemon/wake.h"
#include "daemon/watch.h"
#include "tests/support/fault.h"

#define N_WORKERS 3

/* Workers that only turn when the test says so. */
static struct worker workers[N_WORKERS];
static struct worker *pointers[N_WORKERS];
static struct watch watch;

static int setup(void **state)
{
    for (unsigned i = 0; i < N_WORKERS; i++) {
        memset(&workers[i], 0, sizeof(workers[i]));
        workers[i].wake.fd = wake_open();
        assert_true(workers[i].wake.fd >= 0);
        pointers[i] = &workers[i];
    }
    assert_int_equal(watch_init(&watch, N_WORKERS), 0);
    *state = &watch;
    return 0;
}

static int teardown(void **state)
{
    for (unsigned i = 0; i < N_WORKERS; i++)
        fd_closep(&workers[i].wake.fd);
    watch_deinit(*state);
    watch_deinit(*state);           /* once more does no harm */
    return 0;
}

static bool was_poked(unsigned i)
{
    bool poked = poll(&(struct pollfd){.fd = workers[i].wake.fd, .events = POLLIN}, 1, 0) == 1;

    wake_clear(workers[i].wake.fd);
    return poked;
}

static void turn(unsigned i)
{
    atomic_store(&workers[i].n_turns, workers[i].n_turns + 1);
}

static void test_first_look_asks_nothing_but_pokes(void **state)
{
    unsigned stuck;

    assert_true(watch_look(*state, pointers, &stuck));
    for (unsigned i = 0; i < N_WORKERS; i++)
        assert_true(was_poked(i));
}

static void test_all_have_to_turn(void **state)
{
    unsigned stuck = 99;

    (void)watch_look(*state, pointers, &stuck);
    for (unsigned i = 0; i < N_WORKERS; i++)
        turn(i);
    assert_true(watch_look(*state, pointers, &stuck));
    assert_int_equal(stuck, 99);

    turn(0);
    turn(2);
    assert_false(watch_look(*state, pointers, &stuck));
    assert_int_equal(stuck, 1);

    for (unsigned i = 0; i < N_WORKERS; i++)
        turn(i);
    assert_true(watch_look(*state, pointers, &stuck));
}

static void test_first_of_several_that_are_stuck_is_named(void **state)
{
    unsigned stuck = 99;

    (void)watch_look(*state, pointers, &stuck);
    assert_false(watch_look(*state, pointers, &stuck));
    assert_int_equal(stuck, 0);
}

static void test_worker_that_has_ended_is_not_stuck(void **state)
{
    unsigned stuck = 99;

    (void)watch_look(*state, pointers, &stuck);
    turn(0);
    turn(1);
    atomic_store(&workers[2].ended, true);
    assert_true(watch_look(*state, pointers, &stuck));
}

static void test_lack_of_memory_is_an_error(void **state)
{
    struct watch other = WATCH_INIT;

    (void)state;
    fault_arm(0);
    assert_int_equal(watch_init(&other, 2), -ENOMEM);
    assert_true(fault_disarm());
    watch_deinit(&other);
}

#define IN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_first_look_asks_nothing_but_pokes),
        IN(test_all_have_to_turn),
        IN(test_first_of_several_that_are_stuck_is_named),
        IN(test_worker_that_has_ended_is_not_stuck),
        IN(test_lack_of_memory_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
