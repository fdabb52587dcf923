/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "tests/support/test.h"

#include "client/pacer.h"

#define START ((nsec_t)1000000)
#define NO_END UINT64_MAX

static struct pacer make(enum pacer_kind kind, double interval, nsec_t duration, uint64_t n_max)
{
    struct pacer p;

    pacer_init(&p, kind, START, interval, duration > 0 ? START + duration : NSEC_NEVER, n_max, 7);
    return p;
}

static nsec_t take(struct pacer *p, nsec_t now)
{
    nsec_t due = 0;

    assert_true(pacer_take(p, now, &due));
    return due;
}

static void assert_none(struct pacer *p, nsec_t now)
{
    nsec_t due = 42;

    assert_false(pacer_take(p, now, &due));
    assert_int_equal(due, 42);
}

static void test_take_gives_nothing_before_it_is_due(void **state)
{
    struct pacer p = make(PACER_FIXED, 100, 0, NO_END);

    (void)state;
    assert_none(&p, START - 1);
    assert_int_equal(take(&p, START), START);
    assert_int_equal(pacer_next(&p), START + 100);
    assert_none(&p, START + 99);
    assert_int_equal(take(&p, START + 100), START + 100);
}

static void test_take_keeps_the_grid_when_late(void **state)
{
    struct pacer p = make(PACER_FIXED, 100, 0, NO_END);

    (void)state;
    for (nsec_t i = 0; i < 5; i++)
        assert_int_equal(take(&p, START + 450), START + i * 100);
    assert_none(&p, START + 450);
    assert_int_equal(pacer_next(&p), START + 500);
}

/* 30,000 a second is no whole number of nanoseconds; after an hour it must not have drifted. */
static void test_grid_does_not_drift(void **state)
{
    const uint64_t rate = 30000, seconds = 3600;
    struct pacer p = make(PACER_FIXED, 1e9 / (double)rate, 0, NO_END);

    (void)state;
    p.n_taken = rate * seconds;
    assert_true(llabs((long long)(pacer_next(&p) - START - seconds * NSEC_PER_SEC)) <= 1);
}

static void test_count_ends_the_schedule(void **state)
{
    struct pacer p = make(PACER_FIXED, 100, 0, 2);

    (void)state;
    assert_false(pacer_is_done(&p, START));
    (void)take(&p, START + 1000);
    (void)take(&p, START + 1000);
    assert_none(&p, START + 1000);
    assert_true(pacer_is_done(&p, START));
    assert_int_equal(pacer_next(&p), NSEC_NEVER);
}

/* What was due before the end but could not leave in time is still sent, and its wait counted. */
static void test_duration_ends_the_grid_but_keeps_what_was_due(void **state)
{
    struct pacer p = make(PACER_FIXED, 100, 250, NO_END);

    (void)state;
    assert_false(pacer_is_done(&p, START + 10000));
    for (nsec_t i = 0; i < 3; i++)
        assert_int_equal(take(&p, START + 10000), START + i * 100);
    assert_none(&p, START + 10000);
    assert_true(pacer_is_done(&p, START + 10000));
}

static void test_closed_loop_is_due_when_asked(void **state)
{
    struct pacer p = make(PACER_CLOSED, 0, 0, 3);

    (void)state;
    assert_none(&p, START - 1);
    assert_int_equal(take(&p, START + 5), START + 5);
    assert_int_equal(take(&p, START + 5), START + 5);
    assert_int_equal(take(&p, START + 77), START + 77);
    assert_none(&p, START + 78);
}

static void test_closed_loop_ends_in_time(void **state)
{
    struct pacer p = make(PACER_CLOSED, 0, 100, NO_END);

    (void)state;
    assert_int_equal(take(&p, START + 99), START + 99);
    assert_none(&p, START + 100);
    assert_true(pacer_is_done(&p, START + 100));
    assert_false(pacer_is_done(&p, START + 99));
}

static void test_skip_counts_what_passed_and_keeps_the_grid(void **state)
{
    struct pacer p = make(PACER_FIXED, 100, 0, NO_END);

    (void)state;
    assert_int_equal(pacer_skip(&p, START + 250), 3);
    assert_int_equal(pacer_next(&p), START + 300);
    assert_int_equal(pacer_skip(&p, START + 300), 0);
}

/* Whatever the interval and the end, as many as one by one. */
static void test_skip_counts_as_take_does(void **state)
{
    struct rng rng;

    (void)state;
    rng_seed(&rng, 1);
    for (int i = 0; i < 2000; i++) {
        enum pacer_kind kind = i % 2 == 0 ? PACER_FIXED : PACER_POISSON;
        double interval = rng_exponential(&rng, 300) + 0.01;
        nsec_t duration = rng_next_u64(&rng) % 2000;
        uint64_t n_max = i % 3 == 0 ? rng_next_u64(&rng) % 20 : NO_END;
        struct pacer one = make(kind, interval, duration, n_max), all = one;
        uint64_t n_before = rng_next_u64(&rng) % 5, n = 0;
        nsec_t until = START + rng_next_u64(&rng) % 2000;
        nsec_t due;

        for (uint64_t k = 0; k < n_before; k++) {
            bool is_due = pacer_take(&one, START + 10000, &due);

            assert_int_equal(pacer_take(&all, START + 10000, &due), is_due);
        }
        while (pacer_take(&one, until - 1, &due))
            n++;
        assert_int_equal(pacer_skip(&all, until), n);
        assert_int_equal(pacer_next(&all), pacer_next(&one));
    }
}

/* One by one, these would take as long as they are apart, and longer. */
static void test_skip_takes_no_time_whatever_the_number(void **state)
{
    const nsec_t day = 86400 * NSEC_PER_SEC;
    struct pacer p = make(PACER_FIXED, 1, day, NO_END);

    (void)state;
    assert_int_equal(pacer_skip(&p, START + day / 2), day / 2);
    assert_int_equal(pacer_next(&p), START + day / 2);
    assert_int_equal(pacer_skip(&p, NSEC_NEVER), day / 2);
    assert_true(pacer_is_done(&p, START));

    p = make(PACER_FIXED, 1e-3, 0, 5 * NSEC_PER_SEC);
    assert_int_equal(pacer_skip(&p, START + day), 5 * NSEC_PER_SEC);
    assert_true(pacer_is_done(&p, START));

    p = make(PACER_FIXED, 1e-6, 0, NO_END);
    assert_true(pacer_skip(&p, NSEC_NEVER - 1) > day);
}

static void test_skip_expects_a_mean_of_many_poisson_gaps(void **state)
{
    const nsec_t day = 86400 * NSEC_PER_SEC;
    struct pacer p = make(PACER_POISSON, 1, 2 * day, NO_END);
    double n;

    (void)state;
    n = (double)pacer_skip(&p, START + day);
    assert_true(fabs(n / (double)day - 1) < 0.01);
    assert_true(pacer_next(&p) >= START + day);
    assert_true(pacer_next(&p) < START + day + 100);

    p = make(PACER_POISSON, 1, 0, 5000000);
    assert_int_equal(pacer_skip(&p, START + day), 5000000);
    assert_true(pacer_is_done(&p, START));
}

/* Mean and standard deviation of an exponential distribution are both the interval; the standard
 * error of the mean of 100,000 gaps is 0.3 %. */
static void test_poisson_gaps_are_exponential(void **state)
{
    const double interval = 1e6;
    const int n = 100000;
    struct pacer p = make(PACER_POISSON, interval, 0, NO_END);
    nsec_t last = START;
    double sum = 0, squares = 0;
    double mean, deviation;

    (void)state;
    for (int i = 0; i < n; i++) {
        nsec_t due = take(&p, NSEC_NEVER - 1);
        double gap = (double)(due - last);

        assert_true(due >= last);
        sum += gap;
        squares += gap * gap;
        last = due;
    }
    mean = sum / n;
    deviation = sqrt(squares / n - mean * mean);
    assert_true(fabs(mean / interval - 1) < 0.02);
    assert_true(fabs(deviation / interval - 1) < 0.03);
}

/* 9e18 ns apart: the third is due in 570 years, the fourth when no clock of ours can tell. */
static void test_due_time_beyond_all_time_never_comes(void **state)
{
    struct pacer p = make(PACER_FIXED, 9e18, 0, NO_END);

    (void)state;
    assert_int_equal(take(&p, START), START);
    assert_int_equal(pacer_next(&p), START + 9 * NSEC_PER_SEC * NSEC_PER_SEC);
    p.n_taken = 2;
    assert_int_equal(pacer_next(&p), START + 18 * NSEC_PER_SEC * NSEC_PER_SEC);
    p.n_taken = 3;
    assert_int_equal(pacer_next(&p), NSEC_NEVER);
    assert_none(&p, NSEC_NEVER - 1);
    assert_true(pacer_is_done(&p, START));
}

static void test_poisson_gap_beyond_all_time_never_comes(void **state)
{
    struct pacer p = make(PACER_POISSON, 1e30, 0, NO_END);

    (void)state;
    assert_int_equal(pacer_next(&p), NSEC_NEVER);
    assert_none(&p, NSEC_NEVER - 1);
}

static void test_grid_that_never_begins_has_nothing_due(void **state)
{
    struct pacer p;

    (void)state;
    pacer_init(&p, PACER_FIXED, NSEC_NEVER, 100, START + 1000, NO_END, 7);
    assert_none(&p, NSEC_NEVER - 1);
    assert_true(pacer_is_done(&p, START));
    assert_int_equal(pacer_skip(&p, NSEC_NEVER), 0);
}

/* As that of a thread whose turn comes after the run. */
static void test_grid_that_begins_behind_the_end_has_nothing_due(void **state)
{
    struct pacer p;

    (void)state;
    pacer_init(&p, PACER_FIXED, START + 1000, 100, START + 1000, NO_END, 7);
    assert_none(&p, START + 5000);
    assert_true(pacer_is_done(&p, START));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take_gives_nothing_before_it_is_due),
        cmocka_unit_test(test_take_keeps_the_grid_when_late),
        cmocka_unit_test(test_grid_does_not_drift),
        cmocka_unit_test(test_count_ends_the_schedule),
        cmocka_unit_test(test_duration_ends_the_grid_but_keeps_what_was_due),
        cmocka_unit_test(test_closed_loop_is_due_when_asked),
        cmocka_unit_test(test_closed_loop_ends_in_time),
        cmocka_unit_test(test_skip_counts_what_passed_and_keeps_the_grid),
        cmocka_unit_test(test_skip_counts_as_take_does),
        cmocka_unit_test(test_skip_takes_no_time_whatever_the_number),
        cmocka_unit_test(test_skip_expects_a_mean_of_many_poisson_gaps),
        cmocka_unit_test(test_poisson_gaps_are_exponential),
        cmocka_unit_test(test_due_time_beyond_all_time_never_comes),
        cmocka_unit_test(test_poisson_gap_beyond_all_time_never_comes),
        cmocka_unit_test(test_grid_that_never_begins_has_nothing_due),
        cmocka_unit_test(test_grid_that_begins_behind_the_end_has_nothing_due),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
