/* SPDX-License-Identifier: MIT */
/*
 * Several connections in one window, servers that lie, and the window's limits.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "tests/support/where_run.h"

/* One message after the other, each over the next connection, all noisy. */
static void send_round(struct where_run *r, uint32_t n_conns, size_t n, nsec_t interval,
                       uint16_t flags)
{
    for (size_t i = 0; i < n; i++) {
        struct truth_message m = where_run_noisy(r, START + r->n * interval, 2e4, 2e4);
        struct where_sample s = where_run_send(r, (uint32_t)(r->n % n_conns), m);

        s.flags |= flags;
        where_run_add(r, &s);
    }
}

/* Ports hash to paths of their own: longer out, longer back, by what nobody knows. */
static void test_connections_have_minima_of_their_own(void **state)
{
    struct where_window_config config = {.n_conns = 8};
    struct where_run r;

    (void)state;
    where_run_init(&r, 1, 60 * PPM, 24000, &config);
    for (uint32_t c = 0; c < 8; c++) {
        r.conns[c].shortest_out += c * 700 * US;
        r.conns[c].shortest_back += (7 - c) * 300 * US;
    }
    send_round(&r, 8, 24000, 2 * MS, 0);
    where_run_close(&r);
    assert_true(r.last.per_connection);
    assert_int_equal(r.last.validity, WHERE_VALID);
    assert_below(&r, fabs(r.last.skew - 60 * PPM), 0.1 * PPM, "error of the skew");
    assert_below(&r, fabs((double)r.last.base - (50e3 + 7 * 300e3)), 1e3, "error of the base");
    assert_below(&r, where_run_error(&r, 0, 24000), 5e3, "error of a PDV");
    assert_int_equal(r.n_steps + r.n_shifts + r.n_changes, 0);
    where_run_deinit(&r);
}

static void test_clock_step_shows_in_all_connections(void **state)
{
    struct where_window_config config = {.n_conns = 8};
    struct where_run r;

    (void)state;
    where_run_init(&r, 2, 60 * PPM, 16000, &config);
    for (uint32_t c = 0; c < 8; c++)
        r.conns[c].shortest_out += c * 700 * US;
    send_round(&r, 8, 9000, 2 * MS, 0);
    for (uint32_t c = 0; c < 8; c++)
        truth_change_clock(&r.conns[c], START + 9000 * 2 * MS - MS, 60 * PPM, 1000000);
    send_round(&r, 8, 7000, 2 * MS, 0);
    where_run_close(&r);
    assert_int_equal(r.n_steps, 1);
    assert_below(&r, fabs((double)r.clock_step - 1e6), 30e3, "error of the step");
    assert_below(&r, where_run_error(&r, 0, 8900), 20e3, "error of a PDV");
    assert_below(&r, where_run_error(&r, 9100, 16000), 20e3, "error of a PDV");
    where_run_deinit(&r);
}

static void test_many_connections_share_their_minima(void **state)
{
    struct where_window_config config = {.n_conns = 500};
    struct where_run r;

    (void)state;
    where_run_init(&r, 3, -60 * PPM, 20000, &config);
    send_round(&r, 500, 20000, 10 * US, 0);
    where_run_close(&r);
    assert_false(r.last.per_connection);
    assert_below(&r, fabs(r.last.skew - -60 * PPM), 1 * PPM, "error of the skew");
    assert_below(&r, where_run_error(&r, 0, 20000), 2e3, "error of a PDV");
    where_run_deinit(&r);
}

static void test_connection_for_each_message_shares_too(void **state)
{
    struct where_window_config config = {.n_conns = 4, .merge = true};
    struct where_run r;

    (void)state;
    where_run_init(&r, 4, 100 * PPM, 2000, &config);
    send_round(&r, 4, 2000, 10 * MS, SAMPLE_FIRST);
    where_run_close(&r);
    assert_false(r.last.per_connection);
    assert_below(&r, fabs(r.last.skew - 100 * PPM), 0.5 * PPM, "error of the skew");
    assert_below(&r, where_run_error(&r, 0, 2000), 10e3, "error of a PDV");
    where_run_deinit(&r);
}

/* A balancer in front of several servers gives each connection another clock. */
static void test_several_servers_make_no_common_fit(void **state)
{
    struct where_window_config config = {.n_conns = 100};
    struct where_run r;

    (void)state;
    where_run_init(&r, 5, 0, 5000, &config);
    for (uint32_t c = 0; c < 100; c++)
        r.conns[c].server += (c % 3) * 1000 * NSEC_PER_SEC;
    send_round(&r, 100, 5000, 1 * MS, 0);
    where_run_close(&r);
    assert_int_equal(r.last.validity, WHERE_CLOCK_BROKEN);
    for (size_t i = 0; i < 5000; i++) {
        assert_false(where_parts_known(&r.parts[i], PART_FORWARD));
        assert_false(where_parts_known(&r.parts[i], PART_RETURN));
        assert_true(where_parts_known(&r.parts[i], PART_RESIDENCE));
    }
    where_run_deinit(&r);
}

/* A few connections with enough messages each have their own clock even so. */
static void test_several_servers_fit_where_minima_are_own(void **state)
{
    struct where_window_config config = {.n_conns = 3};
    struct where_run r;

    (void)state;
    where_run_init(&r, 6, 20 * PPM, 6000, &config);
    for (uint32_t c = 0; c < 3; c++)
        r.conns[c].server += c * 1000 * NSEC_PER_SEC;
    send_round(&r, 3, 6000, 1 * MS, 0);
    where_run_close(&r);
    assert_true(r.last.per_connection);
    assert_below(&r, where_run_error(&r, 0, 6000), 10e3, "error of a PDV");
    where_run_deinit(&r);
}

/* Whatever a server says, nothing overflows and the parts add up; where_run_add() checks it. */
static void test_lies_of_a_server_stay_within_the_round_trip(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct where_window_config config = {.n_conns = 1 + (uint32_t)(seed % 70),
                                             .n_samples = 200};
        struct where_run r;

        where_run_init(&r, seed, 0, 1000, &config);
        for (size_t i = 0; i < 1000; i++) {
            struct where_sample s =
                where_run_send(&r, (uint32_t)(i % config.n_conns),
                               where_run_noisy(&r, START + i * MS, 1e5, 1e5));
            unsigned bits = 1 + (unsigned)(rng_next_u64(r.rng) % 64);

            if (rng_next_u64(r.rng) % 4 == 0)
                s.arrival += rng_next_u64(r.rng) >> (64 - bits);
            if (rng_next_u64(r.rng) % 4 == 0)
                s.residence = rng_next_u64(r.rng) >> (64 - bits);
            if (rng_next_u64(r.rng) % 4 == 0)
                s.window = rng_next_u64(r.rng) >> (64 - bits);
            s.flags = (uint16_t)(rng_next_u64(r.rng) & 0x7f);
            where_run_add(&r, &s);
        }
        where_run_close(&r);
        assert_int_equal(r.n_visited, 1000);
        for (size_t i = 0; i < 1000; i++)
            for (int part = 0; part < PART_COUNT; part++)
                assert_true(r.parts[i].ns[part] < NSEC_PER_SEC);
        where_run_deinit(&r);
    }
}

static void test_stamps_out_of_order_are_put_in_order(void **state)
{
    struct where_run r;

    (void)state;
    where_run_init(&r, 7, 0, 100, NULL);
    for (size_t i = 0; i < 100; i++) {
        struct where_sample s =
            where_run_send(&r, 0, where_run_noisy(&r, START + i * MS, 1e4, 1e4));

        s.rx = i % 2 ? s.read + 300 : s.send - 300;
        where_run_add(&r, &s);
    }
    where_run_close(&r);
    assert_int_equal(r.n_visited, 100);
    where_run_deinit(&r);
}

static void test_window_is_full_at_its_size(void **state)
{
    _cleanup_(where_window_freep) struct where_window *w = NULL;
    struct where_window_config config = {.n_conns = 1, .n_samples = 10};
    struct where_sample s = {.send = 1, .rx = 2, .read = 3};

    (void)state;
    assert_int_equal(where_window_new(&w, &config), 0);
    assert_false(where_window_due(w, 1000 * NSEC_PER_SEC));
    for (int i = 0; i < 10; i++) {
        assert_false(where_window_due(w, 3));
        assert_non_null(where_window_add(w, &s));
    }
    assert_true(where_window_due(w, 3));
    assert_null(where_window_add(w, &s));
    where_window_close(w, NULL, NULL);
    assert_false(where_window_due(w, 3));
    assert_non_null(where_window_add(w, &s));
}

static void test_window_is_due_when_its_time_is_over(void **state)
{
    _cleanup_(where_window_freep) struct where_window *w = NULL;
    struct where_window_config config = {.n_conns = 1, .duration = 10 * NSEC_PER_SEC,
                                         .horizon = 60 * NSEC_PER_SEC};
    struct where_sample s = {.send = 1, .rx = 2, .read = 3};

    (void)state;
    assert_int_equal(where_window_new(&w, &config), 0);
    for (int i = 0; i < 31; i++)
        where_window_add(w, &s);
    assert_false(where_window_due(w, 11 * NSEC_PER_SEC));
    assert_true(where_window_due(w, 61 * NSEC_PER_SEC));
    where_window_add(w, &s);
    assert_false(where_window_due(w, 9 * NSEC_PER_SEC));
    assert_true(where_window_due(w, 11 * NSEC_PER_SEC));
}

static void test_window_without_connections_is_refused(void **state)
{
    struct where_window_config config = {.n_conns = 0};
    struct where_window *w = NULL;

    (void)state;
    assert_int_equal(where_window_new(&w, &config), -EINVAL);
    assert_null(w);
}

static void count_notes(void *ctx, const struct where_sample *s, const struct where_parts *parts,
                        const struct where_fit *fit, const struct cause_note *note)
{
    unsigned *n_notes = ctx;

    (void)parts;
    (void)fit;
    if (!note)
        return;
    assert_int_equal(note->retransmits, s->seq);
    (*n_notes)++;
}

static void test_notes_beyond_their_room_are_lost(void **state)
{
    _cleanup_(where_window_freep) struct where_window *w = NULL;
    struct where_window_config config = {.n_conns = 1, .n_samples = 160};

    (void)state;
    assert_int_equal(where_window_new(&w, &config), 0);
    for (int round = 0; round < 2; round++) {
        unsigned n_notes = 0;

        for (uint64_t i = 0; i < 100; i++) {
            struct where_sample s = {.send = 1, .rx = 2, .read = 3, .seq = i};

            where_window_note(w, where_window_add(w, &s),
                              &(struct cause_note){.retransmits = (uint32_t)i});
        }
        where_window_close(w, count_notes, &n_notes);
        assert_int_equal(n_notes, 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connections_have_minima_of_their_own),
        cmocka_unit_test(test_clock_step_shows_in_all_connections),
        cmocka_unit_test(test_many_connections_share_their_minima),
        cmocka_unit_test(test_connection_for_each_message_shares_too),
        cmocka_unit_test(test_several_servers_make_no_common_fit),
        cmocka_unit_test(test_several_servers_fit_where_minima_are_own),
        cmocka_unit_test(test_lies_of_a_server_stay_within_the_round_trip),
        cmocka_unit_test(test_stamps_out_of_order_are_put_in_order),
        cmocka_unit_test(test_window_is_full_at_its_size),
        cmocka_unit_test(test_window_is_due_when_its_time_is_over),
        cmocka_unit_test(test_window_without_connections_is_refused),
        cmocka_unit_test(test_notes_beyond_their_room_are_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
