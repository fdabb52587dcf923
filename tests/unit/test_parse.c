/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "common/parse.h"

/* No parser may touch its result when it fails: each refused text is tried with this in the way. */
#define UNTOUCHED 0x5555555555555555

static void assert_u64(const char *text, int status, uint64_t value)
{
    uint64_t got = UNTOUCHED;

    if (parse_u64(text, 10, 1000, &got) != status || got != (status < 0 ? UNTOUCHED : value))
        fail_msg("\"%s\": %ju", text, (uintmax_t)got);
}

static void test_u64_takes_digits_within_the_limits(void **state)
{
    (void)state;
    assert_u64("10", 0, 10);
    assert_u64("1000", 0, 1000);
    assert_u64("007000000000000000000000000", -ERANGE, 0);
    assert_u64("0000000000000000000000000042", 0, 42);
    assert_u64("9", -ERANGE, 0);
    assert_u64("1001", -ERANGE, 0);
    assert_u64("18446744073709551616", -ERANGE, 0);
}

static void test_u64_refuses_all_else(void **state)
{
    (void)state;
    assert_u64("", -EINVAL, 0);
    assert_u64(" 42", -EINVAL, 0);
    assert_u64("42 ", -EINVAL, 0);
    assert_u64("+42", -EINVAL, 0);
    assert_u64("-42", -EINVAL, 0);
    assert_u64("0x42", -EINVAL, 0);
    assert_u64("4.2", -EINVAL, 0);
    assert_u64("99999999999999999999x", -EINVAL, 0);
}

static void test_u64_takes_the_largest(void **state)
{
    uint64_t value;

    (void)state;
    assert_int_equal(parse_u64("18446744073709551615", 0, UINT64_MAX, &value), 0);
    assert_int_equal(value, UINT64_MAX);
}

static void assert_double(const char *text, int status, double value)
{
    double got = -1;

    if (parse_double(text, -10, 1e6, &got) != status || got != (status < 0 ? -1 : value))
        fail_msg("\"%s\": %g", text, got);
}

static void test_double_takes_decimal_numbers(void **state)
{
    (void)state;
    assert_double("0", 0, 0);
    assert_double("99.9", 0, 99.9);
    assert_double(".5", 0, .5);
    assert_double("-2.5", 0, -2.5);
    assert_double("-10", 0, -10);
    assert_double("1000000", 0, 1e6);
    assert_double("1e3", 0, 1000);
    assert_double("-10.5", -ERANGE, 0);
    assert_double("1e7", -ERANGE, 0);
    assert_double("1e999", -ERANGE, 0);
}

static void test_double_refuses_what_strtod_would_take(void **state)
{
    static const char *const refused[] = {"",     " 1", "1 ",  "1x",   "inf", "nan",
                                          "0x10", "1e", "1,5", "1.2.3", ".",  "e5"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        assert_double(refused[i], -EINVAL, 0);
}

/* A locale with a decimal comma, where the machine has one; the C locale is tried all the same. */
static void test_double_has_a_point_in_every_locale(void **state)
{
    static const char *const locales[] = {"C", "de_DE.UTF-8", "fr_FR.UTF-8"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(locales); i++)
        if (setlocale(LC_NUMERIC, locales[i])) {
            assert_double("1.5", 0, 1.5);
            assert_double("1,5", -EINVAL, 0);
        }
    (void)setlocale(LC_NUMERIC, "C");
}

static void assert_duration(const char *text, int status, nsec_t value)
{
    nsec_t got = UNTOUCHED;

    if (parse_duration(text, &got) != status || got != (status < 0 ? UNTOUCHED : value))
        fail_msg("\"%s\": %ju", text, (uintmax_t)got);
}

static void test_duration_takes_every_unit(void **state)
{
    (void)state;
    assert_duration("250ns", 0, 250);
    assert_duration("100us", 0, 100000);
    assert_duration("10ms", 0, 10000000);
    assert_duration("1.5s", 0, 1500000000);
    assert_duration("2m", 0, 120 * NSEC_PER_SEC);
    assert_duration("1h", 0, 3600 * NSEC_PER_SEC);
    assert_duration("5", 0, 5 * NSEC_PER_SEC);
    assert_duration("0.2", 0, 200000000);
    assert_duration(".2", 0, 200000000);
    assert_duration("0", 0, 0);
    assert_duration("0.000ms", 0, 0);
}

static void test_duration_is_exact_to_the_nanosecond(void **state)
{
    (void)state;
    assert_duration("0.000000001", 0, 1);
    assert_duration("1.0000000019", 0, 1000000001);
    assert_duration("0.1h", 0, 360 * NSEC_PER_SEC);
    assert_duration("0.3333333333333333333333333333m", 0, 19999999999);
}

static void test_duration_never_becomes_zero_unless_it_is(void **state)
{
    (void)state;
    assert_duration("0.5ns", -ERANGE, 0);
    assert_duration("0.0000000001", -ERANGE, 0);
    assert_duration("0.0000000000000000000000000001h", -ERANGE, 0);
}

static void test_duration_does_not_wrap(void **state)
{
    (void)state;
    assert_duration("9223372036854775807ns", 0, INT64_MAX);
    assert_duration("9223372036854775808ns", -ERANGE, 0);
    assert_duration("9223372036.854775807", 0, INT64_MAX);
    assert_duration("9223372036.854775808", -ERANGE, 0);
    assert_duration("18446744073709551616ns", -ERANGE, 0);
    assert_duration("18446744073709551615h", -ERANGE, 0);
    assert_duration("99999999999999999999999h", -ERANGE, 0);
}

static void test_duration_refuses_all_else(void **state)
{
    static const char *const refused[] = {
        "",    " ",     "s",   "ms",  ".",   ".s",  "1.",   "1.s",    "1 s", " 1s", "1s ", "+1s",
        "-1s", "1..5s", "1,5", "1sec", "1S", "1Ms", "1d",   "0x10s", "1e3", "inf", "1.5.5", "1s1s",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        assert_duration(refused[i], -EINVAL, 0);
}

static void assert_size(const char *text, int status, uint64_t value)
{
    uint64_t got = UNTOUCHED;

    if (parse_size(text, &got) != status || got != (status < 0 ? UNTOUCHED : value))
        fail_msg("\"%s\": %ju", text, (uintmax_t)got);
}

static void test_size_counts_in_powers_of_1024(void **state)
{
    (void)state;
    assert_size("0", 0, 0);
    assert_size("1000", 0, 1000);
    assert_size("512K", 0, 512 << 10);
    assert_size("512KiB", 0, 512 << 10);
    assert_size("2M", 0, 2 << 20);
    assert_size("2MiB", 0, 2 << 20);
    assert_size("1G", 0, 1 << 30);
    assert_size("1GiB", 0, 1 << 30);
    assert_size("17179869183GiB", 0, UINT64_C(17179869183) << 30);
    assert_size("17179869184GiB", -ERANGE, 0);
}

static void test_size_refuses_all_else(void **state)
{
    static const char *const refused[] = {"", "M", "2MB", "2 M", "2m", "1.5M", "-1", "2MiBs", "B"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        assert_size(refused[i], -EINVAL, 0);
}

static void test_bool_knows_eight_words(void **state)
{
    static const char *const yes[] = {"yes", "true", "on", "1"};
    static const char *const no[] = {"no", "false", "off", "0"};
    bool value;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        value = false;
        assert_int_equal(parse_bool(yes[i], &value), 0);
        assert_true(value);
        assert_int_equal(parse_bool(no[i], &value), 0);
        assert_false(value);
    }
}

static void test_bool_refuses_all_else(void **state)
{
    static const char *const refused[] = {"", "y", "Yes", "2", "true ", "enabled"};
    bool value = true;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        assert_int_equal(parse_bool(refused[i], &value), -EINVAL);
    assert_true(value);
}

static void test_port_has_its_limits(void **state)
{
    uint16_t port = 7;

    (void)state;
    assert_int_equal(parse_port("0", 1, &port), -ERANGE);
    assert_int_equal(parse_port("65536", 1, &port), -ERANGE);
    assert_int_equal(parse_port("http", 1, &port), -EINVAL);
    assert_int_equal(port, 7);
    assert_int_equal(parse_port("0", 0, &port), 0);
    assert_int_equal(port, 0);
    assert_int_equal(parse_port("65535", 1, &port), 0);
    assert_int_equal(port, 65535);
}

static void assert_format(nsec_t duration, const char *expected)
{
    char text[FORMAT_DURATION_SIZE];

    format_duration(duration, text);
    assert_string_equal(text, expected);
}

static void test_format_duration_uses_the_unit_people_would(void **state)
{
    (void)state;
    assert_format(0, "0s");
    assert_format(1, "1ns");
    assert_format(100 * NSEC_PER_USEC, "100us");
    assert_format(10 * NSEC_PER_MSEC, "10ms");
    assert_format(500 * NSEC_PER_MSEC, "500ms");
    assert_format(1500 * NSEC_PER_USEC, "1.5ms");
    assert_format(1500 * NSEC_PER_MSEC, "1.5s");
    assert_format(1000000001, "1.000000001s");
    assert_format(90 * NSEC_PER_SEC, "90s");
    assert_format(300 * NSEC_PER_SEC, "5m");
    assert_format(5400 * NSEC_PER_SEC, "90m");
    assert_format(7200 * NSEC_PER_SEC, "2h");
    assert_format(UINT64_MAX, "18446744073.709551615s");
}

/* Every number of digits, with every number of zeros behind them. */
static void test_format_duration_is_read_back_exactly(void **state)
{
    char text[FORMAT_DURATION_SIZE];
    nsec_t back;

    (void)state;
    for (uint64_t scale = 1; scale <= UINT64_C(1000000000000000000); scale *= 10)
        for (uint64_t digits = 1; digits <= INT64_MAX / scale && digits < UINT64_C(1) << 62;
             digits = digits * 3 + 1) {
            format_duration(digits * scale, text);
            if (parse_duration(text, &back) != 0 || back != digits * scale)
                fail_msg("%s", text);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_u64_takes_digits_within_the_limits),
        cmocka_unit_test(test_u64_refuses_all_else),
        cmocka_unit_test(test_u64_takes_the_largest),
        cmocka_unit_test(test_double_takes_decimal_numbers),
        cmocka_unit_test(test_double_refuses_what_strtod_would_take),
        cmocka_unit_test(test_double_has_a_point_in_every_locale),
        cmocka_unit_test(test_duration_takes_every_unit),
        cmocka_unit_test(test_duration_is_exact_to_the_nanosecond),
        cmocka_unit_test(test_duration_never_becomes_zero_unless_it_is),
        cmocka_unit_test(test_duration_does_not_wrap),
        cmocka_unit_test(test_duration_refuses_all_else),
        cmocka_unit_test(test_size_counts_in_powers_of_1024),
        cmocka_unit_test(test_size_refuses_all_else),
        cmocka_unit_test(test_bool_knows_eight_words),
        cmocka_unit_test(test_bool_refuses_all_else),
        cmocka_unit_test(test_port_has_its_limits),
        cmocka_unit_test(test_format_duration_uses_the_unit_people_would),
        cmocka_unit_test(test_format_duration_is_read_back_exactly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
