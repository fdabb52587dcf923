/* SPDX-License-Identifier: MIT */
#include "tests/support/swarm_fixture.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/test.h"

#include "common/base.h"

/* ---- The server ---- */

void server_listen(struct swarm_fixture *f)
{
    f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(f->listen_fd >= 0);
    assert_int_equal(bind(f->listen_fd, &f->addr.sa, f->addr.len), 0);
    assert_int_equal(listen(f->listen_fd, 16), 0);
}

void server_accept(struct swarm_fixture *f)
{
    fd_closep(&f->peer_fd);
    f->peer_fd = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(f->peer_fd >= 0);
}

void server_read_uuid(struct swarm_fixture *f, char ret_uuid[static TEXT_UUID_LEN + 1])
{
    assert_int_equal(read(f->peer_fd, ret_uuid, TEXT_UUID_LEN), TEXT_UUID_LEN);
    ret_uuid[TEXT_UUID_LEN] = '\0';
}

void server_say(struct swarm_fixture *f, const char *text)
{
    assert_int_equal(write(f->peer_fd, text, strlen(text)), strlen(text));
}

void server_read_hello(struct swarm_fixture *f)
{
    char hello[PROTO_HELLO_MAX];

    server_accept(f);
    assert_true(read(f->peer_fd, hello, sizeof(hello)) > 0);
    assert_memory_equal(hello, "tcptimer-hello", strlen("tcptimer-hello"));
}

void server_answer(struct swarm_fixture *f, const char *uuid)
{
    char reply[TEXT_REPLY_MAX + 1];
    size_t n = text_reply_format(reply, uuid, 5);

    reply[n] = '\0';
    server_say(f, reply);
}

void server_welcome(struct swarm_fixture *f, uint32_t idle_timeout_ms)
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
    swarm_fixture_turn(f);
    assert_int_equal(f->swarm.links[0].state, LINK_UP);
}

/* ---- The client ---- */

static int set_up_with(void **state, const struct options *options)
{
    struct swarm_fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    *f = (struct swarm_fixture){.clock = {.now = SWARM_FIXTURE_START}, .options = *options,
                                .listen_fd = -1, .peer_fd = -1};
    f->clock_src = fake_clock_src(&f->clock);
    f->options.timeout = SWARM_FIXTURE_TIMEOUT;
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
                                   .timeout = SWARM_FIXTURE_TIMEOUT};
    target_config_init(&f->link.target, &f->clock_src, &f->options);
    assert_int_equal(tally_init(&f->tally, &f->clock_src, &f->options, f->options.connections,
                                f->report_fd), 0);

    const struct swarm_config config = {
        .options = &f->options, .clock = &f->clock_src, .link = &f->link, .tally = &f->tally,
        .is_known = &f->is_known, .epoll_fd = f->epoll_fd, .step = 1,
        .n_links = f->options.connections,
    };
    assert_int_equal(swarm_init(&f->swarm, &config), 0);
    f->result = &f->tally.result;
    *state = f;
    return 0;
}

int swarm_fixture_finite(void **state)
{
    return set_up_with(state, &(struct options){.protocol = PROTOCOL_TEXT, .count = 10});
}

int swarm_fixture_endless(void **state)
{
    return set_up_with(state, &(struct options){.protocol = PROTOCOL_TEXT,
                                               .arrivals = ARRIVALS_FIXED});
}

int swarm_fixture_connect(void **state)
{
    return set_up_with(state, &(struct options){.protocol = PROTOCOL_TEXT, .count = 10,
                                               .connect = true});
}

int swarm_fixture_connect_endless(void **state)
{
    return set_up_with(state, &(struct options){.protocol = PROTOCOL_TEXT, .connect = true,
                                               .arrivals = ARRIVALS_FIXED, .connections = 2});
}

int swarm_fixture_native(void **state)
{
    return set_up_with(state, &(struct options){.protocol = PROTOCOL_NATIVE,
                                               .arrivals = ARRIVALS_FIXED});
}

int swarm_fixture_auto(void **state)
{
    return set_up_with(state, &(struct options){.protocol = PROTOCOL_AUTO,
                                               .arrivals = ARRIVALS_FIXED});
}

int swarm_fixture_large(void **state)
{
    return set_up_with(state, &(struct options){.protocol = PROTOCOL_NATIVE,
                                               .arrivals = ARRIVALS_FIXED,
                                               .size = PROTO_PADDING_MAX});
}

int swarm_fixture_end(void **state)
{
    struct swarm_fixture *f = *state;

    swarm_deinit(&f->swarm);
    tally_deinit(&f->tally);
    fd_closep(&f->listen_fd);
    fd_closep(&f->peer_fd);
    fd_closep(&f->epoll_fd);
    fd_closep(&f->report_fd);
    free(f);
    return 0;
}

void swarm_fixture_turn(struct swarm_fixture *f)
{
    struct epoll_event events[8];
    int n;

    while ((n = epoll_wait(f->epoll_fd, events, ARRAY_SIZE(events), 0)) > 0) {
        for (int i = 0; i < n; i++)
            swarm_handle(&f->swarm, events[i].data.ptr, events[i].events);
        swarm_flush(&f->swarm, f->clock.now);
    }
}

bool swarm_fixture_sweep(struct swarm_fixture *f)
{
    bool is_overdue = swarm_sweep(&f->swarm, f->clock.now);

    swarm_flush(&f->swarm, f->clock.now);
    swarm_fixture_turn(f);
    return is_overdue;
}

void swarm_fixture_open(struct swarm_fixture *f)
{
    (void)swarm_open(&f->swarm, f->clock.now);
    swarm_fixture_turn(f);
    assert_true(swarm_open(&f->swarm, f->clock.now));
    server_accept(f);
}

void swarm_fixture_push(struct swarm_fixture *f)
{
    assert_int_equal(swarm_push(&f->swarm, &f->swarm.links[0], f->clock.now), 0);
    swarm_flush(&f->swarm, f->clock.now);
    swarm_fixture_turn(f);
}

void swarm_fixture_open_native(struct swarm_fixture *f, uint32_t idle_timeout_ms)
{
    (void)swarm_open(&f->swarm, f->clock.now);
    swarm_fixture_turn(f);
    server_welcome(f, idle_timeout_ms);
}

const char *swarm_fixture_next_text(struct swarm_fixture *f, enum record_kind kind)
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
