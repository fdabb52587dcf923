/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "daemon/conn_end.h"
#include "daemon/conn_phase.h"
#include "tests/support/conn_fixture.h"
#include "tests/support/fault.h"

#define UUID "f47ac10b-58cc-4372-a567-0e02b2c3d479"
#define REPLY(delta) "UUID: " UUID " received after " delta " seconds"

/* ---- timeouts ---- */

static void test_idle_client_is_told_and_ended(void **state)
{
    struct conn_fixture *f = *state;
    nsec_t late = NSEC_PER_SEC;

    conn_fixture_feed(f, UUID);
    fake_stream_clear_sent(&f->fake);
    conn_fixture_advance(f, 300 * NSEC_PER_SEC + late - 1);
    conn_expire(&f->shared);
    assert_int_equal(f->fake.n_calls, 0);
    conn_fixture_advance(f, 1);
    conn_expire(&f->shared);
    assert_string_equal(conn_fixture_take_sent(f),
                        "ERROR: no message for 5m (idle_timeout)\n");
    assert_true(conn_fixture_peer_sees_end(f));
    assert_int_equal(f->stats.idle_timeouts, 1);
}

static void test_idle_native_client_gets_a_goodbye(void **state)
{
    static const uint8_t goodbye[] = {5, 0, 0, PROTO_REASON_IDLE_TIMEOUT};
    struct conn_fixture *f = *state;

    conn_fixture_feed(f, "tcptimer-hello version=1;");
    fake_stream_clear_sent(&f->fake);
    conn_fixture_advance(f, 320 * NSEC_PER_SEC);
    conn_expire(&f->shared);
    assert_memory_equal(f->fake.sent, goodbye, sizeof(goodbye));
    assert_true(conn_fixture_peer_sees_end(f));
}

/* The time counts from the message's beginning: more pieces do not give it more. */
static void test_message_that_does_not_end_is_told_and_ended(void **state)
{
    struct conn_fixture *f = *state;

    conn_fixture_feed(f, "f47ac10b");
    conn_fixture_advance(f, 9 * NSEC_PER_SEC);
    conn_expire(&f->shared);
    conn_fixture_feed(f, "-58cc");
    conn_fixture_advance(f, NSEC_PER_SEC);
    conn_expire(&f->shared);
    assert_string_equal(conn_fixture_take_sent(f), "ERROR: a message was begun and not ended "
                                                   "within 10s (message_timeout)\n");
    assert_int_equal(f->stats.message_timeouts, 1);
}

static void test_each_message_has_its_own_timeout(void **state)
{
    struct conn_fixture *f = *state;

    conn_fixture_feed(f, "f47ac10b");
    conn_fixture_advance(f, 9 * NSEC_PER_SEC);
    conn_fixture_feed(f, "-58cc-4372-a567-0e02b2c3d479f47ac10b");
    conn_fixture_advance(f, 9 * NSEC_PER_SEC);
    conn_expire(&f->shared);
    assert_int_equal(f->stats.message_timeouts, 0);
    conn_fixture_feed(f, "-58cc-4372-a567-0e02b2c3d479");
    assert_int_equal(f->conn->phase, CONN_OPEN);
}

static void test_client_that_does_not_read_is_ended(void **state)
{
    struct conn_fixture *f = *state;

    fake_stream_will_take(&f->fake, -EAGAIN);
    conn_fixture_feed(f, UUID);
    conn_fixture_advance(f, 10 * NSEC_PER_SEC);
    conn_expire(&f->shared);
    assert_true(conn_fixture_is_gone(f));
    assert_int_equal(f->stats.unread, 1);
}

static void test_client_that_reads_slowly_is_not_ended(void **state)
{
    struct conn_fixture *f = *state;

    fake_stream_will_take(&f->fake, 1);
    conn_fixture_feed(f, UUID);
    for (unsigned i = 0; i < 10; i++) {
        conn_fixture_advance(f, 9 * NSEC_PER_SEC);
        conn_expire(&f->shared);
        assert_false(conn_fixture_is_gone(f));
        fake_stream_will_take(&f->fake, 1);
        conn_fixture_ready(f, EPOLLOUT);
    }
    assert_int_equal(f->stats.unread, 0);
}

/* ---- stopping ---- */

/* Its place in the list is older than the stop, but it may have a message on the way. */
static void test_text_client_is_served_for_a_moment_after_the_stop(void **state)
{
    struct conn_fixture *f = *state;

    conn_fixture_advance(f, 10 * NSEC_PER_SEC);
    conn_stop_all(&f->shared);
    conn_expire(&f->shared);
    assert_false(conn_fixture_peer_sees_end(f));

    conn_fixture_advance(f, 99 * NSEC_PER_MSEC);
    conn_expire(&f->shared);
    conn_fixture_feed(f, UUID);
    assert_string_equal(conn_fixture_take_sent(f), REPLY("10.099000"));
    conn_fixture_advance(f, 99 * NSEC_PER_MSEC);
    conn_expire(&f->shared);
    assert_false(conn_fixture_peer_sees_end(f));

    conn_fixture_advance(f, NSEC_PER_MSEC);
    conn_expire(&f->shared);
    assert_true(conn_fixture_peer_sees_end(f));
    assert_int_equal(f->fake.n_calls, 0);
}

static void test_half_a_message_does_not_hold_up_the_stop(void **state)
{
    struct conn_fixture *f = *state;

    conn_fixture_feed(f, "f47ac10b");
    conn_stop_all(&f->shared);
    conn_fixture_advance(f, 100 * NSEC_PER_MSEC);
    conn_expire(&f->shared);
    assert_true(conn_fixture_peer_sees_end(f));
}

static void test_replies_to_be_read_hold_up_the_half_close(void **state)
{
    struct conn_fixture *f = *state;

    fake_stream_will_take(&f->fake, 10);
    conn_fixture_feed(f, UUID);
    conn_stop_all(&f->shared);
    conn_fixture_advance(f, NSEC_PER_SEC);
    conn_expire(&f->shared);
    assert_false(conn_fixture_peer_sees_end(f));

    conn_fixture_ready(f, EPOLLOUT);
    conn_fixture_feed(f, UUID);
    assert_string_equal(conn_fixture_take_sent(f), REPLY("0.000000") REPLY("1.000000"));
    conn_fixture_advance(f, 100 * NSEC_PER_MSEC);
    conn_expire(&f->shared);
    assert_true(conn_fixture_peer_sees_end(f));
}

/* It was told to go before the stop, and reads nothing: expiring it ends all the same. */
static void test_unread_last_words_do_not_hang_the_stop(void **state)
{
    struct conn_fixture *f = *state;

    fake_stream_will_take(&f->fake, -EAGAIN);
    conn_fixture_feed(f, "x");
    conn_stop_all(&f->shared);
    conn_fixture_advance(f, NSEC_PER_SEC);
    conn_expire(&f->shared);
    assert_true(conn_next_deadline(&f->shared) > f->shared.now);
    conn_fixture_ready(f, EPOLLOUT);
    assert_true(conn_fixture_peer_sees_end(f));
}

static void test_native_client_is_told_of_the_stop_and_served_on(void **state)
{
    static const uint8_t goodbye[] = {5, 0, 0, 1, 0, 0, 0, 0};
    static const uint8_t keepalive[] = {3, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t ack[] = {4, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t stopping[] = {5, 0, 0, PROTO_REASON_STOPPING};
    struct conn_fixture *f = *state;

    conn_fixture_feed(f, "tcptimer-hello version=1;");
    fake_stream_clear_sent(&f->fake);
    conn_stop_all(&f->shared);
    assert_memory_equal(f->fake.sent, stopping, sizeof(stopping));

    fake_stream_clear_sent(&f->fake);
    conn_fixture_advance(f, NSEC_PER_SEC);
    conn_expire(&f->shared);
    fake_stream_will_read(&f->fake, keepalive, sizeof(keepalive));
    conn_fixture_ready(f, EPOLLIN);
    assert_int_equal(f->fake.n_sent, sizeof(ack));
    assert_memory_equal(f->fake.sent, ack, sizeof(ack));

    fake_stream_clear_sent(&f->fake);
    fake_stream_will_read(&f->fake, goodbye, sizeof(goodbye));
    conn_fixture_ready(f, EPOLLIN);
    assert_int_equal(f->fake.n_sent, 0);    /* it has said goodbye already */
    assert_true(conn_fixture_peer_sees_end(f));
}

static void test_native_client_that_says_hello_during_the_stop_is_told(void **state)
{
    static const uint8_t stopping[] = {5, 0, 0, PROTO_REASON_STOPPING};
    struct conn_fixture *f = *state;
    const char *end;

    conn_stop_all(&f->shared);
    conn_fixture_feed(f, "tcptimer-hello version=1;");
    end = memchr(f->fake.sent, ';', f->fake.n_sent);
    assert_non_null(end);
    assert_memory_equal(end + 1, stopping, sizeof(stopping));
}

static void test_native_client_with_a_backlog_is_told_of_the_stop_after_it(void **state)
{
    static const uint8_t stopping[] = {5, 0, 0, PROTO_REASON_STOPPING};
    struct conn_fixture *f = *state;
    uint8_t request[PROTO_REQUEST_LEN];

    conn_fixture_feed(f, "tcptimer-hello version=1;");
    fake_stream_clear_sent(&f->fake);
    proto_request_encode(request, &(struct proto_request){.seq = 1});
    fake_stream_will_take(&f->fake, 10);
    fake_stream_will_read(&f->fake, request, sizeof(request));
    conn_fixture_ready(f, EPOLLIN);
    conn_stop_all(&f->shared);
    assert_int_equal(f->fake.n_sent, 10);

    conn_fixture_ready(f, EPOLLOUT);
    assert_true(f->fake.n_sent > PROTO_REPLY_LEN);
    assert_memory_equal(f->fake.sent + PROTO_REPLY_LEN, stopping, sizeof(stopping));
    assert_int_equal(f->conn->phase, CONN_PARTING);
}

/* It does not read just then; there is no input to be kept with the goodbye. */
static void test_goodbye_that_is_not_taken_is_sent_later(void **state)
{
    static const uint8_t stopping[] = {5, 0, 0, PROTO_REASON_STOPPING};
    struct conn_fixture *f = *state;

    conn_fixture_feed(f, "tcptimer-hello version=1;");
    fake_stream_clear_sent(&f->fake);
    fake_stream_will_take(&f->fake, -EAGAIN);
    conn_stop_all(&f->shared);
    assert_int_equal(f->fake.n_sent, 0);
    assert_int_equal(f->conn->events, EPOLLOUT);

    conn_fixture_ready(f, EPOLLOUT);
    assert_memory_equal(f->fake.sent, stopping, sizeof(stopping));
    assert_int_equal(f->conn->events, EPOLLIN);
    assert_int_equal(f->conn->phase, CONN_PARTING);
}

static void test_timeout_whose_words_are_not_taken_ends_after_them(void **state)
{
    struct conn_fixture *f = *state;

    fake_stream_will_take(&f->fake, -EAGAIN);
    conn_fixture_advance(f, 320 * NSEC_PER_SEC);
    conn_expire(&f->shared);
    assert_int_equal(f->fake.n_sent, 0);
    assert_false(conn_fixture_peer_sees_end(f));

    conn_fixture_ready(f, EPOLLOUT);
    assert_string_equal(conn_fixture_take_sent(f), "ERROR: no message for 5m (idle_timeout)\n");
    assert_true(conn_fixture_peer_sees_end(f));
}

/* ---- half-closed ---- */

/* A peer that sends on for ever is not listened to for ever. */
static void test_lingering_ends_after_so_many_bytes(void **state)
{
    static char much[CONN_RX_SIZE];
    struct conn_fixture *f = *state;
    unsigned n = 0;

    conn_fixture_feed(f, "x");
    for (; !conn_fixture_is_gone(f) && n < 2000; n++) {
        f->fake.n_reads = f->fake.next_read = 0;
        fake_stream_will_read(&f->fake, much, sizeof(much));
        conn_fixture_ready(f, EPOLLIN);
    }
    assert_in_range(n, 1024, 1025);         /* 64 MiB */
}

static void test_lingering_ends_after_a_time(void **state)
{
    struct conn_fixture *f = *state;

    conn_fixture_feed(f, "x");
    conn_fixture_advance(f, 5 * NSEC_PER_SEC - 1);
    conn_expire(&f->shared);
    assert_false(conn_fixture_is_gone(f));
    conn_fixture_advance(f, 1);
    conn_expire(&f->shared);
    assert_true(conn_fixture_is_gone(f));
}

static void test_finishing_twice_is_finishing_once(void **state)
{
    struct conn_fixture *f = *state;

    conn_finish(f->conn);
    conn_finish(f->conn);
    assert_true(conn_fixture_peer_sees_end(f));
    assert_int_equal(f->conn->phase, CONN_LINGERING);
}

/* ---- refusals ---- */

static void test_refused_client_is_told_and_half_closed(void **state)
{
    struct conn_fixture *f = *state;
    char text[64];
    ssize_t n;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    conn_refuse(&f->shared, fds[0], &(struct addr_key){.family = AF_UNIX}, "the server is full");
    n = recv(fds[1], text, sizeof(text) - 1, 0);
    assert_true(n > 0);
    text[n] = '\0';
    assert_string_equal(text, "ERROR: the server is full\n");
    assert_int_equal(recv(fds[1], text, sizeof(text), 0), 0);
    assert_int_equal(f->shared.n_refused, 1);
    assert_int_equal(f->stats.accepted, 1);         /* the fixture's */

    conn_fixture_advance(f, 5 * NSEC_PER_SEC);
    conn_expire(&f->shared);
    assert_int_equal(f->shared.n_refused, 0);
    assert_int_equal(f->stats.closed, 0);
    fd_closep(&fds[1]);
}

static void test_refused_clients_do_not_pile_up(void **state)
{
    struct conn_fixture *f = *state;

    for (unsigned i = 0; i < 300; i++) {
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        conn_refuse(&f->shared, fds[0], &(struct addr_key){.family = AF_UNIX}, "full");
        fd_closep(&fds[1]);
    }
    assert_int_equal(f->shared.n_refused, 256);
}

static void test_client_is_refused_even_without_memory(void **state)
{
    struct conn_fixture *f = *state;
    char text[64];
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    fault_arm(0);
    conn_refuse(&f->shared, fds[0], &(struct addr_key){.family = AF_UNIX}, "no memory");
    assert_true(fault_disarm());
    assert_int_equal(recv(fds[1], text, sizeof(text), 0), strlen("ERROR: no memory\n"));
    assert_int_equal(recv(fds[1], text, sizeof(text), 0), 0);
    assert_int_equal(f->shared.n_refused, 0);
    fd_closep(&fds[1]);
}

#define IN(test) cmocka_unit_test_setup_teardown(test, conn_fixture_set_up, conn_fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_idle_client_is_told_and_ended),
        IN(test_idle_native_client_gets_a_goodbye),
        IN(test_message_that_does_not_end_is_told_and_ended),
        IN(test_each_message_has_its_own_timeout),
        IN(test_client_that_does_not_read_is_ended),
        IN(test_client_that_reads_slowly_is_not_ended),
        IN(test_text_client_is_served_for_a_moment_after_the_stop),
        IN(test_half_a_message_does_not_hold_up_the_stop),
        IN(test_replies_to_be_read_hold_up_the_half_close),
        IN(test_unread_last_words_do_not_hang_the_stop),
        IN(test_native_client_is_told_of_the_stop_and_served_on),
        IN(test_native_client_that_says_hello_during_the_stop_is_told),
        IN(test_native_client_with_a_backlog_is_told_of_the_stop_after_it),
        IN(test_goodbye_that_is_not_taken_is_sent_later),
        IN(test_timeout_whose_words_are_not_taken_ends_after_them),
        IN(test_lingering_ends_after_so_many_bytes),
        IN(test_lingering_ends_after_a_time),
        IN(test_finishing_twice_is_finishing_once),
        IN(test_refused_client_is_told_and_half_closed),
        IN(test_refused_clients_do_not_pile_up),
        IN(test_client_is_refused_even_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
