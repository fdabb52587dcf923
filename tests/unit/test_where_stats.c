/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "tests/support/test.h"

#include "client/where_stats.h"
#include "common/hist.h"
#include "tests/support/truth.h"

#define MS NSEC_PER_MSEC
#define US NSEC_PER_USEC
#define START (2000 * NSEC_PER_SEC)

struct fixture {
    struct truth truth;
    struct where_window *window;
    struct where_stats *stats;
};

static void init(struct fixture *f, uint64_t seed, double skew)
{
    truth_init(&f->truth, seed, skew);
    assert_int_equal(where_window_new(&f->window, &(struct where_window_config){.n_conns = 1}), 0);
    assert_int_equal(where_stats_new(&f->stats, 3), 0);
}

static void deinit(struct fixture *f)
{
    where_stats_free(f->stats);
    where_window_free(f->window);
}

static struct where_sample send_one(struct fixture *f, nsec_t now, nsec_t out, nsec_t residence)
{
    struct truth_message m = {
        .send = now,
        .out = out + (nsec_t)rng_exponential(&f->truth.rng, 1e3),
        .back = (nsec_t)rng_exponential(&f->truth.rng, 1e3),
        .residence = residence,
        .wakeup = 5 * US,
    };

    return truth_send(&f->truth, &m);
}

/* A thousand messages: each hundredth is held 2 ms on its way, one takes 9 ms in the server. */
static void fill(struct fixture *f)
{
    for (nsec_t i = 0; i < 1000; i++) {
        struct where_sample s = send_one(f, START + i * 20 * MS, i % 100 == 50 ? 2 * MS : 0,
                                         i == 777 ? 9 * MS : 20 * US);

        memset(s.uuid, (int)(i % 251), sizeof(s.uuid));
        assert_non_null(where_window_add(f->window, &s));
    }
    where_stats_close(f->stats, f->window, NULL, NULL);
}

static void test_histograms_show_the_parts(void **state)
{
    const struct hist *h;
    struct fixture f;

    (void)state;
    init(&f, 1, 50e-6);
    fill(&f);

    h = where_stats_hist(f.stats, PART_FORWARD);
    assert_non_null(h);
    assert_int_equal(hist_count(h), 1000);
    assert_true(hist_value_at_percentile(h, 50) < 5 * US);
    assert_true(hist_value_at_percentile(h, 99.5) > 19 * MS / 10);
    h = where_stats_hist(f.stats, PART_RESIDENCE);
    assert_true(hist_max(h) > 89 * MS / 10 && hist_max(h) < 91 * MS / 10);
    h = where_stats_hist(f.stats, PART_WAKEUP);
    assert_int_equal(hist_min(h), 5 * US);
    assert_int_equal(hist_max(h), 5 * US);
    assert_true(hist_max(where_stats_hist(f.stats, PART_RETURN)) < 20 * US);
    assert_null(where_stats_hist(f.stats, PART_BASE));
    deinit(&f);
}

static void test_worst_come_with_their_cause(void **state)
{
    const struct worst_message *worst;
    struct fixture f;
    size_t n;

    (void)state;
    init(&f, 2, -50e-6);
    fill(&f);
    worst = where_stats_worst(f.stats, &n);
    assert_int_equal(n, 3);
    assert_int_equal(worst[0].seq, 777);
    assert_int_equal(worst[0].uuid[15], 777 % 251);
    assert_int_equal(worst[0].cause, CAUSE_SERVER);
    assert_int_equal(worst[0].service, worst[0].response);
    assert_int_equal(worst[1].cause, CAUSE_PATH_OUT);
    assert_int_equal(worst[1].seq % 100, 50);
    deinit(&f);
}

static void test_clock_is_told_with_its_error(void **state)
{
    const struct where_clock *c;
    struct fixture f;

    (void)state;
    init(&f, 3, 80e-6);
    c = where_stats_clock(f.stats);
    assert_int_equal(c->n_messages, 0);
    assert_int_equal(where_stats_validity(f.stats), WHERE_TOO_FEW);
    fill(&f);
    assert_int_equal(c->n_messages, 1000);
    assert_true(c->skew_told);
    assert_true(fabs(c->skew - 80e-6) < 0.1e-6);
    assert_true(c->skew_error < 0.1e-6);
    assert_true(c->base > 49 * US && c->base < 51 * US);
    assert_int_equal(where_stats_validity(f.stats), WHERE_VALID);
    deinit(&f);
}

static void test_warm_up_is_left_out_of_all_but_the_fit(void **state)
{
    const struct where_counts *c;
    struct fixture f;
    size_t n;

    (void)state;
    init(&f, 4, 0);
    for (nsec_t i = 0; i < 200; i++) {
        struct where_sample s = send_one(&f, START + i * 20 * MS, i < 100 ? 15 * MS : 0, 20 * US);

        if (i < 100)
            s.flags |= SAMPLE_OMIT;
        where_window_add(f.window, &s);
    }
    where_stats_close(f.stats, f.window, NULL, NULL);
    c = where_stats_counts(f.stats);
    assert_int_equal(c->messages, 100);
    assert_int_equal(c->omitted, 100);
    assert_int_equal(hist_count(where_stats_hist(f.stats, PART_FORWARD)), 100);
    assert_true(where_stats_worst(f.stats, &n)->response < MS);
    assert_int_equal(where_stats_clock(f.stats)->n_messages, 200);
    deinit(&f);
}

static void test_counts_tell_which_clocks_were_used(void **state)
{
    const struct where_counts *c;
    struct fixture f;

    (void)state;
    init(&f, 5, 0);
    for (nsec_t i = 0; i < 100; i++) {
        struct where_sample s = send_one(&f, START + i * 20 * MS, 0, 20 * US);

        if (i % 4 == 0)
            s.flags = (uint16_t)(s.flags & ~SAMPLE_ARRIVAL_KERNEL);
        if (i % 5 == 0)
            s.flags = (uint16_t)(s.flags & ~SAMPLE_RX_KERNEL);
        if (i % 10 == 1)
            s.flags |= SAMPLE_RX_SHARED;
        if (i % 20 == 1)
            s.flags |= SAMPLE_ARRIVAL_NIC;
        if (i % 50 == 1)
            s.flags |= SAMPLE_RX_NIC;
        where_window_add(f.window, &s);
    }
    where_stats_close(f.stats, f.window, NULL, NULL);
    c = where_stats_counts(f.stats);
    assert_int_equal(c->messages, 100);
    assert_int_equal(c->arrival_kernel, 75);
    assert_int_equal(c->arrival_nic, 5);
    assert_int_equal(c->arrival_user, 25);
    assert_int_equal(c->rx_kernel, 80);
    assert_int_equal(c->rx_nic, 2);
    assert_int_equal(c->rx_user, 20);
    assert_int_equal(c->rx_shared, 10);
    assert_int_equal(c->stretches, 1);
    assert_int_equal(c->stretches_invalid, 0);
    deinit(&f);
}

static void test_text_has_its_wakeups_only(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, 6, 0);
    for (nsec_t i = 0; i < 100; i++) {
        struct where_sample s = send_one(&f, START + i * 20 * MS, 0, 20 * US);

        s.flags = SAMPLE_RX_KERNEL;
        where_window_add(f.window, &s);
    }
    where_stats_close(f.stats, f.window, NULL, NULL);
    assert_null(where_stats_hist(f.stats, PART_FORWARD));
    assert_null(where_stats_hist(f.stats, PART_RESIDENCE));
    assert_null(where_stats_hist(f.stats, PART_RETURN));
    assert_int_equal(hist_count(where_stats_hist(f.stats, PART_WAKEUP)), 100);
    assert_int_equal(where_stats_validity(f.stats), WHERE_NO_ARRIVALS);
    assert_int_equal(where_stats_clock(f.stats)->n_messages, 0);
    assert_int_equal(where_stats_counts(f.stats)->unfitted, 100);
    deinit(&f);
}

/* Message @i, 10 ms after the one before, into windows that close when they are due. */
static void run_one(struct fixture *f, nsec_t i)
{
    struct where_sample s = send_one(f, START + i * 10 * MS, 0, 20 * US);

    if (where_window_due(f->window, s.read))
        where_stats_close(f->stats, f->window, NULL, NULL);
    assert_non_null(where_window_add(f->window, &s));
}

/* The way out gets 2 ms shorter; when that is all that is known, the way back 1 ms; then the
 * server's clock steps. */
static void test_changes_are_kept_with_their_amounts(void **state)
{
    const struct where_change *c;
    struct fixture f;

    (void)state;
    init(&f, 10, 20e-6);
    f.truth.shortest_out += 3 * MS;
    f.truth.shortest_back += 3 * MS;
    for (nsec_t i = 0; i < 26000; i++) {
        if (i == 4000)
            f.truth.shortest_out -= 2 * MS;
        if (i == 18000)
            f.truth.shortest_back -= 1 * MS;
        if (i == 22000)
            truth_change_clock(&f.truth, START + i * 10 * MS - MS, 20e-6, 5 * (int64_t)MS);
        run_one(&f, i);
    }
    where_stats_close(f.stats, f.window, NULL, NULL);
    assert_int_equal(where_stats_counts(f.stats)->base_shifts, 2);
    assert_int_equal(where_stats_counts(f.stats)->clock_steps, 1);
    assert_int_equal(where_stats_n_changes(f.stats), 3);

    c = where_stats_change(f.stats, 0);
    assert_true(fabs((double)c->base_shift + 2e6) < 20e3);
    assert_true(fabs((double)c->forward_shift + 2e6) < 20e3);
    assert_true(c->at > START + 2900 * 10 * MS && c->at <= START + 4000 * 10 * MS);
    assert_ptr_not_equal(where_stats_largest_shift(f.stats), c);
    assert_int_equal(where_stats_largest_shift(f.stats)->base_shift, c->base_shift);
    c = where_stats_change(f.stats, 1);
    assert_true(fabs((double)c->base_shift + 1e6) < 20e3);
    assert_true(fabs((double)c->forward_shift) < 20e3);
    c = where_stats_change(f.stats, 2);
    assert_true(fabs((double)c->clock_step - 5e6) < 20e3);
    assert_int_equal(where_stats_largest_step(f.stats)->clock_step, c->clock_step);
    assert_null(where_stats_change(f.stats, 3));
    deinit(&f);
}

/* Two stretches, each of which is sure of its skew: the mean is not as sure as either. */
static void test_skew_that_changed_has_a_wide_error(void **state)
{
    const struct where_clock *c;
    struct fixture f;

    (void)state;
    init(&f, 12, 100e-6);
    c = where_stats_clock(f.stats);
    for (nsec_t i = 0; i < 6000; i++) {
        if (i == 3000) {
            assert_true(c->skew_error < 0.1e-6);
            truth_change_clock(&f.truth, START + i * 10 * MS - MS, -50e-6, 0);
        }
        run_one(&f, i);
    }
    where_stats_close(f.stats, f.window, NULL, NULL);
    assert_true(where_stats_counts(f.stats)->skew_changes > 0);
    assert_true(c->skew_max > 99e-6 && c->skew_min < -49e-6);
    assert_true(c->skew + c->skew_error > 99e-6);
    assert_true(c->skew - c->skew_error < -49e-6);
    deinit(&f);
}

static void test_latest_changes_are_kept(void **state)
{
    const uint64_t n = WHERE_CHANGES_KEPT + 6;
    struct fixture f;

    (void)state;
    init(&f, 11, 0);
    for (nsec_t i = 0; i < (n + 1) * 2000; i++) {
        if (i > 0 && i % 2000 == 0)     /* a longer step each time: a window sees one at most */
            truth_change_clock(&f.truth, START + i * 10 * MS - MS, 0, (int64_t)(i / 2000 * MS));
        run_one(&f, i);
    }
    where_stats_close(f.stats, f.window, NULL, NULL);
    assert_int_equal(where_stats_n_changes(f.stats), n);
    assert_null(where_stats_change(f.stats, n - WHERE_CHANGES_KEPT - 1));
    assert_true(fabs((double)where_stats_change(f.stats, n - WHERE_CHANGES_KEPT)->clock_step -
                     7e6) < 20e3);
    assert_true(fabs((double)where_stats_change(f.stats, n - 1)->clock_step - 70e6) < 20e3);
    deinit(&f);
}

static void count_visits(void *ctx, const struct where_sample *s, const struct where_parts *parts,
                         const struct where_fit *fit, const struct cause_note *note)
{
    unsigned *n_visits = ctx;

    assert_non_null(parts);
    assert_non_null(fit);
    assert_int_equal(note != NULL, s->seq == 5);
    (*n_visits)++;
}

static void test_close_shows_each_sample_and_its_note(void **state)
{
    unsigned n_visits = 0;
    struct fixture f;

    (void)state;
    init(&f, 9, 0);
    for (nsec_t i = 0; i < 50; i++) {
        struct where_sample s = send_one(&f, START + i * 20 * MS, 0, 20 * US), *kept;

        kept = where_window_add(f.window, &s);
        if (i == 5)
            where_window_note(f.window, kept, &(struct cause_note){.tcp_sampled = true});
    }
    where_stats_close(f.stats, f.window, count_visits, &n_visits);
    assert_int_equal(n_visits, 50);
    deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_histograms_show_the_parts),
        cmocka_unit_test(test_worst_come_with_their_cause),
        cmocka_unit_test(test_clock_is_told_with_its_error),
        cmocka_unit_test(test_warm_up_is_left_out_of_all_but_the_fit),
        cmocka_unit_test(test_counts_tell_which_clocks_were_used),
        cmocka_unit_test(test_text_has_its_wakeups_only),
        cmocka_unit_test(test_changes_are_kept_with_their_amounts),
        cmocka_unit_test(test_skew_that_changed_has_a_wide_error),
        cmocka_unit_test(test_latest_changes_are_kept),
        cmocka_unit_test(test_close_shows_each_sample_and_its_note),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
