/* SPDX-License-Identifier: MIT */
#include "tests/support/conn_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "daemon/conn_phase.h"

struct conn_fixture *conn_fixture_new(void)
{
    struct conn_fixture *f = aligned_alloc(_Alignof(struct conn_fixture), sizeof(*f));

    assert_non_null(f);
    memset(f, 0, sizeof(*f));
    f->clock.now = CONN_FIXTURE_START;
    f->clock.real = 1700000000 * NSEC_PER_SEC;
    f->clock_src = fake_clock_src(&f->clock);
    f->peer_fd = -1;
    f->log_shared = (struct log_shared){.level = LOG_DEBUG, .wake_fd = -1};
    assert_int_equal(log_init(&f->log, &f->log_shared, &f->clock_src, 0), 0);
    f->loop = LOOP_INIT;
    assert_int_equal(loop_init(&f->loop), 0);
    admission_init(&f->admission, 1);
    f->shared = (struct conn_shared){
        .loop = &f->loop,
        .admission = &f->admission,
        .log = &f->log,
        .stats = &f->stats,
        .clock = &f->clock_src,
        .lookout = LOOKOUT_INIT,
        .limits = {
            .idle_timeout = 300 * NSEC_PER_SEC,
            .message_timeout = 10 * NSEC_PER_SEC,
            .max_clients = 10,
        },
        .terms = {
            .welcome = {.max_request_padding = PROTO_PADDING_MAX,
                        .max_reply_padding = PROTO_PADDING_MAX},
            .limits = {.role = PROTO_SERVER, .max_request_padding = PROTO_PADDING_MAX,
                       .max_reply_padding = PROTO_PADDING_MAX},
        },
    };
    assert_int_equal(conn_shared_init(&f->shared), 0);
    return f;
}

static void end(struct conn *c)
{
    (void)conn_free(c);
}

void conn_fixture_free(struct conn_fixture *f)
{
    for (enum conn_phase phase = 0; phase < N_CONN_PHASES; phase++)
        conn_for_each(&f->shared, phase, end);
    fd_closep(&f->peer_fd);
    conn_shared_deinit(&f->shared);
    admission_deinit(&f->admission);
    loop_deinit(&f->loop);
    log_deinit(&f->log);
    free(f);
}

void conn_fixture_accept(struct conn_fixture *f)
{
    struct addr_key key = {.ip = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 1}, .port = 4711,
                           .family = AF_INET};
    struct origin *origin;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    f->peer_fd = fds[1];
    assert_int_equal(admission_enter(&f->admission, &key, 10, 0, &origin), 0);
    assert_int_equal(conn_new(&f->shared, fds[0], &key, origin, &f->conn), 0);
    f->conn->stream = fake_stream_start(&f->fake);
}

int conn_fixture_set_up(void **state)
{
    struct conn_fixture *f = conn_fixture_new();

    conn_fixture_accept(f);
    *state = f;
    return 0;
}

int conn_fixture_tear_down(void **state)
{
    conn_fixture_free(*state);
    return 0;
}

void conn_fixture_advance(struct conn_fixture *f, nsec_t by)
{
    fake_clock_advance(&f->clock, by);
    f->shared.looked_at = f->shared.now;
    f->shared.now = stamp_bridge_look(&f->shared.bridge, &f->clock_src);
}

void conn_fixture_ready(struct conn_fixture *f, uint32_t events)
{
    assert_non_null(f->conn);
    conn_ready(&f->conn->source, events);
    (void)conn_fixture_is_gone(f);
}

void conn_fixture_feed(struct conn_fixture *f, const char *text)
{
    fake_stream_will_read_text(&f->fake, text);
    conn_fixture_ready(f, EPOLLIN);
}

bool conn_fixture_is_gone(struct conn_fixture *f)
{
    if (f->shared.n_conns == 0)
        f->conn = NULL;
    return !f->conn;
}

bool conn_fixture_peer_sees_end(struct conn_fixture *f)
{
    char byte;

    return recv(f->peer_fd, &byte, 1, MSG_DONTWAIT) == 0;
}

const char *conn_fixture_take_sent(struct conn_fixture *f)
{
    assert_true(f->fake.n_sent < sizeof(f->fake.sent));
    f->fake.sent[f->fake.n_sent] = '\0';
    fake_stream_clear_sent(&f->fake);
    return (const char *)f->fake.sent;
}

enum log_event conn_fixture_take_event(struct conn_fixture *f)
{
    const struct log_record *r = ring_peek(&f->log.ring);
    enum log_event event;

    if (!r)
        return N_LOG_EVENTS;
    event = r->site->event;
    ring_release(&f->log.ring);
    return event;
}
