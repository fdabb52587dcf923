/* SPDX-License-Identifier: MIT */
#include "client/target.h"

#include <errno.h>
#include <string.h>
#include <uuid.h>

#include "common/base.h"

void target_config_init(struct target_config *c, const struct clock_src *clock,
                        const struct options *o)
{
    struct proto_hello hello = PROTO_HELLO_OURS;

    *c = (struct target_config){
        .clock = clock,
        .protocol = o->protocol,
        .is_closed_loop = o->arrivals == ARRIVALS_CLOSED,
        .in_flight = o->in_flight,
        .size = o->size,
        .reply_size = o->reply_size,
    };
    c->hello_len = proto_hello_encode(c->hello, &hello);
    proto_keepalive_encode(c->keep_alive, PROTO_KEEPALIVE);
    proto_keepalive_encode(c->keep_alive_ack, PROTO_KEEPALIVE_ACK);
    c->goodbye_len = proto_notice_encode(c->goodbye, PROTO_GOODBYE, PROTO_REASON_DONE, "");
}

void target_init(struct target *t, const struct target_config *config, struct rng *rng)
{
    *t = (struct target){
        .config = config,
        .text_only = config->protocol == PROTOCOL_TEXT,
        .inflight = INFLIGHT_INIT,
        .rng = rng,
    };
}

void target_deinit(struct target *t)
{
    inflight_deinit(&t->inflight);
}

void target_become_text(struct target *t)
{
    t->state = TARGET_READY;
    t->native = false;
    t->limit = t->config->in_flight > 0 ? t->config->in_flight : 1;
}

static void set_control(struct target *t, const void *bytes, size_t len)
{
    t->control = bytes;
    t->control_len = len;
}

void target_start(struct target *t, const struct stream *stream)
{
    t->stream = *stream;
    t->welcome = PROTO_WELCOME_INIT;
    t->line = (struct proto_line){0};
    t->tx_offset = 0;
    t->skip = 0;
    t->has_pending = false;
    t->carry_len = 0;
    t->last_tx = clock_now(t->config->clock);
    t->n_acks = 0;
    set_control(t, NULL, 0);
    if (t->text_only) {
        target_become_text(t);
        return;
    }
    t->state = TARGET_GREETING;
    set_control(t, t->config->hello, t->config->hello_len);
}

void target_stop(struct target *t)
{
    t->state = TARGET_IDLE;
    t->tx_offset = 0;
    set_control(t, NULL, 0);
}

int target_push(struct target *t, nsec_t due, uint64_t seq, struct request **ret)
{
    int r = inflight_push(&t->inflight, ret);

    if (r < 0)
        return r;
    (*ret)->due = due;
    (*ret)->seq = seq;
    rng_uuid4(t->rng, (*ret)->uuid);
    return 0;
}

size_t target_n_sendable(const struct target *t)
{
    size_t n_sent = inflight_n_sent(&t->inflight);

    if (t->state != TARGET_READY)
        return t->tx_offset > 0 ? 1 : 0;    /* one that is half out has to be ended */
    if (n_sent >= t->limit)
        return 0;
    return MIN(t->limit - n_sent, inflight_n_waiting(&t->inflight));
}

/* ---- Sending ---- */

static size_t request_len(const struct target *t)
{
    return t->native ? PROTO_REQUEST_LEN + t->config->size : TEXT_UUID_LEN;
}

static void encode(const struct target *t, struct request *q, uint8_t *to)
{
    char text[UUID_STR_LEN];
    struct proto_request request;

    if (!t->native) {
        uuid_unparse_lower(q->uuid, text);
        memcpy(q->text, text, TEXT_UUID_LEN);
        memcpy(to, text, TEXT_UUID_LEN);
        return;
    }
    request = (struct proto_request){
        .seq = q->seq, .padding = t->config->size, .reply_padding = t->config->reply_size};
    memcpy(request.uuid, q->uuid, UUID_SIZE);
    proto_request_encode(to, &request);
}

/* One at a time: where another is still on its way, the peer hears from us anyway. */
static void offer_keep_alive(struct target *t)
{
    if (!t->control)
        set_control(t, t->config->keep_alive, sizeof(t->config->keep_alive));
}

void target_owe_ack(struct target *t)
{
    if (t->control)
        t->n_acks++;
    else
        set_control(t, t->config->keep_alive_ack, sizeof(t->config->keep_alive_ack));
}

static void end_control(struct target *t)
{
    set_control(t, NULL, 0);
    if (t->n_acks == 0)
        return;
    t->n_acks--;
    target_owe_ack(t);
}

/* Sends what stands between requests; 0 once it is out, -EAGAIN if not all of it is. */
static int flush_control(struct target *t)
{
    ssize_t n;

    while (t->control) {
        n = stream_send(&t->stream, t->control, t->control_len);
        if (n < 0)
            return (int)n;
        set_control(t, t->control + n, t->control_len - (size_t)n);
        if (t->control_len == 0)
            end_control(t);
    }
    return 0;
}

static void mark_sent(struct target *t, struct request *q, nsec_t now)
{
    q->sent = now;
    if (t->config->is_closed_loop && !q->resent)
        q->due = now;               /* it was due when it could be sent */
}

/* One send() of up to @n requests; how many left whole, or a negative errno. */
static ssize_t flush_batch(struct target *t, uint8_t *tx, size_t n)
{
    size_t first = inflight_n_sent(&t->inflight);
    size_t len = request_len(t);
    size_t gone, n_whole;
    ssize_t taken;
    nsec_t now;

    for (size_t i = 0; i < n; i++)
        encode(t, inflight_at(&t->inflight, first + i), tx + i * len);

    now = clock_now(t->config->clock);
    taken = stream_send(&t->stream, tx + t->tx_offset, n * len - t->tx_offset);
    if (taken < 0)
        return taken;

    gone = t->tx_offset + (size_t)taken;
    n_whole = gone / len;
    for (size_t i = 0; i < n && i * len < gone; i++) {
        /* One that was begun by an earlier send has its time already. */
        if (i > 0 || t->tx_offset == 0) {
            mark_sent(t, inflight_at(&t->inflight, first + i), now);
            inflight_at(&t->inflight, first + i)->follows = first + i > 0;
        }
    }
    for (size_t i = 0; i < n_whole; i++)
        inflight_advance(&t->inflight);
    t->tx_offset = gone % len;
    t->last_tx = now;
    return (ssize_t)n_whole;
}

ssize_t target_flush(struct target *t, uint8_t *tx)
{
    size_t most = TARGET_TX_SIZE / request_len(t);
    ssize_t n_left = 0, r;
    size_t n;

    while (target_wants_send(t)) {
        if (t->control && t->tx_offset == 0) {
            r = flush_control(t);
            if (r < 0)
                return r == -EAGAIN ? n_left : r;
            continue;
        }
        n = MIN(target_n_sendable(t), most);
        r = flush_batch(t, tx, n);
        if (r < 0)
            return r == -EAGAIN ? n_left : r;
        n_left += r;
        if ((size_t)r < n)
            break;                  /* the socket is full: asking again would only say so */
    }
    return n_left;
}



bool target_keep_alive(struct target *t)
{
    if (!t->native || t->state != TARGET_READY)
        return false;
    offer_keep_alive(t);
    t->last_tx = clock_now(t->config->clock);
    return true;
}

void target_say_goodbye(struct target *t)
{
    if (!t->native || (t->state != TARGET_READY && t->state != TARGET_LEAVING) || t->control ||
        t->tx_offset > 0)
        return;
    /* A socket that has no room for this has none for anything else either: the close tells. */
    (void)stream_send(&t->stream, t->config->goodbye, t->config->goodbye_len);
}
