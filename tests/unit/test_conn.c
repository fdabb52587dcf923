/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/support/test.h"

#include "tests/support/conn_fixture.h"
#include "tests/support/fault.h"

#define UUID "f47ac10b-58cc-4372-a567-0e02b2c3d479"
#define REPLY(delta) "UUID: " UUID " received after " delta " seconds"

/* ---- sending and receiving ---- */

static void test_message_is_answered_and_counted(void **state)
{
    struct conn_fixture *f = *state;

    conn_fixture_advance(f, 345 * NSEC_PER_USEC);
    conn_fixture_feed(f, UUID);
    assert_string_equal(conn_fixture_take_sent(f), REPLY("0.000345"));
    assert_int_equal(f->stats.messages, 1);
    assert_int_equal(f->stats.stamps_user, 1);
}

static void test_nothing_to_read_changes_nothing(void **state)
{
    struct conn_fixture *f = *state;

    conn_fixture_ready(f, EPOLLIN);
    assert_false(conn_fixture_is_gone(f));
    assert_int_equal(f->fake.n_calls, 0);
}

/* What the peer does not take is kept, and nothing more is read before it has gone. */
static void test_short_write_is_continued_when_the_peer_reads(void **state)
{
    struct conn_fixture *f = *state;

    fake_stream_will_take(&f->fake, 10);
    fake_stream_will_take(&f->fake, 7);
    conn_fixture_feed(f, UUID);
    assert_int_equal(f->conn->events, EPOLLOUT);
    assert_int_equal(f->fake.n_sent, 10);

    conn_fixture_ready(f, EPOLLOUT);
    assert_int_equal(f->conn->events, EPOLLOUT);
    assert_int_equal(f->fake.n_sent, 17);

    conn_fixture_ready(f, EPOLLOUT);
    assert_int_equal(f->conn->events, EPOLLIN);
    assert_null(f->conn->backlog);
    assert_string_equal(conn_fixture_take_sent(f), REPLY("0.000000"));

    conn_fixture_feed(f, UUID);
    assert_string_equal(conn_fixture_take_sent(f), REPLY("0.000000"));
    assert_int_equal(f->stats.messages, 2);
}

static void test_full_socket_is_waited_for(void **state)
{
    struct conn_fixture *f = *state;

    fake_stream_will_take(&f->fake, -EAGAIN);
    fake_stream_will_take(&f->fake, -EAGAIN);
    conn_fixture_feed(f, UUID);
    conn_fixture_ready(f, EPOLLOUT);
    assert_int_equal(f->conn->events, EPOLLOUT);
    assert_int_equal(f->fake.n_sent, 0);

    conn_fixture_ready(f, EPOLLOUT);
    assert_string_equal(conn_fixture_take_sent(f), REPLY("0.000000"));
}

/* More input than one output answers: what is left of it waits behind the backlog. */
static void test_input_behind_a_backlog_is_answered_after_it(void **state)
{
    static const char hello[] = "tcptimer-hello version=1;";
    enum { N = 3 };
    struct conn_fixture *f = *state;
    uint8_t requests[N][PROTO_REQUEST_LEN];
    size_t expected = N * (PROTO_REPLY_LEN + (size_t)PROTO_PADDING_MAX);

    conn_fixture_feed(f, hello);
    fake_stream_clear_sent(&f->fake);
    for (unsigned i = 0; i < N; i++)
        proto_request_encode(requests[i], &(struct proto_request){
                                              .seq = i, .reply_padding = PROTO_PADDING_MAX});

    fake_stream_will_take(&f->fake, 1);
    fake_stream_will_read(&f->fake, requests, sizeof(requests));
    conn_fixture_ready(f, EPOLLIN);
    assert_int_equal(f->conn->events, EPOLLOUT);
    assert_true(malloc_usable_size(f->conn->backlog) < CONN_TX_SIZE + CONN_RX_SIZE + 4096);
    conn_fixture_ready(f, EPOLLOUT);

    assert_int_equal(f->fake.n_sent, expected);
    assert_int_equal(f->stats.messages, N);
    assert_int_equal(f->conn->phase, CONN_OPEN);
}

static void test_backlog_without_memory_ends_the_connection(void **state)
{
    struct conn_fixture *f = *state;

    fake_stream_will_take(&f->fake, 10);
    fault_arm(0);
    conn_fixture_feed(f, UUID);
    assert_true(fault_disarm());
    assert_true(conn_fixture_is_gone(f));
}

/* ---- how a connection ends ---- */

static void test_end_of_stream_ends_the_connection(void **state)
{
    struct conn_fixture *f = *state;

    fake_stream_will_end(&f->fake);
    conn_fixture_ready(f, EPOLLIN);
    assert_true(conn_fixture_is_gone(f));
    assert_int_equal(f->stats.closed, 1);
    assert_int_equal(f->stats.resets, 0);
    assert_int_equal(f->admission.n_clients, 0);
}

static void test_end_of_stream_amid_a_message_ends_the_connection(void **state)
{
    struct conn_fixture *f = *state;

    conn_fixture_feed(f, "f47ac10b-58cc");
    fake_stream_will_end(&f->fake);
    conn_fixture_ready(f, EPOLLIN);
    assert_true(conn_fixture_is_gone(f));
    assert_int_equal(f->fake.n_calls, 0);
}

/* The peer sends, half-closes, and reads slowly: it gets every reply, then the end. */
static void test_end_of_stream_waits_behind_the_backlog(void **state)
{
    struct conn_fixture *f = *state;

    fake_stream_will_take(&f->fake, 10);
    conn_fixture_feed(f, UUID);
    fake_stream_will_end(&f->fake);
    conn_fixture_ready(f, EPOLLOUT);
    assert_false(conn_fixture_is_gone(f));
    assert_string_equal(conn_fixture_take_sent(f), REPLY("0.000000"));

    conn_fixture_ready(f, EPOLLIN);
    assert_true(conn_fixture_is_gone(f));
    assert_true(conn_fixture_peer_sees_end(f));
}

static void test_reset_while_reading_ends_the_connection(void **state)
{
    struct conn_fixture *f = *state;

    conn_fixture_feed(f, "f47ac10b-58cc");
    fake_stream_will_fail(&f->fake, -ECONNRESET);
    conn_fixture_ready(f, EPOLLIN | EPOLLERR | EPOLLHUP);
    assert_true(conn_fixture_is_gone(f));
    assert_int_equal(f->stats.resets, 1);
    assert_int_equal(f->stats.closed, 1);
}

static void test_broken_pipe_while_answering_ends_the_connection(void **state)
{
    struct conn_fixture *f = *state;

    fake_stream_will_take(&f->fake, -EPIPE);
    conn_fixture_feed(f, UUID);
    assert_true(conn_fixture_is_gone(f));
    assert_int_equal(f->stats.resets, 1);
}

static void test_reset_with_a_backlog_ends_the_connection(void **state)
{
    struct conn_fixture *f = *state;

    fake_stream_will_take(&f->fake, 10);
    conn_fixture_feed(f, UUID);
    conn_fixture_ready(f, EPOLLOUT | EPOLLERR | EPOLLHUP);
    assert_true(conn_fixture_is_gone(f));
    assert_int_equal(f->stats.resets, 1);
}

static void test_broken_pipe_with_a_backlog_ends_the_connection(void **state)
{
    struct conn_fixture *f = *state;

    fake_stream_will_take(&f->fake, 10);
    fake_stream_will_take(&f->fake, -EPIPE);
    conn_fixture_feed(f, UUID);
    conn_fixture_ready(f, EPOLLOUT);
    assert_true(conn_fixture_is_gone(f));
    assert_int_equal(f->stats.resets, 1);
}

/* ---- words, half-close and what comes after it ---- */

static void test_fault_is_told_and_the_rest_discarded(void **state)
{
    struct conn_fixture *f = *state;

    conn_fixture_feed(f, UUID "rubbish");
    assert_string_equal(conn_fixture_take_sent(f),
                        REPLY("0.000000") "ERROR: expected a UUID of 8-4-4-4-12 hexadecimal "
                        "digits, got byte 0x72 at position 1\n");
    assert_true(conn_fixture_peer_sees_end(f));
    assert_int_equal(f->stats.messages, 1);
    assert_int_equal(f->stats.bad_messages, 1);

    conn_fixture_feed(f, UUID);
    assert_int_equal(f->fake.n_calls, 0);
    assert_int_equal(f->stats.discarded, 36);

    fake_stream_will_end(&f->fake);
    conn_fixture_ready(f, EPOLLIN);
    assert_true(conn_fixture_is_gone(f));
}

static void test_fault_behind_a_backlog_is_told_after_it(void **state)
{
    struct conn_fixture *f = *state;

    fake_stream_will_take(&f->fake, 10);
    conn_fixture_feed(f, UUID "x");
    assert_false(conn_fixture_peer_sees_end(f));
    conn_fixture_ready(f, EPOLLOUT);
    assert_string_equal(conn_fixture_take_sent(f),
                        REPLY("0.000000") "ERROR: expected a UUID of 8-4-4-4-12 hexadecimal "
                        "digits, got byte 0x78 at position 1\n");
    assert_true(conn_fixture_peer_sees_end(f));
    assert_int_equal(f->conn->phase, CONN_LINGERING);
}

static void test_faults_are_logged_at_a_limited_rate(void **state)
{
    struct conn_fixture *f = *state;
    unsigned n_logged = 0;
    enum log_event event;

    for (unsigned i = 0; i < 3 * RATELIMIT_BURST; i++) {
        conn_fixture_feed(f, "x");
        f->conn = conn_free(f->conn);
        fd_closep(&f->peer_fd);
        conn_fixture_accept(f);
    }
    while ((event = conn_fixture_take_event(f)) != N_LOG_EVENTS)
        n_logged += event == LOG_EVENT_BAD_MESSAGE;
    assert_int_equal(n_logged, RATELIMIT_BURST);
    assert_int_equal(f->stats.bad_messages, 3 * RATELIMIT_BURST);
}

static void test_goodbye_of_a_native_client_is_returned(void **state)
{
    static const uint8_t goodbye[] = {5, 0, 0, 1, 0, 0, 0, 0};
    struct conn_fixture *f = *state;

    conn_fixture_feed(f, "tcptimer-hello version=1;");
    fake_stream_clear_sent(&f->fake);
    fake_stream_will_read(&f->fake, goodbye, sizeof(goodbye));
    conn_fixture_ready(f, EPOLLIN);
    assert_memory_equal(f->fake.sent, goodbye, 4);
    assert_true(conn_fixture_peer_sees_end(f));
    assert_int_equal(f->stats.native, 1);
}

/* ---- making and logging ---- */

static void test_connection_that_cannot_be_made_leaves_the_descriptor(void **state)
{
    struct conn_fixture *f = *state;
    struct origin origin = {0};

    for (unsigned n = 0; n < 2; n++) {
        int fds[2], r;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        fault_arm(n);
        r = conn_new(&f->shared, fds[0], &(struct addr_key){.family = AF_UNIX}, &origin, NULL);
        assert_true(fault_disarm());
        assert_int_equal(r, n == 0 ? -ENOMEM : -ENOSPC);
        assert_int_equal(close(fds[0]), 0);
        fd_closep(&fds[1]);
    }
    assert_int_equal(f->shared.n_conns, 1);
}

static void test_shared_parts_free_themselves_when_memory_is_short(void **state)
{
    struct conn_fixture *f = *state;

    for (unsigned n = 0;; n++) {
        struct conn_shared shared = {.clock = &f->clock_src};
        int r;

        fault_arm(n);
        r = conn_shared_init(&shared);
        if (!fault_disarm()) {
            assert_int_equal(r, 0);
            conn_shared_deinit(&shared);
            break;
        }
        assert_int_equal(r, -ENOMEM);
    }
}

static void test_messages_are_logged_where_wanted(void **state)
{
    struct conn_fixture *f = *state;

    assert_int_equal(conn_fixture_take_event(f), LOG_EVENT_CONNECTED);
    conn_fixture_feed(f, UUID);
    assert_int_equal(conn_fixture_take_event(f), N_LOG_EVENTS);
    f->shared.limits.log_messages = true;
    conn_fixture_feed(f, UUID UUID);
    assert_int_equal(conn_fixture_take_event(f), LOG_EVENT_MESSAGE);
    assert_int_equal(conn_fixture_take_event(f), LOG_EVENT_MESSAGE);
    assert_int_equal(conn_fixture_take_event(f), N_LOG_EVENTS);
}

static void test_slow_message_is_logged_above_the_threshold(void **state)
{
    struct conn_fixture *f = *state;
    const struct log_record *r;

    (void)conn_fixture_take_event(f);
    f->shared.limits.slow_threshold = NSEC_PER_SEC;
    conn_fixture_advance(f, NSEC_PER_SEC);
    conn_fixture_feed(f, UUID);
    assert_null(ring_peek(&f->log.ring));

    conn_fixture_advance(f, NSEC_PER_SEC + NSEC_PER_USEC);
    conn_fixture_feed(f, UUID);
    r = ring_peek(&f->log.ring);
    assert_non_null(r);
    assert_int_equal(r->site->event, LOG_EVENT_SLOW);
    assert_true(r->has_uuid);
    assert_memory_equal(r->uuid, UUID, 36);
    assert_int_equal(r->values[0].field, LOG_FIELD_DELTA);
    assert_int_equal(r->values[0].value, NSEC_PER_SEC + NSEC_PER_USEC);
    assert_int_equal(r->client.port, 4711);
}

/* What an idle client costs, each from a source of its own; malloc(3) adds 8 bytes. */
static void test_idle_client_costs_at_most_256_bytes(void **state)
{
    const size_t overhead = sizeof(size_t), align = 2 * sizeof(size_t);
    size_t conn = (sizeof(struct conn) + overhead + align - 1) / align * align;
    size_t origin = (sizeof(struct origin) + overhead + align - 1) / align * align;

    (void)state;
    assert_in_range(conn + origin, 1, 256);
}

#define IN(test) cmocka_unit_test_setup_teardown(test, conn_fixture_set_up, conn_fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_message_is_answered_and_counted),
        IN(test_nothing_to_read_changes_nothing),
        IN(test_short_write_is_continued_when_the_peer_reads),
        IN(test_full_socket_is_waited_for),
        IN(test_input_behind_a_backlog_is_answered_after_it),
        IN(test_backlog_without_memory_ends_the_connection),
        IN(test_end_of_stream_ends_the_connection),
        IN(test_end_of_stream_amid_a_message_ends_the_connection),
        IN(test_end_of_stream_waits_behind_the_backlog),
        IN(test_reset_while_reading_ends_the_connection),
        IN(test_broken_pipe_while_answering_ends_the_connection),
        IN(test_reset_with_a_backlog_ends_the_connection),
        IN(test_broken_pipe_with_a_backlog_ends_the_connection),
        IN(test_fault_is_told_and_the_rest_discarded),
        IN(test_fault_behind_a_backlog_is_told_after_it),
        IN(test_faults_are_logged_at_a_limited_rate),
        IN(test_goodbye_of_a_native_client_is_returned),
        IN(test_connection_that_cannot_be_made_leaves_the_descriptor),
        IN(test_shared_parts_free_themselves_when_memory_is_short),
        IN(test_messages_are_logged_where_wanted),
        IN(test_slow_message_is_logged_above_the_threshold),
        IN(test_idle_client_costs_at_most_256_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
