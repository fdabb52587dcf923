/* SPDX-License-Identifier: MIT */
#include "daemon/session.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <uuid.h>

#include "common/base.h"

enum line_end {
    LINE_END_NONE,                  /* cannot belong here */
    LINE_END_MAY_COME,              /* a message has just ended */
    LINE_END_HALF,                  /* CR has come, LF must follow */
};

/* A native hello begins with it, and no UUID does. */
#define HELLO_FIRST_BYTE 't'

void session_init(struct session *s, nsec_t accepted)
{
    *s = (struct session){
        .start = accepted, .hello = PROTO_HELLO_INIT, .n_request = PROTO_REQUEST_LEN};
}

size_t session_rest(const struct session *s)
{
    switch ((enum session_speech)s->speech) {
    case SESSION_UNDECIDED:
    case SESSION_TEXT:
        return TEXT_UUID_LEN - s->n_held;
    case SESSION_HELLO:
        return PROTO_HELLO_MAX;
    case SESSION_NATIVE:
        break;
    }
    /* Most clients send requests of one length. */
    return s->n_discard > 0 ? s->n_discard : s->n_request - s->n_held;
}

/* Is a message that has @behind bytes of input behind it the one that was read alone? */
static bool came_alone(const struct session_input *in, size_t behind)
{
    return in->n_behind > 0 && behind >= in->n_behind;
}

static nsec_t arrival_of(const struct session_input *in, size_t behind)
{
    return came_alone(in, behind) ? in->first_arrival : in->arrival;
}

/*
 * The arrival becomes the previous one. One that seems to lie before the previous (a stamp of the
 * kernel's was missing in between) counts as simultaneous, so that no delta is negative.
 *
 * Return: what the previous one was [ns since start]; s->last is the new one.
 */
static nsec_t take_arrival(struct session *s, nsec_t arrival)
{
    nsec_t previous = s->last;

    if (arrival > s->start + s->last)
        s->last = arrival - s->start;

    return previous;
}

static void consume(struct session_input *in, size_t n)
{
    in->bytes += n;
    in->len -= n;
}

static bool has_room(const struct session_output *out)
{
    return out->size - out->len >= SESSION_OUTPUT_MIN && out->n_messages < SESSION_MESSAGES;
}

static void note_message(struct session_output *out, const char *uuid, nsec_t delta)
{
    if (out->messages) {
        memcpy(out->messages[out->n_messages].uuid, uuid, TEXT_UUID_LEN);
        out->messages[out->n_messages].delta = delta;
    }
    out->n_messages++;
}

/* ---- text ---- */

static void put_error_line(struct session_output *out, const char *text)
{
    int n = snprintf(out->buf + out->len, out->size - out->len, TEXT_ERROR_PREFIX "%s\n", text);

    assert(n > 0 && (size_t)n < out->size - out->len);
    out->len += (size_t)n;
}

static enum session_result text_fault(const struct session *s, char byte,
                                      struct session_output *out)
{
    const char *expected = s->line_end == LINE_END_HALF
                               ? "expected a line feed after the carriage return"
                               : "expected a UUID of 8-4-4-4-12 hexadecimal digits";

    (void)snprintf(out->fault_text, sizeof(out->fault_text), "%s, got byte 0x%02x at position %u",
                   expected, (uint8_t)byte, s->n_held + 1U);
    out->fault = out->fault_text;
    put_error_line(out, out->fault);

    return SESSION_FAULT;
}

static void text_reply(struct session *s, const char *uuid, nsec_t arrival,
                       struct session_output *out)
{
    nsec_t previous = take_arrival(s, arrival);
    uint64_t delta_us = s->last / NSEC_PER_USEC - previous / NSEC_PER_USEC;

    out->len += text_reply_format(out->buf + out->len, uuid, delta_us);
    if (s->lines)
        out->buf[out->len++] = '\n';
    note_message(out, uuid, delta_us * NSEC_PER_USEC);
    s->line_end = LINE_END_MAY_COME;
}

/*
 * A line end behind a message: if it came in the same read, that reply is still in the output and
 * gets one too; from now on all replies do.
 *
 * Return: whether the byte was (half of) one.
 */
static bool text_line_end(struct session *s, char byte, struct session_output *out)
{
    if (byte == '\r' && s->line_end == LINE_END_MAY_COME) {
        s->line_end = LINE_END_HALF;
        return true;
    }
    if (byte == '\n' && s->line_end != LINE_END_NONE) {
        if (!s->lines && out->len > 0)
            out->buf[out->len++] = '\n';
        s->lines = true;
        s->line_end = LINE_END_MAY_COME;        /* an empty line hurts nobody who types */
        return true;
    }
    return false;
}

static enum session_result text_feed(struct session *s, struct session_input *in,
                                     struct session_output *out)
{
    while (in->len > 0) {
        size_t n;

        /* Before the check for room, so that it finds its reply in the same output. */
        if (s->n_held == 0 && text_line_end(s, *in->bytes, out)) {
            consume(in, 1);
            continue;
        }
        if (!has_room(out))
            return SESSION_FULL;

        n = s->line_end == LINE_END_HALF ? 0 : text_uuid_match(s->n_held, in->bytes, in->len);
        if (n == TEXT_UUID_LEN) {
            text_reply(s, in->bytes, arrival_of(in, in->len - n), out);
            consume(in, n);
            continue;
        }

        memcpy(s->held + s->n_held, in->bytes, n);
        s->n_held = (uint8_t)(s->n_held + n);
        consume(in, n);
        if (n > 0)
            s->line_end = LINE_END_NONE;
        if (s->n_held == TEXT_UUID_LEN) {
            text_reply(s, s->held, arrival_of(in, in->len), out);
            s->n_held = 0;
        } else if (in->len > 0) {
            return text_fault(s, *in->bytes, out);
        }
    }
    return SESSION_OK;
}

/* ---- native ---- */

static enum session_result hello_feed(struct session *s, const struct session_terms *terms,
                                      struct session_input *in, struct session_output *out)
{
    struct proto_welcome welcome = terms->welcome;
    enum proto_fault fault;
    ssize_t n = proto_hello_feed(&s->line, in->bytes, in->len, &s->hello, &fault);

    if (n == PROTO_NEED_MORE) {
        consume(in, in->len);
        return SESSION_OK;
    }
    if (n > 0 && proto_negotiate(&s->hello, &welcome) < 0) {
        n = -EPROTO;
        fault = PROTO_FAULT_VERSION;
    }
    if (n < 0) {
        /* Who types a word that begins like a hello is a person, and knows of no hello. */
        out->fault = fault == PROTO_FAULT_LINE ? "expected a UUID of 8-4-4-4-12 hexadecimal "
                                                 "digits, or a hello of the native protocol"
                                               : proto_fault_text(fault);
        put_error_line(out, out->fault);
        return SESSION_FAULT;
    }

    consume(in, (size_t)n);
    out->len += proto_welcome_encode(out->buf + out->len, &welcome);
    s->hello.max_reply_padding = welcome.max_reply_padding;
    s->speech = SESSION_NATIVE;
    s->n_held = 0;
    return SESSION_OK;
}

/* @behind: how much of the input comes after the request's last byte. */
static void native_reply(struct session *s, const uint8_t *head, size_t behind,
                         const struct session_input *in, struct session_output *out)
{
    struct proto_request request;
    struct proto_reply reply;
    bool alone = came_alone(in, behind);
    nsec_t previous = take_arrival(s, alone ? in->first_arrival : in->arrival);

    proto_request_decode(head, &request);

    reply = (struct proto_reply){
        .seq = request.seq,
        .padding = request.reply_padding,
        .delta = s->last - previous,
        .arrival = session_last_arrival(s),
        .arrival_real = alone ? in->first_arrival_real : in->arrival_real,
        .flags = in->kernel_stamp ? PROTO_REPLY_KERNEL_STAMP : 0,
    };
    memcpy(reply.uuid, request.uuid, sizeof(reply.uuid));
    if (alone ? in->first_nic_stamp : in->nic_stamp)
        reply.flags |= PROTO_REPLY_NIC_STAMP;
    /* The stamp is of the last byte of all that the kernel held when it was read. */
    if (!alone && (in->more || behind > 0)) {
        reply.flags |= PROTO_REPLY_SHARED_STAMP;
        reply.flags |= in->away ? PROTO_REPLY_SERVER_AWAY : 0;
        reply.window = in->window;
    }

    out->heads[out->n_heads++] = (uint32_t)out->len;
    proto_reply_encode((uint8_t *)out->buf + out->len, &reply);
    out->len += PROTO_REPLY_LEN;
    s->n_padding = request.reply_padding;

    if (out->messages) {
        char text[UUID_STR_LEN];

        uuid_unparse_lower(request.uuid, text);
        note_message(out, text, reply.delta);
    } else {
        out->n_messages++;
    }
}

/* Takes the head of any other frame. */
static enum session_result native_frame(struct session *s, const struct proto_frame *frame,
                                        struct session_output *out)
{
    switch (frame->type) {
    case PROTO_KEEPALIVE:
        proto_keepalive_encode((uint8_t *)out->buf + out->len, PROTO_KEEPALIVE_ACK);
        out->len += PROTO_HEADER_LEN;
        break;
    case PROTO_GOODBYE:
        session_part(s, PROTO_REASON_DONE, NULL, out);
        return SESSION_DONE;
    case PROTO_ERROR:
        out->fault = "expected no error frame";
        return SESSION_FAULT;
    default:
        break;                      /* an acknowledgement, or a type that may be ignored */
    }
    return SESSION_OK;
}

static enum session_result native_fault(enum proto_fault fault, struct session_output *out)
{
    out->fault = proto_fault_text(fault);
    out->len += proto_notice_encode((uint8_t *)out->buf + out->len, PROTO_ERROR, (uint16_t)fault,
                                    out->fault);
    return SESSION_FAULT;
}

/* Writes as much of a reply's padding as there is room for. Return: whether that was all. */
static bool put_padding(struct session *s, struct session_output *out)
{
    size_t n;

    if (s->n_padding == 0)
        return true;
    n = MIN((size_t)s->n_padding, out->size - out->len);
    memset(out->buf + out->len, 0, n);
    out->len += n;
    s->n_padding -= (uint32_t)n;
    return s->n_padding == 0;
}

/* A head that came in pieces is put together in `held`; all others are read where they are. */
static const uint8_t *gather_head(struct session *s, const struct session_input *in,
                                  size_t *ret_len)
{
    size_t n;

    if (s->n_held == 0) {
        *ret_len = in->len;
        return (const uint8_t *)in->bytes;
    }
    n = MIN(in->len, sizeof(s->held) - s->n_held);
    memcpy(s->held + s->n_held, in->bytes, n);
    *ret_len = s->n_held + n;
    return (const uint8_t *)s->held;
}

static enum session_result native_feed(struct session *s, const struct session_terms *terms,
                                       struct session_input *in, struct session_output *out)
{
    struct proto_limits limits = terms->limits;

    limits.max_reply_padding = s->hello.max_reply_padding;
    for (;;) {
        const uint8_t *head;
        size_t n_head;
        enum session_result result;
        struct proto_frame frame;
        enum proto_fault fault;
        size_t n = MIN((size_t)s->n_discard, in->len);
        bool answerable;
        ssize_t r;

        if (!put_padding(s, out))
            return SESSION_FULL;
        consume(in, n);
        s->n_discard -= (uint32_t)n;
        /* A request whose padding did not come with its head has kept its head until now. */
        answerable = s->n_held == PROTO_REQUEST_LEN && s->n_discard == 0;
        if (in->len == 0 && !answerable)
            return SESSION_OK;
        if (!has_room(out))
            return SESSION_FULL;
        if (answerable) {
            native_reply(s, (const uint8_t *)s->held, in->len, in, out);
            s->n_held = 0;
            continue;
        }

        head = gather_head(s, in, &n_head);
        r = proto_frame_peek(&limits, head, n_head, &frame, &fault);
        if (r == -EPROTO)
            return native_fault(fault, out);
        if (r == PROTO_NEED_MORE) {
            memmove(s->held, head, n_head);
            s->n_held = (uint8_t)n_head;
            consume(in, in->len);
            return SESSION_OK;
        }

        n_head = (size_t)r - s->n_held;
        s->n_discard = frame.tail_len;
        if (frame.type == PROTO_REQUEST) {
            s->n_request = PROTO_REQUEST_LEN + frame.tail_len;
            if (in->len - n_head < frame.tail_len) {
                memmove(s->held, head, PROTO_REQUEST_LEN);
                s->n_held = PROTO_REQUEST_LEN;
                consume(in, n_head);
                continue;
            }
            native_reply(s, head, in->len - n_head - frame.tail_len, in, out);
            result = SESSION_OK;
        } else {
            result = native_frame(s, &frame, out);
        }
        consume(in, n_head);
        s->n_held = 0;
        if (result != SESSION_OK)
            return result;
    }
}

/* ---- both ---- */

enum session_result session_feed(struct session *s, const struct session_terms *terms,
                                 struct session_input *in, struct session_output *out)
{
    enum session_result result;

    if (s->speech == SESSION_UNDECIDED && in->len > 0) {
        s->speech = *in->bytes == HELLO_FIRST_BYTE ? SESSION_HELLO : SESSION_TEXT;
        s->start = MIN(s->start, in->arrival);      /* it may have waited in the backlog */
    }

    if (s->speech == SESSION_TEXT)
        return text_feed(s, in, out);

    if (s->speech == SESSION_HELLO) {
        result = hello_feed(s, terms, in, out);
        if (result != SESSION_OK)
            return result;
    }
    return s->speech == SESSION_NATIVE ? native_feed(s, terms, in, out) : SESSION_OK;
}

void session_depart(const struct session_output *out, nsec_t departure)
{
    for (size_t i = 0; i < out->n_heads; i++)
        proto_reply_set_departure((uint8_t *)out->buf + out->heads[i], departure);
}

void session_part(struct session *s, enum proto_reason reason, const char *text,
                  struct session_output *out)
{
    if (s->parted)
        return;
    s->parted = true;
    if (s->speech == SESSION_NATIVE && s->n_padding == 0)
        out->len += proto_notice_encode((uint8_t *)out->buf + out->len, PROTO_GOODBYE,
                                        (uint16_t)reason, proto_reason_text(reason));
    else if (s->speech != SESSION_NATIVE && text)
        put_error_line(out, text);
}
