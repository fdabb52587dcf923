/* SPDX-License-Identifier: MIT */
/*
 * A swarm against a server that this test plays itself, on a socket of its own in the abstract name
 * space: there connecting, sending and closing take effect at once, so that nothing has to be
 * waited for. Time is what the fake clock says.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/test.h"

#include "client/swarm.h"
#include "common/base.h"
#include "tests/support/fake_clock.h"

#define START ((nsec_t)1000000000)
#define TIMEOUT NSEC_PER_SEC

struct fixture {
    struct fake_clock clock;
    struct clock_src clock_src;
    struct options options;
    struct addr addr;
    struct link_config link;
    struct tally tally;
    struct swarm swarm;
    atomic_bool is_known;
    int listen_fd;
    int peer_fd;                    /* the server's end of the newest connection */
    int epoll_fd;
    int report_fd;
};

/* ---- The server ---- */

static void server_listen(struct fixture *f)
{
    f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(f->listen_fd >= 0);
    assert_int_equal(bind(f->listen_fd, &f->addr.sa, f->addr.len), 0);
    assert_int_equal(listen(f->listen_fd, 16), 0);
}

static void server_accept(struct fixture *f)
{
    fd_closep(&f->peer_fd);
    f->peer_fd = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(f->peer_fd >= 0);
}

/* Somebody else's connection takes the one place of a backlog of 0. */
static int fill_backlog(const struct fixture *f)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &f->addr.sa, f->addr.len), 0);
    return fd;
}

static void server_read_uuid(struct fixture *f, char ret_uuid[static TEXT_UUID_LEN + 1])
{
    assert_int_equal(read(f->peer_fd, ret_uuid, TEXT_UUID_LEN), TEXT_UUID_LEN);
    ret_uuid[TEXT_UUID_LEN] = '\0';
}

static void server_say(struct fixture *f, const char *text)
{
    assert_int_equal(write(f->peer_fd, text, strlen(text)), strlen(text));
}

static void server_read_hello(struct fixture *f)
{
    char hello[PROTO_HELLO_MAX];

    server_accept(f);
    assert_true(read(f->peer_fd, hello, sizeof(hello)) > 0);
    assert_memory_equal(hello, "tcptimer-hello", strlen("tcptimer-hello"));
}

static void server_answer(struct fixture *f, const char *uuid)
{
    char reply[TEXT_REPLY_MAX + 1];
    size_t n = text_reply_format(reply, uuid, 5);

    reply[n] = '\0';
    server_say(f, reply);
}

/* ---- The client ---- */

static int setup_with(void **state, const struct options *options)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    *f = (struct fixture){.clock = {.now = START}, .options = *options, .listen_fd = -1,
                          .peer_fd = -1};
    f->clock_src = fake_clock_src(&f->clock);
    f->options.timeout = TIMEOUT;
    f->options.connections = MAX(f->options.connections, 1U);
    f->addr = (struct addr){.un = {.sun_family = AF_UNIX}};
    f->addr.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                              (size_t)snprintf(f->addr.un.sun_path + 1,
                                               sizeof(f->addr.un.sun_path) - 1,
                                               "tcptimer-test-swarm-%d", getpid()));
    server_listen(f);

    f->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    f->report_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_true(f->epoll_fd >= 0 && f->report_fd >= 0);
    f->link = (struct link_config){.addrs = &f->addr, .n_addrs = 1, .dial = {.dscp = -1},
                                   .timeout = TIMEOUT};
    target_config_init(&f->link.target, &f->clock_src, &f->options);
    assert_int_equal(tally_init(&f->tally, &f->clock_src, f->options.connections, TIMEOUT, false,
                                f->report_fd), 0);

    const struct swarm_config config = {
        .options = &f->options, .clock = &f->clock_src, .link = &f->link, .tally = &f->tally,
        .is_known = &f->is_known, .epoll_fd = f->epoll_fd, .step = 1,
        .n_links = f->options.connections,
    };
    assert_int_equal(swarm_init(&f->swarm, &config), 0);
    *state = f;
    return 0;
}

static int setup_finite(void **state)
{
    return setup_with(state, &(struct options){.protocol = PROTOCOL_TEXT, .count = 10});
}

static int setup_endless(void **state)
{
    return setup_with(state, &(struct options){.protocol = PROTOCOL_TEXT,
                                                  .arrivals = ARRIVALS_FIXED});
}

static int setup_connect(void **state)
{
    return setup_with(state, &(struct options){.protocol = PROTOCOL_TEXT, .count = 10,
                                                  .connect = true});
}

static int setup_connect_endless(void **state)
{
    return setup_with(state, &(struct options){.protocol = PROTOCOL_TEXT, .connect = true,
                                               .arrivals = ARRIVALS_FIXED, .connections = 2});
}

static int setup_native(void **state)
{
    return setup_with(state, &(struct options){.protocol = PROTOCOL_NATIVE,
                                               .arrivals = ARRIVALS_FIXED});
}

static int setup_auto(void **state)
{
    return setup_with(state, &(struct options){.protocol = PROTOCOL_AUTO,
                                               .arrivals = ARRIVALS_FIXED});
}

static int setup_large(void **state)
{
    return setup_with(state, &(struct options){.protocol = PROTOCOL_NATIVE,
                                               .arrivals = ARRIVALS_FIXED,
                                               .size = PROTO_PADDING_MAX});
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    swarm_deinit(&f->swarm);
    tally_deinit(&f->tally);
    fd_closep(&f->listen_fd);
    fd_closep(&f->peer_fd);
    fd_closep(&f->epoll_fd);
    fd_closep(&f->report_fd);
    free(f);
    return 0;
}

/* All that has happened by now, and what follows from it. */
static void turn(struct fixture *f)
{
    struct epoll_event events[8];
    int n;

    while ((n = epoll_wait(f->epoll_fd, events, ARRAY_SIZE(events), 0)) > 0) {
        for (int i = 0; i < n; i++)
            swarm_handle(&f->swarm, events[i].data.ptr, events[i].events);
        swarm_flush(&f->swarm, f->clock.now);
    }
}

static bool sweep(struct fixture *f)
{
    bool is_overdue = swarm_sweep(&f->swarm, f->clock.now);

    swarm_flush(&f->swarm, f->clock.now);
    turn(f);
    return is_overdue;
}

static void open_all(struct fixture *f)
{
    (void)swarm_open(&f->swarm, f->clock.now);
    turn(f);
    assert_true(swarm_open(&f->swarm, f->clock.now));
    server_accept(f);
}

static void push(struct fixture *f)
{
    assert_int_equal(swarm_push(&f->swarm, &f->swarm.links[0], f->clock.now), 0);
    swarm_flush(&f->swarm, f->clock.now);
    turn(f);
}

static const struct result *result(const struct fixture *f)
{
    return &f->tally.result;
}

/* ---- Messages ---- */

static void test_message_is_sent_and_its_reply_counted(void **state)
{
    struct fixture *f = *state;
    char uuid[TEXT_UUID_LEN + 1];

    open_all(f);
    push(f);
    server_read_uuid(f, uuid);
    assert_int_equal(result(f)->sent, 1);
    assert_int_equal(f->swarm.n_open, 1);

    f->clock.now += 500;
    server_answer(f, uuid);
    turn(f);
    assert_int_equal(f->swarm.n_open, 0);
    assert_int_equal(result(f)->received, 1);
    assert_int_equal(hist_max(result(f)->service), 500);
    assert_int_equal(hist_max(result(f)->response), 500);
}

static void test_second_message_waits_for_room_and_says_so(void **state)
{
    struct fixture *f = *state;
    char uuid[TEXT_UUID_LEN + 1];
    struct link *l;

    open_all(f);
    l = &f->swarm.links[0];
    assert_int_equal(swarm_room(&f->swarm, l), 1);
    push(f);
    assert_int_equal(swarm_room(&f->swarm, l), 0);
    push(f);
    assert_int_equal(result(f)->sent, 1);
    assert_false(inflight_at(&l->target.inflight, 0)->held);
    assert_true(inflight_at(&l->target.inflight, 1)->held);

    server_read_uuid(f, uuid);
    server_answer(f, uuid);
    turn(f);
    assert_int_equal(result(f)->sent, 2);
    server_read_uuid(f, uuid);
}

static void test_warm_up_is_left_out_of_all_counts(void **state)
{
    struct fixture *f = *state;
    char uuid[TEXT_UUID_LEN + 1];

    open_all(f);
    f->swarm.n_omit = 1;
    for (int i = 0; i < 2; i++) {
        push(f);
        server_read_uuid(f, uuid);
        server_answer(f, uuid);
        turn(f);
    }
    assert_int_equal(result(f)->sent, 1);
    assert_int_equal(result(f)->received, 1);
    assert_int_equal(result(f)->omitted, 1);
    assert_int_equal(hist_count(result(f)->response), 1);
}

static void test_overdue_message_may_still_be_answered_late(void **state)
{
    struct fixture *f = *state;
    char uuid[TEXT_UUID_LEN + 1];

    open_all(f);
    push(f);
    server_read_uuid(f, uuid);
    f->clock.now += TIMEOUT - 1;
    assert_false(sweep(f));
    assert_true(swarm_is_hopeful(&f->swarm, f->clock.now));
    f->clock.now += 1;
    assert_true(sweep(f));
    assert_false(swarm_is_hopeful(&f->swarm, f->clock.now));
    assert_int_equal(result(f)->lost, 0);

    f->clock.now += 10;
    server_answer(f, uuid);
    turn(f);
    assert_int_equal(result(f)->received, 1);
    assert_int_equal(result(f)->late, 1);
    assert_int_equal(hist_max(result(f)->service), TIMEOUT + 10);
}

static void test_sweep_is_expected_when_the_timeout_ends(void **state)
{
    struct fixture *f = *state;

    open_all(f);
    push(f);
    assert_int_equal(f->swarm.next_sweep, START + TIMEOUT);
}

/* ---- Ends ---- */

static void test_lost_connection_ends_a_run_with_an_end(void **state)
{
    struct fixture *f = *state;

    open_all(f);
    push(f);
    fd_closep(&f->peer_fd);
    turn(f);
    assert_true(f->swarm.has_failed);
    assert_int_equal(result(f)->error, RUN_ERROR_CONNECTION_LOST);
    assert_int_equal(result(f)->lost, 1);
    assert_int_equal(f->swarm.n_open, 0);
    assert_int_equal(result(f)->n_outages, 0);
}

static void test_rubbish_ends_any_run(void **state)
{
    struct fixture *f = *state;

    open_all(f);
    push(f);
    server_say(f, "rubbish");
    turn(f);
    assert_true(f->swarm.has_failed);
    assert_int_equal(result(f)->error, RUN_ERROR_PROTOCOL);
    assert_non_null(strstr(result(f)->message, "rubbish"));
}

static void test_error_line_without_its_end_is_shown(void **state)
{
    struct fixture *f = *state;
    char uuid[TEXT_UUID_LEN + 1];

    open_all(f);
    push(f);
    server_read_uuid(f, uuid);
    server_say(f, "ERROR: closed on Mondays");
    turn(f);
    assert_false(f->swarm.has_failed);
    f->clock.now += TIMEOUT;
    (void)sweep(f);
    assert_true(f->swarm.has_failed);
    assert_int_equal(result(f)->error, RUN_ERROR_PROTOCOL);
    assert_string_equal(result(f)->message, "ERROR: closed on Mondays");
    assert_int_equal(result(f)->lost, 1);
}

/* With unread data in it, a socket that is closed resets its connection. */
static void test_error_line_before_a_reset_is_shown(void **state)
{
    struct fixture *f = *state;

    open_all(f);
    push(f);
    server_say(f, "ERROR: closed on Mondays");
    turn(f);
    fd_closep(&f->peer_fd);
    turn(f);
    assert_int_equal(result(f)->error, RUN_ERROR_PROTOCOL);
    assert_string_equal(result(f)->message, "ERROR: closed on Mondays");
}

static void test_error_line_instead_of_a_welcome_is_shown(void **state)
{
    struct fixture *f = *state;

    (void)swarm_open(&f->swarm, f->clock.now);
    turn(f);
    server_read_hello(f);
    server_say(f, "ERROR: closed on Mondays");
    turn(f);
    f->clock.now += TIMEOUT;
    (void)sweep(f);
    assert_string_equal(result(f)->message, "ERROR: closed on Mondays");
}

static void test_wrong_reply_is_counted_and_the_right_one_awaited(void **state)
{
    struct fixture *f = *state;
    char uuid[TEXT_UUID_LEN + 1];

    open_all(f);
    push(f);
    server_read_uuid(f, uuid);
    server_answer(f, "00000000-0000-4000-8000-000000000000");
    turn(f);
    assert_int_equal(result(f)->wrong, 1);
    server_answer(f, uuid);
    turn(f);
    assert_int_equal(result(f)->received, 1);
    assert_false(f->swarm.has_failed);
}

/* Nobody tells when there is room again. */
static void test_full_backlog_is_tried_again(void **state)
{
    struct fixture *f = *state;
    struct link *l = &f->swarm.links[0];
    int filler;

    assert_int_equal(listen(f->listen_fd, 0), 0);
    filler = fill_backlog(f);
    (void)swarm_open(&f->swarm, f->clock.now);
    assert_int_equal(l->state, LINK_CONNECTING);
    for (int i = 0; i < 3; i++) {
        f->clock.now = f->swarm.next_sweep;
        assert_true(f->clock.now < START + TIMEOUT / 2);
        (void)sweep(f);
        assert_int_equal(l->state, LINK_CONNECTING);
    }

    server_accept(f);
    f->clock.now = f->swarm.next_sweep;
    (void)sweep(f);
    assert_int_equal(l->state, LINK_UP);
    assert_int_equal(hist_max(result(f)->connect), f->clock.now - START);
    fd_closep(&filler);
}

static void test_backlog_that_stays_full_is_no_answer(void **state)
{
    struct fixture *f = *state;
    int filler;

    assert_int_equal(listen(f->listen_fd, 0), 0);
    filler = fill_backlog(f);
    (void)swarm_open(&f->swarm, f->clock.now);
    while (!f->swarm.has_failed) {
        assert_true(f->clock.now <= START + TIMEOUT);
        f->clock.now = f->swarm.next_sweep;
        (void)sweep(f);
    }
    assert_int_equal(f->clock.now, START + TIMEOUT);
    assert_non_null(strstr(result(f)->message, "no answer within 1s"));
    fd_closep(&filler);
}

static void test_refused_first_connection_ends_any_run(void **state)
{
    struct fixture *f = *state;

    fd_closep(&f->listen_fd);
    (void)swarm_open(&f->swarm, f->clock.now);
    assert_true(f->swarm.has_failed);
    assert_int_equal(result(f)->error, RUN_ERROR_CONNECT);
    assert_non_null(strstr(result(f)->message, strerror(ECONNREFUSED)));
}

/* Two addresses: @n_absent where nobody listens, then the server's own, if there is room. */
static void set_addresses(struct fixture *f, struct addr addrs[static 2], size_t n_absent)
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
    struct fixture *f = *state;
    char expected[LINK_FAILURE_SIZE], first[ADDR_TEXT_SIZE], second[ADDR_TEXT_SIZE];
    struct addr addrs[2];

    set_addresses(f, addrs, 2);
    addr_format(&addrs[0], first);
    addr_format(&addrs[1], second);
    (void)swarm_open(&f->swarm, f->clock.now);
    (void)snprintf(expected, sizeof(expected), "connect to %s: %s; connect to %s: %s", first,
                   strerror(ECONNREFUSED), second, strerror(ECONNREFUSED));
    assert_string_equal(result(f)->message, expected);
}

static void test_lost_connection_is_named_where_there_are_several_addresses(void **state)
{
    struct fixture *f = *state;
    char expected[LINK_FAILURE_SIZE], address[ADDR_TEXT_SIZE];
    struct addr addrs[2];

    set_addresses(f, addrs, 1);
    addr_format(&f->addr, address);
    open_all(f);
    push(f);
    fd_closep(&f->peer_fd);
    turn(f);
    (void)snprintf(expected, sizeof(expected), "connection 1 to %s: ", address);
    assert_memory_equal(result(f)->message, expected, strlen(expected));
}

static void test_drain_gives_up_what_waits_and_expects_what_was_sent(void **state)
{
    struct fixture *f = *state;
    char uuid[TEXT_UUID_LEN + 1];

    open_all(f);
    push(f);
    push(f);
    server_read_uuid(f, uuid);
    swarm_drain(&f->swarm, f->clock.now);
    assert_int_equal(result(f)->not_sent, 1);
    assert_int_equal(f->swarm.n_open, 1);
    server_answer(f, uuid);
    turn(f);
    assert_int_equal(f->swarm.n_open, 0);
    assert_int_equal(result(f)->sent, 1);
}

/* One of two was sent again on the new connection; the other waits there, as text takes one at a
 * time, but it left on the first. */
static void test_drain_counts_what_was_to_be_sent_again_as_lost(void **state)
{
    struct fixture *f = *state;
    char uuid[TEXT_UUID_LEN + 1];

    f->link.target.in_flight = 2;
    open_all(f);
    push(f);
    push(f);
    assert_int_equal(result(f)->sent, 2);
    f->link.target.in_flight = 1;
    server_read_uuid(f, uuid);
    server_read_uuid(f, uuid);
    fd_closep(&f->peer_fd);
    turn(f);
    assert_int_equal(result(f)->resent, 2);
    swarm_drain(&f->swarm, f->clock.now);
    assert_int_equal(result(f)->not_sent, 0);
    assert_int_equal(result(f)->lost, 1);
    assert_int_equal(f->swarm.n_open, 1);
}

static void test_close_counts_the_unanswered_as_lost(void **state)
{
    struct fixture *f = *state;
    char byte;

    open_all(f);
    push(f);
    swarm_close(&f->swarm, f->clock.now);
    assert_int_equal(result(f)->lost, 1);
    assert_int_equal(f->swarm.n_open, 0);
    while (read(f->peer_fd, &byte, 1) == 1)
        continue;
    assert_int_equal(read(f->peer_fd, &byte, 1), 0);
}

/* ---- Outages ---- */

/* The server closed in peace: what it did not answer is sent once more, as it was. */
static void test_closed_connection_is_made_anew_and_the_message_sent_again(void **state)
{
    struct fixture *f = *state;
    char first[TEXT_UUID_LEN + 1], second[TEXT_UUID_LEN + 1];

    open_all(f);
    push(f);
    server_read_uuid(f, first);
    f->clock.now += 100;
    fd_closep(&f->peer_fd);
    turn(f);
    server_accept(f);
    server_read_uuid(f, second);
    assert_string_equal(second, first);
    assert_int_equal(result(f)->sent, 1);
    assert_int_equal(result(f)->resent, 1);

    f->clock.now += 100;
    server_answer(f, second);
    turn(f);
    assert_int_equal(result(f)->received, 1);
    assert_int_equal(result(f)->n_outages, 1);
    assert_true(result(f)->outages[0].is_over);
    assert_int_equal(result(f)->outages[0].n_resent, 1);
    assert_int_equal(result(f)->outages[0].length, 0);
    assert_int_equal(hist_max(result(f)->service), 100);
    assert_int_equal(hist_max(result(f)->response), 200);   /* it was due the first time */
}

/* With unread data in it, a socket that is closed resets its connection. */
static void test_reset_connection_loses_its_messages(void **state)
{
    struct fixture *f = *state;

    open_all(f);
    push(f);
    fd_closep(&f->peer_fd);
    turn(f);
    server_accept(f);
    assert_int_equal(result(f)->lost, 1);
    assert_int_equal(result(f)->resent, 0);
    assert_int_equal(f->swarm.links[0].n_lost, 1);
    assert_false(f->swarm.has_failed);
}

/* Who asks meanwhile is told, and in the end it counts once all the same. */
static void assert_outage_so_far(struct fixture *f, nsec_t length)
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
    struct fixture *f = *state;
    struct link *l = &f->swarm.links[0];
    char uuid[TEXT_UUID_LEN + 1];
    nsec_t is_back;

    open_all(f);
    fd_closep(&f->listen_fd);
    fd_closep(&f->peer_fd);
    turn(f);
    assert_true(l->is_out);
    assert_true(l->down_since == START);
    assert_in_range(l->deadline - START, 50 * NSEC_PER_MSEC, 150 * NSEC_PER_MSEC);

    swarm_skip(&f->swarm, l, f->clock.now);
    assert_int_equal(result(f)->not_sent, 1);
    f->clock.now = START + 8 * NSEC_PER_SEC;
    (void)sweep(f);
    assert_in_range(l->deadline - f->clock.now, NSEC_PER_SEC, 3 * NSEC_PER_SEC);
    assert_outage_so_far(f, 8 * NSEC_PER_SEC);

    server_listen(f);
    f->clock.now = l->deadline;
    (void)sweep(f);
    server_accept(f);
    assert_false(l->is_out);
    is_back = f->clock.now;
    f->clock.now += 60 * NSEC_PER_SEC;      /* no message is due for so long */
    push(f);
    server_read_uuid(f, uuid);
    server_answer(f, uuid);
    turn(f);
    assert_int_equal(result(f)->n_outages, 1);
    assert_int_equal(result(f)->outages[0].length, is_back - START);
    assert_int_equal(result(f)->outages[0].n_not_sent, 1);
    /* Not that of the last try, which was that nobody listened. */
    assert_non_null(strstr(result(f)->outages[0].reason, "closed by the server"));
}

/* It may be starting over and over: that is one outage, and no reason to ask it all the time. */
static void test_server_that_only_takes_connections_is_one_outage(void **state)
{
    struct fixture *f = *state;
    struct link *l = &f->swarm.links[0];

    open_all(f);
    for (int i = 0; i < 5; i++) {
        fd_closep(&f->peer_fd);
        turn(f);
        if (l->state == LINK_DOWN) {
            assert_true(l->deadline >= f->clock.now + 50 * NSEC_PER_MSEC);
            f->clock.now = l->deadline;
            (void)sweep(f);
        }
        server_accept(f);
    }
    assert_true(l->down_since == START);
    assert_int_equal(result(f)->n_outages, 0);
}

static void test_outage_at_the_end_is_not_over(void **state)
{
    struct fixture *f = *state;

    open_all(f);
    fd_closep(&f->listen_fd);
    fd_closep(&f->peer_fd);
    turn(f);
    swarm_close(&f->swarm, f->clock.now + 77);
    assert_int_equal(result(f)->n_outages, 1);
    assert_false(result(f)->outages[0].is_over);
    assert_int_equal(result(f)->outages[0].length, 77);
}

/* A server that says that it stops is restarted: nobody's message may stay without a reply. */
static void test_stopping_server_is_connected_to_again_in_any_run(void **state)
{
    struct fixture *f = *state;
    char first[TEXT_UUID_LEN + 1], second[TEXT_UUID_LEN + 1];

    open_all(f);
    push(f);
    server_read_uuid(f, first);
    server_say(f, "ERROR: the server is stopping\n");
    turn(f);
    assert_false(f->swarm.has_failed);
    server_accept(f);
    server_read_uuid(f, second);
    assert_string_equal(second, first);
    assert_int_equal(result(f)->resent, 1);
}

static void test_server_that_stopped_for_good_ends_a_run_with_an_end(void **state)
{
    struct fixture *f = *state;

    open_all(f);
    fd_closep(&f->listen_fd);
    server_say(f, "ERROR: the server is stopping\n");
    turn(f);
    assert_true(f->swarm.has_failed);
    assert_int_equal(result(f)->error, RUN_ERROR_CONNECTION_LOST);
}

/* Until the new one is there, the old one turns everybody away; the message waits for the end of
 * that, but not for longer than for a reply. */
static void test_server_that_goes_on_stopping_is_given_the_timeout(void **state)
{
    struct fixture *f = *state;
    struct link *l = &f->swarm.links[0];

    open_all(f);
    push(f);
    while (!f->swarm.has_failed) {
        assert_true(f->clock.now < START + 2 * TIMEOUT);
        server_say(f, "ERROR: the server is stopping\n");
        turn(f);
        if (l->state == LINK_DOWN && !f->swarm.has_failed) {
            f->clock.now = l->deadline;
            (void)sweep(f);
        }
        if (l->state != LINK_DOWN)
            server_accept(f);
    }
    assert_true(f->clock.now >= START + TIMEOUT);
    assert_int_equal(result(f)->lost, 1);
}

/* ---- Native ---- */

/* As one that takes all that our options ask for. */
static void server_welcome(struct fixture *f, uint32_t idle_timeout_ms)
{
    const struct proto_welcome welcome = {
        .version = 1,
        .max_request_padding = PROTO_PADDING_MAX,
        .max_reply_padding = PROTO_PADDING_MAX,
        .rx_buffer = 1000,
        .tx_buffer = 1000,
        .idle_timeout_ms = idle_timeout_ms,
    };
    char line[PROTO_WELCOME_MAX + 1];

    server_read_hello(f);
    line[proto_welcome_encode(line, &welcome)] = '\0';
    server_say(f, line);
    turn(f);
    assert_int_equal(f->swarm.links[0].state, LINK_UP);
}

static void open_native(struct fixture *f, uint32_t idle_timeout_ms)
{
    (void)swarm_open(&f->swarm, f->clock.now);
    turn(f);
    server_welcome(f, idle_timeout_ms);
}

/* What it has not answered by the time that is waited for a reply will not come. */
static void test_nothing_is_hoped_for_of_a_server_that_said_goodbye(void **state)
{
    uint8_t goodbye[PROTO_NOTICE_MAX];
    struct fixture *f = *state;
    size_t len = proto_notice_encode(goodbye, PROTO_GOODBYE, PROTO_REASON_STOPPING, "");

    open_native(f, 0);
    push(f);
    assert_int_equal(write(f->peer_fd, goodbye, len), len);
    turn(f);
    push(f);
    assert_true(swarm_is_hopeful(&f->swarm, f->clock.now));
    f->clock.now += TIMEOUT;
    assert_true(sweep(f));
    assert_false(swarm_is_hopeful(&f->swarm, f->clock.now));
}

/* No reply is due to it, but the server would have to read it first. */
static void test_message_that_is_half_out_is_waited_for_as_long_as_a_reply(void **state)
{
    struct fixture *f = *state;
    int size = 1;

    open_native(f, 0);
    assert_int_equal(setsockopt(f->swarm.links[0].fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)),
                     0);
    push(f);
    assert_true(f->swarm.links[0].target.tx_offset > 0);
    assert_int_equal(f->swarm.next_sweep, START + TIMEOUT);
    f->clock.now += TIMEOUT - 1;
    assert_false(sweep(f));
    assert_int_equal(f->swarm.next_sweep, f->clock.now + NSEC_PER_MSEC);
    assert_true(swarm_is_hopeful(&f->swarm, f->clock.now));
    f->clock.now += NSEC_PER_MSEC;
    assert_true(sweep(f));
    assert_false(swarm_is_hopeful(&f->swarm, f->clock.now));
}

/* The first of that kind that was told; those before it are gone. */
static const char *next_text(struct fixture *f, enum record_kind kind)
{
    static char text[RECORD_TEXT_SIZE];
    const struct record *record;

    while ((record = ring_peek(&f->tally.ring)) != NULL && record->kind != kind)
        ring_release(&f->tally.ring);
    if (!record)
        return NULL;
    (void)snprintf(text, sizeof(text), "%s", record->text);
    ring_release(&f->tally.ring);
    return text;
}

/* A server that stops closes on a hello that it has not read, or a proxy on any. */
static void test_native_is_offered_again_after_an_outage(void **state)
{
    struct fixture *f = *state;
    struct link *l = &f->swarm.links[0];
    char uuid[TEXT_UUID_LEN + 1];

    open_native(f, 0);
    fd_closep(&f->peer_fd);
    turn(f);
    server_read_hello(f);
    fd_closep(&f->peer_fd);
    turn(f);
    server_accept(f);               /* in text, to which nothing is said either */
    assert_true(l->target.text_only);
    push(f);
    server_read_uuid(f, uuid);
    fd_closep(&f->peer_fd);
    turn(f);

    f->clock.now = l->deadline;
    (void)sweep(f);
    server_welcome(f, 0);
    assert_true(l->target.native);
    assert_int_equal(result(f)->n_outages, 1);
    assert_null(next_text(f, RECORD_NOTICE));
}

static void test_other_protocol_after_an_outage_is_told(void **state)
{
    struct fixture *f = *state;
    char uuid[TEXT_UUID_LEN + 1];

    open_native(f, 0);
    fd_closep(&f->peer_fd);
    turn(f);
    server_read_hello(f);
    server_say(f, "ERROR: expected a UUID\n");
    turn(f);
    server_accept(f);
    push(f);
    server_read_uuid(f, uuid);
    server_answer(f, uuid);
    turn(f);
    assert_string_equal(next_text(f, RECORD_NOTICE),
                        "connected again, in text: before it was the native protocol");

    fd_closep(&f->peer_fd);
    turn(f);
    server_welcome(f, 0);
    assert_string_equal(next_text(f, RECORD_NOTICE),
                        "connected again, in the native protocol: before it was text");
}

static void test_server_that_leaves_a_hello_unanswered_is_told(void **state)
{
    struct fixture *f = *state;

    (void)swarm_open(&f->swarm, f->clock.now);
    turn(f);
    server_read_hello(f);
    f->clock.now = f->swarm.next_sweep;
    assert_int_equal(f->clock.now, START + TIMEOUT);
    (void)sweep(f);
    server_accept(f);
    assert_int_equal(f->swarm.links[0].state, LINK_UP);
    assert_false(f->swarm.links[0].target.native);
    assert_string_equal(next_text(f, RECORD_NOTICE),
                        "no answer to the hello within 1s: going on in text");
}

static void test_idle_connection_is_kept_alive(void **state)
{
    struct fixture *f = *state;
    uint8_t frame[PROTO_HEADER_LEN], keep_alive[PROTO_HEADER_LEN];

    proto_keepalive_encode(keep_alive, PROTO_KEEPALIVE);
    open_native(f, 900);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(f->swarm.next_sweep, f->clock.now + 300 * NSEC_PER_MSEC);
        f->clock.now = f->swarm.next_sweep;
        assert_false(sweep(f));
        assert_int_equal(read(f->peer_fd, frame, sizeof(frame)), sizeof(frame));
        assert_memory_equal(frame, keep_alive, sizeof(frame));
    }
    assert_int_equal(read(f->peer_fd, frame, 1), -1);
}

/* ---- A new connection for each message ---- */

static void test_each_message_has_a_connection_of_its_own(void **state)
{
    struct fixture *f = *state;
    char uuid[TEXT_UUID_LEN + 1], byte;

    assert_true(swarm_open(&f->swarm, f->clock.now));
    for (uint64_t i = 1; i <= 3; i++) {
        push(f);
        server_accept(f);
        server_read_uuid(f, uuid);
        server_answer(f, uuid);
        turn(f);
        assert_int_equal(result(f)->received, i);
        assert_int_equal(hist_count(result(f)->connect), i);
        assert_true(read(f->peer_fd, &byte, 1) <= 0);
    }
    assert_int_equal(result(f)->n_outages, 0);
}

/* The second connection is the first to find that nobody is there any more. */
static void test_outage_is_known_from_another_connection(void **state)
{
    struct fixture *f = *state;
    char uuid[TEXT_UUID_LEN + 1];

    assert_true(swarm_open(&f->swarm, f->clock.now));
    push(f);
    server_accept(f);
    server_read_uuid(f, uuid);
    server_answer(f, uuid);
    turn(f);
    fd_closep(&f->listen_fd);
    assert_int_equal(swarm_push(&f->swarm, &f->swarm.links[1], f->clock.now), 0);
    swarm_flush(&f->swarm, f->clock.now);
    turn(f);
    assert_false(f->swarm.has_failed);
    assert_true(f->swarm.links[1].is_out);
    assert_int_equal(result(f)->not_sent, 1);
}

#define IN(setup, test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(setup_finite, test_message_is_sent_and_its_reply_counted),
        IN(setup_endless, test_second_message_waits_for_room_and_says_so),
        IN(setup_finite, test_warm_up_is_left_out_of_all_counts),
        IN(setup_endless, test_overdue_message_may_still_be_answered_late),
        IN(setup_finite, test_sweep_is_expected_when_the_timeout_ends),
        IN(setup_finite, test_lost_connection_ends_a_run_with_an_end),
        IN(setup_endless, test_rubbish_ends_any_run),
        IN(setup_finite, test_error_line_without_its_end_is_shown),
        IN(setup_finite, test_error_line_before_a_reset_is_shown),
        IN(setup_native, test_error_line_instead_of_a_welcome_is_shown),
        IN(setup_finite, test_wrong_reply_is_counted_and_the_right_one_awaited),
        IN(setup_finite, test_full_backlog_is_tried_again),
        IN(setup_finite, test_backlog_that_stays_full_is_no_answer),
        IN(setup_endless, test_refused_first_connection_ends_any_run),
        IN(setup_endless, test_all_addresses_that_failed_are_named),
        IN(setup_finite, test_lost_connection_is_named_where_there_are_several_addresses),
        IN(setup_endless, test_drain_gives_up_what_waits_and_expects_what_was_sent),
        IN(setup_endless, test_drain_counts_what_was_to_be_sent_again_as_lost),
        IN(setup_endless, test_close_counts_the_unanswered_as_lost),
        IN(setup_endless, test_closed_connection_is_made_anew_and_the_message_sent_again),
        IN(setup_endless, test_reset_connection_loses_its_messages),
        IN(setup_endless, test_outage_is_tried_again_and_has_a_length),
        IN(setup_endless, test_server_that_only_takes_connections_is_one_outage),
        IN(setup_endless, test_outage_at_the_end_is_not_over),
        IN(setup_finite, test_stopping_server_is_connected_to_again_in_any_run),
        IN(setup_finite, test_server_that_stopped_for_good_ends_a_run_with_an_end),
        IN(setup_finite, test_server_that_goes_on_stopping_is_given_the_timeout),
        IN(setup_native, test_nothing_is_hoped_for_of_a_server_that_said_goodbye),
        IN(setup_large, test_message_that_is_half_out_is_waited_for_as_long_as_a_reply),
        IN(setup_auto, test_native_is_offered_again_after_an_outage),
        IN(setup_auto, test_other_protocol_after_an_outage_is_told),
        IN(setup_auto, test_server_that_leaves_a_hello_unanswered_is_told),
        IN(setup_native, test_idle_connection_is_kept_alive),
        IN(setup_connect, test_each_message_has_a_connection_of_its_own),
        IN(setup_connect_endless, test_outage_is_known_from_another_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
