/* SPDX-License-Identifier: MIT */
#include "client/link.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/base.h"
#include "common/parse.h"

/* Between two tries to get into a full backlog. */
#define BACKLOG_GAP (10 * NSEC_PER_MSEC)

void link_init(struct link *l, const struct link_config *config, uint32_t index, int epoll_fd,
               struct rng *rng)
{
    *l = (struct link){
        .config = config,
        .epoll_fd = epoll_fd,
        .fd = -1,
        .index = index,
        .deadline = NSEC_NEVER,
    };
    target_init(&l->target, &config->target, rng);
}

void link_deinit(struct link *l)
{
    fd_closep(&l->fd);
    target_deinit(&l->target);
}

void link_say(struct link *l, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(l->reason, sizeof(l->reason), format, args);
    va_end(args);
}

bool link_say_error_so_far(struct link *l)
{
    char text[TARGET_TEXT_SIZE];

    if (!target_error_so_far(&l->target, text))
        return false;
    link_say(l, "%s", text);
    return true;
}

/* One address after the other fails: the reason names them all, as far as there is room. */
static void say_address(struct link *l, const char *what, const char *why)
{
    char address[ADDR_TEXT_SIZE], before[LINK_FAILURE_SIZE];

    addr_format(&l->config->addrs[l->n_addr], address);
    if (l->n_addr == 0) {
        link_say(l, "%s %s: %s", what, address, why);
        return;
    }
    memcpy(before, l->reason, sizeof(before));
    link_say(l, "%s; %s %s: %s", before, what, address, why);
}

static void say_timeout(struct link *l, const char *what)
{
    char duration[FORMAT_DURATION_SIZE];
    char why[64];

    format_duration(l->config->timeout, duration);
    (void)snprintf(why, sizeof(why), "no answer within %s", duration);
    say_address(l, what, why);
}

/*
 * Once and for all, as edge-triggered: room to send is told when the socket has been full, and
 * nothing is asked of a socket after what it has told was read.
 */
static int watch(struct link *l, int operation)
{
    struct epoll_event event = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.ptr = l}};

    l->is_watched = operation != EPOLL_CTL_DEL;
    return epoll_ctl(l->epoll_fd, operation, l->fd, &event) < 0 ? -errno : 0;
}

/* That this fails, or the next, is not to be expected: what it takes was there before. */
void link_look_again(struct link *l)
{
    if (l->is_watched)
        (void)watch(l, EPOLL_CTL_MOD);
}

void link_await(struct link *l, bool is_awaited)
{
    if (l->fd >= 0 && l->is_watched == is_awaited)
        (void)watch(l, is_awaited ? EPOLL_CTL_DEL : EPOLL_CTL_ADD);
}

/* The connection stands: the protocol begins. */
static void start(struct link *l, nsec_t now)
{
    struct stream stream = {.ops = &stream_socket_ops, .ctx = &l->fd};

    l->connect_time = now - l->began;
    l->n_replies = 0;
    l->looked_at = 0;
    l->left_since = 0;
    tcp_evidence_reset(&l->evidence);
    l->deadline = nsec_add(now, l->config->timeout);
    l->state = LINK_GREETING;
    target_start(&l->target, &stream);
}

/* On a Unix socket there is no waiting for room in the backlog: connect(2) fails. */
static bool is_backlog_full(const struct link *l, int r)
{
    return r == -EAGAIN && l->config->addrs[l->n_addr].sa.sa_family == AF_UNIX;
}

/* Begins to connect to the address, as it did at l->began. */
static int dial_address(struct link *l, nsec_t now)
{
    nsec_t deadline = nsec_add(l->began, l->config->timeout);
    const char *what;
    int r;

    link_close(l);
    r = dial_start(&l->config->dial, &l->config->addrs[l->n_addr], l->index, &l->fd, &what);
    if (r < 0 && !is_backlog_full(l, r)) {
        say_address(l, what, strerror(-r));
        return r;
    }

    l->state = LINK_CONNECTING;
    l->deadline = deadline;
    if (r < 0) {
        l->deadline = MIN(now + BACKLOG_GAP, deadline);
        return 0;
    }
    /* One that stands already is writable, and so comes the same way. */
    r = watch(l, EPOLL_CTL_ADD);
    if (r < 0)
        say_address(l, "watch the connection to", strerror(-r));
    return r;
}

static int try_address(struct link *l, nsec_t now)
{
    l->began = now;
    return dial_address(l, now);
}

/* From this address on: the first that does not refuse at once. */
static int try_addresses(struct link *l, nsec_t now)
{
    int r = -EADDRNOTAVAIL;

    for (; l->n_addr < l->config->n_addrs; l->n_addr++) {
        r = try_address(l, now);
        if (r == 0)
            return 0;
    }
    link_close(l);
    return r;
}

static int try_next_address(struct link *l, nsec_t now, int error)
{
    l->n_addr++;
    if (l->n_addr < l->config->n_addrs)
        return try_addresses(l, now);
    link_close(l);
    return error;
}

int link_open(struct link *l, nsec_t now)
{
    l->n_addr = 0;
    /* What took no hello may have been a server on its way out, or a proxy without one; but where
     * each message has its connection, what was found out once has to do. */
    if (l->down_since > 0)
        l->target.text_only = l->config->target.protocol == PROTOCOL_TEXT;
    return try_addresses(l, now);
}

int link_connected(struct link *l, bool may_have_failed, nsec_t now)
{
    int r = may_have_failed ? dial_error(l->fd) : 0;

    if (r == 0)
        r = dial_finish(&l->config->dial, l->fd);

    if (r < 0) {
        say_address(l, "connect to", strerror(-r));
        return try_next_address(l, now, r);
    }
    start(l, now);
    return 0;
}

bool link_may_try_text(const struct link *l)
{
    return l->state == LINK_GREETING && l->config->target.protocol == PROTOCOL_AUTO &&
           !l->target.text_only;
}

int link_try_text(struct link *l, nsec_t now)
{
    l->target.text_only = true;
    return try_addresses(l, now);
}

int link_expire(struct link *l, nsec_t now)
{
    int r;

    if (l->state == LINK_CONNECTING && l->fd < 0 && now - l->began < l->config->timeout) {
        r = dial_address(l, now);
        return r < 0 ? try_next_address(l, now, r) : 0;
    }
    if (l->state == LINK_CONNECTING) {
        say_timeout(l, "connect to");
        return try_next_address(l, now, -ETIMEDOUT);
    }
    if (link_may_try_text(l))
        return link_try_text(l, now);
    if (!link_say_error_so_far(l))
        say_timeout(l, "hello to");
    link_close(l);
    return -ETIMEDOUT;
}

void link_is_up(struct link *l, nsec_t now)
{
    l->state = LINK_UP;
    l->up_since = now;
    l->deadline = NSEC_NEVER;
}

void link_close(struct link *l)
{
    target_stop(&l->target);
    fd_closep(&l->fd);              /* which also ends its watch */
    l->is_watched = false;
    l->state = LINK_DOWN;
    l->deadline = NSEC_NEVER;
}
