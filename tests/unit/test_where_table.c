/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "tests/support/test.h"

#include "client/where_table.h"
#include "common/rng.h"

static nsec_t sum(const nsec_t ns[static PART_COUNT])
{
    nsec_t total = 0;

    for (int i = 0; i < PART_COUNT; i++)
        total += ns[i];
    return total;
}

static void test_row_of_an_empty_table_is_no_data(void **state)
{
    _cleanup_(where_table_freep) struct where_table *t = NULL;
    struct where_row row;

    (void)state;
    assert_int_equal(where_table_new(&t), 0);
    assert_int_equal(where_table_row(t, 50, 1000, &row), -ENODATA);
}

/* Nine in ten take 50 us of base and 10 us of wake-up, the tenth 5 ms more in the server. */
static void test_row_shows_the_parts_of_its_neighbours(void **state)
{
    _cleanup_(where_table_freep) struct where_table *t = NULL;
    struct where_row row;

    (void)state;
    assert_int_equal(where_table_new(&t), 0);
    for (int i = 0; i < 10000; i++) {
        struct where_parts p = {.ns[PART_BASE] = 50000, .ns[PART_WAKEUP] = 10000};

        if (i % 10 == 0)
            p.ns[PART_RESIDENCE] = 5000000;
        where_table_add(t, &p);
    }

    assert_int_equal(where_table_row(t, 50, 60000, &row), 0);
    assert_int_equal(row.ns[PART_BASE], 50000);
    assert_int_equal(row.ns[PART_WAKEUP], 10000);
    assert_int_equal(row.ns[PART_RESIDENCE], 0);
    assert_int_equal(row.n_messages, 9000);

    assert_int_equal(where_table_row(t, 99, 5060000, &row), 0);
    assert_int_equal(row.ns[PART_BASE], 50000);
    assert_int_equal(row.ns[PART_RESIDENCE], 5000000);
    assert_int_equal(row.n_messages, 1000);
}

static void test_row_adds_up_to_the_percentile(void **state)
{
    _cleanup_(where_table_freep) struct where_table *t = NULL;
    static const double percentiles[] = {0, 1, 50, 90, 99, 99.9, 99.99, 100};
    struct rng rng;

    (void)state;
    rng_seed(&rng, 11);
    assert_int_equal(where_table_new(&t), 0);
    for (int i = 0; i < 20000; i++) {
        struct where_parts p = {0};

        for (int k = 0; k < PART_COUNT; k++)
            p.ns[k] = (nsec_t)rng_exponential(&rng, 1e6 * k);
        where_table_add(t, &p);
    }
    for (size_t i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]); i++) {
        struct where_row row;
        nsec_t rtt = 20999999 + i;

        assert_int_equal(where_table_row(t, percentiles[i], rtt, &row), 0);
        assert_int_equal(row.rtt, rtt);
        assert_int_equal(sum(row.ns), rtt);
        assert_true(row.n_messages > 0);
    }
}

/* The neighbours of a percentile of few messages may contain the maximum: what that has above the
 * others is not taken from the base. */
static void test_base_is_never_scaled_below_its_mean(void **state)
{
    _cleanup_(where_table_freep) struct where_table *t = NULL;
    struct where_row row;

    (void)state;
    assert_int_equal(where_table_new(&t), 0);
    for (nsec_t i = 1; i <= 100; i++)
        where_table_add(t, &(struct where_parts){.ns[PART_BASE] = 4000,
                                                 .ns[PART_RESIDENCE] = i == 100 ? 900000 : 10000,
                                                 .ns[PART_WAKEUP] = i});
    assert_int_equal(where_table_row(t, 99, 14099, &row), 0);
    assert_int_equal(row.ns[PART_BASE], 4000);
    assert_int_equal(sum(row.ns), 14099);
    assert_true(row.ns[PART_RESIDENCE] > 9900);

    /* Nor does a row that is shorter than a base owe anything. */
    assert_int_equal(where_table_row(t, 99, 3000, &row), 0);
    assert_int_equal(row.ns[PART_BASE], 3000);
    assert_int_equal(sum(row.ns), 3000);
}

static void test_row_of_the_hundredth_is_the_worst_message(void **state)
{
    _cleanup_(where_table_freep) struct where_table *t = NULL;
    struct where_row row;

    (void)state;
    assert_int_equal(where_table_new(&t), 0);
    for (nsec_t i = 1; i <= 1000; i++)
        where_table_add(t, &(struct where_parts){.ns[PART_FORWARD] = i * 1000});
    where_table_add(t, &(struct where_parts){.ns[PART_RETURN] = UINT64_C(1) << 50});
    assert_int_equal(where_table_row(t, 100, UINT64_C(1) << 50, &row), 0);
    assert_int_equal(row.n_messages, 1);
    assert_int_equal(row.ns[PART_RETURN], UINT64_C(1) << 50);
}

/* Messages whose parts are all 0 have nothing to share out. */
static void test_row_of_nothing_is_nothing(void **state)
{
    _cleanup_(where_table_freep) struct where_table *t = NULL;
    struct where_row row;

    (void)state;
    assert_int_equal(where_table_new(&t), 0);
    where_table_add(t, &(struct where_parts){0});
    assert_int_equal(where_table_row(t, 50, 0, &row), 0);
    assert_int_equal(sum(row.ns), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_row_of_an_empty_table_is_no_data),
        cmocka_unit_test(test_row_shows_the_parts_of_its_neighbours),
        cmocka_unit_test(test_row_adds_up_to_the_percentile),
        cmocka_unit_test(test_base_is_never_scaled_below_its_mean),
        cmocka_unit_test(test_row_of_the_hundredth_is_the_worst_message),
        cmocka_unit_test(test_row_of_nothing_is_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
