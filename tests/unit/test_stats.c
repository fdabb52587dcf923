/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/test.h"

#include "daemon/stats.h"

static void test_sum_is_that_of_all_workers(void **state)
{
    struct stats_live live[2] = {0};
    struct stats sum = {0};

    (void)state;
    stats_add(&live[0], accepted, 3);
    stats_add(&live[0], accepted, 2);
    stats_add(&live[1], accepted, 10);
    stats_add(&live[1], closed, 4);
    stats_add(&live[0], refused_full, 1);
    stats_add(&live[0], refused_source, 2);
    stats_add(&live[1], refused_stopping, 3);
    stats_add(&live[1], refused_fds, 4);
    stats_add(&live[0], idle_timeouts, 5);
    stats_add(&live[1], message_timeouts, 6);
    stats_collect(&sum, &live[0]);
    stats_collect(&sum, &live[1]);
    assert_int_equal(sum.accepted, 15);
    assert_int_equal(stats_clients(&sum), 11);
    assert_int_equal(stats_refused(&sum), 10);
    assert_int_equal(stats_timed_out(&sum), 11);
}

/* A client came and went after the one counter was read, and before the other. */
static void test_clients_are_never_fewer_than_none(void **state)
{
    struct stats s = {.accepted = 7, .closed = 8};

    (void)state;
    assert_int_equal(stats_clients(&s), 0);
}

static void assert_prints(const struct stats *s, const char *expected)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    assert_non_null(to);
    stats_print(s, to);
    assert_int_equal(fclose(to), 0);
    assert_string_equal(text, expected);
    free(text);
}

static void test_line_names_what_happened_only(void **state)
{
    (void)state;
    assert_prints(&(struct stats){0}, "0 clients now");
    assert_prints(&(struct stats){.accepted = 3, .closed = 1, .messages = 12345678901},
                  "2 clients now, 3 clients accepted, 1 clients gone, 12345678901 messages "
                  "answered");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sum_is_that_of_all_workers),
        cmocka_unit_test(test_clients_are_never_fewer_than_none),
        cmocka_unit_test(test_line_names_what_happened_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
