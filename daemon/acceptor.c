/* SPDX-License-Identifier: MIT */
#include "daemon/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base.h"
#include "common/text.h"
#include "daemon/conn_end.h"

/* A worker alone takes so many in one go; one of several takes one, and goes to the queue's end. */
#define BATCH_ALONE 64

/* How long accepting rests when not even a refusal is possible. */
#define PAUSE (200 * NSEC_PER_MSEC)

/* Who waited in the queue of an inherited listener at its adoption has been accepted by then. */
#define FRESH (2 * NSEC_PER_SEC)

/* How long a handshake may take that had begun when the listener was shut [ms]. */
#define HANDSHAKE_MS 2

#define SAYS_STOPPING "the server is " TEXT_STOPPING

static int queue(struct gate *g)
{
    int r;

    if (g->queued)
        return 0;
    r = loop_add(g->acceptor->conns->loop, &g->source, EPOLLIN | EPOLLEXCLUSIVE);
    g->queued = r == 0;
    return r;
}

static void unqueue(struct gate *g)
{
    if (g->queued)
        loop_remove(g->acceptor->conns->loop, &g->source);
    g->queued = false;
}

static int open_spare(const struct acceptor *a)
{
    return fcntl(a->conns->loop->epoll_fd, F_DUPFD_CLOEXEC, 0);
}

static void pause_accepting(struct acceptor *a, int error)
{
    uint64_t suppressed;

    for (size_t i = 0; i < a->n_gates; i++)
        unqueue(&a->gates[i]);
    a->paused_until = a->conns->now + PAUSE;

    if (ratelimit_pass(&a->pause_limit, a->conns->now, &suppressed)) {
        a->said_paused = true;
        log_text(a->conns->log, ACCEPT_PAUSED,
                 &((struct log_data){.error = error,
                                     LOG_VALUES({LOG_FIELD_SUPPRESSED, suppressed})}),
                 "accepting clients rests for %u ms: %s",
                 (unsigned)(PAUSE / NSEC_PER_MSEC), strerror(error));
    }
}

static void note_refusal(struct acceptor *a, const struct addr_key *key, const char *reason,
                         const char *text, int error)
{
    uint64_t suppressed;

    if (ratelimit_pass(&a->refusal_limit, a->conns->now, &suppressed))
        log_text(a->conns->log, REFUSED,
                 &((struct log_data){.client = key, .reason = reason, .error = error,
                                     LOG_VALUES({LOG_FIELD_SUPPRESSED, suppressed})}),
                 "%s", text);
}

/* Takes over @fd. */
static void admit(struct acceptor *a, int fd, const struct addr_key *key)
{
    struct conn_shared *conns = a->conns;
    const struct conn_limits *limits = &conns->limits;
    struct origin *origin = NULL;
    char text[128];
    int r;

    if (conns->stopping) {
        stats_add(conns->stats, refused_stopping, 1);
        conn_refuse(conns, fd, key, SAYS_STOPPING);
        return;
    }

    r = admission_enter(conns->admission, key, limits->max_clients, limits->max_clients_per_source,
                        &origin);
    if (r == 0) {
        r = conn_new(conns, fd, key, origin, NULL);
        if (r == 0)
            return;
        admission_leave(conns->admission, origin);
    }

    if (r == ADMISSION_FULL) {
        stats_add(conns->stats, refused_full, 1);
        (void)snprintf(text, sizeof(text), "the server is full: %" PRIu32 " clients (max_clients)",
                       limits->max_clients);
        note_refusal(a, key, "max_clients", text, 0);
    } else if (r == ADMISSION_SOURCE_FULL) {
        stats_add(conns->stats, refused_source, 1);
        (void)snprintf(text, sizeof(text), "too many clients from one address: %" PRIu32
                       " (max_clients_per_source)", limits->max_clients_per_source);
        note_refusal(a, key, "max_clients_per_source", text, 0);
    } else {
        stats_add(conns->stats, refused_fds, 1);
        (void)snprintf(text, sizeof(text), "the server is out of memory");
        note_refusal(a, key, "memory", text, -r);
    }
    conn_refuse(conns, fd, key, text);
}

/* No descriptors are left: gives one up for long enough to take a client and to tell it. */
static int refuse_by_spare(struct gate *g, int error)
{
    struct acceptor *a = g->acceptor;
    struct addr addr = ADDR_INIT;
    struct addr_key key;
    int fd;

    fd_closep(&a->spare_fd);
    fd = accept4(g->source.fd, &addr.sa, &addr.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        fd = -errno;
    } else {
        key = addr_key_from(&addr);
        stats_add(a->conns->stats, refused_fds, 1);
        note_refusal(a, &key, "descriptors", "no file descriptors left (LimitNOFILE=)", error);
        conn_turn_away(a->conns, fd, "the server has no file descriptors left");
    }
    a->spare_fd = open_spare(a);

    return fd < 0 ? fd : 0;
}

/* Return: 0 if it makes sense to try for another one at once. */
static int accept_one(struct gate *g)
{
    struct acceptor *a = g->acceptor;
    struct addr addr = ADDR_INIT;
    struct addr_key key;
    int fd = accept4(g->source.fd, &addr.sa, &addr.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int r = fd < 0 ? -errno : 0;

    switch (-r) {
    case 0:
        if (a->conns->now < a->fresh_until && g->listener->inherited)
            listener_set_options(fd);
        key = addr_key_from(&addr);
        admit(a, fd, &key);
        if (a->said_paused)
            log_text(a->conns->log, ACCEPT_RESUMED, &((struct log_data){0}),
                     "clients are accepted again");
        a->said_paused = false;
        return 0;
    case EAGAIN:                    /* another worker was faster, or the client has left */
        return r;
    case EMFILE:
    case ENFILE:
        if (a->spare_fd < 0 || refuse_by_spare(g, -r) < 0)
            pause_accepting(a, -r);
        return r;
    case ECONNABORTED:              /* this client is gone, or its network is: accept(2) */
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case EINTR:
    case ENETDOWN:
    case ENETUNREACH:
    case ENONET:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case EPERM:
    case EPROTO:
        stats_add(a->conns->stats, accept_errors, 1);
        return 0;
    default:                        /* no memory, or the listener is broken: do not spin */
        stats_add(a->conns->stats, accept_errors, 1);
        pause_accepting(a, -r);
        return r;
    }
}

static void gate_ready(struct source *source, uint32_t events)
{
    struct gate *g = container_of(source, struct gate, source);
    unsigned n = g->acceptor->alone ? BATCH_ALONE : 1;

    (void)events;
    if (!g->queued)                 /* closed earlier in this batch: leave the client to the next */
        return;
    while (n > 0 && accept_one(g) == 0)
        n--;

    if (!g->acceptor->alone && g->queued) {
        unqueue(g);
        if (queue(g) < 0)
            pause_accepting(g->acceptor, ENOMEM);
    }
}

int acceptor_init(struct acceptor *a, struct conn_shared *conns, const struct listener *listeners,
                  size_t n, bool alone)
{
    *a = (struct acceptor){.conns = conns, .alone = alone, .n_gates = n, .spare_fd = -1,
                           .fresh_until = conns->now + FRESH};
    a->gates = calloc(n, sizeof(*a->gates));
    if (!a->gates)
        return -ENOMEM;
    a->spare_fd = open_spare(a);

    for (size_t i = 0; i < n; i++) {
        int r;

        a->gates[i] = (struct gate){
            .source = {.fd = listeners[i].fd, .ready = gate_ready},
            .acceptor = a,
            .listener = &listeners[i],
        };
        r = queue(&a->gates[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

void acceptor_deinit(struct acceptor *a)
{
    for (size_t i = 0; a->gates && i < a->n_gates; i++)
        unqueue(&a->gates[i]);
    free(take_ptr(a->gates));
    fd_closep(&a->spare_fd);
}

/*
 * Joins the queues that it should be in, and leaves the others. A server that stops leaves
 * inherited listeners to the next one, and goes on taking the clients of its own, to tell them.
 */
static void update_queues(struct acceptor *a)
{
    for (size_t i = 0; i < a->n_gates; i++) {
        struct gate *g = &a->gates[i];

        if (a->closed || a->paused_until > 0 || (a->conns->stopping && g->listener->inherited))
            unqueue(g);
        else if (queue(g) < 0)      /* no kernel memory: a later tick tries again */
            a->paused_until = a->conns->now + PAUSE;
    }
}

void acceptor_tick(struct acceptor *a)
{
    if (a->paused_until == 0 || a->conns->now < a->paused_until)
        return;

    a->paused_until = 0;
    if (a->spare_fd < 0)
        a->spare_fd = open_spare(a);
    update_queues(a);
}

void acceptor_set_closed(struct acceptor *a, bool closed)
{
    a->closed = closed;
    update_queues(a);
}

/* Return: whether somebody waited. */
static bool turn_one_away(struct acceptor *a, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return false;
    stats_add(a->conns->stats, refused_stopping, 1);
    conn_turn_away(a->conns, fd, SAYS_STOPPING);
    return true;
}

static void end_listener(struct acceptor *a, int listener)
{
    struct pollfd p = {.fd = listener, .events = POLLIN};

    /* Whose handshake has begun before that, on this host, comes in within this time. */
    do {
        while (turn_one_away(a, listener))
            ;
    } while (poll(&p, 1, HANDSHAKE_MS) > 0 && turn_one_away(a, listener));
    (void)shutdown(listener, SHUT_RD);  /* it is closed later, when no loop has it */
}

void acceptor_end_listening(struct acceptor *a)
{
    for (size_t i = 0; i < a->n_gates; i++)
        if (!a->gates[i].listener->inherited)
            end_listener(a, a->gates[i].source.fd);
}
