/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"

#include "client/analysis.h"
#include "common/hist.h"

#define START ((nsec_t)1000000000)
#define INTERVAL NSEC_PER_MSEC

static void count_visit(void *ctx, const struct where_sample *sample,
                        const struct where_parts *parts, const struct where_fit *fit,
                        const struct cause_note *note)
{
    size_t *n = ctx;

    (void)sample;
    (void)parts;
    (void)fit;
    (void)note;
    (*n)++;
}

/* Message @i takes 10 us out, 20 us in the server, 30 us back and 5 us to wake us up, and the
 * server's clock is an hour ahead. */
static struct record make_record(uint64_t i)
{
    nsec_t send = START + i * INTERVAL;
    const struct where_sample sample = {
        .due = send,
        .send = send,
        .arrival = send + 10000 + 3600 * NSEC_PER_SEC,
        .residence = 20000,
        .rx = send + 60000,
        .read = send + 65000,
        .seq = i + 1,
        .flags = SAMPLE_ARRIVAL | SAMPLE_ARRIVAL_KERNEL | SAMPLE_RX_KERNEL,
    };

    return (struct record){.kind = RECORD_REPLY, .at = send + 65000, .reply = {.sample = sample}};
}

static void test_parts_come_out_of_records(void **state)
{
    struct analysis *a;
    const struct where_clock *clock;
    size_t n_visits = 0;

    (void)state;
    assert_int_equal(analysis_new(&a, 1, 3, false, count_visit, &n_visits), 0);
    for (uint64_t i = 0; i < 1000; i++) {
        struct record record = make_record(i);

        analysis_add(a, &record);
    }
    assert_int_equal(n_visits, 0);  /* taken apart when they are closed */
    analysis_close(a);
    assert_int_equal(n_visits, 1000);

    clock = where_stats_clock(analysis_stats(a));
    assert_int_equal(clock->n_messages, 1000);
    assert_in_range(clock->base, 39000, 41000);
    assert_int_equal(hist_max(where_stats_hist(analysis_stats(a), PART_RESIDENCE)), 20000);
    assert_int_equal(hist_max(where_stats_hist(analysis_stats(a), PART_WAKEUP)), 5000);
    analysis_free(a);
}

/* A run without end is taken apart piece by piece, and nothing is left out between the pieces. */
static void test_a_full_window_is_closed_by_itself(void **state)
{
    const uint64_t n = 50000;
    struct analysis *a;
    size_t n_visits = 0;

    (void)state;
    assert_int_equal(analysis_new(&a, 1, 3, false, count_visit, &n_visits), 0);
    for (uint64_t i = 0; i < n; i++) {
        struct record record = make_record(i);

        analysis_add(a, &record);
    }
    assert_true(n_visits > 0);
    analysis_close(a);
    assert_int_equal(n_visits, n);
    assert_int_equal(where_stats_counts(analysis_stats(a))->messages, n);
    analysis_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_come_out_of_records),
        cmocka_unit_test(test_a_full_window_is_closed_by_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
