/* SPDX-License-Identifier: MIT */
/*
 * Bare server: level-triggered epoll, one receive, all replies, one send.
 *
 *   bare_server [-p PORT | -f FD] [-T THREADS] [-b USEC]
 *
 *   -p PORT      listens on the loopback's PORT
 *   -f FD        listens on FD, a socket that was inherited
 *   -T THREADS   so many threads, each with a listener of its own (SO_REUSEPORT); not with -f
 *   -b USEC      looks for the next event for so long before it sleeps
 *
 * Ends when it is killed. Idle connections cost it a slot in a table, indexed by descriptor.
 */
#include "tests/bench/bare.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>

struct slot {
    uint64_t last;              /* arrival of the previous message, or the accept [ns] */
    uint8_t n_held;
    char held[REQUEST_LEN - 1]; /* the start of a request that has not ended */
};

struct thread {
    pthread_t id;
    int listener;
    char rx[RX_SIZE];
    char tx[RX_SIZE / REQUEST_LEN * REPLY_LEN];
};

static struct slot *slots;
static uint64_t busy_poll;

static int open_listener(uint16_t port)
{
    struct sockaddr_in a = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        die("socket");
    set_on(fd, SOL_SOCKET, SO_REUSEADDR);
    set_on(fd, SOL_SOCKET, SO_REUSEPORT);
    set_on(fd, IPPROTO_TCP, TCP_NODELAY);
    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 65535) < 0)
        die("bind and listen");
    return fd;
}

static int adopt_listener(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        die("fcntl");
    return fd;
}

static const char is_hex[256] = {['0' ... '9'] = 1, ['a' ... 'f'] = 1, ['A' ... 'F'] = 1};

static void check_request(const char *uuid)
{
    int good = 1;

    for (int i = 0; i < REQUEST_LEN; i++)
        good &= i == 8 || i == 13 || i == 18 || i == 23 ? uuid[i] == '-'
                                                        : is_hex[(uint8_t)uuid[i]];
    if (!good) {
        errno = EBADMSG;
        die("request");
    }
}

static void put_two_digits(char *p, uint64_t value)
{
    p[0] = (char)('0' + value / 10);
    p[1] = (char)('0' + value % 10);
}

static void format_reply(char *p, const char *uuid, uint64_t delta)
{
    uint64_t us = delta / 1000;

    memcpy(p, "UUID: ", UUID_AT);
    memcpy(p + UUID_AT, uuid, REQUEST_LEN);
    memcpy(p + INFIX_AT, INFIX, sizeof(INFIX) - 1);
    p[DELTA_AT] = (char)('0' + us / 1000000 % 10);
    p[DELTA_AT + 1] = '.';
    put_two_digits(p + DELTA_AT + 2, us / 10000 % 100);
    put_two_digits(p + DELTA_AT + 4, us / 100 % 100);
    put_two_digits(p + DELTA_AT + 6, us % 100);
    memcpy(p + SUFFIX_AT, SUFFIX, sizeof(SUFFIX) - 1);
}

/* The requests in t->rx become replies in t->tx; what is left of the last one is held. */
static size_t answer(struct thread *t, struct slot *s, size_t len)
{
    uint64_t now = now_ns();
    size_t at = 0, out = 0;

    for (; len - at >= REQUEST_LEN; at += REQUEST_LEN, out += REPLY_LEN) {
        check_request(t->rx + at);
        format_reply(t->tx + out, t->rx + at, now - s->last);
        s->last = now;
    }
    s->n_held = (uint8_t)(len - at);
    memcpy(s->held, t->rx + at, len - at);
    return out;
}

static void serve(struct thread *t, int fd)
{
    struct slot *s = &slots[fd];
    ssize_t n;
    size_t len;

    memcpy(t->rx, s->held, s->n_held);
    n = recv(fd, t->rx + s->n_held, RX_SIZE - s->n_held, 0);
    if (n <= 0) {                   /* gone, in whatever way */
        (void)close(fd);
        return;
    }
    len = answer(t, s, s->n_held + (size_t)n);

    if (len == 0)
        return;

    n = send(fd, t->tx, len, MSG_NOSIGNAL);
    if (n < 0 ? errno != EPIPE && errno != ECONNRESET : (size_t)n < len)
        die("send");                /* no load here fills a socket's buffer */
}

static void watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
}

static void accept_all(int epoll, int listener)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        slots[fd] = (struct slot){.last = now_ns()};
        watch(epoll, fd);
    }
    if (errno != EAGAIN && errno != ECONNABORTED)
        die("accept");
}

static void *run(void *arg)
{
    struct thread *t = arg;
    struct epoll_event batch[BATCH];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    uint64_t last_event = 0;

    watch(epoll, t->listener);
    for (;;) {
        int sleep = busy_poll == 0 || now_ns() - last_event > busy_poll ? -1 : 0;
        int n = epoll_wait(epoll, batch, BATCH, sleep);

        if (n < 0 && errno != EINTR)
            die("epoll_wait");
        if (n > 0 && busy_poll > 0)
            last_event = now_ns();
        for (int i = 0; i < n; i++) {
            if (batch[i].data.fd == t->listener)
                accept_all(epoll, t->listener);
            else
                serve(t, batch[i].data.fd);
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    unsigned n_threads = 1;
    uint16_t port = 0;
    int listener = -1, option;
    struct thread *threads;

    while ((option = getopt(argc, argv, "p:f:T:b:")) >= 0) {
        switch (option) {
        case 'p':
            port = (uint16_t)atoi(optarg);
            break;
        case 'f':
            listener = adopt_listener(atoi(optarg));
            break;
        case 'T':
            n_threads = (unsigned)atoi(optarg);
            break;
        case 'b':
            busy_poll = strtoull(optarg, NULL, 10) * 1000;
            break;
        default:
            return 2;
        }
    }

    raise_nofile();
    slots = calloc((size_t)sysconf(_SC_OPEN_MAX), sizeof(*slots));
    threads = calloc(n_threads, sizeof(*threads));
    if (!slots || !threads)
        die("calloc");
    for (unsigned i = 0; i < n_threads; i++)
        threads[i].listener = listener >= 0 ? listener : open_listener(port);
    for (unsigned i = 1; i < n_threads; i++)
        if (pthread_create(&threads[i].id, NULL, run, &threads[i]) != 0)
            die("pthread_create");
    (void)run(&threads[0]);
    return 1;
}
