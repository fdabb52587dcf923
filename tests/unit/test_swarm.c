/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "tests/support/swarm_fixture.h"

/* ---- Messages ---- */

static void test_message_is_sent_and_its_reply_counted(void **state)
{
    struct swarm_fixture *f = *state;
    char uuid[TEXT_UUID_LEN + 1];

    swarm_fixture_open(f);
    swarm_fixture_push(f);
    server_read_uuid(f, uuid);
    assert_int_equal(f->result->sent, 1);
    assert_int_equal(f->swarm.n_open, 1);

    f->clock.now += 500;
    server_answer(f, uuid);
    swarm_fixture_turn(f);
    assert_int_equal(f->swarm.n_open, 0);
    assert_int_equal(f->result->received, 1);
    assert_int_equal(hist_max(f->result->service), 500);
    assert_int_equal(hist_max(f->result->response), 500);
}

static void test_second_message_waits_for_room_and_says_so(void **state)
{
    struct swarm_fixture *f = *state;
    char uuid[TEXT_UUID_LEN + 1];
    struct link *l;

    swarm_fixture_open(f);
    l = &f->swarm.links[0];
    assert_int_equal(swarm_room(&f->swarm, l), 1);
    swarm_fixture_push(f);
    assert_int_equal(swarm_room(&f->swarm, l), 0);
    swarm_fixture_push(f);
    assert_int_equal(f->result->sent, 1);
    assert_false(inflight_at(&l->target.inflight, 0)->held);
    assert_true(inflight_at(&l->target.inflight, 1)->held);

    server_read_uuid(f, uuid);
    server_answer(f, uuid);
    swarm_fixture_turn(f);
    assert_int_equal(f->result->sent, 2);
    server_read_uuid(f, uuid);
}

static void test_warm_up_is_left_out_of_all_counts(void **state)
{
    struct swarm_fixture *f = *state;
    char uuid[TEXT_UUID_LEN + 1];

    swarm_fixture_open(f);
    f->swarm.n_omit = 1;
    for (int i = 0; i < 2; i++) {
        swarm_fixture_push(f);
        server_read_uuid(f, uuid);
        server_answer(f, uuid);
        swarm_fixture_turn(f);
    }
    assert_int_equal(f->result->sent, 1);
    assert_int_equal(f->result->received, 1);
    assert_int_equal(f->result->omitted, 1);
    assert_int_equal(hist_count(f->result->response), 1);
}

static void test_overdue_message_may_still_be_answered_late(void **state)
{
    struct swarm_fixture *f = *state;
    char uuid[TEXT_UUID_LEN + 1];

    swarm_fixture_open(f);
    swarm_fixture_push(f);
    server_read_uuid(f, uuid);
    f->clock.now += SWARM_FIXTURE_TIMEOUT - 1;
    assert_false(swarm_fixture_sweep(f));
    assert_true(swarm_is_hopeful(&f->swarm, f->clock.now));
    f->clock.now += 1;
    assert_true(swarm_fixture_sweep(f));
    assert_false(swarm_is_hopeful(&f->swarm, f->clock.now));
    assert_int_equal(f->result->lost, 0);

    f->clock.now += 10;
    server_answer(f, uuid);
    swarm_fixture_turn(f);
    assert_int_equal(f->result->received, 1);
    assert_int_equal(f->result->late, 1);
    assert_int_equal(hist_max(f->result->service), SWARM_FIXTURE_TIMEOUT + 10);
}

static void test_sweep_is_expected_when_the_timeout_ends(void **state)
{
    struct swarm_fixture *f = *state;

    swarm_fixture_open(f);
    swarm_fixture_push(f);
    assert_int_equal(f->swarm.next_sweep, SWARM_FIXTURE_START + SWARM_FIXTURE_TIMEOUT);
}

/* ---- Ends ---- */

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

static void test_rubbish_ends_any_run(void **state)
{
    struct swarm_fixture *f = *state;

    swarm_fixture_open(f);
    swarm_fixture_push(f);
    server_say(f, "rubbish");
    swarm_fixture_turn(f);
    assert_true(f->swarm.has_failed);
    assert_int_equal(f->result->error, RUN_ERROR_PROTOCOL);
    assert_non_null(strstr(f->result->message, "rubbish"));
}

static void test_error_line_without_its_end_is_shown(void **state)
{
    struct swarm_fixture *f = *state;
    char uuid[TEXT_UUID_LEN + 1];

    swarm_fixture_open(f);
    swarm_fixture_push(f);
    server_read_uuid(f, uuid);
    server_say(f, "ERROR: closed on Mondays");
    swarm_fixture_turn(f);
    assert_false(f->swarm.has_failed);
    f->clock.now += SWARM_FIXTURE_TIMEOUT;
    (void)swarm_fixture_sweep(f);
    assert_true(f->swarm.has_failed);
    assert_int_equal(f->result->error, RUN_ERROR_PROTOCOL);
    assert_string_equal(f->result->message, "ERROR: closed on Mondays");
    assert_int_equal(f->result->lost, 1);
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

static void test_error_line_instead_of_a_welcome_is_shown(void **state)
{
    struct swarm_fixture *f = *state;

    (void)swarm_open(&f->swarm, f->clock.now);
    swarm_fixture_turn(f);
    server_read_hello(f);
    server_say(f, "ERROR: closed on Mondays");
    swarm_fixture_turn(f);
    f->clock.now += SWARM_FIXTURE_TIMEOUT;
    (void)swarm_fixture_sweep(f);
    assert_string_equal(f->result->message, "ERROR: closed on Mondays");
}

static void test_wrong_reply_is_counted_and_the_right_one_awaited(void **state)
{
    struct swarm_fixture *f = *state;
    char uuid[TEXT_UUID_LEN + 1];

    swarm_fixture_open(f);
    swarm_fixture_push(f);
    server_read_uuid(f, uuid);
    server_answer(f, "00000000-0000-4000-8000-000000000000");
    swarm_fixture_turn(f);
    assert_int_equal(f->result->wrong, 1);
    server_answer(f, uuid);
    swarm_fixture_turn(f);
    assert_int_equal(f->result->received, 1);
    assert_false(f->swarm.has_failed);
}

/* Somebody else's connection takes the one place of a backlog of 0. */
static int fill_backlog(const struct swarm_fixture *f)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &f->addr.sa, f->addr.len), 0);
    return fd;
}

/* Nobody tells when there is room again. */
static void test_full_backlog_is_tried_again(void **state)
{
    struct swarm_fixture *f = *state;
    struct link *l = &f->swarm.links[0];
    int filler;

    assert_int_equal(listen(f->listen_fd, 0), 0);
    filler = fill_backlog(f);
    (void)swarm_open(&f->swarm, f->clock.now);
    assert_int_equal(l->state, LINK_CONNECTING);
    for (int i = 0; i < 3; i++) {
        f->clock.now = f->swarm.next_sweep;
        assert_true(f->clock.now < SWARM_FIXTURE_START + SWARM_FIXTURE_TIMEOUT / 2);
        (void)swarm_fixture_sweep(f);
        assert_int_equal(l->state, LINK_CONNECTING);
    }

    server_accept(f);
    f->clock.now = f->swarm.next_sweep;
    (void)swarm_fixture_sweep(f);
    assert_int_equal(l->state, LINK_UP);
    assert_int_equal(hist_max(f->result->connect), f->clock.now - SWARM_FIXTURE_START);
    fd_closep(&filler);
}

static void test_backlog_that_stays_full_is_no_answer(void **state)
{
    struct swarm_fixture *f = *state;
    int filler;

    assert_int_equal(listen(f->listen_fd, 0), 0);
    filler = fill_backlog(f);
    (void)swarm_open(&f->swarm, f->clock.now);
    while (!f->swarm.has_failed) {
        assert_true(f->clock.now <= SWARM_FIXTURE_START + SWARM_FIXTURE_TIMEOUT);
        f->clock.now = f->swarm.next_sweep;
        (void)swarm_fixture_sweep(f);
    }
    assert_int_equal(f->clock.now, SWARM_FIXTURE_START + SWARM_FIXTURE_TIMEOUT);
    assert_non_null(strstr(f->result->message, "no answer within 1s"));
    fd_closep(&filler);
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

static void test_drain_gives_up_what_waits_and_expects_what_was_sent(void **state)
{
    struct swarm_fixture *f = *state;
    char uuid[TEXT_UUID_LEN + 1];

    swarm_fixture_open(f);
    swarm_fixture_push(f);
    swarm_fixture_push(f);
    server_read_uuid(f, uuid);
    swarm_drain(&f->swarm, f->clock.now);
    assert_int_equal(f->result->not_sent, 1);
    assert_int_equal(f->swarm.n_open, 1);
    server_answer(f, uuid);
    swarm_fixture_turn(f);
    assert_int_equal(f->swarm.n_open, 0);
    assert_int_equal(f->result->sent, 1);
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

static void test_close_counts_the_unanswered_as_lost(void **state)
{
    struct swarm_fixture *f = *state;
    char byte;

    swarm_fixture_open(f);
    swarm_fixture_push(f);
    swarm_close(&f->swarm, f->clock.now);
    assert_int_equal(f->result->lost, 1);
    assert_int_equal(f->swarm.n_open, 0);
    while (read(f->peer_fd, &byte, 1) == 1)
        continue;
    assert_int_equal(read(f->peer_fd, &byte, 1), 0);
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

/* ---- Native ---- */

/* What it has not answered by the time that is waited for a reply will not come. */
static void test_nothing_is_hoped_for_of_a_server_that_said_goodbye(void **state)
{
    uint8_t goodbye[PROTO_NOTICE_MAX];
    struct swarm_fixture *f = *state;
    size_t len = proto_notice_encode(goodbye, PROTO_GOODBYE, PROTO_REASON_STOPPING, "");

    swarm_fixture_open_native(f, 0);
    swarm_fixture_push(f);
    assert_int_equal(write(f->peer_fd, goodbye, len), len);
    swarm_fixture_turn(f);
    swarm_fixture_push(f);
    assert_true(swarm_is_hopeful(&f->swarm, f->clock.now));
    f->clock.now += SWARM_FIXTURE_TIMEOUT;
    assert_true(swarm_fixture_sweep(f));
    assert_false(swarm_is_hopeful(&f->swarm, f->clock.now));
}

/* No reply is due to it, but the server would have to read it first. */
static void test_message_that_is_half_out_is_waited_for_as_long_as_a_reply(void **state)
{
    struct swarm_fixture *f = *state;
    int size = 1;

    swarm_fixture_open_native(f, 0);
    assert_int_equal(setsockopt(f->swarm.links[0].fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)),
                     0);
    swarm_fixture_push(f);
    assert_true(f->swarm.links[0].target.tx_offset > 0);
    assert_int_equal(f->swarm.next_sweep, SWARM_FIXTURE_START + SWARM_FIXTURE_TIMEOUT);
    f->clock.now += SWARM_FIXTURE_TIMEOUT - 1;
    assert_false(swarm_fixture_sweep(f));
    assert_int_equal(f->swarm.next_sweep, f->clock.now + NSEC_PER_MSEC);
    assert_true(swarm_is_hopeful(&f->swarm, f->clock.now));
    f->clock.now += NSEC_PER_MSEC;
    assert_true(swarm_fixture_sweep(f));
    assert_false(swarm_is_hopeful(&f->swarm, f->clock.now));
}

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

static void test_server_that_leaves_a_hello_unanswered_is_told(void **state)
{
    struct swarm_fixture *f = *state;

    (void)swarm_open(&f->swarm, f->clock.now);
    swarm_fixture_turn(f);
    server_read_hello(f);
    f->clock.now = f->swarm.next_sweep;
    assert_int_equal(f->clock.now, SWARM_FIXTURE_START + SWARM_FIXTURE_TIMEOUT);
    (void)swarm_fixture_sweep(f);
    server_accept(f);
    assert_int_equal(f->swarm.links[0].state, LINK_UP);
    assert_false(f->swarm.links[0].target.native);
    assert_string_equal(swarm_fixture_next_text(f, RECORD_NOTICE),
                        "no answer to the hello within 1s: going on in text");
}

static void test_idle_connection_is_kept_alive(void **state)
{
    struct swarm_fixture *f = *state;
    uint8_t frame[PROTO_HEADER_LEN], keep_alive[PROTO_HEADER_LEN];

    proto_keepalive_encode(keep_alive, PROTO_KEEPALIVE);
    swarm_fixture_open_native(f, 900);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(f->swarm.next_sweep, f->clock.now + 300 * NSEC_PER_MSEC);
        f->clock.now = f->swarm.next_sweep;
        assert_false(swarm_fixture_sweep(f));
        assert_int_equal(read(f->peer_fd, frame, sizeof(frame)), sizeof(frame));
        assert_memory_equal(frame, keep_alive, sizeof(frame));
    }
    assert_int_equal(read(f->peer_fd, frame, 1), -1);
}

/* ---- A new connection for each message ---- */

static void test_each_message_has_a_connection_of_its_own(void **state)
{
    struct swarm_fixture *f = *state;
    char uuid[TEXT_UUID_LEN + 1], byte;

    assert_true(swarm_open(&f->swarm, f->clock.now));
    for (uint64_t i = 1; i <= 3; i++) {
        swarm_fixture_push(f);
        server_accept(f);
        server_read_uuid(f, uuid);
        server_answer(f, uuid);
        swarm_fixture_turn(f);
        assert_int_equal(f->result->received, i);
        assert_int_equal(hist_count(f->result->connect), i);
        assert_true(read(f->peer_fd, &byte, 1) <= 0);
    }
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

#define IN(setup, test)                                                                            \
    cmocka_unit_test_setup_teardown(test, swarm_fixture_##setup, swarm_fixture_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(finite, test_message_is_sent_and_its_reply_counted),
        IN(endless, test_second_message_waits_for_room_and_says_so),
        IN(finite, test_warm_up_is_left_out_of_all_counts),
        IN(endless, test_overdue_message_may_still_be_answered_late),
        IN(finite, test_sweep_is_expected_when_the_timeout_ends),
        IN(finite, test_lost_connection_ends_a_run_with_an_end),
        IN(endless, test_rubbish_ends_any_run),
        IN(finite, test_error_line_without_its_end_is_shown),
        IN(finite, test_error_line_before_a_reset_is_shown),
        IN(native, test_error_line_instead_of_a_welcome_is_shown),
        IN(finite, test_wrong_reply_is_counted_and_the_right_one_awaited),
        IN(finite, test_full_backlog_is_tried_again),
        IN(finite, test_backlog_that_stays_full_is_no_answer),
        IN(endless, test_refused_first_connection_ends_any_run),
        IN(endless, test_all_addresses_that_failed_are_named),
        IN(finite, test_lost_connection_is_named_where_there_are_several_addresses),
        IN(endless, test_drain_gives_up_what_waits_and_expects_what_was_sent),
        IN(endless, test_drain_counts_what_was_to_be_sent_again_as_lost),
        IN(endless, test_close_counts_the_unanswered_as_lost),
        IN(endless, test_closed_connection_is_made_anew_and_the_message_sent_again),
        IN(endless, test_reset_connection_loses_its_messages),
        IN(endless, test_outage_is_tried_again_and_has_a_length),
        IN(endless, test_server_that_only_takes_connections_is_one_outage),
        IN(endless, test_outage_at_the_end_is_not_over),
        IN(finite, test_stopping_server_is_connected_to_again_in_any_run),
        IN(finite, test_server_that_stopped_for_good_ends_a_run_with_an_end),
        IN(finite, test_server_that_goes_on_stopping_is_given_the_timeout),
        IN(native, test_nothing_is_hoped_for_of_a_server_that_said_goodbye),
        IN(large, test_message_that_is_half_out_is_waited_for_as_long_as_a_reply),
        IN(auto, test_native_is_offered_again_after_an_outage),
        IN(auto, test_other_protocol_after_an_outage_is_told),
        IN(auto, test_server_that_leaves_a_hello_unanswered_is_told),
        IN(native, test_idle_connection_is_kept_alive),
        IN(connect, test_each_message_has_a_connection_of_its_own),
        IN(connect_endless, test_outage_is_known_from_another_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
