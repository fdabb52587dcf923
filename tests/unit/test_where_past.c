/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "tests/support/test.h"

#include "client/where_past.h"

#define SECOND ((int64_t)NSEC_PER_SEC)

/* Clouds of one point: a way out of @out at @x, and one back of 0. */
static void point(struct where_clouds *c, int64_t x, int64_t out)
{
    where_clouds_clear(c);
    hull_add(&c->pairs[0].out, x, out);
    hull_add(&c->pairs[0].back, x, 0);
    c->pairs[0].weight = 1;
    c->fastest[0] = (double)out;
}

static void test_recall_gives_what_is_within_the_horizon(void **state)
{
    struct where_clouds one, all;
    struct where_past past;

    (void)state;
    assert_int_equal(where_clouds_init(&one, 1), 0);
    assert_int_equal(where_clouds_init(&all, 1), 0);
    assert_int_equal(where_past_init(&past, 1, 80 * NSEC_PER_SEC), 0);
    for (int64_t i = 0; i < 200; i++) {
        where_past_recall(&past, i * SECOND, &all);
        if (i > 0) {
            double oldest = hull_touch(&all.pairs[0].out, 0, NULL);

            /* points rise with time, so that the least is the oldest one */
            assert_true(oldest <= (double)(i > 80 ? i - 80 : 0));
            assert_true(oldest >= (double)(i > 90 ? i - 91 : 0));
            assert_true(all.fastest[0] == oldest);
            assert_true(all.pairs[0].weight == (double)i - oldest);
        }
        point(&one, i * SECOND, i);
        where_past_keep(&past, i * SECOND, &one);
    }
    where_past_deinit(&past);
    where_clouds_deinit(&all);
    where_clouds_deinit(&one);
}

static void test_recall_after_a_long_pause_gives_nothing(void **state)
{
    struct where_clouds one, all;
    struct where_past past;

    (void)state;
    assert_int_equal(where_clouds_init(&one, 1), 0);
    assert_int_equal(where_clouds_init(&all, 1), 0);
    assert_int_equal(where_past_init(&past, 1, 80 * NSEC_PER_SEC), 0);
    point(&one, 0, 5);
    where_past_keep(&past, 0, &one);
    where_past_recall(&past, 3600 * SECOND, &all);
    assert_true(all.pairs[0].weight == 0);
    assert_int_equal(all.pairs[0].out.n, 0);
    assert_true(isinf(all.fastest[0]));
    where_past_deinit(&past);
    where_clouds_deinit(&all);
    where_clouds_deinit(&one);
}

static void test_clear_forgets_everything(void **state)
{
    struct where_clouds one, all;
    struct where_past past;

    (void)state;
    assert_int_equal(where_clouds_init(&one, 1), 0);
    assert_int_equal(where_clouds_init(&all, 1), 0);
    assert_int_equal(where_past_init(&past, 1, 80 * NSEC_PER_SEC), 0);
    point(&one, 0, 5);
    where_past_keep(&past, 0, &one);
    where_past_clear(&past);
    where_past_recall(&past, 1, &all);
    assert_true(all.pairs[0].weight == 0);
    point(&one, 2, 7);
    where_past_keep(&past, 2, &one);
    where_past_recall(&past, 3, &all);
    assert_true(all.pairs[0].weight == 1);
    assert_true(all.fastest[0] == 7);
    where_past_deinit(&past);
    where_clouds_deinit(&all);
    where_clouds_deinit(&one);
}

static void test_connections_add_to_their_own_group_and_to_all(void **state)
{
    struct where_origin origin = {.client = 100, .server = 5000};
    struct where_sample s[] = {
        {.send = 110, .rx = 150, .arrival = 5030, .residence = 5, .conn = 0,
         .flags = SAMPLE_ARRIVAL},
        {.send = 210, .rx = 250, .arrival = 5120, .residence = 5, .conn = 1,
         .flags = SAMPLE_ARRIVAL},
        {.send = 310, .rx = 350, .conn = 1},            /* text: nothing to learn from */
    };
    struct where_clouds c;

    (void)state;
    assert_int_equal(where_clouds_init(&c, 3), 0);
    where_clouds_add(&c, &origin, s, 3);
    assert_true(c.pairs[0].weight == 2);
    assert_true(c.pairs[1].weight == 1);
    assert_true(c.pairs[2].weight == 1);
    assert_true(hull_touch(&c.pairs[1].out, 0, NULL) == 20);    /* 30 - 10 */
    assert_true(hull_touch(&c.pairs[1].back, 0, NULL) == 15);   /* 50 - 35 */
    assert_true(hull_touch(&c.pairs[2].out, 0, NULL) == 10);
    assert_true(hull_touch(&c.pairs[0].out, 0, NULL) == 10);
    assert_true(hull_touch(&c.pairs[0].back, 0, NULL) == 15);
    where_clouds_deinit(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recall_gives_what_is_within_the_horizon),
        cmocka_unit_test(test_recall_after_a_long_pause_gives_nothing),
        cmocka_unit_test(test_clear_forgets_everything),
        cmocka_unit_test(test_connections_add_to_their_own_group_and_to_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
