/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "common/nic_lag.h"

#define START (5000 * NSEC_PER_SEC)

/* From the card to the kernel at best. */
#define SHORTEST (4 * NSEC_PER_USEC)

/* A card's clock: where it stands against the monotonic one, and how much faster it runs. */
struct card {
    int64_t offset;
    double drift;
};

static nsec_t card_time(const struct card *c, nsec_t mono)
{
    return mono + (nsec_t)c->offset + (nsec_t)(int64_t)(c->drift * (double)(mono - START));
}

/* A packet reaches the card at @at and waits for @lag. Return: whether a lag is told. */
static bool packet(struct nic_lag *l, const struct card *c, nsec_t at, nsec_t lag, nsec_t *ret_lag)
{
    return nic_lag_take(l, at + SHORTEST + lag, card_time(c, at), ret_lag);
}

static void assert_lags_are_told(const struct card *c, nsec_t interval, nsec_t tolerance)
{
    struct nic_lag l = {.began = 0};
    nsec_t at = START, told;

    for (unsigned i = 0; i < 2000; i++, at += interval) {
        nsec_t lag = i % 5 == 4 ? (i % 7) * 20 * NSEC_PER_USEC : 0;

        if (!packet(&l, c, at, lag, &told)) {
            assert_in_range(i, 0, NIC_LAG_FEW);
            continue;
        }
        assert_true(told <= lag + tolerance && lag <= told + tolerance);
    }
}

static void test_lag_is_told_whatever_the_card_calls_now(void **state)
{
    (void)state;
    assert_lags_are_told(&(struct card){.offset = 0}, NSEC_PER_MSEC, 0);
    assert_lags_are_told(&(struct card){.offset = 37 * (int64_t)NSEC_PER_SEC}, NSEC_PER_MSEC, 0);
    assert_lags_are_told(&(struct card){.offset = -4999 * (int64_t)NSEC_PER_SEC}, NSEC_PER_MSEC,
                         0);
}

/* Within the two moments that are remembered. */
static void test_drift_is_off_by_no_more_than_it_does_meanwhile(void **state)
{
    const nsec_t most = 2 * NIC_LAG_SPAN / 20000;

    (void)state;
    assert_lags_are_told(&(struct card){.drift = 50e-6}, NSEC_PER_MSEC, most);
    assert_lags_are_told(&(struct card){.drift = -50e-6}, NSEC_PER_MSEC, most);
}

static void test_few_packets_tell_nothing(void **state)
{
    struct nic_lag l = {.began = 0};
    const struct card c = {.offset = 7};
    nsec_t at = START, lag = 99;

    (void)state;
    for (unsigned i = 0; i < NIC_LAG_FEW - 1; i++)
        assert_false(packet(&l, &c, at++, 0, &lag));
    assert_int_equal(lag, 99);
    assert_true(packet(&l, &c, at, 0, &lag));

    /* Nor do those of another moment. */
    at += 3 * NIC_LAG_SPAN;
    assert_false(packet(&l, &c, at, 0, &lag));
    for (unsigned i = 0; i < 100; i++, at += NIC_LAG_SPAN / 2)
        assert_false(packet(&l, &c, at, 0, &lag));
}

/* Two ports of a host, whose clocks nobody has set alike. */
static void test_cards_that_disagree_make_no_lag(void **state)
{
    struct nic_lag l = {.began = 0};
    const struct card cards[] = {{.offset = 0}, {.offset = 3 * (int64_t)NSEC_PER_SEC}};
    nsec_t at = START, lag;
    unsigned n_told = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++, at += NSEC_PER_MSEC)
        if (packet(&l, &cards[i % 2], at, 0, &lag)) {
            assert_int_equal(lag, 0);
            n_told++;
        }
    assert_in_range(n_told, 490, 500);          /* those of one card */
}

static void test_clock_that_was_stepped_is_followed(void **state)
{
    struct nic_lag l = {.began = 0};
    struct card c = {.offset = 0};
    nsec_t at = START, lag;

    (void)state;
    for (unsigned i = 0; i < 100; i++, at += NSEC_PER_MSEC)
        (void)packet(&l, &c, at, 0, &lag);
    c.offset = -(int64_t)NSEC_PER_SEC;          /* all seem to have waited for a second */
    assert_false(packet(&l, &c, at, 0, &lag));
    for (unsigned i = 0; i < 210; i++, at += NSEC_PER_MSEC)
        (void)packet(&l, &c, at, 0, &lag);
    assert_true(packet(&l, &c, at, 50, &lag));
    assert_int_equal(lag, 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lag_is_told_whatever_the_card_calls_now),
        cmocka_unit_test(test_drift_is_off_by_no_more_than_it_does_meanwhile),
        cmocka_unit_test(test_few_packets_tell_nothing),
        cmocka_unit_test(test_cards_that_disagree_make_no_lag),
        cmocka_unit_test(test_clock_that_was_stepped_is_followed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
