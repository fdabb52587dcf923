/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "tests/support/test.h"

#include "client/skew.h"
#include "common/clock.h"
#include "common/rng.h"

#define PPM 1e-6

/* A minute of delays with a clock that gains @slope, and @out and @back of noise above a base of
 * 50 us. */
static void make(struct skew_pair *p, uint64_t seed, double slope, double out, double back)
{
    struct rng rng;

    rng_seed(&rng, seed);
    *p = (struct skew_pair){.weight = 6000};
    for (int64_t i = 0; i < 6000; i++) {
        int64_t x = i * 10000000, gain = llround(slope * (double)x);

        hull_add(&p->out, x, 777000 + gain + 30000 + (int64_t)rng_exponential(&rng, out));
        hull_add(&p->back, x, -777000 - gain + 20000 + (int64_t)rng_exponential(&rng, back));
    }
}

static struct skew_aim aim_at(const struct skew_pair *p, enum skew_side side)
{
    return (struct skew_aim){.pairs = p, .n = 1, .side = side, .x_mid = 30 * 1000000000LL};
}

static void test_best_is_the_slope_of_the_clock(void **state)
{
    static const double slopes[] = {0, 1 * PPM, -35 * PPM, 200 * PPM, -500 * PPM};

    (void)state;
    for (size_t i = 0; i < sizeof(slopes) / sizeof(slopes[0]); i++) {
        for (int side = SKEW_OUT; side <= SKEW_BOTH; side++) {
            struct skew_pair p;
            struct skew_aim aim = aim_at(&p, (enum skew_side)side);

            make(&p, i, slopes[i], 1e4, 1e4);
            if (fabs(skew_best(&aim) - slopes[i]) > 0.02 * PPM)
                fail_msg("side %d: %g instead of %g", side, skew_best(&aim), slopes[i]);
        }
    }
}

static void test_height_of_both_is_the_base(void **state)
{
    struct skew_pair p;
    struct skew_aim aim = aim_at(&p, SKEW_BOTH);

    (void)state;
    make(&p, 1, 40 * PPM, 1e4, 1e4);
    assert_true(fabs(skew_height(&aim, 40 * PPM) - 50000) < 100);
    assert_true(skew_height(&aim, 41 * PPM) < 0);
    assert_true(skew_height(&aim, 39 * PPM) < 0);
}

static void test_best_uses_the_pairs_together(void **state)
{
    struct skew_pair pairs[3];
    struct skew_aim aim = {.pairs = pairs, .n = 3, .side = SKEW_BOTH};

    (void)state;
    make(&pairs[0], 1, 40 * PPM, 1e4, 1e4);
    make(&pairs[2], 2, 40 * PPM, 1e4, 1e4);
    pairs[1] = (struct skew_pair){.weight = 0};         /* left out: it has no points */
    for (size_t i = 0; i < pairs[2].out.n; i++)
        pairs[2].out.at[i].y += 5000000;                /* another path, longer by 5 ms */
    assert_true(fabs(skew_best(&aim) - 40 * PPM) < 0.01 * PPM);
    assert_true(fabs(skew_height(&aim, 40 * PPM) - 50000 - 2500000) < 100);
}

static void test_band_grows_with_the_tolerance(void **state)
{
    struct skew_pair p;
    struct skew_aim aim = aim_at(&p, SKEW_BOTH);
    double narrow, wide;

    (void)state;
    make(&p, 1, 40 * PPM, 1e3, 1e3);
    narrow = skew_band(&aim, skew_best(&aim), 100);
    wide = skew_band(&aim, skew_best(&aim), 60000);
    assert_true(narrow > 0);
    assert_true(wide > 10 * narrow);
    assert_true(fabs(wide - 1 * PPM) < 0.1 * PPM);      /* 60 us in a minute */
}

static void test_band_of_two_points_is_all_there_is(void **state)
{
    struct skew_pair p = {.weight = 1};
    struct skew_aim aim = aim_at(&p, SKEW_BOTH);

    (void)state;
    hull_add(&p.out, 0, 30000);
    hull_add(&p.back, 1000, 20000);
    assert_true(skew_band(&aim, 0, 10) == SKEW_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_best_is_the_slope_of_the_clock),
        cmocka_unit_test(test_height_of_both_is_the_base),
        cmocka_unit_test(test_best_uses_the_pairs_together),
        cmocka_unit_test(test_band_grows_with_the_tolerance),
        cmocka_unit_test(test_band_of_two_points_is_all_there_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
