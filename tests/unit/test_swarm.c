/* SPDX-License-Identifier: MIT */
#include <errno.h>
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

/* Then epoll is not told, and doesn't tell, until it is asked to again. */
static void test_awaited_reply_is_read_where_it_comes(void **state)
{
    struct swarm_fixture *f = *state;
    char uuid[TEXT_UUID_LEN + 1];
    struct link *l;

    swarm_fixture_open(f);
    l = &f->swarm.links[0];
    assert_false(swarm_can_await(l));
    swarm_fixture_push(f);
    assert_true(swarm_can_await(l));
    assert_int_equal(swarm_await(&f->swarm, l, false), -EAGAIN);
    server_read_uuid(f, uuid);
    server_answer(f, uuid);
    swarm_fixture_turn(f);
    assert_int_equal(f->result->received, 0);
    assert_int_equal(swarm_await(&f->swarm, l, true), 0);
    assert_int_equal(f->result->received, 1);

    swarm_fixture_push(f);
    server_read_uuid(f, uuid);
    server_answer(f, uuid);
    link_await(l, false);
    swarm_fixture_turn(f);
    assert_int_equal(f->result->received, 2);
}

/* epoll tells of it once only. */
static void test_all_is_read_that_is_more_than_a_read_holds(void **state)
{
    static char line_ends[TARGET_RX_SIZE + 1];
    struct swarm_fixture *f = *state;
    char uuid[TEXT_UUID_LEN + 1];

    swarm_fixture_open(f);
    swarm_fixture_push(f);
    server_read_uuid(f, uuid);
    memset(line_ends, '\n', sizeof(line_ends) - 1);
    server_say(f, line_ends);
    server_answer(f, uuid);
    swarm_fixture_turn(f);
    assert_int_equal(f->result->received, 1);
}

/* ... and of both at once. */
static void test_end_right_behind_a_reply_is_seen(void **state)
{
    struct swarm_fixture *f = *state;
    char uuid[TEXT_UUID_LEN + 1];

    swarm_fixture_open(f);
    swarm_fixture_push(f);
    server_read_uuid(f, uuid);
    server_answer(f, uuid);
    fd_closep(&f->peer_fd);
    swarm_fixture_turn(f);
    assert_int_equal(f->result->received, 1);
    assert_int_equal(f->swarm.links[0].state, LINK_DOWN);
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

#define IN(setup, test)                                                                            \
    cmocka_unit_test_setup_teardown(test, swarm_fixture_##setup, swarm_fixture_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(finite, test_message_is_sent_and_its_reply_counted),
        IN(endless, test_second_message_waits_for_room_and_says_so),
        IN(finite, test_warm_up_is_left_out_of_all_counts),
        IN(finite, test_awaited_reply_is_read_where_it_comes),
        IN(finite, test_all_is_read_that_is_more_than_a_read_holds),
        IN(finite, test_end_right_behind_a_reply_is_seen),
        IN(endless, test_overdue_message_may_still_be_answered_late),
        IN(finite, test_sweep_is_expected_when_the_timeout_ends),
        IN(endless, test_rubbish_ends_any_run),
        IN(finite, test_error_line_without_its_end_is_shown),
        IN(native, test_error_line_instead_of_a_welcome_is_shown),
        IN(finite, test_wrong_reply_is_counted_and_the_right_one_awaited),
        IN(finite, test_full_backlog_is_tried_again),
        IN(finite, test_backlog_that_stays_full_is_no_answer),
        IN(endless, test_drain_gives_up_what_waits_and_expects_what_was_sent),
        IN(endless, test_close_counts_the_unanswered_as_lost),
        IN(native, test_nothing_is_hoped_for_of_a_server_that_said_goodbye),
        IN(large, test_message_that_is_half_out_is_waited_for_as_long_as_a_reply),
        IN(auto, test_server_that_leaves_a_hello_unanswered_is_told),
        IN(native, test_idle_connection_is_kept_alive),
        IN(connect, test_each_message_has_a_connection_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
