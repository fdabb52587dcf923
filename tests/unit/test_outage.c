/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "tests/support/swarm_fixture.h"

/* ---- The end of a run ---- */

static void test_lost_connection_ends_a_run_with_an_end(void **state)
{
    struct swarm_fixture *f = *state;

    swarm_fixture_open(f);
    swarm_fixture_push(f);
    fd_closep(&f->peer_fd);
    swarm_fixture_turn(f);
    assert_true(f->swarm.has_failed);
    assert_int_equal(f->result->error, RUN_ERROR_CONNECTION_LOST);
    assert_int_equal(f->result->lost, 1);
    assert_int_equal(f->swarm.n_open, 0);
    assert_int_equal(f->result->n_outages, 0);
}

/* With unread data in it, a socket that is closed resets its connection. */
static void test_error_line_before_a_reset_is_shown(void **state)
{
    struct swarm_fixture *f = *state;

    swarm_fixture_open(f);
    swarm_fixture_push(f);
    server_say(f, "ERROR: closed on Mondays");
    swarm_fixture_turn(f);
    fd_closep(&f->peer_fd);
    swarm_fixture_turn(f);
    assert_int_equal(f->result->error, RUN_ERROR_PROTOCOL);
    assert_string_equal(f->result->message, "ERROR: closed on Mondays");
}

static void test_refused_first_connection_ends_any_run(void **state)
{
    struct swarm_fixture *f = *state;

    fd_closep(&f->listen_fd);
    (void)swarm_open(&f->swarm, f->clock.now);
    assert_true(f->swarm.has_failed);
    assert_int_equal(f->result->error, RUN_ERROR_CONNECT);
    assert_non_null(strstr(f->result->message, strerror(ECONNREFUSED)));
}

/* Two addresses: @n_absent where nobody listens, then the server's own, if there is room. */
static void set_addresses(struct swarm_fixture *f, struct addr addrs[static 2], size_t n_absent)
{
    for (size_t i = 0; i < 2; i++) {
        addrs[i] = f->addr;
        if (i < n_absent)
            addrs[i].un.sun_path[1] = (char)('0' + i);
    }
    f->link.addrs = addrs;
    f->link.n_addrs = 2;
}

static void test_all_addresses_that_failed_are_named(void **state)
{
    struct swarm_fixture *f = *state;
    char expected[LINK_FAILURE_SIZE], first[ADDR_TEXT_SIZE], second[ADDR_TEXT_SIZE];
    struct addr addrs[2];

    set_addresses(f, addrs, 2);
    addr_format(&addrs[0], first);
    addr_format(&addrs[1], second);
    (void)swarm_open(&f->swarm, f->clock.now);
    (void)snprintf(expected, sizeof(expected), "connect to %s: %s; connect to %s: %s", first,
                   strerror(ECONNREFUSED), second, strerror(ECONNREFUSED));
    assert_string_equal(f->result->message, expected);
}

static void test_lost_connection_is_named_where_there_are_several_addresses(void **state)
{
    struct swarm_fixture *f = *state;
    char expected[LINK_FAILURE_SIZE], address[ADDR_TEXT_SIZE];
    struct addr addrs[2];

    set_addresses(f, addrs, 1);
    addr_format(&f->addr, address);
    swarm_fixture_open(f);
    swarm_fixture_push(f);
    fd_closep(&f->peer_fd);
    swarm_fixture_turn(f);
    (void)snprintf(expected, sizeof(expected), "connection 1 to %s: ", address);
    assert_memory_equal(f->result->message, expected, strlen(expected));
}

/* ---- Outages ---- */

/* The server closed in peace: what it did not answer is sent once more, as it was. */
static void test_closed_connection_is_made_anew_and_the_message_sent_again(void **state)
{
    struct swarm_fixture *f = *state;
    char first[TEXT_UUID_LEN + 1], second[TEXT_UUID_LEN + 1];

    swarm_fixture_open(f);
    swarm_fixture_push(f);
    server_read_uuid(f, first);
    f->clock.now += 100;
    fd_closep(&f->peer_fd);
    swarm_fixture_turn(f);
    server_accept(f);
    server_read_uuid(f, second);
    assert_string_equal(second, first);
    assert_int_equal(f->result->sent, 1);
    assert_int_equal(f->result->resent, 1);

    f->clock.now += 100;
    server_answer(f, second);
    swarm_fixture_turn(f);
    assert_int_equal(f->result->received, 1);
    assert_int_equal(f->result->n_outages, 1);
    assert_true(f->result->outages[0].is_over);
    assert_int_equal(f->result->outages[0].n_resent, 1);
    assert_int_equal(f->result->outages[0].length, 0);
    assert_int_equal(hist_max(f->result->service), 100);
    assert_int_equal(hist_max(f->result->response), 200);   /* it was due the first time */
}

/* With unread data in it, a socket that is closed resets its connection. */
static void test_reset_connection_loses_its_messages(void **state)
{
    struct swarm_fixture *f = *state;

    swarm_fixture_open(f);
    swarm_fixture_push(f);
    fd_closep(&f->peer_fd);
    swarm_fixture_turn(f);
    server_accept(f);
    assert_int_equal(f->result->lost, 1);
    assert_int_equal(f->result->resent, 0);
    assert_int_equal(f->swarm.links[0].n_lost, 1);
    assert_false(f->swarm.has_failed);
}

/* One of two was sent again on the new connection; the other waits there, as text takes one at a
 * time, but it left on the first. */
static void test_drain_counts_what_was_to_be_sent_again_as_lost(void **state)
{
    struct swarm_fixture *f = *state;
    char uuid[TEXT_UUID_LEN + 1];

    f->link.target.in_flight = 2;
    swarm_fixture_open(f);
    swarm_fixture_push(f);
    swarm_fixture_push(f);
    assert_int_equal(f->result->sent, 2);
    f->link.target.in_flight = 1;
    server_read_uuid(f, uuid);
    server_read_uuid(f, uuid);
    fd_closep(&f->peer_fd);
    swarm_fixture_turn(f);
    assert_int_equal(f->result->resent, 2);
    swarm_drain(&f->swarm, f->clock.now);
    assert_int_equal(f->result->not_sent, 0);
    assert_int_equal(f->result->lost, 1);
    assert_int_equal(f->swarm.n_open, 1);
}

/* Who asks meanwhile is told, and in the end it counts once all the same. */
static void assert_outage_so_far(struct swarm_fixture *f, nsec_t length)
{
    struct result sum;

    assert_int_equal(result_init(&sum), 0);
    swarm_snapshot(&f->swarm, f->clock.now, &sum);
    assert_int_equal(sum.n_outages, 1);
    assert_int_equal(sum.outages[0].length, length);
    assert_int_equal(sum.outages[0].n_not_sent, 1);
    assert_false(sum.outages[0].is_over);
    assert_int_equal(sum.not_sent, 1);
    result_deinit(&sum);
}

static void test_outage_is_tried_again_and_has_a_length(void **state)
{
    struct swarm_fixture *f = *state;
    struct link *l = &f->swarm.links[0];
    char uuid[TEXT_UUID_LEN + 1];
    nsec_t is_back;

    swarm_fixture_open(f);
    fd_closep(&f->listen_fd);
    fd_closep(&f->peer_fd);
    swarm_fixture_turn(f);
    assert_true(l->is_out);
    assert_true(l->down_since == SWARM_FIXTURE_START);
    assert_in_range(l->deadline - SWARM_FIXTURE_START, 50 * NSEC_PER_MSEC, 150 * NSEC_PER_MSEC);

    swarm_skip(&f->swarm, l, f->clock.now);
    assert_int_equal(f->result->not_sent, 1);
    f->clock.now = SWARM_FIXTURE_START + 8 * NSEC_PER_SEC;
    (void)swarm_fixture_sweep(f);
    assert_in_range(l->deadline - f->clock.now, NSEC_PER_SEC, 3 * NSEC_PER_SEC);
    assert_outage_so_far(f, 8 * NSEC_PER_SEC);

    server_listen(f);
    f->clock.now = l->deadline;
    (void)swarm_fixture_sweep(f);
    server_accept(f);
    assert_false(l->is_out);
    is_back = f->clock.now;
    f->clock.now += 60 * NSEC_PER_SEC;      /* no message is due for so long */
    swarm_fixture_push(f);
    server_read_uuid(f, uuid);
    server_answer(f, uuid);
    swarm_fixture_turn(f);
    assert_int_equal(f->result->n_outages, 1);
    assert_int_equal(f->result->outages[0].length, is_back - SWARM_FIXTURE_START);
    assert_int_equal(f->result->outages[0].n_not_sent, 1);
    /* Not that of the last try, which was that nobody listened. */
    assert_non_null(strstr(f->result->outages[0].reason, "closed by the server"));
}

/* It may be starting over and over: that is one outage, and no reason to ask it all the time. */
static void test_server_that_only_takes_connections_is_one_outage(void **state)
{
    struct swarm_fixture *f = *state;
    struct link *l = &f->swarm.links[0];

    swarm_fixture_open(f);
    for (int i = 0; i < 5; i++) {
        fd_closep(&f->peer_fd);
        swarm_fixture_turn(f);
        if (l->state == LINK_DOWN) {
            assert_true(l->deadline >= f->clock.now + 50 * NSEC_PER_MSEC);
            f->clock.now = l->deadline;
            (void)swarm_fixture_sweep(f);
        }
        server_accept(f);
    }
    assert_true(l->down_since == SWARM_FIXTURE_START);
    assert_int_equal(f->result->n_outages, 0);
}

/* The second connection is the first to find that nobody is there any more. */
static void test_outage_is_known_from_another_connection(void **state)
{
    struct swarm_fixture *f = *state;
    char uuid[TEXT_UUID_LEN + 1];

    assert_true(swarm_open(&f->swarm, f->clock.now));
    swarm_fixture_push(f);
    server_accept(f);
    server_read_uuid(f, uuid);
    server_answer(f, uuid);
    swarm_fixture_turn(f);
    fd_closep(&f->listen_fd);
    assert_int_equal(swarm_push(&f->swarm, &f->swarm.links[1], f->clock.now), 0);
    swarm_flush(&f->swarm, f->clock.now);
    swarm_fixture_turn(f);
    assert_false(f->swarm.has_failed);
    assert_true(f->swarm.links[1].is_out);
    assert_int_equal(f->result->not_sent, 1);
}

static void test_outage_at_the_end_is_not_over(void **state)
{
    struct swarm_fixture *f = *state;

    swarm_fixture_open(f);
    fd_closep(&f->listen_fd);
    fd_closep(&f->peer_fd);
    swarm_fixture_turn(f);
    swarm_close(&f->swarm, f->clock.now + 77);
    assert_int_equal(f->result->n_outages, 1);
    assert_false(f->result->outages[0].is_over);
    assert_int_equal(f->result->outages[0].length, 77);
}

/* ---- A server that stops ---- */

/* A server that says that it stops is restarted: nobody's message may stay without a reply. */
static void test_stopping_server_is_connected_to_again_in_any_run(void **state)
{
    struct swarm_fixture *f = *state;
    char first[TEXT_UUID_LEN + 1], second[TEXT_UUID_LEN + 1];

    swarm_fixture_open(f);
    swarm_fixture_push(f);
    server_read_uuid(f, first);
    server_say(f, "ERROR: the server is stopping\n");
    swarm_fixture_turn(f);
    assert_false(f->swarm.has_failed);
    server_accept(f);
    server_read_uuid(f, second);
    assert_string_equal(second, first);
    assert_int_equal(f->result->resent, 1);
}

static void test_server_that_stopped_for_good_ends_a_run_with_an_end(void **state)
{
    struct swarm_fixture *f = *state;

    swarm_fixture_open(f);
    fd_closep(&f->listen_fd);
    server_say(f, "ERROR: the server is stopping\n");
    swarm_fixture_turn(f);
    assert_true(f->swarm.has_failed);
    assert_int_equal(f->result->error, RUN_ERROR_CONNECTION_LOST);
}

/* Until the new one is there, the old one turns everybody away; the message waits for the end of
 * that, but not for longer than for a reply. */
static void test_server_that_goes_on_stopping_is_given_the_timeout(void **state)
{
    struct swarm_fixture *f = *state;
    struct link *l = &f->swarm.links[0];

    swarm_fixture_open(f);
    swarm_fixture_push(f);
    while (!f->swarm.has_failed) {
        assert_true(f->clock.now < SWARM_FIXTURE_START + 2 * SWARM_FIXTURE_TIMEOUT);
        server_say(f, "ERROR: the server is stopping\n");
        swarm_fixture_turn(f);
        if (l->state == LINK_DOWN && !f->swarm.has_failed) {
            f->clock.now = l->deadline;
            (void)swarm_fixture_sweep(f);
        }
        if (l->state != LINK_DOWN)
            server_accept(f);
    }
    assert_true(f->clock.now >= SWARM_FIXTURE_START + SWARM_FIXTURE_TIMEOUT);
    assert_int_equal(f->result->lost, 1);
}

/* ---- Its protocol afterwards ---- */

/* A server that stops closes on a hello that it has not read, or a proxy on any. */
static void test_native_is_offered_again_after_an_outage(void **state)
{
    struct swarm_fixture *f = *state;
    struct link *l = &f->swarm.links[0];
    char uuid[TEXT_UUID_LEN + 1];

    swarm_fixture_open_native(f, 0);
    fd_closep(&f->peer_fd);
    swarm_fixture_turn(f);
    server_read_hello(f);
    fd_closep(&f->peer_fd);
    swarm_fixture_turn(f);
    server_accept(f);               /* in text, to which nothing is said either */
    assert_true(l->target.text_only);
    swarm_fixture_push(f);
    server_read_uuid(f, uuid);
    fd_closep(&f->peer_fd);
    swarm_fixture_turn(f);

    f->clock.now = l->deadline;
    (void)swarm_fixture_sweep(f);
    server_welcome(f, 0);
    assert_true(l->target.native);
    assert_int_equal(f->result->n_outages, 1);
    assert_null(swarm_fixture_next_text(f, RECORD_NOTICE));
}

static void test_other_protocol_after_an_outage_is_told(void **state)
{
    struct swarm_fixture *f = *state;
    char uuid[TEXT_UUID_LEN + 1];

    swarm_fixture_open_native(f, 0);
    fd_closep(&f->peer_fd);
    swarm_fixture_turn(f);
    server_read_hello(f);
    server_say(f, "ERROR: expected a UUID\n");
    swarm_fixture_turn(f);
    server_accept(f);
    swarm_fixture_push(f);
    server_read_uuid(f, uuid);
    server_answer(f, uuid);
    swarm_fixture_turn(f);
    assert_string_equal(swarm_fixture_next_text(f, RECORD_NOTICE),
                        "connected again, in text: before it was the native protocol");

    fd_closep(&f->peer_fd);
    swarm_fixture_turn(f);
    server_welcome(f, 0);
    assert_string_equal(swarm_fixture_next_text(f, RECORD_NOTICE),
                        "connected again, in the native protocol: before it was text");
}

#define IN(setup, test)                                                                            \
    cmocka_unit_test_setup_teardown(test, swarm_fixture_##setup, swarm_fixture_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(finite, test_lost_connection_ends_a_run_with_an_end),
        IN(finite, test_error_line_before_a_reset_is_shown),
        IN(endless, test_refused_first_connection_ends_any_run),
        IN(endless, test_all_addresses_that_failed_are_named),
        IN(finite, test_lost_connection_is_named_where_there_are_several_addresses),
        IN(endless, test_closed_connection_is_made_anew_and_the_message_sent_again),
        IN(endless, test_reset_connection_loses_its_messages),
        IN(endless, test_drain_counts_what_was_to_be_sent_again_as_lost),
        IN(endless, test_outage_is_tried_again_and_has_a_length),
        IN(endless, test_server_that_only_takes_connections_is_one_outage),
        IN(connect_endless, test_outage_is_known_from_another_connection),
        IN(endless, test_outage_at_the_end_is_not_over),
        IN(finite, test_stopping_server_is_connected_to_again_in_any_run),
        IN(finite, test_server_that_stopped_for_good_ends_a_run_with_an_end),
        IN(finite, test_server_that_goes_on_stopping_is_given_the_timeout),
        IN(auto, test_native_is_offered_again_after_an_outage),
        IN(auto, test_other_protocol_after_an_outage_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
