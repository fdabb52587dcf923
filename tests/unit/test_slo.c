/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "tests/support/test.h"

#include "client/slo.h"

static struct slo_condition parse_one(const char *text)
{
    struct slo slo;
    char why[SLO_ERROR_SIZE] = "";

    assert_int_equal(slo_parse(text, &slo, why), 0);
    assert_int_equal(slo.n_conditions, 1);
    return slo.conditions[0];
}

static bool is_met(const char *text, double value)
{
    struct slo_condition c = parse_one(text);

    return slo_is_met(&c, value);
}

static void test_times_are_compared_in_nanoseconds(void **state)
{
    (void)state;
    assert_false(is_met("p99>5ms", 5e6));
    assert_true(is_met("p99>5ms", 5e6 + 1));
    assert_true(is_met("p99>=5ms", 5e6));
    assert_true(is_met("min<1us", 999));
    assert_false(is_met("min<1us", 1000));
    assert_true(is_met("avg<=1.5", 1.5e9));
}

static void test_loss_is_a_fraction_of_what_was_sent(void **state)
{
    (void)state;
    assert_true(is_met("loss>0.1%", 0.0011));
    assert_false(is_met("loss>0.1%", 0.0009));
    assert_true(is_met("loss>=100%", 1));
}

static void test_counts_are_plain_numbers(void **state)
{
    (void)state;
    assert_true(is_met("lost>3", 4));
    assert_false(is_met("outages>0", 0));
    assert_true(is_met("late>=1", 1));
    assert_false(is_met("wrong>0", 0));
}

static void test_what_is_not_known_fails(void **state)
{
    (void)state;
    assert_true(is_met("p99>5ms", NAN));
    assert_true(is_met("max<5ms", NAN));
}

static void test_the_list_keeps_order_and_words(void **state)
{
    struct slo slo;
    char why[SLO_ERROR_SIZE];

    (void)state;
    assert_int_equal(slo_parse("p99.9>5ms,service.max>1s,loss>0%", &slo, why), 0);
    assert_int_equal(slo.n_conditions, 3);
    assert_int_equal(slo.conditions[0].kind, SLO_PERCENTILE);
    assert_true(slo.conditions[0].percentile == 99.9);
    assert_false(slo.conditions[0].of_service);
    assert_int_equal(slo.conditions[1].kind, SLO_MAX);
    assert_true(slo.conditions[1].of_service);
    assert_string_equal(slo.conditions[2].text, "loss>0%");
}

static void test_spaces_are_no_part_of_it(void **state)
{
    struct slo_condition c;
    struct slo slo;
    char why[SLO_ERROR_SIZE];

    (void)state;
    assert_int_equal(slo_parse(" p99 > 5ms ,\tloss >= 0.1% , lost<3", &slo, why), 0);
    assert_int_equal(slo.n_conditions, 3);
    c = slo.conditions[0];
    assert_int_equal(c.kind, SLO_PERCENTILE);
    assert_true(c.limit == 5e6);
    assert_string_equal(c.text, "p99 > 5ms");
    assert_int_equal(slo.conditions[1].op, SLO_AT_LEAST);
    assert_string_equal(slo.conditions[1].text, "loss >= 0.1%");
    assert_string_equal(slo.conditions[2].text, "lost<3");
}

static void test_one_condition_that_is_met_is_enough(void **state)
{
    bool met[SLO_CONDITIONS_MAX] = {false};
    const struct slo none = {.n_conditions = 0};
    char why[SLO_ERROR_SIZE];
    struct result r;
    struct slo slo;

    (void)state;
    assert_int_equal(result_init(&r), 0);
    r.sent = 10;
    r.lost = 2;
    assert_int_equal(slo_parse("loss>50%,lost>1,late>0", &slo, why), 0);
    assert_true(slo_judge(&slo, &r, met));
    assert_false(met[0]);
    assert_true(met[1]);
    assert_false(met[2]);
    r.lost = 1;
    assert_false(slo_judge(&slo, &r, met));
    assert_false(met[1]);
    assert_false(slo_judge(&none, &r, met));
    result_deinit(&r);
}

static void test_what_could_not_be_sent_has_a_metric_of_its_own(void **state)
{
    bool met[SLO_CONDITIONS_MAX] = {false};
    char why[SLO_ERROR_SIZE];
    struct result r;
    struct slo slo;

    (void)state;
    assert_int_equal(result_init(&r), 0);
    r.sent = 245;
    r.not_sent = 1755;
    assert_int_equal(slo_parse("loss>0%,not_sent>1754", &slo, why), 0);
    assert_true(slo_judge(&slo, &r, met));
    assert_false(met[0]);
    assert_true(met[1]);
    result_deinit(&r);
}

/* 99 % takes 368 replies. */
static void test_percentile_needs_its_sample(void **state)
{
    struct slo_condition p99 = parse_one("p99>5ms"), of_service = parse_one("service.p99>5ms");
    struct slo_condition max = parse_one("max>5ms");
    struct result r;

    (void)state;
    assert_int_equal(result_init(&r), 0);
    assert_false(slo_is_supported(&p99, &r));
    for (nsec_t i = 0; i < 400; i++)
        hist_record(r.response, i);
    assert_true(slo_is_supported(&p99, &r));
    assert_false(slo_is_supported(&of_service, &r));
    assert_true(slo_is_supported(&max, &r));
    result_deinit(&r);
}

static void assert_refused(const char *text, const char *word)
{
    struct slo slo;
    char why[SLO_ERROR_SIZE] = "";

    assert_int_equal(slo_parse(text, &slo, why), -EINVAL);
    if (!strstr(why, word))
        fail_msg("'%s' was refused with \"%s\", without \"%s\"", text, why, word);
}

static void test_an_error_names_the_part_and_what_was_expected(void **state)
{
    (void)state;
    assert_refused("", "pN");
    assert_refused("q99>5ms", "'q99'");
    assert_refused("p100>5ms", "'p100'");
    assert_refused("service.loss>1%", "'service.loss'");
    assert_refused("p99", "> >= < or <=");
    assert_refused("p99>5apples", "'5apples': expected a duration");
    assert_refused("p99>", "expected a duration");
    assert_refused("loss>1", "expected a percentage");
    assert_refused("loss>%", "expected a percentage");
    assert_refused("lost>1.5", "expected a number");
    assert_refused("p99 > = 5ms", "expected a duration");
    assert_refused("p 99>5ms", "'p 99'");
    assert_refused(" , p99>5ms", "''");
    assert_refused("p99>5ms,", "''");
    assert_refused("p99>5000000000000000000000000000000000000000ms", "39 characters");
    assert_refused("lost>1,lost>1,lost>1,lost>1,lost>1,lost>1,lost>1,lost>1,lost>1,lost>1,lost>1,"
                   "lost>1,lost>1,lost>1,lost>1,lost>1,lost>1", "16 conditions");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times_are_compared_in_nanoseconds),
        cmocka_unit_test(test_loss_is_a_fraction_of_what_was_sent),
        cmocka_unit_test(test_counts_are_plain_numbers),
        cmocka_unit_test(test_what_is_not_known_fails),
        cmocka_unit_test(test_the_list_keeps_order_and_words),
        cmocka_unit_test(test_what_could_not_be_sent_has_a_metric_of_its_own),
        cmocka_unit_test(test_spaces_are_no_part_of_it),
        cmocka_unit_test(test_percentile_needs_its_sample),
        cmocka_unit_test(test_one_condition_that_is_met_is_enough),
        cmocka_unit_test(test_an_error_names_the_part_and_what_was_expected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
