/* SPDX-License-Identifier: MIT */
/*
 * What the engine finds, compared with the truth of simulated clocks and paths.
 */
#include <math.h>
#include <string.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "tests/support/where_run.h"

static nsec_t exponential(struct where_run *r, double mean)
{
    return (nsec_t)rng_exponential(r->rng, mean);
}

static void test_ideal_stamps_are_resolved_to_the_nanosecond(void **state)
{
    static const double skews[] = {0, 35 * PPM, -100 * PPM, 200 * PPM, -200 * PPM};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(skews); i++) {
        struct where_run r;

        where_run_init(&r, i, skews[i], 5000, NULL);
        for (size_t k = 0; k < 5000; k++)
            where_run_message(&r, (struct truth_message){.send = START + k * MS,
                                            .out = k % 50 == 7 ? 3 * MS : 0,
                                            .back = k % 50 == 31 ? 2 * MS : 0,
                                            .residence = 20 * US,
                                            .wakeup = 5 * US});
        where_run_close(&r);
        assert_int_equal(r.n_visited, 5000);
        assert_int_equal(r.last.validity, WHERE_VALID);
        assert_below(&r, fabs(r.last.skew - skews[i]), 0.01 * PPM, "error of the skew");
        assert_below(&r, where_run_error(&r, 0, 5000), 5, "error of a PDV");
        where_run_deinit(&r);
    }
}

/* One window over an hour: 200 ppm make 720 ms of it. */
static void test_an_hour_in_one_window_is_exact(void **state)
{
    static const double skews[] = {35 * PPM, -35 * PPM, 200 * PPM, -200 * PPM};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(skews); i++) {
        struct where_window_config config = {.n_conns = 1, .duration = 2 * 3600 * NSEC_PER_SEC,
                                             .horizon = 2 * 3600 * NSEC_PER_SEC};
        struct where_run r;

        where_run_init(&r, i, skews[i], 3600, &config);
        for (size_t k = 0; k < 3600; k++)
            where_run_message(&r, (struct truth_message){
                                      .send = START + k * NSEC_PER_SEC,
                                      .out = k % 3 ? exponential(&r, 5e6) : 0,
                                      .back = k % 7 ? exponential(&r, 1e6) : 0,
                                      .residence = 20 * US,
                                  });
        where_run_close(&r);
        assert_int_equal(r.n_fits, 1);
        assert_below(&r, fabs(r.last.skew - skews[i]), 0.001 * PPM, "error of the skew");
        assert_below(&r, where_run_error(&r, 0, 3600), 1000, "error of a PDV");
        where_run_deinit(&r);
    }
}

/* Any skew, any asymmetry, any noise, any rate: the error bar holds for nearly all. */
static void test_error_bar_holds_under_random_clocks_and_paths(void **state)
{
    size_t n_messages = 0, n_outside = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct where_run r;
        double skew, out, back, mean_interval;
        nsec_t now = START;
        size_t n;

        where_run_init(&r, seed, 0, 20000, NULL);
        skew = (truth_uniform(&r.conns[0]) - 0.5) * 400 * PPM;
        truth_change_clock(&r.conns[0], START, skew, 0);
        r.conns[0].shortest_out = (nsec_t)pow(10, 3.5 + 4 * truth_uniform(&r.conns[0]));
        r.conns[0].shortest_back = (nsec_t)pow(10, 3.5 + 4 * truth_uniform(&r.conns[0]));
        out = pow(10, 2 + 4 * truth_uniform(&r.conns[0]));
        back = pow(10, 2 + 4 * truth_uniform(&r.conns[0]));
        mean_interval = pow(10, 4.5 + 4.5 * truth_uniform(&r.conns[0]));
        n = 200 + (size_t)(truth_uniform(&r.conns[0]) * 19000);
        for (size_t i = 0; i < n; i++) {
            where_run_message(&r, where_run_noisy(&r, now, out, back));
            now += 1 + exponential(&r, mean_interval);
        }
        where_run_close(&r);
        assert_int_equal(r.n_visited, n);
        assert_int_equal(r.n_steps, 0);
        for (size_t i = 0; i < n; i++) {
            if (!where_parts_known(&r.parts[i], PART_FORWARD))
                continue;
            n_messages++;
            n_outside += where_run_error(&r, i, i + 1) > (double)r.parts[i].error;
            assert_int_equal(r.parts[i].ns[PART_WAKEUP], r.messages[i].wakeup);
        }
        where_run_deinit(&r);
    }
    assert_true(n_messages > 300000);
    if (n_outside * 10 > n_messages)
        fail_msg("%d of %d messages are outside their error bar", (int)n_outside, (int)n_messages);
}

/* What a loopback is like: no message is quite as fast as the fastest could be, the first ones are
 * slow, and both ways are some hundred nanoseconds longer or shorter for a while. */
static struct truth_message moody(struct where_run *r, nsec_t now, size_t i, nsec_t moods[static 2])
{
    double warm_up = 2e3 * exp(-(double)i / 30);
    struct truth_message m;

    if (rng_next_u64(r->rng) % 400 == 0)
        moods[rng_next_u64(r->rng) % 2] = rng_next_u64(r->rng) % 400;
    m = where_run_noisy(r, now, 300, 300);
    m.out += exponential(r, 300 + warm_up) + moods[0];
    m.back += exponential(r, 300 + warm_up) + moods[1];
    return m;
}

/* From a millisecond to a minute, on clocks that are the same, near or far. */
static void test_skew_is_within_its_bar_however_short_the_run(void **state)
{
    static const double skews[] = {0, 0, 0.5, -3, 60, -150};
    enum { N = 120 };
    int n_told = 0, n_outside = 0, n_told_outside = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= N; seed++) {
        nsec_t moods[2] = {0, 0}, now = START;
        double skew = skews[seed % ARRAY_SIZE(skews)] * PPM;
        bool told, outside;
        struct where_run r;
        size_t n;

        where_run_init(&r, seed, skew, 5000, NULL);
        n = (size_t)pow(10, 2 + 1.7 * truth_uniform(&r.conns[0]));
        for (size_t i = 0; i < n; i++) {
            where_run_message(&r, moody(&r, now, i, moods));
            now += (nsec_t)(10e3 * pow(10, 3 * (double)(seed % 20) / 19));
        }
        where_run_close(&r);
        told = r.last.validity == WHERE_VALID;
        outside = fabs(r.last.skew - skew) > r.last.skew_error;
        n_told += told;
        n_outside += outside;
        n_told_outside += told && outside;
        where_run_deinit(&r);
    }
    assert_in_range(n_told, N / 4, N - 1);
    if (n_outside * 20 > N || n_told_outside * 20 > n_told)
        fail_msg("outside their bar: %d of %d, of %d that were told %d", n_outside, N, n_told,
                 n_told_outside);
}

/* Below a second nothing is told that noise may have made: the clocks are taken for the same. */
static void test_skew_of_a_short_run_on_one_clock_is_not_told(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        nsec_t moods[2] = {0, 0};
        struct where_run r;

        where_run_init(&r, seed, 0, 1000, NULL);
        for (size_t i = 0; i < (seed % 2 ? 100 : 1000); i++)
            where_run_message(&r, moody(&r, START + i * 20 * US, i, moods));
        where_run_close(&r);
        assert_int_equal(r.last.validity, WHERE_SKEW_ASSUMED);
        assert_true(r.last.skew == 0);
        where_run_deinit(&r);
    }
}

/* A proxy that holds each k-th message, and so all behind it, in one direction. */
static void hold_some(uint64_t seed, double skew, nsec_t interval, size_t n, size_t every, bool out)
{
    size_t n_spikes = 0, n_right = 0;
    struct where_run r;

    where_run_init(&r, seed, skew, n, NULL);
    for (size_t i = 0; i < n; i++) {
        struct truth_message m = where_run_noisy(&r, START + i * interval, 10e3, 10e3);

        if (i % every == every / 2)
            *(out ? &m.out : &m.back) += 10 * MS;
        where_run_message(&r, m);
    }
    where_run_close(&r);

    for (size_t i = every / 2; i < n; i += every) {
        const nsec_t *ns = r.parts[i].ns;

        n_spikes++;
        n_right += fabs((double)ns[out ? PART_FORWARD : PART_RETURN] - 10e6) < 1e6 &&
                   ns[out ? PART_RETURN : PART_FORWARD] < MS && ns[PART_RESIDENCE] < MS &&
                   where_parts_known(&r.parts[i], PART_FORWARD) &&
                   where_parts_known(&r.parts[i], PART_RETURN);
    }
    if (n_right * 100 < n_spikes * 98)
        fail_msg("seed %d: %d of %d spikes are in their place", (int)seed, (int)n_right,
                 (int)n_spikes);
    where_run_deinit(&r);
}

static void test_held_messages_are_put_on_the_right_way(void **state)
{
    (void)state;
    for (int out = 0; out < 2; out++) {
        hold_some(1, 0, 20 * MS, 2000, 20, out);
        hold_some(2, 100 * PPM, 20 * MS, 2000, 20, out);
        hold_some(3, -100 * PPM, NSEC_PER_SEC, 400, 4, out);
        hold_some(4, 100 * PPM, NSEC_PER_SEC / 2000, 2000 * 180, 3600, out);
        hold_some(5, -200 * PPM, NSEC_PER_SEC / 2000, 2000 * 30, 100, out);
        hold_some(6, 200 * PPM, NSEC_PER_SEC / 50000, 50000 * 4, 2000, out);
    }
}

/* All at once: any skew and asymmetry, bursts back to back, one message in ten lost, spikes of 5 to
 * 50 ms out, back, and in the server. */
static void test_spikes_are_told_apart_amid_bursts_and_loss(void **state)
{
    static const enum where_part parts[] = {PART_FORWARD, PART_RETURN, PART_RESIDENCE};
    size_t n_spikes = 0, n_right = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        nsec_t now = START, spikes[3000][3] = {0};
        struct where_run r;
        double skew;

        where_run_init(&r, seed, 0, 3000, NULL);
        skew = (truth_uniform(&r.conns[0]) - 0.5) * 400 * PPM;
        truth_change_clock(&r.conns[0], START, skew, 0);
        r.conns[0].shortest_out += (nsec_t)(truth_uniform(&r.conns[0]) * 20e6);
        r.conns[0].shortest_back += (nsec_t)(truth_uniform(&r.conns[0]) * 20e6);
        while (r.n < 3000) {
            struct truth_message m = where_run_noisy(&r, now, 2e4, 2e4);
            nsec_t spike = (nsec_t)(5e6 + truth_uniform(&r.conns[0]) * 45e6);
            struct where_sample s;

            if (rng_next_u64(r.rng) % 40 == 0) {
                nsec_t *delays[] = {&m.out, &m.back, &m.residence};
                size_t where = rng_next_u64(r.rng) % 3;

                *delays[where] += spike;
                spikes[r.n][where] = spike;
            }
            s = where_run_send(&r, 0, m);
            if (rng_next_u64(r.rng) % 10 != 0)
                where_run_add(&r, &s);
            else
                memset(spikes[r.n - 1], 0, sizeof(spikes[0]));
            now += rng_next_u64(r.rng) % 50 == 0 ? 200 * MS : 100 * US;
        }
        where_run_close(&r);
        for (size_t i = 0; i < 3000; i++) {
            for (size_t k = 0; k < ARRAY_SIZE(parts); k++) {
                nsec_t truth[] = {r.messages[i].out, r.messages[i].back, r.messages[i].residence};
                bool right = true;

                if (spikes[i][k] == 0)
                    continue;
                n_spikes++;
                for (size_t j = 0; j < ARRAY_SIZE(parts); j++)
                    right = right && fabs((double)r.parts[i].ns[parts[j]] - (double)truth[j]) < 1e6;
                n_right += right;
            }
        }
        where_run_deinit(&r);
    }
    assert_true(n_spikes > 2000);
    if (n_right * 100 < n_spikes * 98)
        fail_msg("%d of %d spikes are in their place", (int)n_right, (int)n_spikes);
}

/* A way that is hardly ever free does not spoil the skew while the other one is. */
static void test_one_congested_way_does_not_bend_the_clock(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        bool out = seed % 2;
        struct where_run r;

        where_run_init(&r, seed, 50 * PPM, 6000, NULL);
        for (size_t i = 0; i < 6000; i++) {
            struct truth_message m = where_run_noisy(&r, START + i * 10 * MS, 5e3, 5e3);

            /* free at first, then a queue that fills up and stays */
            *(out ? &m.out : &m.back) += i < 50 ? 0 : (nsec_t)(5e6 * (1 - exp(-(double)i / 900)));
            where_run_message(&r, m);
        }
        where_run_close(&r);
        assert_below(&r, fabs(r.last.skew - 50 * PPM), 1 * PPM, "error of the skew");
        assert_below(&r, where_run_error(&r, 2000, 6000), 200e3, "error of a PDV");
        assert_int_equal(r.n_steps, 0);
        where_run_deinit(&r);
    }
}

/* A congestion that outlasts a window at a high rate: the shortest ways are known from before. */
static void test_congestion_longer_than_a_window_stays_visible(void **state)
{
    struct where_run r;

    (void)state;
    where_run_init(&r, 1, 20 * PPM, 200000, NULL);
    for (size_t i = 0; i < 200000; i++) {
        struct truth_message m = where_run_noisy(&r, START + i * 20 * US, 5e3, 5e3);

        if (i >= 60000 && i < 160000)
            m.out += 4 * MS;
        where_run_message(&r, m);
    }
    where_run_close(&r);
    assert_true(r.n_fits > 10);
    assert_below(&r, where_run_error(&r, 0, 200000), 10e3, "error of a PDV");
    assert_int_equal(r.n_shifts, 0);
    assert_int_equal(r.n_steps, 0);
    where_run_deinit(&r);
}

/* The monotonic clock of a virtual machine that was moved or stopped, either side's. */
static void test_clock_step_is_told_and_cut_out(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        int64_t step = (seed % 2 ? 1 : -1) * (int64_t)(200 * US << seed % 12);
        size_t at = 1000 + seed * 310;
        struct where_run r;

        where_run_init(&r, seed, 30 * PPM, 10000, NULL);
        for (size_t i = 0; i < 10000; i++) {
            if (i == at)
                truth_change_clock(&r.conns[0], START + i * 5 * MS - 1 * MS, 30 * PPM, step);
            where_run_message(&r, where_run_noisy(&r, START + i * 5 * MS, 10e3, 10e3));
        }
        where_run_close(&r);
        assert_int_equal(r.n_visited, 10000);
        assert_int_equal(r.n_steps, 1);
        assert_below(&r, fabs((double)(r.clock_step - step)), 20e3, "error of the step");
        assert_below(&r, where_run_error(&r, 0, 10000), 20e3, "error of a PDV");
        assert_int_equal(r.last.validity, WHERE_VALID);
        where_run_deinit(&r);
    }
}

/* NTP at work: the rate changes, the time does not jump. */
static void test_skew_that_changes_is_fitted_piecewise(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct where_run r;

        where_run_init(&r, seed, 40 * PPM, 12000, NULL);
        for (size_t i = 0; i < 12000; i++) {
            if (i == 3000 + 100 * seed)
                truth_change_clock(&r.conns[0], START + i * 10 * MS, -60 * PPM, 0);
            if (i == 9000)
                truth_change_clock(&r.conns[0], START + i * 10 * MS, 100 * PPM, 0);
            where_run_message(&r, where_run_noisy(&r, START + i * 10 * MS, 5e3, 5e3));
        }
        where_run_close(&r);
        assert_true(r.n_changes >= 2);
        assert_int_equal(r.n_steps, 0);
        assert_below(&r, fabs(r.last.skew - 100 * PPM), 1 * PPM, "error of the last skew");
        assert_below(&r, where_run_error(&r, 0, 12000), 100e3, "error of a PDV");
        where_run_deinit(&r);
    }
}

static void shift_base(struct where_run *r, bool out, bool up)
{
    nsec_t *shortest = out ? &r->conns[0].shortest_out : &r->conns[0].shortest_back;

    *shortest = up ? *shortest + 2 * MS : *shortest - 2 * MS;
}

/* Another route: longer, shorter, on one way. The messages behind it show it as PDV until the base
 * is known anew, and the shift is told with its direction. */
static void test_base_shift_is_told_with_its_direction(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        bool out = seed & 1, up = seed & 2;
        struct where_run r;

        where_run_init(&r, seed, -25 * PPM, 30000, NULL);
        *(out ? &r.conns[0].shortest_out : &r.conns[0].shortest_back) += 3 * MS;
        for (size_t i = 0; i < 30000; i++) {
            if (i == 12000)
                shift_base(&r, out, up);
            where_run_message(&r, where_run_noisy(&r, START + i * 10 * MS, 10e3, 10e3));
        }
        where_run_close(&r);
        assert_int_equal(r.n_shifts, 1);
        assert_int_equal(r.n_steps, 0);
        assert_below(&r, fabs((double)r.base_shift - (up ? 2e6 : -2e6)), 20e3,
                     "error of the shift");
        assert_below(&r, fabs((double)r.forward_shift - (out ? (double)r.base_shift : 0)), 20e3,
                     "error of its way out");
        where_run_deinit(&r);
    }
}

/* A route that gets longer at any moment by any amount, noise or not, is told within 35 seconds,
 * once, and from then on its messages have little PDV again. */
static void test_longer_route_is_told_soon(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        bool out = seed & 1;
        double noise = pow(10, 2 + 3 * (double)(seed % 10) / 9);
        size_t at, by_then;
        struct where_run r;
        nsec_t shift;

        where_run_init(&r, seed, 30 * PPM, 30000, NULL);
        at = (size_t)(1500 + 10000 * truth_uniform(&r.conns[0]));
        shift = (nsec_t)(pow(10, 5 + 2 * truth_uniform(&r.conns[0])) + 5 * noise);
        by_then = at + 3500;
        for (size_t i = 0; i < 30000; i++) {
            if (i == at)
                *(out ? &r.conns[0].shortest_out : &r.conns[0].shortest_back) += shift;
            if (i == by_then && r.n_shifts != 1)
                fail_msg("seed %d: %d shifts", (int)seed, (int)r.n_shifts);
            where_run_message(&r, where_run_noisy(&r, START + i * 10 * MS, noise, noise));
        }
        where_run_close(&r);
        assert_int_equal(r.n_shifts, 1);
        assert_int_equal(r.n_steps, 0);
        assert_below(&r, fabs((double)(r.base_shift - (int64_t)shift)), 10e3 + noise,
                     "error of the shift");
        assert_below(&r, fabs((double)(r.forward_shift - (out ? (int64_t)shift : 0))),
                     10e3 + noise, "error of its way out");
        assert_below(&r, where_run_error(&r, by_then, 30000) - (double)shift, 0,
                     "error of a PDV afterwards, less what it was");
        where_run_deinit(&r);
    }
}

/* Queues of a dozen seconds that stand still, and of minutes that do not, on either way. */
static void test_congestion_is_no_base_shift(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        bool out = seed & 1, stands = seed & 2;
        size_t from = 1500 + seed * 97, to = from + (stands ? 1200 : 9000);
        double queue = 3e6;
        struct where_run r;

        where_run_init(&r, seed, -20 * PPM, 15000, NULL);
        for (size_t i = 0; i < 15000; i++) {
            struct truth_message m = where_run_noisy(&r, START + i * 10 * MS, 10e3, 10e3);

            if (!stands)
                queue = fmin(fmax(queue + (truth_uniform(&r.conns[0]) - 0.5) * 4e5, 1e5), 8e6);
            if (i >= from && i < to)
                *(out ? &m.out : &m.back) += (nsec_t)queue;
            where_run_message(&r, m);
        }
        where_run_close(&r);
        if (r.n_shifts > 0 || r.n_steps > 0)
            fail_msg("seed %d: %d shifts, %d steps", (int)seed, (int)r.n_shifts, (int)r.n_steps);
        where_run_deinit(&r);
    }
}

/* In a window long enough to tell a route from a congestion. */
static void test_base_shift_within_a_window_is_told(void **state)
{
    static const struct where_window_config config = {.n_conns = 1,
                                                      .duration = 100 * NSEC_PER_SEC};

    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        bool out = seed & 1, up = seed & 2;
        struct where_run r;

        where_run_init(&r, seed, 70 * PPM, 6000, &config);
        *(out ? &r.conns[0].shortest_out : &r.conns[0].shortest_back) += 3 * MS;
        for (size_t i = 0; i < 6000; i++) {
            if (i == 2500)
                shift_base(&r, out, up);
            where_run_message(&r, where_run_noisy(&r, START + i * 10 * MS, 10e3, 10e3));
        }
        where_run_close(&r);
        assert_int_equal(r.n_fits, 1);
        assert_int_equal(r.n_shifts, 1);
        assert_below(&r, fabs((double)r.base_shift - (up ? 2e6 : -2e6)), 20e3,
                     "error of the shift");
        assert_below(&r, fabs((double)r.forward_shift - (out ? (double)r.base_shift : 0)), 20e3,
                     "error of its way out");
        where_run_deinit(&r);
    }
}

static void test_congestion_of_seconds_is_no_base_shift(void **state)
{
    static const struct where_window_config config = {.n_conns = 1,
                                                      .duration = 100 * NSEC_PER_SEC};
    struct where_run r;

    (void)state;
    where_run_init(&r, 1, 70 * PPM, 6000, &config);
    for (size_t i = 0; i < 6000; i++) {
        struct truth_message m = where_run_noisy(&r, START + i * 10 * MS, 10e3, 10e3);

        if (i >= 5400)
            m.back += 3 * MS;
        where_run_message(&r, m);
    }
    where_run_close(&r);
    assert_int_equal(r.n_shifts, 0);
    assert_below(&r, where_run_error(&r, 0, 6000), 10e3, "error of a PDV");
    where_run_deinit(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ideal_stamps_are_resolved_to_the_nanosecond),
        cmocka_unit_test(test_an_hour_in_one_window_is_exact),
        cmocka_unit_test(test_error_bar_holds_under_random_clocks_and_paths),
        cmocka_unit_test(test_skew_is_within_its_bar_however_short_the_run),
        cmocka_unit_test(test_skew_of_a_short_run_on_one_clock_is_not_told),
        cmocka_unit_test(test_held_messages_are_put_on_the_right_way),
        cmocka_unit_test(test_spikes_are_told_apart_amid_bursts_and_loss),
        cmocka_unit_test(test_one_congested_way_does_not_bend_the_clock),
        cmocka_unit_test(test_congestion_longer_than_a_window_stays_visible),
        cmocka_unit_test(test_clock_step_is_told_and_cut_out),
        cmocka_unit_test(test_skew_that_changes_is_fitted_piecewise),
        cmocka_unit_test(test_base_shift_is_told_with_its_direction),
        cmocka_unit_test(test_longer_route_is_told_soon),
        cmocka_unit_test(test_congestion_is_no_base_shift),
        cmocka_unit_test(test_base_shift_within_a_window_is_told),
        cmocka_unit_test(test_congestion_of_seconds_is_no_base_shift),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
