/* SPDX-License-Identifier: MIT */
#include <fcntl.h>

#include "tests/support/test.h"

#include "common/base.h"

struct inner {
    int value;
};

struct outer {
    char before[3];
    struct inner inner;
};

static int n_freed;

static int *count_free(int *p)
{
    n_freed++;
    *p = 0;
    return NULL;
}
DEFINE_CLEANUP(int *, count_free)

static int setup(void **state)
{
    (void)state;
    n_freed = 0;
    return 0;
}

static void test_cleanup_runs_at_the_end_of_the_scope(void **state)
{
    int object = 5;

    (void)state;
    {
        _cleanup_(count_freep) _unused_ int *p = &object;

        assert_int_equal(object, 5);
    }
    assert_int_equal(object, 0);
    assert_int_equal(n_freed, 1);
}

static void test_cleanup_leaves_null_alone(void **state)
{
    (void)state;
    {
        _cleanup_(count_freep) _unused_ int *p = NULL;
    }
    assert_int_equal(n_freed, 0);
}

static void test_taken_pointer_is_not_cleaned_up(void **state)
{
    int object = 5, *taken;

    (void)state;
    {
        _cleanup_(count_freep) int *p = &object;

        taken = take_ptr(p);
        assert_null(p);
    }
    assert_ptr_equal(taken, &object);
    assert_int_equal(n_freed, 0);
}

static void test_taken_descriptor_is_not_closed(void **state)
{
    int taken;

    (void)state;
    {
        _cleanup_(fd_closep) int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        taken = take_fd(&fd);
        assert_int_equal(fd, -1);
    }
    assert_true(fcntl(taken, F_GETFD) >= 0);
    fd_closep(&taken);
}

static void test_closed_descriptor_is_forgotten(void **state)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), copy = fd;

    (void)state;
    assert_true(fd >= 0);
    fd_closep(&fd);
    assert_int_equal(fd, -1);
    assert_int_equal(fcntl(copy, F_GETFD), -1);
    fd_closep(&fd);
    assert_int_equal(fd, -1);
}

static void test_min_and_max_evaluate_their_arguments_once(void **state)
{
    int a = 1, b = 5, least = MIN(a++, b++), most;

    (void)state;
    assert_int_equal(least, 1);
    assert_int_equal(a, 2);
    assert_int_equal(b, 6);
    most = MAX(a++, b++);
    assert_int_equal(most, 6);
    assert_int_equal(a, 3);
    assert_int_equal(b, 7);
}

static void test_container_of_finds_the_outer_object(void **state)
{
    struct outer outer;

    (void)state;
    assert_ptr_equal(container_of(&outer.inner, struct outer, inner), &outer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_cleanup_runs_at_the_end_of_the_scope, setup),
        cmocka_unit_test_setup(test_cleanup_leaves_null_alone, setup),
        cmocka_unit_test_setup(test_taken_pointer_is_not_cleaned_up, setup),
        cmocka_unit_test(test_taken_descriptor_is_not_closed),
        cmocka_unit_test(test_closed_descriptor_is_forgotten),
        cmocka_unit_test(test_min_and_max_evaluate_their_arguments_once),
        cmocka_unit_test(test_container_of_finds_the_outer_object),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
