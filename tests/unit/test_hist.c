/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "common/hist.h"
#include "common/rng.h"

#define SEED 47945

static int setup(void **state)
{
    struct hist *h;

    assert_int_equal(hist_new(&h), 0);
    *state = h;
    return 0;
}

static int teardown(void **state)
{
    hist_free(*state);
    return 0;
}

/* Times of all magnitudes: uniform in their logarithm. */
static nsec_t random_time(struct rng *rng)
{
    uint64_t bits = rng_next_u64(rng);

    return (bits >> 22) >> (rng_next_u64(rng) % 42);
}

static int compare_times(const void *a, const void *b)
{
    const nsec_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void test_empty_is_all_zero(void **state)
{
    const struct hist *h = *state;
    nsec_t low, high;

    assert_int_equal(hist_count(h), 0);
    assert_int_equal(hist_min(h), 0);
    assert_int_equal(hist_max(h), 0);
    assert_true(hist_mean(h) == 0);
    assert_true(hist_stddev(h) == 0);
    assert_int_equal(hist_value_at_percentile(h, 50), 0);
    assert_false(hist_percentile_bounds(h, 50, &low, &high));
}

static void test_zero_is_a_value(void **state)
{
    struct hist *h = *state;

    hist_record(h, 0);
    assert_int_equal(hist_count(h), 1);
    assert_int_equal(hist_value_at_percentile(h, 100), 0);
}

static void test_small_values_are_exact(void **state)
{
    struct hist *h = *state;

    for (nsec_t i = 1; i <= 2000; i++)
        hist_record(h, i);
    for (nsec_t i = 1; i <= 2000; i++)
        assert_int_equal(hist_value_at_percentile(h, (double)i / 20), i);
}

/* A value and a much larger one: the median is the first one's cell. */
static void test_any_value_is_known_within_a_thousandth(void **state)
{
    struct hist *h = *state;
    struct rng rng;

    rng_seed(&rng, SEED);
    for (int i = 0; i < 3000; i++) {
        nsec_t value = random_time(&rng), got;

        hist_reset(h);
        hist_record(h, value);
        hist_record(h, HIST_TOP);
        got = hist_value_at_percentile(h, 50);
        if (got < value || (double)(got - value) > (double)value * .001)
            fail_msg("%ju came back as %ju", (uintmax_t)value, (uintmax_t)got);
    }
}

static void test_values_at_the_ends_of_every_power_of_two(void **state)
{
    struct hist *h = *state;

    for (unsigned shift = 0; shift < 42; shift++)
        for (int around = -1; around <= 1; around++) {
            nsec_t value = (UINT64_C(1) << shift) + (nsec_t)around, got;

            hist_reset(h);
            hist_record(h, value);
            hist_record(h, HIST_TOP);
            got = hist_value_at_percentile(h, 50);
            assert_in_range(got, value, value + value / 1000);
        }
}

static void test_values_above_the_top_are_clamped_and_counted(void **state)
{
    struct hist *h = *state;

    hist_record(h, HIST_TOP);
    assert_int_equal(hist_n_clamped(h), 0);
    hist_record(h, HIST_TOP + 1);
    hist_record(h, UINT64_MAX);
    assert_int_equal(hist_n_clamped(h), 2);
    assert_int_equal(hist_count(h), 3);
    assert_int_equal(hist_max(h), UINT64_MAX);
    assert_int_equal(hist_value_at_percentile(h, 100), HIST_TOP);
    assert_true(hist_mean(h) == (double)HIST_TOP);
    assert_true(hist_stddev(h) == 0);
}

static void test_percentiles_have_the_rank_rounded_up(void **state)
{
    struct hist *h = *state;

    for (nsec_t i = 1; i <= 1000; i++)
        hist_record(h, i);
    assert_int_equal(hist_value_at_percentile(h, 0), 1);
    assert_int_equal(hist_value_at_percentile(h, 0.01), 1);
    assert_int_equal(hist_value_at_percentile(h, 50), 500);
    assert_int_equal(hist_value_at_percentile(h, 50.01), 501);
    assert_int_equal(hist_value_at_percentile(h, 99), 990);
    assert_int_equal(hist_value_at_percentile(h, 99.9), 999);
    assert_int_equal(hist_value_at_percentile(h, 99.99), 1000);
    assert_int_equal(hist_value_at_percentile(h, 100), 1000);
}

/* HdrHistogram would give the upper end of the cell, which nobody measured. */
static void test_no_percentile_exceeds_the_maximum(void **state)
{
    struct hist *h = *state;

    hist_record(h, 1000000);
    assert_int_equal(hist_value_at_percentile(h, 50), 1000000);
    assert_int_equal(hist_value_at_percentile(h, 100), 1000000);
}

static void test_percentile_0_is_the_minimum(void **state)
{
    struct hist *h = *state;

    hist_record(h, 1000000);
    hist_record(h, 2000000);
    assert_int_equal(hist_value_at_percentile(h, 0), 1000000);
}

static void test_percentiles_agree_with_sorted_values(void **state)
{
    static const double percentiles[] = {0, 1, 10, 25, 50, 75, 90, 99, 99.9, 99.99, 100};
    const size_t n = 20011;
    struct hist *h = *state;
    nsec_t *values = malloc(n * sizeof(*values));
    struct rng rng;

    assert_non_null(values);
    rng_seed(&rng, SEED);
    for (size_t i = 0; i < n; i++) {
        values[i] = random_time(&rng);
        hist_record(h, values[i]);
    }
    qsort(values, n, sizeof(*values), compare_times);

    assert_int_equal(hist_min(h), values[0]);
    assert_int_equal(hist_max(h), values[n - 1]);
    for (size_t i = 0; i < ARRAY_SIZE(percentiles); i++) {
        size_t rank = (size_t)fmax(ceil(percentiles[i] / 100 * (double)n), 1);
        nsec_t value = values[rank - 1];

        assert_in_range(hist_value_at_percentile(h, percentiles[i]), value, value + value / 1000);
    }
    free(values);
}

static void test_mean_and_deviation_are_exact(void **state)
{
    static const nsec_t values[] = {2, 4, 4, 4, 5, 5, 7, 9};    /* mean 5, deviation 2 */
    struct hist *h = *state;

    for (size_t i = 0; i < ARRAY_SIZE(values); i++)
        hist_record(h, values[i]);
    assert_true(hist_mean(h) == 5);
    assert_true(hist_stddev(h) == 2);
}

/* An hour, and the small deviation that doubles would lose: squares of 1e25, a difference of 4. */
static void test_small_deviation_of_large_values_is_not_lost(void **state)
{
    const nsec_t hour = 3600 * NSEC_PER_SEC;
    struct hist *h = *state;

    for (int i = 0; i < 1000; i++) {
        hist_record(h, hour - 2);
        hist_record(h, hour + 2);
    }
    assert_true(hist_mean(h) == (double)hour);
    assert_true(hist_stddev(h) == 2);
}

static void test_merge_is_as_if_all_were_recorded_in_one(void **state)
{
    static const double percentiles[] = {0, 1, 50, 99, 99.9, 100};
    _cleanup_(hist_freep) struct hist *a = NULL;
    _cleanup_(hist_freep) struct hist *b = NULL;
    struct hist *all = *state;
    struct rng rng;

    assert_int_equal(hist_new(&a), 0);
    assert_int_equal(hist_new(&b), 0);
    rng_seed(&rng, SEED);
    for (int i = 0; i < 10000; i++) {
        nsec_t value = i == 5000 ? HIST_TOP + 5 : random_time(&rng);

        hist_record(all, value);
        hist_record(rng_next_u64(&rng) % 3 == 0 ? a : b, value);
    }
    hist_merge(a, b);

    assert_int_equal(hist_count(a), hist_count(all));
    assert_int_equal(hist_n_clamped(a), hist_n_clamped(all));
    assert_int_equal(hist_min(a), hist_min(all));
    assert_int_equal(hist_max(a), hist_max(all));
    assert_true(hist_mean(a) == hist_mean(all));
    assert_true(hist_stddev(a) == hist_stddev(all));
    for (size_t i = 0; i < ARRAY_SIZE(percentiles); i++)
        assert_int_equal(hist_value_at_percentile(a, percentiles[i]),
                         hist_value_at_percentile(all, percentiles[i]));
}

static void test_merge_with_an_empty_one_changes_nothing(void **state)
{
    _cleanup_(hist_freep) struct hist *empty = NULL;
    struct hist *h = *state;

    assert_int_equal(hist_new(&empty), 0);
    hist_record(h, 7);
    hist_merge(h, empty);
    assert_int_equal(hist_count(h), 1);
    assert_int_equal(hist_min(h), 7);
    assert_int_equal(hist_max(h), 7);
}

static void test_reset_leaves_nothing_behind(void **state)
{
    struct hist *h = *state;

    hist_record(h, UINT64_MAX);
    hist_reset(h);
    hist_record(h, 7);
    assert_int_equal(hist_count(h), 1);
    assert_int_equal(hist_n_clamped(h), 0);
    assert_int_equal(hist_max(h), 7);
    assert_int_equal(hist_value_at_percentile(h, 100), 7);
}

/* The values 1 to @n: each is its own rank. */
static void assert_bounds(struct hist *h, nsec_t n, double percentile, nsec_t low, nsec_t high)
{
    nsec_t got_low = 0, got_high = 0;
    bool known;

    hist_reset(h);
    for (nsec_t i = 1; i <= n; i++)
        hist_record(h, i);
    known = hist_percentile_bounds(h, percentile, &got_low, &got_high);
    if (known != (low > 0) || got_low != low || got_high != high)
        fail_msg("%ju values, %g %%: %ju to %ju", (uintmax_t)n, percentile, (uintmax_t)got_low,
                 (uintmax_t)got_high);
}

/* Ranks from the binomial distribution: Bin(100, 1/2) has 1.76 % up to 39 and 2.84 % up to 40;
 * Bin(2000, 1 %) has 2.09 % up to 11, 3.83 % up to 12, and 96.6 % up to 28, 97.9 % up to 29. */
static void test_bounds_are_the_ranks_of_the_binomial(void **state)
{
    assert_bounds(*state, 100, 50, 40, 61);
    assert_bounds(*state, 2000, 99, 1971, 1989);
    assert_bounds(*state, 2000, 1, 12, 30);
}

/* 0.5^5 is above 2.5 % and 0.5^6 below; so are 0.99^367 and 0.99^368, and those of the others. */
static void test_bounds_need_a_sample_that_supports_them(void **state)
{
    assert_bounds(*state, 5, 50, 0, 0);
    assert_bounds(*state, 6, 50, 1, 6);
    assert_bounds(*state, 367, 99, 0, 0);
    assert_bounds(*state, 368, 99, 360, 368);
    assert_bounds(*state, 367, 1, 0, 0);
    assert_bounds(*state, 368, 1, 1, 9);
    assert_bounds(*state, 2000, 99.9, 0, 0);
    assert_bounds(*state, 2000, 0, 0, 0);
    assert_bounds(*state, 2000, 100, 0, 0);
}

/* 500 of each of 2000 values: rank r is the value (r - 1) / 500. The normal approximation gives the
 * ranks 500000 -+ 1.96 * 500, each within a rank of the binomial's own. */
static void test_bounds_of_many_values_use_the_normal_distribution(void **state)
{
    struct hist *h = *state;
    nsec_t low, high;

    for (int i = 0; i < 1000000; i++)
        hist_record(h, (nsec_t)(i % 2000));
    assert_true(hist_percentile_bounds(h, 50, &low, &high));
    assert_int_equal(low, 998);
    assert_int_equal(high, 1001);
}

/* The 90th percentile of an exponential distribution is ln(10) times its mean; 2000 samples of 500.
 * Ranks are whole, so the interval covers somewhat more than 95 %. */
static void test_bounds_cover_the_truth_as_often_as_they_say(void **state)
{
    const double mean = 1e6, truth = log(10) * mean;
    struct hist *h = *state;
    struct rng rng;
    int n_covered = 0;

    rng_seed(&rng, SEED);
    for (int i = 0; i < 2000; i++) {
        nsec_t low, high;

        hist_reset(h);
        for (int k = 0; k < 500; k++)
            hist_record(h, (nsec_t)rng_exponential(&rng, mean));
        assert_true(hist_percentile_bounds(h, 90, &low, &high));
        n_covered += (double)low <= truth && truth <= (double)high;
    }
    assert_in_range(n_covered, 1890, 1950);
}

static void assert_hgrm(const struct hist *h, nsec_t unit, const char *expected)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    assert_int_equal(hist_write_hgrm(h, unit, out), 0);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, expected);
    free(text);
}

/* The levels are 0, 10, ... 50, then half as far apart, as far as 25, 50, 75 and 100 % of the
 * values reach; the last value has one line at the next level and one at 1. Ports of HdrHistogram
 * have the same table for these values in their tests. */
static void test_hgrm_has_the_table_of_hdrhistogram(void **state)
{
    struct hist *h = *state;

    hist_record(h, 100);
    hist_record(h, 200);
    hist_record(h, 250);
    hist_record(h, 600);
    assert_hgrm(h, 1,
                "       Value     Percentile TotalCount 1/(1-Percentile)\n"
                "\n"
                "     100.000 0.000000000000          1           1.00\n"
                "     100.000 0.100000000000          1           1.11\n"
                "     100.000 0.200000000000          1           1.25\n"
                "     200.000 0.300000000000          2           1.43\n"
                "     200.000 0.400000000000          2           1.67\n"
                "     200.000 0.500000000000          2           2.00\n"
                "     250.000 0.550000000000          3           2.22\n"
                "     250.000 0.600000000000          3           2.50\n"
                "     250.000 0.650000000000          3           2.86\n"
                "     250.000 0.700000000000          3           3.33\n"
                "     250.000 0.750000000000          3           4.00\n"
                "     600.000 0.775000000000          4           4.44\n"
                "     600.000 1.000000000000          4\n"
                "#[Mean    =      287.500, StdDeviation   =      188.331]\n"
                "#[Max     =      600.000, Total count    =            4]\n"
                "#[Buckets =           32, SubBuckets     =         2048]\n");
}

/* 1 ms and 2.5 ms lie in cells 512 and 2048 ns wide: the first value is the upper end of its cell,
 * 1953 * 512 + 511; the last is the exact maximum. */
static void test_hgrm_is_written_in_the_unit_asked_for(void **state)
{
    struct hist *h = *state;

    for (int i = 0; i < 9; i++)
        hist_record(h, 1000000);
    hist_record(h, 2500000);
    assert_hgrm(h, NSEC_PER_USEC,
                "       Value     Percentile TotalCount 1/(1-Percentile)\n"
                "\n"
                "    1000.447 0.000000000000          9           1.00\n"
                "    1000.447 0.100000000000          9           1.11\n"
                "    1000.447 0.200000000000          9           1.25\n"
                "    1000.447 0.300000000000          9           1.43\n"
                "    1000.447 0.400000000000          9           1.67\n"
                "    1000.447 0.500000000000          9           2.00\n"
                "    1000.447 0.550000000000          9           2.22\n"
                "    1000.447 0.600000000000          9           2.50\n"
                "    1000.447 0.650000000000          9           2.86\n"
                "    1000.447 0.700000000000          9           3.33\n"
                "    1000.447 0.750000000000          9           4.00\n"
                "    1000.447 0.775000000000          9           4.44\n"
                "    1000.447 0.800000000000          9           5.00\n"
                "    1000.447 0.825000000000          9           5.71\n"
                "    1000.447 0.850000000000          9           6.67\n"
                "    1000.447 0.875000000000          9           8.00\n"
                "    1000.447 0.887500000000          9           8.89\n"
                "    1000.447 0.900000000000          9          10.00\n"
                "    2500.000 0.912500000000         10          11.43\n"
                "    2500.000 1.000000000000         10\n"
                "#[Mean    =     1150.000, StdDeviation   =      450.000]\n"
                "#[Max     =     2500.000, Total count    =           10]\n"
                "#[Buckets =           32, SubBuckets     =         2048]\n");
}

static void test_hgrm_of_nothing_has_no_lines(void **state)
{
    assert_hgrm(*state, 1,
                "       Value     Percentile TotalCount 1/(1-Percentile)\n"
                "\n"
                "#[Mean    =        0.000, StdDeviation   =        0.000]\n"
                "#[Max     =        0.000, Total count    =            0]\n"
                "#[Buckets =           32, SubBuckets     =         2048]\n");
}

static void test_hgrm_has_lines_for_zero(void **state)
{
    hist_record(*state, 0);
    assert_hgrm(*state, 1,
                "       Value     Percentile TotalCount 1/(1-Percentile)\n"
                "\n"
                "       0.000 0.000000000000          1           1.00\n"
                "       0.000 1.000000000000          1\n"
                "#[Mean    =        0.000, StdDeviation   =        0.000]\n"
                "#[Max     =        0.000, Total count    =            1]\n"
                "#[Buckets =           32, SubBuckets     =         2048]\n");
}

/* Noticed by the last flush, or, without a buffer, by an earlier line. */
static void test_hgrm_reports_a_full_disk(void **state)
{
    for (int buffered = 0; buffered < 2; buffered++) {
        FILE *out = fopen("/dev/full", "we");

        assert_non_null(out);
        if (!buffered)
            assert_int_equal(setvbuf(out, NULL, _IONBF, 0), 0);
        assert_int_equal(hist_write_hgrm(*state, 1, out), -ENOSPC);
        (void)fclose(out);
    }
}

#define hist_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        hist_test(test_empty_is_all_zero),
        hist_test(test_zero_is_a_value),
        hist_test(test_small_values_are_exact),
        hist_test(test_any_value_is_known_within_a_thousandth),
        hist_test(test_values_at_the_ends_of_every_power_of_two),
        hist_test(test_values_above_the_top_are_clamped_and_counted),
        hist_test(test_percentiles_have_the_rank_rounded_up),
        hist_test(test_no_percentile_exceeds_the_maximum),
        hist_test(test_percentile_0_is_the_minimum),
        hist_test(test_percentiles_agree_with_sorted_values),
        hist_test(test_mean_and_deviation_are_exact),
        hist_test(test_small_deviation_of_large_values_is_not_lost),
        hist_test(test_merge_is_as_if_all_were_recorded_in_one),
        hist_test(test_merge_with_an_empty_one_changes_nothing),
        hist_test(test_reset_leaves_nothing_behind),
        hist_test(test_bounds_are_the_ranks_of_the_binomial),
        hist_test(test_bounds_need_a_sample_that_supports_them),
        hist_test(test_bounds_of_many_values_use_the_normal_distribution),
        hist_test(test_bounds_cover_the_truth_as_often_as_they_say),
        hist_test(test_hgrm_has_the_table_of_hdrhistogram),
        hist_test(test_hgrm_is_written_in_the_unit_asked_for),
        hist_test(test_hgrm_of_nothing_has_no_lines),
        hist_test(test_hgrm_has_lines_for_zero),
        hist_test(test_hgrm_reports_a_full_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
