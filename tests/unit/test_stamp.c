/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"

#include "common/stamp.h"
#include "tests/support/fake_clock.h"

#define EPOCH ((nsec_t)1700000000 * NSEC_PER_SEC)
#define MONO ((nsec_t)5000 * NSEC_PER_SEC)

struct fixture {
    struct fake_clock fake;
    struct clock_src clock;
    struct stamp_bridge bridge;
};

static void setup(struct fixture *f)
{
    f->fake = (struct fake_clock){.now = MONO, .real = EPOCH, .step = 20};
    f->clock = fake_clock_src(&f->fake);
    stamp_bridge_init(&f->bridge, &f->clock);
}

static void test_convert_carries_a_stamp_over(void **state)
{
    struct fixture f;
    nsec_t mono;

    (void)state;
    setup(&f);
    fake_clock_advance(&f.fake, NSEC_PER_SEC);
    assert_true(stamp_bridge_convert(&f.bridge, EPOCH + NSEC_PER_MSEC, f.fake.now, &mono));
    assert_in_range(mono, MONO + NSEC_PER_MSEC - 40, MONO + NSEC_PER_MSEC + 40);
}

static void test_convert_is_never_after_now(void **state)
{
    struct fixture f;
    nsec_t mono;

    (void)state;
    setup(&f);
    assert_true(stamp_bridge_convert(&f.bridge, f.fake.real + NSEC_PER_USEC, f.fake.now, &mono));
    assert_int_equal(mono, f.fake.now);
    assert_false(stamp_bridge_convert(&f.bridge, f.fake.real + NSEC_PER_MSEC, f.fake.now, &mono));
}

/* A look that was interrupted between two readings has wide bounds, and spoils no good ones. */
static void test_look_keeps_the_narrowest_bounds(void **state)
{
    struct fixture f;
    int64_t low, high;

    (void)state;
    setup(&f);
    low = f.bridge.low;
    high = f.bridge.high;
    f.fake.step = NSEC_PER_MSEC;
    (void)stamp_bridge_look(&f.bridge, &f.clock);
    assert_true(f.bridge.low == low && f.bridge.high == high);
    assert_int_equal(f.bridge.n_steps, 0);
}

static void step(struct fixture *f, int64_t by)
{
    f->fake.real += (nsec_t)by;
    (void)stamp_bridge_look(&f->bridge, &f->clock);
}

static void test_look_notices_steps_both_ways(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    step(&f, (int64_t)NSEC_PER_SEC);
    assert_int_equal(f.bridge.n_steps, 1);
    assert_in_range(stamp_bridge_last_step(&f.bridge), NSEC_PER_SEC - 100, NSEC_PER_SEC + 100);
    step(&f, -3 * (int64_t)NSEC_PER_MSEC);
    assert_int_equal(f.bridge.n_steps, 2);
    assert_in_range(-stamp_bridge_last_step(&f.bridge), 3 * NSEC_PER_MSEC - 100,
                    3 * NSEC_PER_MSEC + 100);
}

/* A message that waited across a forward step carries a stamp of the old time scale. */
static void test_convert_uses_the_old_scale_for_older_stamps(void **state)
{
    struct fixture f;
    nsec_t arrival, stamp, mono;

    (void)state;
    setup(&f);
    fake_clock_advance(&f.fake, NSEC_PER_MSEC);
    arrival = f.fake.now;
    stamp = f.fake.real;
    fake_clock_advance(&f.fake, NSEC_PER_MSEC);
    step(&f, 60 * (int64_t)NSEC_PER_SEC);

    assert_true(stamp_bridge_convert(&f.bridge, stamp, f.fake.now, &mono));
    assert_in_range(mono, arrival - 100, arrival + 100);

    fake_clock_advance(&f.fake, NSEC_PER_MSEC);
    assert_true(stamp_bridge_convert(&f.bridge, f.fake.real, f.fake.now, &mono));
    assert_in_range(mono, f.fake.now - 100, f.fake.now + 100);
}

/* 2 ms back while 5 ms passed unseen: a stamp of 4 ms ago fits both scales, and is not believed. */
static void test_convert_refuses_an_ambiguous_stamp(void **state)
{
    struct fixture f;
    nsec_t mono = 7;

    (void)state;
    setup(&f);
    fake_clock_advance(&f.fake, 5 * NSEC_PER_MSEC);
    step(&f, -2 * (int64_t)NSEC_PER_MSEC);
    assert_false(stamp_bridge_convert(&f.bridge, EPOCH + NSEC_PER_MSEC, f.fake.now, &mono));
    assert_int_equal(mono, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convert_carries_a_stamp_over),
        cmocka_unit_test(test_convert_is_never_after_now),
        cmocka_unit_test(test_look_keeps_the_narrowest_bounds),
        cmocka_unit_test(test_look_notices_steps_both_ways),
        cmocka_unit_test(test_convert_uses_the_old_scale_for_older_stamps),
        cmocka_unit_test(test_convert_refuses_an_ambiguous_stamp),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
