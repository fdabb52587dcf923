/* SPDX-License-Identifier: MIT */
#include "daemon/conn_end.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "common/base.h"
#include "common/parse.h"
#include "daemon/conn_phase.h"

/* For how many bytes a peer that was told to go is listened to; for how long, conn_phase.c says. */
#define LINGER_BYTES (UINT32_C(64) << 20)

/* Of connections that were refused, so many may linger at once (they are not among the clients). */
#define MAX_REFUSED 256

void conn_linger(struct conn *c)
{
    (void)shutdown(c->source.fd, SHUT_WR);  /* ENOTCONN: the peer was faster, reading will tell */
    conn_set_events(c, EPOLLIN);
    conn_enter_phase(c, CONN_LINGERING);
}

void conn_finish(struct conn *c)
{
    if (c->phase == CONN_LINGERING)
        return;
    if (!c->backlog) {
        conn_linger(c);
        return;
    }
    if (c->backlog->finish)
        return;
    c->backlog->finish = true;
    conn_enter_phase(c, CONN_WAITING);
}

/* Tells the peer that its connection ends. Return: whether it is still there to be finished. */
static bool say_goodbye(struct conn *c, enum proto_reason reason, const char *text)
{
    conn_reset_output(c->shared);
    session_part(&c->session, reason, text, &c->shared->tx);
    if (conn_send(c, NULL) == 0)
        return true;
    conn_break(c);
    return false;
}

void conn_stop(struct conn *c)
{
    if (c->phase == CONN_LINGERING || c->session.speech != SESSION_NATIVE)
        return;

    conn_enter_phase(c, CONN_PARTING);
    if (!c->backlog)
        (void)say_goodbye(c, PROTO_REASON_STOPPING, NULL);
}

void conn_discard(struct conn *c)
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
        conn_enter_phase(c, CONN_LINGERING);
}

/* Sends an error line that surely fits the empty buffer of a new socket. */
static void send_refusal(struct conn_shared *shared, const struct stream *stream, const char *text)
{
    conn_reset_output(shared);
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

    if (shared->n_refused >= MAX_REFUSED || conn_add(shared, fd, key, &c) < 0) {
        conn_turn_away(shared, fd, text);
        return;
    }

    shared->n_refused++;
    send_refusal(shared, &c->stream, text);
    conn_linger(c);
}

static void note_timeout(struct conn *c, const char *reason, const char *text)
{
    struct addr_key key = conn_key(c);
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
        conn_enter_phase(c, CONN_WAITING);       /* not quiet: it has replies to read */
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
        while (conn_phase_deadline(shared, phase) <= shared->now)
            expire(list_first(&shared->phases[phase], struct conn, link));
}

void conn_stop_all(struct conn_shared *shared)
{
    shared->stopping = true;
    shared->stop_at = shared->now;
    conn_for_each(shared, CONN_OPEN, conn_stop);
    conn_for_each(shared, CONN_WAITING, conn_stop);
}
