/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"

#include "client/share.h"

static struct options make(uint32_t connections, uint32_t threads)
{
    return (struct options){.connections = connections, .threads = threads,
                            .arrivals = ARRIVALS_FIXED, .interval = 1000};
}

static void test_one_thread_has_the_whole_run(void **state)
{
    struct options o = make(3, 1);
    struct share s;

    (void)state;
    o.count = 100;
    o.omit_count = 10;
    s = share_make(&o, 0);
    assert_int_equal(s.first_link, 0);
    assert_int_equal(s.step, 1);
    assert_int_equal(s.n_links, 3);
    assert_int_equal(s.n_messages, 100);
    assert_int_equal(s.n_omit, 10);
    assert_true(s.interval == 1000);
    assert_int_equal(s.offset, 0);
}

static void test_shares_add_up_to_the_run(void **state)
{
    (void)state;
    for (uint32_t connections = 1; connections <= 20; connections++) {
        for (uint32_t threads = 1; threads <= connections; threads++) {
            struct options o = make(connections, threads);
            uint64_t n_links = 0, n_messages = 0, n_omit = 0;
            double rate = 0;

            o.count = 1000003;
            o.omit_count = 17;
            for (uint32_t i = 0; i < threads; i++) {
                struct share s = share_make(&o, i);

                assert_int_equal(s.first_link, i);
                assert_int_equal(s.step, threads);
                assert_int_equal(s.first_link + (s.n_links - 1) * s.step < connections, 1);
                n_links += s.n_links;
                n_messages += s.n_messages;
                n_omit += s.n_omit;
                rate += 1 / s.interval;
            }
            assert_int_equal(n_links, connections);
            assert_int_equal(n_messages, 1000003);
            assert_int_equal(n_omit, 17);
            assert_true(rate > 0.999999e-3 && rate < 1.000001e-3);
        }
    }
}

/* Two threads with two of four connections each: together one message each interval. */
static void test_grids_of_threads_fill_each_others_gaps(void **state)
{
    struct options o = make(4, 2);

    (void)state;
    assert_true(share_make(&o, 0).interval == 2000);
    assert_int_equal(share_make(&o, 0).offset, 0);
    assert_true(share_make(&o, 1).interval == 2000);
    assert_int_equal(share_make(&o, 1).offset, 1000);

    o.arrivals = ARRIVALS_POISSON;      /* random gaps fill nothing */
    assert_int_equal(share_make(&o, 1).offset, 0);
}

/* Message k of thread i is number k x N + i of the run, and due then: there shall be no gap. */
static void test_what_is_left_over_goes_to_the_first_threads(void **state)
{
    struct options o = make(3, 3);

    (void)state;
    o.count = 10;
    assert_int_equal(share_make(&o, 0).n_messages, 4);
    assert_int_equal(share_make(&o, 1).n_messages, 3);
    assert_int_equal(share_make(&o, 2).n_messages, 3);
    o.count = 1;
    assert_int_equal(share_make(&o, 0).n_messages, 1);
    assert_int_equal(share_make(&o, 1).n_messages, 0);
    assert_int_equal(share_make(&o, 2).n_messages, 0);
}

static void test_run_without_end_is_shared_without_end(void **state)
{
    const struct options o = make(4, 2);

    (void)state;
    assert_int_equal(share_make(&o, 0).n_messages, UINT64_MAX);
    assert_int_equal(share_make(&o, 1).n_messages, UINT64_MAX);
}

static void test_largest_count_does_not_wrap(void **state)
{
    struct options o = make(1000000, 2);

    (void)state;
    o.count = INT64_MAX;
    assert_int_equal(share_make(&o, 0).n_messages + share_make(&o, 1).n_messages, INT64_MAX);
}

static void test_grid_that_begins_too_late_for_any_clock_never_begins(void **state)
{
    struct options o = make(4, 4);

    (void)state;
    o.interval = 9e18;
    assert_int_equal(share_make(&o, 2).offset, 18 * NSEC_PER_SEC * NSEC_PER_SEC);
    assert_int_equal(share_make(&o, 3).offset, NSEC_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_thread_has_the_whole_run),
        cmocka_unit_test(test_shares_add_up_to_the_run),
        cmocka_unit_test(test_grids_of_threads_fill_each_others_gaps),
        cmocka_unit_test(test_what_is_left_over_goes_to_the_first_threads),
        cmocka_unit_test(test_run_without_end_is_shared_without_end),
        cmocka_unit_test(test_largest_count_does_not_wrap),
        cmocka_unit_test(test_grid_that_begins_too_late_for_any_clock_never_begins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
