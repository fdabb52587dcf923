/* SPDX-License-Identifier: MIT */
#include "daemon/conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base.h"
#include "daemon/arrival.h"
#include "daemon/conn_end.h"
#include "daemon/conn_phase.h"

struct addr_key conn_key(const struct conn *c)
{
    struct addr_key key = c->origin ? c->origin->key : (struct addr_key){0};

    key.port = c->port;
    return key;
}

void conn_set_events(struct conn *c, uint32_t events)
{
    int r;

    if (c->events == events)
        return;
    r = loop_change(c->shared->loop, &c->source, events);
    assert(r == 0);                 /* it is in the loop: only adding can lack memory */
    (void)r;
    c->events = events;
}

int conn_add(struct conn_shared *shared, int fd, const struct addr_key *key,
             struct conn **ret_conn)
{
    struct conn *c = malloc(sizeof(*c));
    int r;

    if (!c)
        return -ENOMEM;
    *c = (struct conn){
        .source = {.fd = fd, .ready = conn_ready},
        .stream = {.ops = &stream_socket_ops, .ctx = &c->source.fd},
        .shared = shared,
        .port = key->port,
        .events = EPOLLIN,
    };
    r = loop_add(shared->loop, &c->source, EPOLLIN);
    if (r < 0) {
        free(c);
        return r;
    }
    list_init(&c->link);
    conn_enter_phase(c, CONN_OPEN);
    shared->n_conns++;
    *ret_conn = c;
    return 0;
}

int conn_new(struct conn_shared *shared, int fd, const struct addr_key *key, struct origin *origin,
             struct conn **ret_conn)
{
    struct conn *c;
    int r = conn_add(shared, fd, key, &c);

    if (r < 0)
        return r;

    c->origin = origin;
    session_init(&c->session, clock_now(shared->clock));
    stats_add(shared->stats, accepted, 1);
    log_event(shared->log, CONNECTED, .client = key);
    if (ret_conn)
        *ret_conn = c;
    return 0;
}

struct conn *conn_free(struct conn *c)
{
    struct conn_shared *shared;

    if (!c)
        return NULL;
    shared = c->shared;

    if (c->origin) {
        struct addr_key key = conn_key(c);

        log_event(shared->log, DISCONNECTED, .client = &key);
        stats_add(shared->stats, closed, 1);
        admission_leave(shared->admission, c->origin);
    } else {
        shared->n_refused--;
    }
    shared->n_conns--;
    list_remove(&c->link);
    loop_remove(shared->loop, &c->source);
    fd_closep(&c->source.fd);
    free(c->backlog);
    free(c);
    return NULL;
}

void conn_reset_output(struct conn_shared *shared)
{
    bool wanted = shared->limits.log_messages || shared->limits.slow_threshold > 0;

    shared->tx.len = 0;
    shared->tx.n_messages = 0;
    shared->tx.n_heads = 0;
    shared->tx.messages = wanted ? shared->messages : NULL;
    shared->tx.fault = NULL;
}

/* Keeps what the peer did not take, and what is still to be answered, until it reads on. */
static int keep_backlog(struct conn *c, const char *out, size_t out_len,
                        const struct session_input *rest)
{
    struct conn_backlog *b = malloc(sizeof(*b) + out_len + (rest ? rest->len : 0));

    if (!b)
        return -ENOMEM;
    *b = (struct conn_backlog){.out_len = out_len};
    memcpy(b->data, out, out_len);
    if (rest) {
        b->input = *rest;
        memcpy(b->data + out_len, rest->bytes, rest->len);
    }
    b->input.bytes = b->data + out_len;

    c->backlog = b;
    conn_set_events(c, EPOLLOUT);
    return 0;
}

int conn_send(struct conn *c, const struct session_input *rest)
{
    struct conn_shared *shared = c->shared;
    struct session_output *out = &shared->tx;
    ssize_t n;

    if (out->len == 0)
        return 0;
    if (out->n_heads > 0) {
        shared->last_native = clock_now(shared->clock);
        session_depart(out, shared->last_native);
    }

    n = stream_send(&c->stream, out->buf, out->len);
    if (n == -EAGAIN)
        n = 0;
    if (n < 0)
        return (int)n;
    if ((size_t)n < out->len)
        return keep_backlog(c, out->buf + n, out->len - (size_t)n, rest);

    return 0;
}

static void log_messages(struct conn *c)
{
    struct conn_shared *shared = c->shared;
    const struct session_output *out = &shared->tx;
    struct addr_key key = conn_key(c);

    for (size_t i = 0; i < out->n_messages; i++) {
        const struct session_message *m = &out->messages[i];

        if (shared->limits.log_messages)
            log_event(shared->log, MESSAGE, .client = &key, .uuid = m->uuid,
                      LOG_VALUES({LOG_FIELD_DELTA, m->delta}));
        if (shared->limits.slow_threshold > 0 && m->delta > shared->limits.slow_threshold)
            log_event(shared->log, SLOW, .client = &key, .uuid = m->uuid,
                      LOG_VALUES({LOG_FIELD_DELTA, m->delta},
                                 {LOG_FIELD_THRESHOLD, shared->limits.slow_threshold}));
    }
}

static void count_output(struct conn *c)
{
    struct conn_shared *shared = c->shared;

    if (shared->tx.n_messages == 0)
        return;
    stats_add(shared->stats, messages, shared->tx.n_messages);
    if (shared->tx.messages)
        log_messages(c);
}

static void note_bad_message(struct conn *c)
{
    struct conn_shared *shared = c->shared;
    struct addr_key key = conn_key(c);
    uint64_t suppressed;

    stats_add(shared->stats, bad_messages, 1);
    if (ratelimit_pass(&shared->bad_message_limit, shared->now, &suppressed))
        log_text(shared->log, BAD_MESSAGE,
                 &((struct log_data){.client = &key,
                                     LOG_VALUES({LOG_FIELD_SUPPRESSED, suppressed})}),
                 "%s", shared->tx.fault);
}

void conn_break(struct conn *c)
{
    stats_add(c->shared->stats, resets, 1);
    (void)conn_free(c);
}

/* After input was answered: which timeout holds from now on? The connection may be gone then. */
static void settle(struct conn *c, size_t n_messages)
{
    struct conn_shared *shared = c->shared;

    if (shared->stopping && c->session.speech == SESSION_NATIVE) {
        if (!c->session.parted)     /* its hello came, or its backlog went, during the stop */
            conn_stop(c);
    } else if (c->backlog || session_is_amid_message(&c->session)) {
        if (c->phase != CONN_WAITING || n_messages > 0)
            conn_enter_phase(c, CONN_WAITING);
    } else if (c->phase != CONN_OPEN || conn_wants_renewal(c)) {
        conn_enter_phase(c, CONN_OPEN);
    }
}

/* Answers @in as far as the peer takes the replies. The connection may be gone afterwards. */
static void answer(struct conn *c, struct session_input *in)
{
    struct conn_shared *shared = c->shared;
    enum session_result result;
    size_t n_messages = 0;
    bool was_native = c->session.speech == SESSION_NATIVE;

    do {
        int r;

        conn_reset_output(shared);
        result = session_feed(&c->session, &shared->terms, in, &shared->tx);
        r = conn_send(c, in);
        count_output(c);
        n_messages += shared->tx.n_messages;
        if (r < 0) {
            conn_break(c);
            return;
        }
    } while (result == SESSION_FULL && !c->backlog);

    if (!was_native && c->session.speech == SESSION_NATIVE) {
        stats_add(shared->stats, native, 1);
        arrival_watch_queue(c->source.fd);
    }
    if (result == SESSION_FAULT)
        note_bad_message(c);
    if (result == SESSION_FAULT || result == SESSION_DONE)
        conn_finish(c);
    else
        settle(c, n_messages);
}

static void read_and_answer(struct conn *c)
{
    struct session_input in;
    ssize_t n = arrival_read(c->shared, &c->stream, &c->session, &c->arrival, &in);

    if (n == -EAGAIN)
        return;
    if (n < 0)
        conn_break(c);
    else if (n == 0)
        (void)conn_free(c);         /* all that came is answered: nothing is left to say */
    else
        answer(c, &in);
}

/* The peer reads on: sends it what was kept, then answers what had to wait behind that. */
static void flush_backlog(struct conn *c)
{
    struct conn_backlog *b = c->backlog;
    ssize_t n = stream_send(&c->stream, b->data + b->out_at, b->out_len - b->out_at);

    if (n == -EAGAIN)
        return;
    if (n < 0) {
        conn_break(c);
        return;
    }
    b->out_at += (size_t)n;
    if (c->phase == CONN_WAITING)
        conn_enter_phase(c, CONN_WAITING);
    if (b->out_at < b->out_len)
        return;

    c->backlog = NULL;
    arrival_pass_over(&c->arrival, &c->session);
    if (b->finish) {
        conn_linger(c);
    } else {
        conn_set_events(c, EPOLLIN);
        answer(c, &b->input);
    }
    free(b);
}

void conn_ready(struct source *source, uint32_t events)
{
    struct conn *c = container_of(source, struct conn, source);

    if (c->phase == CONN_LINGERING)
        conn_discard(c);
    else if (!c->backlog)
        read_and_answer(c);
    else if (events & (EPOLLERR | EPOLLHUP))
        conn_break(c);              /* both directions are closed: nobody will read the backlog */
    else
        flush_backlog(c);
}
