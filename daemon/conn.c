/* SPDX-License-Identifier: MIT */
#include "daemon/conn.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base.h"
#include "common/parse.h"
#include "daemon/arrival.h"

/* How long, and for how many bytes, a peer that was told to go is listened to. */
#define LINGER_TIMEOUT (5 * NSEC_PER_SEC)
#define LINGER_BYTES (UINT32_C(64) << 20)

/* The same when the server stops, and for silence only: who connects now waits until it is gone. */
#define LINGER_TIMEOUT_STOPPING NSEC_PER_SEC

/* Of connections that were refused, so many may linger at once (they are not among the clients). */
#define MAX_REFUSED 256

/* A stopping server takes a text client for done that sent nothing for this long. */
#define QUIET_TIMEOUT (100 * NSEC_PER_MSEC)

/* A connection's place in its list is renewed only when it is older than this part of the timeout:
 * the request path then writes to no neighbour's cache line, and a timeout is late by that part. */
#define RENEWAL_PART 16

struct conn_backlog {
    size_t out_at, out_len;         /* unsent replies in `data` */
    struct session_input input;     /* what is to be answered after them; `bytes` in `data` */
    bool finish;                    /* half-close after them */
    char data[];
};

/* How long a connection may stay in a phase [ns]; NSEC_NEVER = without end. */
static nsec_t phase_timeout(const struct conn_shared *shared, enum conn_phase phase)
{
    switch (phase) {
    case CONN_OPEN:
        if (shared->stopping)
            return QUIET_TIMEOUT;
        if (shared->limits.idle_timeout > 0)
            return shared->limits.idle_timeout + shared->limits.idle_timeout / RENEWAL_PART;
        break;
    case CONN_WAITING:
        if (shared->stopping)
            return QUIET_TIMEOUT;
        if (shared->limits.message_timeout > 0)
            return shared->limits.message_timeout;
        break;
    case CONN_LINGERING:
        return shared->stopping ? LINGER_TIMEOUT_STOPPING : LINGER_TIMEOUT;
    case CONN_PARTING:
    case N_CONN_PHASES:
        break;
    }
    return NSEC_NEVER;
}

/* When the first of a phase has been in it for as long as it may [ns, monotonic]. */
static nsec_t phase_deadline(const struct conn_shared *shared, enum conn_phase phase)
{
    const struct list *head = &shared->phases[phase];
    nsec_t timeout, since;

    if (list_is_empty(head))
        return NSEC_NEVER;
    timeout = phase_timeout(shared, phase);
    if (timeout == NSEC_NEVER)
        return NSEC_NEVER;

    since = list_first(head, struct conn, link)->since;
    /* Who was quiet before the server began to stop may be about to speak. */
    if (shared->stopping && phase != CONN_LINGERING)
        since = MAX(since, shared->stop_at);
    return since + timeout;
}

nsec_t conn_next_deadline(const struct conn_shared *shared)
{
    nsec_t next = NSEC_NEVER;

    for (enum conn_phase phase = 0; phase < N_CONN_PHASES; phase++)
        next = MIN(next, phase_deadline(shared, phase));
    return next;
}

void conn_for_each(struct conn_shared *shared, enum conn_phase phase, void (*act)(struct conn *c))
{
    struct list *head = &shared->phases[phase];

    /* The next one is looked up first, as `act` may free this one. */
    for (struct list *link = head->next, *next; link != head; link = next) {
        next = link->next;
        act(container_of(link, struct conn, link));
    }
}

static void enter_phase(struct conn *c, enum conn_phase phase)
{
    list_remove(&c->link);
    list_append(&c->shared->phases[phase], &c->link);
    c->phase = (uint8_t)phase;
    c->since = c->shared->now;
}

static struct addr_key client_key(const struct conn *c)
{
    struct addr_key key = c->origin ? c->origin->key : (struct addr_key){0};

    key.port = c->port;
    return key;
}

static void set_events(struct conn *c, uint32_t events)
{
    int r;

    if (c->events == events)
        return;
    r = loop_change(c->shared->loop, &c->source, events);
    assert(r == 0);                 /* it is in the loop: only adding can lack memory */
    (void)r;
    c->events = events;
}

static int new_conn(struct conn_shared *shared, int fd, const struct addr_key *key,
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
    enter_phase(c, CONN_OPEN);
    shared->n_conns++;
    *ret_conn = c;
    return 0;
}

int conn_new(struct conn_shared *shared, int fd, const struct addr_key *key, struct origin *origin,
             struct conn **ret_conn)
{
    struct conn *c;
    int r = new_conn(shared, fd, key, &c);

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
        struct addr_key key = client_key(c);

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

static void reset_output(struct conn_shared *shared)
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
    set_events(c, EPOLLOUT);
    return 0;
}

/*
 * Sends the shared output; what the peer does not take is kept aside, with the rest of the input
 * (NULL = there is none).
 *
 * Return: 0 or negative errno, which ends the connection.
 */
static int send_output(struct conn *c, const struct session_input *rest)
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
    struct addr_key key = client_key(c);

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
    struct addr_key key = client_key(c);
    uint64_t suppressed;

    stats_add(shared->stats, bad_messages, 1);
    if (ratelimit_pass(&shared->bad_message_limit, shared->now, &suppressed))
        log_text(shared->log, BAD_MESSAGE,
                 &((struct log_data){.client = &key,
                                     LOG_VALUES({LOG_FIELD_SUPPRESSED, suppressed})}),
                 "%s", shared->tx.fault);
}

/* The peer or the network broke it. */
static void broken(struct conn *c)
{
    stats_add(c->shared->stats, resets, 1);
    (void)conn_free(c);
}

static void linger(struct conn *c)
{
    (void)shutdown(c->source.fd, SHUT_WR);  /* ENOTCONN: the peer was faster, reading will tell */
    set_events(c, EPOLLIN);
    enter_phase(c, CONN_LINGERING);
}

void conn_finish(struct conn *c)
{
    if (c->phase == CONN_LINGERING)
        return;
    if (!c->backlog) {
        linger(c);
        return;
    }
    if (c->backlog->finish)
        return;
    c->backlog->finish = true;
    enter_phase(c, CONN_WAITING);
}

/* Tells the peer that its connection ends. Return: whether it is still there to be finished. */
static bool say_goodbye(struct conn *c, enum proto_reason reason, const char *text)
{
    reset_output(c->shared);
    session_part(&c->session, reason, text, &c->shared->tx);
    if (send_output(c, NULL) == 0)
        return true;
    broken(c);
    return false;
}

/* The server stops: tells a native client, as soon as that is not amid a reply. */
static void stop(struct conn *c)
{
    if (c->phase == CONN_LINGERING || c->session.speech != SESSION_NATIVE)
        return;

    enter_phase(c, CONN_PARTING);
    if (!c->backlog)
        (void)say_goodbye(c, PROTO_REASON_STOPPING, NULL);
}

/* After input was answered: which timeout holds from now on? The connection may be gone then. */
static void settle(struct conn *c, size_t n_messages)
{
    struct conn_shared *shared = c->shared;

    if (shared->stopping && c->session.speech == SESSION_NATIVE) {
        if (!c->session.parted)     /* its hello came, or its backlog went, during the stop */
            stop(c);
    } else if (c->backlog || session_is_amid_message(&c->session)) {
        if (c->phase != CONN_WAITING || n_messages > 0)
            enter_phase(c, CONN_WAITING);
    } else if (c->phase != CONN_OPEN ||
               shared->now - c->since > phase_timeout(shared, CONN_OPEN) / RENEWAL_PART) {
        enter_phase(c, CONN_OPEN);
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

        reset_output(shared);
        result = session_feed(&c->session, &shared->terms, in, &shared->tx);
        r = send_output(c, in);
        count_output(c);
        n_messages += shared->tx.n_messages;
        if (r < 0) {
            broken(c);
            return;
        }
    } while (result == SESSION_FULL && !c->backlog);

    if (!was_native && c->session.speech == SESSION_NATIVE)
        stats_add(shared->stats, native, 1);
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
    ssize_t n = arrival_read(c->shared, &c->stream, &c->session, &c->reads_alone, &in);

    if (n == -EAGAIN)
        return;
    if (n < 0)
        broken(c);
    else if (n == 0)
        (void)conn_free(c);         /* all that came is answered: nothing is left to say */
    else
        answer(c, &in);
}

static void read_and_discard(struct conn *c)
{
    struct stream_rx rx;
    ssize_t n = stream_recv(&c->stream, c->shared->rx, CONN_RX_SIZE, &rx);

    if (n == -EAGAIN)
        return;
    if (n > 0) {
        stats_add(c->shared->stats, discarded, (uint64_t)n);
        c->n_discarded += (uint32_t)n;
    }
    if (n <= 0 || c->n_discarded > LINGER_BYTES)
        (void)conn_free(c);
    else if (c->shared->stopping)
        enter_phase(c, CONN_LINGERING);
}

/* The peer reads on: sends it what was kept, then answers what had to wait behind that. */
static void flush_backlog(struct conn *c)
{
    struct conn_backlog *b = c->backlog;
    ssize_t n = stream_send(&c->stream, b->data + b->out_at, b->out_len - b->out_at);

    if (n == -EAGAIN)
        return;
    if (n < 0) {
        broken(c);
        return;
    }
    b->out_at += (size_t)n;
    if (c->phase == CONN_WAITING)
        enter_phase(c, CONN_WAITING);
    if (b->out_at < b->out_len)
        return;

    c->backlog = NULL;
    if (b->finish) {
        linger(c);
    } else {
        set_events(c, EPOLLIN);
        answer(c, &b->input);
    }
    free(b);
}

void conn_ready(struct source *source, uint32_t events)
{
    struct conn *c = container_of(source, struct conn, source);

    if (c->phase == CONN_LINGERING)
        read_and_discard(c);
    else if (!c->backlog)
        read_and_answer(c);
    else if (events & (EPOLLERR | EPOLLHUP))
        broken(c);                  /* both directions are closed: nobody will read the backlog */
    else
        flush_backlog(c);
}

/* Sends an error line that surely fits the empty buffer of a new socket. */
static void send_refusal(struct conn_shared *shared, const struct stream *stream, const char *text)
{
    reset_output(shared);
    session_part(&(struct session){.speech = SESSION_UNDECIDED}, PROTO_REASON_STOPPING, text,
                 &shared->tx);
    (void)stream_send(stream, shared->tx.buf, shared->tx.len);  /* a peer that has gone misses it */
}

void conn_turn_away(struct conn_shared *shared, int fd, const char *text)
{
    struct stream stream = {.ops = &stream_socket_ops, .ctx = &fd};
    struct stream_rx rx;

    send_refusal(shared, &stream, text);
    (void)shutdown(fd, SHUT_WR);
    /* What has come is read, as closing over it would reset the connection. */
    (void)stream_recv(&stream, shared->rx, CONN_RX_SIZE, &rx);
    fd_closep(&fd);
}

void conn_refuse(struct conn_shared *shared, int fd, const struct addr_key *key, const char *text)
{
    struct conn *c;

    if (shared->n_refused >= MAX_REFUSED || new_conn(shared, fd, key, &c) < 0) {
        conn_turn_away(shared, fd, text);
        return;
    }

    shared->n_refused++;
    send_refusal(shared, &c->stream, text);
    linger(c);
}

static void note_timeout(struct conn *c, const char *reason, const char *text)
{
    struct addr_key key = client_key(c);
    uint64_t suppressed;

    if (ratelimit_pass(&c->shared->timeout_limit, c->shared->now, &suppressed))
        log_text(c->shared->log, TIMED_OUT,
                 &((struct log_data){.client = &key, .reason = reason,
                                     LOG_VALUES({LOG_FIELD_SUPPRESSED, suppressed})}),
                 "%s", text);
}

static void time_out(struct conn *c, enum proto_reason reason, nsec_t timeout)
{
    char duration[FORMAT_DURATION_SIZE];
    char text[128];

    format_duration(timeout, duration);
    if (reason == PROTO_REASON_IDLE_TIMEOUT) {
        (void)snprintf(text, sizeof(text), "no message for %s (idle_timeout)", duration);
        stats_add(c->shared->stats, idle_timeouts, 1);
        note_timeout(c, "idle_timeout", text);
    } else {
        (void)snprintf(text, sizeof(text), "a message was begun and not ended within %s "
                       "(message_timeout)", duration);
        stats_add(c->shared->stats, message_timeouts, 1);
        note_timeout(c, "message_timeout", text);
    }
    if (say_goodbye(c, reason, text))
        conn_finish(c);
}

/* Moves it on, so that it is not the first of its phase's list any more. */
static void expire(struct conn *c)
{
    struct conn_shared *shared = c->shared;

    if (c->phase == CONN_LINGERING) {
        (void)conn_free(c);
    } else if (c->backlog && shared->stopping) {
        enter_phase(c, CONN_WAITING);       /* not quiet: it has replies to read */
    } else if (shared->stopping) {
        conn_finish(c);
    } else if (c->backlog) {
        stats_add(shared->stats, unread, 1);
        note_timeout(c, "unread", "replies were not read within message_timeout");
        (void)conn_free(c);
    } else if (c->phase == CONN_WAITING) {
        time_out(c, PROTO_REASON_MESSAGE_TIMEOUT, shared->limits.message_timeout);
    } else {
        time_out(c, PROTO_REASON_IDLE_TIMEOUT, shared->limits.idle_timeout);
    }
}

void conn_expire(struct conn_shared *shared)
{
    for (enum conn_phase phase = 0; phase < N_CONN_PHASES; phase++)
        while (phase_deadline(shared, phase) <= shared->now)
            expire(list_first(&shared->phases[phase], struct conn, link));
}

void conn_stop_all(struct conn_shared *shared)
{
    shared->stopping = true;
    shared->stop_at = shared->now;
    conn_for_each(shared, CONN_OPEN, stop);
    conn_for_each(shared, CONN_WAITING, stop);
}
