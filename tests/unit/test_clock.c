/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "tests/support/test.h"

#include "common/clock.h"
#include "tests/support/fake_clock.h"

static void set_zone(const char *zone)
{
    assert_int_equal(setenv("TZ", zone, 1), 0);
    tzset();
}

static void test_rfc3339_has_microseconds_and_offset(void **state)
{
    char text[CLOCK_RFC3339_SIZE];

    (void)state;
    set_zone("XXX-05:30");          /* POSIX: a minus sign is east of Greenwich */
    clock_format_rfc3339(1700000000 * NSEC_PER_SEC + 123456789, text);
    assert_string_equal(text, "2023-11-15T03:43:20.123456+05:30");
}

static void test_rfc3339_writes_a_western_offset_with_its_minutes(void **state)
{
    char text[CLOCK_RFC3339_SIZE];

    (void)state;
    set_zone("XXX3:30");
    clock_format_rfc3339(0, text);
    assert_string_equal(text, "1969-12-31T20:30:00.000000-03:30");
}

static void test_system_clock_does_not_go_back(void **state)
{
    nsec_t last = clock_now(&clock_system);

    (void)state;
    for (int i = 0; i < 1000; i++) {
        nsec_t now = clock_now(&clock_system);

        assert_true(now >= last);
        last = now;
    }
}

static void test_fake_clock_moves_only_when_told(void **state)
{
    struct fake_clock fake = {.now = 5, .real = 100};
    struct clock_src src = fake_clock_src(&fake);

    (void)state;
    assert_int_equal(clock_now(&src), 5);
    assert_int_equal(clock_now(&src), 5);
    fake_clock_advance(&fake, 10);
    assert_int_equal(clock_now(&src), 15);
    assert_int_equal(clock_real(&src), 110);
}

static void test_what_no_time_can_hold_is_never(void **state)
{
    (void)state;
    assert_int_equal(nsec_add(5, 6), 11);
    assert_int_equal(nsec_add(NSEC_NEVER - 6, 5), NSEC_NEVER - 1);
    assert_int_equal(nsec_add(NSEC_NEVER - 6, 7), NSEC_NEVER);
    assert_int_equal(nsec_add(NSEC_NEVER, 0), NSEC_NEVER);
    assert_int_equal(nsec_add(0, NSEC_NEVER), NSEC_NEVER);
    assert_int_equal(nsec_from_double(1.9), 1);
    assert_int_equal(nsec_from_double(0x1p63), UINT64_C(1) << 63);
    assert_int_equal(nsec_from_double(0x1p64), NSEC_NEVER);
    assert_int_equal(nsec_from_double(HUGE_VAL), NSEC_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc3339_has_microseconds_and_offset),
        cmocka_unit_test(test_rfc3339_writes_a_western_offset_with_its_minutes),
        cmocka_unit_test(test_system_clock_does_not_go_back),
        cmocka_unit_test(test_fake_clock_moves_only_when_told),
        cmocka_unit_test(test_what_no_time_can_hold_is_never),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
