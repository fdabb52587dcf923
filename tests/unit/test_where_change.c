/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "tests/support/test.h"

#include "client/where_change.h"

static void test_stretch_like_the_one_before_is_no_change(void **state)
{
    const struct where_fit fit = {.begin = 5, .base = 100000, .skew = 1e-6};
    struct where_change c = {.at = 42};

    (void)state;
    assert_false(where_change_take(&fit, &c));
    assert_int_equal(c.at, 42);
}

static void test_what_changed_is_taken_from_the_fit(void **state)
{
    struct where_fit fit = {.begin = 5, .base_shift = 7, .forward_shift = 6};
    struct where_change c;

    (void)state;
    assert_true(where_change_take(&fit, &c));
    assert_int_equal(c.at, 5);
    assert_int_equal(c.base_shift, 7);
    assert_int_equal(c.forward_shift, 6);
    assert_int_equal(c.clock_step, 0);

    fit = (struct where_fit){.clock_step = -9};
    assert_true(where_change_take(&fit, &c));
    assert_int_equal(c.clock_step, -9);

    fit = (struct where_fit){.skew_changed = true, .skew = 2e-6};
    assert_true(where_change_take(&fit, &c));
    assert_true(c.skew_changed && c.skew > 1.9e-6 && c.skew < 2.1e-6);
}

static void assert_line(const struct where_change *c, const char *expected)
{
    char line[WHERE_CHANGE_SIZE];

    where_change_format(c, line);
    assert_string_equal(line, expected);
}

static void test_lines_say_how_much_and_which_way(void **state)
{
    (void)state;
    assert_line(&(struct where_change){.base_shift = 1200000, .forward_shift = 1100000},
                "the path's base shifted by +1.200 ms (out +1.100 ms, back +0.100 ms)");
    assert_line(&(struct where_change){.base_shift = -2000000, .forward_shift = 500000},
                "the path's base shifted by -2.000 ms (out +0.500 ms, back -2.500 ms)");
    assert_line(&(struct where_change){.clock_step = -3000000},
                "the server's clock stepped by -3.000 ms against ours");
    assert_line(&(struct where_change){.skew_changed = true, .skew = 12.3e-6},
                "the server's clock now goes +12.30 ppm against ours");
}

static void test_line_has_all_that_changed(void **state)
{
    char line[WHERE_CHANGE_SIZE];

    (void)state;
    assert_line(&(struct where_change){.base_shift = 2000000, .clock_step = 1000000,
                                       .skew_changed = true, .skew = -4e-6},
                "the path's base shifted by +2.000 ms (out +0.000 ms, back +2.000 ms); "
                "the server's clock stepped by +1.000 ms against ours; "
                "the server's clock now goes -4.00 ppm against ours");
    /* As long as numbers get. */
    where_change_format(&(struct where_change){.base_shift = INT64_MIN / 2,
                                               .forward_shift = INT64_MAX / 2,
                                               .clock_step = INT64_MIN,
                                               .skew_changed = true, .skew = -1e30}, line);
    assert_true(strlen(line) < sizeof(line));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stretch_like_the_one_before_is_no_change),
        cmocka_unit_test(test_what_changed_is_taken_from_the_fit),
        cmocka_unit_test(test_lines_say_how_much_and_which_way),
        cmocka_unit_test(test_line_has_all_that_changed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
