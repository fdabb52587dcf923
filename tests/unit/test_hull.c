/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "tests/support/test.h"

#include "client/hull.h"
#include "common/rng.h"

#define N_POINTS 2000

/* Between 0 and 1. */
static double uniform(struct rng *rng)
{
    return (double)(rng_next_u64(rng) >> 11) * 0x1p-53;
}

static double least_of_all(const struct hull_point *points, size_t n, double slope)
{
    double least = HUGE_VAL;

    for (size_t i = 0; i < n; i++)
        least = fmin(least, (double)points[i].y - slope * (double)points[i].x);
    return least;
}

static void make_points(struct rng *rng, struct hull_point *points)
{
    int64_t x = -1000000;

    for (size_t i = 0; i < N_POINTS; i++) {
        x += (int64_t)(uniform(rng) * 3);       /* some share their x */
        points[i] = (struct hull_point){x, (int64_t)rng_exponential(rng, 1e6)};
    }
}

static void test_touch_finds_the_least_of_all_points(void **state)
{
    struct hull_point points[N_POINTS];

    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct hull h = {0};
        struct rng rng;

        rng_seed(&rng, seed);
        make_points(&rng, points);
        for (size_t i = 0; i < N_POINTS; i++)
            hull_add(&h, points[i].x, points[i].y);
        for (int i = 0; i < 100; i++) {
            double slope = (uniform(&rng) - 0.5) * 2000;

            if (fabs(hull_touch(&h, slope, NULL) - least_of_all(points, N_POINTS, slope)) > 1e-3)
                fail_msg("seed %d: slope %g does not touch the least point", (int)seed, slope);
        }
    }
}

static void test_touch_tells_where(void **state)
{
    struct hull h = {0};
    int64_t x;

    (void)state;
    hull_add(&h, 0, 10);
    hull_add(&h, 5, 0);
    hull_add(&h, 10, 20);
    assert_true(hull_touch(&h, 0, &x) == 0);
    assert_int_equal(x, 5);
    assert_true(hull_touch(&h, -3, &x) == 10);
    assert_int_equal(x, 0);
    assert_true(hull_touch(&h, 5, &x) == -30);
    assert_int_equal(x, 10);
}

static void test_add_keeps_the_lower_of_two_at_one_x(void **state)
{
    struct hull h = {0};

    (void)state;
    hull_add(&h, 1, 5);
    hull_add(&h, 1, 3);
    hull_add(&h, 1, 4);
    assert_int_equal(h.n, 1);
    assert_int_equal(h.at[0].y, 3);
}

static void test_add_takes_any_order(void **state)
{
    struct hull_point points[N_POINTS];

    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct hull h = {0}, other = {0};
        struct rng rng;

        rng_seed(&rng, seed);
        make_points(&rng, points);
        for (size_t i = N_POINTS - 1; i > 0; i--) {
            size_t k = rng_next_u64(&rng) % (i + 1);
            struct hull_point held = points[i];

            points[i] = points[k];
            points[k] = held;
        }
        for (size_t i = 0; i < N_POINTS; i++)
            hull_add(i % 2 ? &h : &other, points[i].x, points[i].y);
        hull_join(&h, &other);
        for (int i = 0; i < 100; i++) {
            double slope = (uniform(&rng) - 0.5) * 2000;

            if (fabs(hull_touch(&h, slope, NULL) - least_of_all(points, N_POINTS, slope)) > 1e-3)
                fail_msg("seed %d: slope %g does not touch the least point", (int)seed, slope);
        }
    }
}

/* Clocks that drift as a parabola put every point on the hull: more than it has room for. */
static void test_add_stays_bounded_and_close_on_a_curve(void **state)
{
    struct hull h = {0};

    (void)state;
    for (int64_t x = -10000; x <= 10000; x += 2)
        hull_add(&h, x, x * x);
    for (int64_t x = 9999; x >= -10000; x -= 2)
        hull_add(&h, x, x * x);
    assert_true(h.n <= HULL_MAX);
    for (int slope = -20000; slope <= 20000; slope += 100) {
        double exact = -(double)slope * slope / 4, height = 1e8;

        assert_true(hull_touch(&h, slope, NULL) >= exact);
        assert_true(hull_touch(&h, slope, NULL) - exact < height / HULL_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_touch_finds_the_least_of_all_points),
        cmocka_unit_test(test_touch_tells_where),
        cmocka_unit_test(test_add_keeps_the_lower_of_two_at_one_x),
        cmocka_unit_test(test_add_takes_any_order),
        cmocka_unit_test(test_add_stays_bounded_and_close_on_a_curve),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
