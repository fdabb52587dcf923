/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"

#include "client/where_rise.h"

#define SEC ((int64_t)NSEC_PER_SEC)
#define US 1e3
#define MS 1e6

/* A window of ten seconds, a run a second: each had this much above the base. */
static bool follow(struct where_rise *r, int64_t begin, const double both[static 10])
{
    struct where_fitting f = {.n_runs = 10};

    for (int i = 0; i < 10; i++)
        f.runs[i] = (struct where_run_least){.x = (begin + i + 1) * SEC, .both = both[i]};
    return where_rise_follow(r, &f, begin * SEC);
}

static bool follow_calm(struct where_rise *r, int64_t begin)
{
    static const double calm[10] = {2 * US, 0, 3 * US, 1 * US, 2 * US, 5 * US, 1 * US, 2 * US,
                                    3 * US, 0};

    return follow(r, begin, calm);
}

static bool follow_high(struct where_rise *r, int64_t begin, double high)
{
    double both[10];

    for (int i = 0; i < 10; i++)
        both[i] = high + i % 3 * US;
    return follow(r, begin, both);
}

static void test_base_that_stays_up_for_more_than_a_window_has_risen(void **state)
{
    struct where_rise r = {.n = 0};

    (void)state;
    assert_false(follow_calm(&r, 0));
    assert_false(follow_high(&r, 10, 3 * MS));
    assert_true(follow_high(&r, 20, 3 * MS));
    where_rise_end(&r);
    assert_false(follow_calm(&r, 30));
}

static void test_rise_within_a_window_counts_from_there(void **state)
{
    static const double late[10] = {0, US, US, US, US, US, US, US, US, 3 * MS};
    static const double early[10] = {0, 3 * MS, 3 * MS, 3 * MS, 3 * MS, 3 * MS, 3 * MS, 3 * MS,
                                     3 * MS, 3 * MS};

    (void)state;
    for (int is_late = 0; is_late < 2; is_late++) {
        struct where_rise r = {.n = 0};

        assert_false(follow_calm(&r, 0));
        assert_false(follow(&r, 10, is_late ? late : early));
        assert_int_equal(follow_high(&r, 20, 3 * MS), !is_late);
        if (is_late)
            assert_true(follow_high(&r, 30, 3 * MS));
    }
}

static void test_one_message_near_the_base_is_enough(void **state)
{
    static const double once[10] = {3 * MS, 3 * MS, 3 * MS, 3 * MS, 3 * MS, 10 * US, 3 * MS,
                                    3 * MS, 3 * MS, 3 * MS};
    struct where_rise r = {.n = 0};

    (void)state;
    assert_false(follow_calm(&r, 0));
    assert_false(follow_high(&r, 10, 3 * MS));
    assert_false(follow(&r, 20, once));
    assert_false(follow_high(&r, 30, 3 * MS));
    assert_true(follow_high(&r, 40, 3 * MS));
}

static void test_a_run_or_two_may_be_spoiled(void **state)
{
    static const double spoiled[10] = {3 * MS, 3 * MS, 3 * MS, 90 * MS, 3 * MS, 3 * MS, 3 * MS,
                                       3 * MS, 3 * MS, 3 * MS};
    struct where_rise r = {.n = 0};

    (void)state;
    assert_false(follow_calm(&r, 0));
    assert_false(follow_high(&r, 10, 3 * MS));
    assert_true(follow(&r, 20, spoiled));
}

/* Two minutes of a queue of any length. */
static void test_queue_that_comes_and_goes_is_no_rise(void **state)
{
    struct where_rise r = {.n = 0};

    (void)state;
    assert_false(follow_calm(&r, 0));
    for (int64_t i = 1; i <= 12; i++) {
        double both[10];

        for (int k = 0; k < 10; k++)
            both[k] = MS * (double)(1 + (i * 10 + k) * 7 % 11);
        assert_false(follow(&r, 10 * i, both));
    }
}

/* A queue that fills up has stood at each of its lengths. */
static void test_queue_that_fills_up_is_no_rise(void **state)
{
    struct where_rise r = {.n = 0};
    double both[10];

    (void)state;
    assert_false(follow_calm(&r, 0));
    for (int k = 0; k < 10; k++)
        both[k] = k * 0.3 * MS;
    assert_false(follow(&r, 10, both));
    for (int64_t i = 2; i <= 12; i++)
        assert_false(follow_high(&r, 10 * i, 3 * MS));
}

/* Where delays are large anyway, so has a rise to be. */
static void test_rise_is_measured_by_what_was_usual(void **state)
{
    static const double noisy[10] = {MS, 2 * MS, 0, MS, 3 * MS, MS, 2 * MS, MS, 2 * MS, MS};
    struct where_rise r = {.n = 0};

    (void)state;
    assert_false(follow(&r, 0, noisy));
    for (int64_t i = 1; i <= 12; i++)
        assert_false(follow_high(&r, 10 * i, 2.5 * MS));
    assert_false(follow_high(&r, 130, 9 * MS));
    assert_true(follow_high(&r, 140, 9 * MS));
}

/* Of what began unseen it is not known how it did. */
static void test_rise_whose_beginning_was_missed_is_none(void **state)
{
    struct where_rise r = {.n = 0};

    (void)state;
    assert_false(follow_calm(&r, 0));
    where_rise_lose(&r);
    for (int64_t i = 2; i <= 12; i++)
        assert_false(follow_high(&r, 10 * i, 3 * MS));
    assert_false(follow_calm(&r, 130));
    assert_false(follow_high(&r, 140, 3 * MS));
    assert_true(follow_high(&r, 150, 3 * MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_that_stays_up_for_more_than_a_window_has_risen),
        cmocka_unit_test(test_rise_within_a_window_counts_from_there),
        cmocka_unit_test(test_one_message_near_the_base_is_enough),
        cmocka_unit_test(test_a_run_or_two_may_be_spoiled),
        cmocka_unit_test(test_queue_that_comes_and_goes_is_no_rise),
        cmocka_unit_test(test_queue_that_fills_up_is_no_rise),
        cmocka_unit_test(test_rise_is_measured_by_what_was_usual),
        cmocka_unit_test(test_rise_whose_beginning_was_missed_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
