/* SPDX-License-Identifier: MIT */
/*
 * Messages whose stamps the kernels merged, because a program that was away found many at once.
 */
#include <stdlib.h>

#include "tests/support/test.h"

#include "client/cause.h"
#include "common/base.h"
#include "tests/support/where_run.h"

#define INTERVAL (1 * MS)
#define N_BEFORE 2000
#define N_AFTER 1000

/* What a server that finds many messages tells of them. */
struct drain {
    bool first_alone;           /* the first was read by itself, so that it has its own stamp */
    bool away;                  /* the server knows that it did not run */
    bool no_window;             /* it cannot say how long before its stamp they can have come */
};

static void send_quiet(struct where_run *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        where_run_message(r, where_run_noisy(r, START + r->n * INTERVAL, 5e3, 5e3));
}

/* @n messages, one an interval, that a server answers at @departure; each takes @out more. */
static void send_drained(struct where_run *r, size_t n, nsec_t departure, nsec_t out,
                         const struct drain *drain)
{
    struct where_sample *s = calloc(n, sizeof(*s));
    nsec_t first, stamp;

    assert_non_null(s);
    for (size_t i = 0; i < n; i++) {
        nsec_t send = START + r->n * INTERVAL;
        nsec_t arrival = MAX(send + r->conns[0].shortest_out + out, r->conns[0].last_arrival);

        s[i] = where_run_send(r, 0, (struct truth_message){.send = send, .out = out,
                                                          .residence = departure - arrival});
    }
    first = s[0].arrival;
    stamp = s[n - 1].arrival;
    for (size_t i = 0; i < n; i++) {
        nsec_t own = s[i].arrival;

        if (i == n - 1 || (i == 0 && drain->first_alone))
            continue;
        s[i].arrival = stamp;
        s[i].residence -= stamp - own;
        s[i].window = drain->no_window ? NSEC_PER_SEC : stamp - first;
        s[i].flags |= SAMPLE_ARRIVAL_SHARED;
        if (drain->away)
            s[i].flags |= SAMPLE_SERVER_AWAY;
    }
    for (size_t i = 0; i < n; i++)
        where_run_add(r, &s[i]);
    free(s);
}

static const char *cause_name_of(const struct where_run *r, size_t i)
{
    return cause_name(cause_of(&r->parts[i], SAMPLE_ARRIVAL | SAMPLE_ARRIVAL_KERNEL |
                                                 SAMPLE_RX_KERNEL, NULL));
}

static void assert_near(const struct where_run *r, size_t i, nsec_t found, nsec_t truth)
{
    nsec_t off = found > truth ? found - truth : truth - found;

    if (off > MS)
        fail_msg("message %d: found %lld, truth is %lld", (int)(i - N_BEFORE), (long long)found,
                 (long long)truth);
    (void)r;
}

/* The server is stopped for 300 ms of an open loop, and reads the first message alone. */
static void test_stopped_server_is_the_server_for_all_that_waited(void **state)
{
    const struct drain drain = {.first_alone = true};
    struct where_run r;

    (void)state;
    where_run_init(&r, 1, 100 * PPM, N_BEFORE + 300 + N_AFTER, NULL);
    send_quiet(&r, N_BEFORE);
    send_drained(&r, 300, START + (N_BEFORE + 300) * INTERVAL, 0, &drain);
    send_quiet(&r, N_AFTER);
    where_run_close(&r);

    for (size_t i = N_BEFORE; i < N_BEFORE + 300; i++) {
        assert_near(&r, i, r.parts[i].ns[PART_RESIDENCE], r.messages[i].residence);
        assert_near(&r, i, r.parts[i].ns[PART_FORWARD], 0);
        assert_true(where_parts_known(&r.parts[i], PART_RESIDENCE));
        assert_string_equal(cause_name_of(&r, i), "server");
    }
    where_run_deinit(&r);
}

static void test_server_that_knows_it_was_away_needs_no_first_message(void **state)
{
    const struct drain drain = {.away = true};
    struct where_run r;

    (void)state;
    where_run_init(&r, 1, -100 * PPM, N_BEFORE + 300 + N_AFTER, NULL);
    send_quiet(&r, N_BEFORE);
    send_drained(&r, 300, START + (N_BEFORE + 300) * INTERVAL, 0, &drain);
    send_quiet(&r, N_AFTER);
    where_run_close(&r);

    for (size_t i = N_BEFORE; i < N_BEFORE + 300; i++) {
        assert_near(&r, i, r.parts[i].ns[PART_RESIDENCE], r.messages[i].residence);
        assert_string_equal(cause_name_of(&r, i), "server");
    }
    where_run_deinit(&r);
}

static void test_single_message_at_a_stopped_server_is_the_server(void **state)
{
    const struct drain drain = {.first_alone = true};
    struct where_run r;

    (void)state;
    where_run_init(&r, 1, 100 * PPM, N_BEFORE + 1 + N_AFTER, NULL);
    send_quiet(&r, N_BEFORE);
    send_drained(&r, 1, START + N_BEFORE * INTERVAL + 300 * MS, 0, &drain);
    send_quiet(&r, N_AFTER);
    where_run_close(&r);
    assert_near(&r, N_BEFORE, r.parts[N_BEFORE].ns[PART_RESIDENCE], 300 * MS);
    assert_string_equal(cause_name_of(&r, N_BEFORE), "server");
    where_run_deinit(&r);
}

/* A message that cannot leave for the window is full: behind one that the server leaves lying, or
 * that the path holds. */
static void test_messages_behind_unanswered_ones_are_marked(void **state)
{
    (void)state;
    for (int stopped = 0; stopped < 2; stopped++) {
        struct truth_message first = {.send = START + N_BEFORE * INTERVAL};
        struct truth_message second = {.send = first.send + INTERVAL, .out = 200 * MS};
        struct where_run r;

        *(stopped ? &first.residence : &first.out) = 200 * MS;
        where_run_init(&r, 1, 100 * PPM, N_BEFORE + 2, NULL);
        send_quiet(&r, N_BEFORE);
        where_run_message(&r, first);
        where_run_message(&r, second);
        where_run_close(&r);
        assert_near(&r, N_BEFORE + 1, r.parts[N_BEFORE + 1].ns[PART_FORWARD], 200 * MS);
        assert_int_equal(r.parts[N_BEFORE + 1].behind_others, stopped);
        where_run_deinit(&r);
    }
}

/* Nothing proves where they were: not the path's fault, and not told. */
static void test_merged_stamps_without_proof_are_unknown(void **state)
{
    const struct drain drain = {.no_window = true};
    size_t n_unknown = 0;
    struct where_run r;

    (void)state;
    where_run_init(&r, 1, 100 * PPM, N_BEFORE + 300 + N_AFTER, NULL);
    send_quiet(&r, N_BEFORE);
    send_drained(&r, 300, START + (N_BEFORE + 300) * INTERVAL, 0, &drain);
    send_quiet(&r, N_AFTER);
    where_run_close(&r);

    for (size_t i = N_BEFORE; i < N_BEFORE + 300; i++) {
        assert_string_not_equal(cause_name_of(&r, i), "path_out");
        assert_true(r.parts[i].ns[PART_FORWARD] < MS);
        assert_true(r.parts[i].ns[PART_RESIDENCE] <= r.messages[i].residence + MS);
        assert_near(&r, i, r.parts[i].ns[PART_RESIDENCE] + r.parts[i].ns[PART_UNSPLIT],
                    r.messages[i].residence);
        if (where_parts_known(&r.parts[i], PART_FORWARD))
            continue;
        n_unknown++;
        assert_false(where_parts_known(&r.parts[i], PART_RESIDENCE));
    }
    assert_true(n_unknown > 250);
    assert_string_equal(cause_name_of(&r, N_BEFORE + 10), "unknown");
    where_run_deinit(&r);
}

/* The path holds 20 messages for 40 ms and lets them go at once; the server is there in no time. */
static void test_burst_that_the_path_let_go_is_the_path(void **state)
{
    const struct drain drain = {.first_alone = true};
    struct where_run r;

    (void)state;
    where_run_init(&r, 1, 100 * PPM, N_BEFORE + 20 + N_AFTER, NULL);
    send_quiet(&r, N_BEFORE);
    r.conns[0].last_arrival = START + N_BEFORE * INTERVAL + 40 * MS;
    send_drained(&r, 20, START + N_BEFORE * INTERVAL + 40 * MS + 50 * US, 0, &drain);
    send_quiet(&r, N_AFTER);
    where_run_close(&r);

    for (size_t i = N_BEFORE; i < N_BEFORE + 20; i++) {
        assert_near(&r, i, r.parts[i].ns[PART_FORWARD], 40 * MS - (i - N_BEFORE) * INTERVAL);
        assert_true(r.parts[i].ns[PART_RESIDENCE] < MS);
        assert_string_equal(cause_name_of(&r, i), "path_out");
    }
    assert_true(r.parts[N_BEFORE + 1].behind_out);
    assert_false(r.parts[N_BEFORE].behind_out);
    where_run_deinit(&r);
}

/* Our own program is stopped, and reads the replies of 100 messages with two reads. */
static void test_replies_that_we_left_unread_are_our_wakeup(void **state)
{
    nsec_t read = START + (N_BEFORE + 100) * INTERVAL;
    struct where_sample s[100];
    struct where_run r;

    (void)state;
    where_run_init(&r, 1, 100 * PPM, N_BEFORE + 100 + N_AFTER, NULL);
    send_quiet(&r, N_BEFORE);
    for (size_t i = 0; i < 100; i++) {
        s[i] = where_run_send(&r, 0, where_run_noisy(&r, START + r.n * INTERVAL, 5e3, 5e3));
        s[i].read = read;
    }
    for (size_t i = 0; i < 100; i++) {
        if (i > 0 && i < 99) {
            s[i].rx = s[99].rx;
            s[i].flags |= SAMPLE_RX_SHARED;
        }
        where_run_add(&r, &s[i]);
    }
    send_quiet(&r, N_AFTER);
    where_run_close(&r);

    for (size_t i = N_BEFORE; i < N_BEFORE + 95; i++) {
        nsec_t rx = r.messages[i].send + 50 * US + r.messages[i].out + r.messages[i].residence +
                    r.messages[i].back;

        assert_near(&r, i, r.parts[i].ns[PART_WAKEUP], read - rx);
        assert_true(where_parts_known(&r.parts[i], PART_WAKEUP));
        assert_string_equal(cause_name_of(&r, i), "local_wakeup");
    }
    where_run_deinit(&r);
}

/* The path lets 20 replies go at once, after 30 ms, and we were looking out all the time. */
static void test_replies_that_the_path_let_go_are_the_path(void **state)
{
    nsec_t rx = START + N_BEFORE * INTERVAL + 30 * MS;
    struct where_run r;

    (void)state;
    where_run_init(&r, 1, 100 * PPM, N_BEFORE + 20 + N_AFTER, NULL);
    send_quiet(&r, N_BEFORE);
    r.conns[0].last_rx = rx;
    for (size_t i = 0; i < 20; i++) {
        struct where_sample s =
            where_run_send(&r, 0, where_run_noisy(&r, START + r.n * INTERVAL, 5e3, 5e3));

        s.read = rx + 20 * US;
        if (i < 19) {
            s.flags |= SAMPLE_RX_SHARED;
            s.rx_earliest = rx - 10 * US;
        }
        where_run_add(&r, &s);
    }
    send_quiet(&r, N_AFTER);
    where_run_close(&r);

    for (size_t i = N_BEFORE; i < N_BEFORE + 20; i++) {
        assert_near(&r, i, r.parts[i].ns[PART_RETURN], r.messages[i].back);
        assert_true(r.parts[i].ns[PART_WAKEUP] < MS);
        assert_true(where_parts_known(&r.parts[i], PART_RETURN));
        assert_string_equal(cause_name_of(&r, i), "path_back");
    }
    where_run_deinit(&r);
}

/* In text the server tells nothing: only our own wake-up is known. */
static void test_text_knows_its_wakeup_only(void **state)
{
    struct where_run r;

    (void)state;
    where_run_init(&r, 1, 0, 100, NULL);
    for (size_t i = 0; i < 100; i++) {
        struct where_sample s =
            where_run_send(&r, 0, where_run_noisy(&r, START + i * MS, 5e3, 5e3));

        s.flags = SAMPLE_RX_KERNEL;
        where_run_add(&r, &s);
    }
    where_run_close(&r);
    assert_int_equal(r.last.validity, WHERE_NO_ARRIVALS);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(r.parts[i].known, 1 << PART_QUEUED | 1 << PART_WAKEUP);
        assert_int_equal(r.parts[i].ns[PART_WAKEUP], r.messages[i].wakeup);
        assert_int_equal(r.parts[i].ns[PART_FORWARD] + r.parts[i].ns[PART_RESIDENCE] +
                             r.parts[i].ns[PART_RETURN] + r.parts[i].ns[PART_BASE], 0);
    }
    where_run_deinit(&r);
}

/* Too few messages for a fit: what needs none is told all the same. */
static void test_residence_and_wakeup_need_no_fit(void **state)
{
    struct where_run r;

    (void)state;
    where_run_init(&r, 1, 0, 3, NULL);
    for (size_t i = 0; i < 3; i++)
        where_run_message(&r, where_run_noisy(&r, START + i * MS, 5e3, 5e3));
    where_run_close(&r);
    assert_int_equal(r.last.validity, WHERE_TOO_FEW);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(r.parts[i].known,
                         1 << PART_QUEUED | 1 << PART_WAKEUP | 1 << PART_RESIDENCE);
        assert_int_equal(r.parts[i].ns[PART_RESIDENCE], r.messages[i].residence);
    }
    where_run_deinit(&r);
}

/* Without kernel stamps the way back contains our wake-up. */
static void test_user_clock_knows_no_wakeup(void **state)
{
    struct where_run r;

    (void)state;
    where_run_init(&r, 1, 50 * PPM, 500, NULL);
    for (size_t i = 0; i < 500; i++) {
        struct where_sample s =
            where_run_send(&r, 0, where_run_noisy(&r, START + i * MS, 5e3, 5e3));

        s.rx = s.read;
        s.flags = (uint16_t)(s.flags & ~SAMPLE_RX_KERNEL);
        where_run_add(&r, &s);
    }
    where_run_close(&r);
    for (size_t i = 0; i < 500; i++) {
        assert_false(where_parts_known(&r.parts[i], PART_WAKEUP));
        assert_true(where_parts_known(&r.parts[i], PART_RETURN));
        assert_int_equal(r.parts[i].ns[PART_WAKEUP], 0);
    }
    where_run_deinit(&r);
}

static void test_wait_before_the_send_is_a_part_of_its_own(void **state)
{
    struct where_run r;

    (void)state;
    where_run_init(&r, 1, 0, 100, NULL);
    for (size_t i = 0; i < 100; i++) {
        struct truth_message m = where_run_noisy(&r, START + i * 10 * MS, 5e3, 5e3);

        m.due = m.send - i * US;
        where_run_message(&r, m);
    }
    where_run_close(&r);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(r.parts[i].ns[PART_QUEUED], i * US);
    where_run_deinit(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stopped_server_is_the_server_for_all_that_waited),
        cmocka_unit_test(test_server_that_knows_it_was_away_needs_no_first_message),
        cmocka_unit_test(test_single_message_at_a_stopped_server_is_the_server),
        cmocka_unit_test(test_messages_behind_unanswered_ones_are_marked),
        cmocka_unit_test(test_merged_stamps_without_proof_are_unknown),
        cmocka_unit_test(test_burst_that_the_path_let_go_is_the_path),
        cmocka_unit_test(test_replies_that_we_left_unread_are_our_wakeup),
        cmocka_unit_test(test_replies_that_the_path_let_go_are_the_path),
        cmocka_unit_test(test_text_knows_its_wakeup_only),
        cmocka_unit_test(test_residence_and_wakeup_need_no_fit),
        cmocka_unit_test(test_user_clock_knows_no_wakeup),
        cmocka_unit_test(test_wait_before_the_send_is_a_part_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
