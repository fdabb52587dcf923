/* SPDX-License-Identifier: MIT */
#include "client/target_rx.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <uuid.h>

#include "common/base.h"

/* What is shown of bytes that do not belong: a whole reply, whatever in it is wrong. */
#define EXCERPT_LEN 100

size_t target_reply_rest(const struct target *t)
{
    if (t->state == TARGET_GREETING || !t->native)
        return 0;
    if (t->skip > 0 || t->carry_len >= PROTO_REPLY_LEN)
        return t->skip;
    return PROTO_REPLY_LEN + t->config->reply_size - t->carry_len;
}

static int receive(struct target *t, bool may_wait, uint8_t *buf, size_t most,
                   struct target_rx *ret_rx)
{
    size_t room = TARGET_RX_SIZE - t->carry_len;
    size_t len = most > 0 ? MIN(most, room) : room;
    struct stream_rx info = {0};
    ssize_t n;

    n = may_wait ? stream_wait(&t->stream, buf + t->carry_len, len, &info)
                 : stream_recv(&t->stream, buf + t->carry_len, len, &info);
    if (n < 0)
        return (int)n;

    memcpy(buf, t->carry, t->carry_len);
    *ret_rx = (struct target_rx){
        .at = buf,
        .end = buf + t->carry_len + n,
        .is_end = n == 0,
        .is_full = t->carry_len + (size_t)n == TARGET_RX_SIZE,
        .info = info,
        .stamp_end = info.n_queued == 0 ? buf + t->carry_len + n : NULL,
    };
    t->carry_len = 0;
    return 0;
}

int target_receive(struct target *t, uint8_t *buf, size_t most, struct target_rx *ret_rx)
{
    return receive(t, false, buf, most, ret_rx);
}

int target_wait(struct target *t, uint8_t *buf, size_t most, struct target_rx *ret_rx)
{
    return receive(t, true, buf, most, ret_rx);
}

void target_look_behind(struct target *t, uint8_t *buf, struct target_rx *rx)
{
    size_t len = (size_t)(rx->end - buf);
    struct stream_rx info;

    if (len == TARGET_RX_SIZE || stream_recv(&t->stream, buf + len, 1, &info) <= 0)
        return;                     /* what is wrong shows at the next read */
    if (rx->info.stamp_real > 0 && info.stamp_real > 0 && info.stamp_real != rx->info.stamp_real)
        rx->stamp_end = rx->end;
    rx->info.n_queued = info.n_queued;
    rx->end++;
}

static size_t rx_len(const struct target_rx *rx)
{
    return (size_t)(rx->end - rx->at);
}

static void say(struct target_event *ret, const char *format, ...) _printf_(2, 3);

static void say(struct target_event *ret, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(ret->text, sizeof(ret->text), format, args);
    va_end(args);
}

/* Bytes that are shown to a person: as they are where they print. */
static void make_printable(char *ret_text, size_t size, const uint8_t *bytes, size_t len)
{
    size_t n = MIN(len, size - 1);

    for (size_t i = 0; i < n; i++)
        ret_text[i] = bytes[i] >= 0x20 && bytes[i] < 0x7f ? (char)bytes[i] : '.';
    ret_text[n] = '\0';
}

static enum target_event_kind end_event(struct target_event *ret, enum target_event_kind kind)
{
    ret->kind = kind;
    return kind;
}

static enum target_event_kind broken(const struct target_rx *rx, struct target_event *ret,
                                     const char *expected)
{
    char excerpt[EXCERPT_LEN + 1];

    make_printable(excerpt, sizeof(excerpt), rx->at, rx_len(rx));
    say(ret, "%s, got '%s'", expected, excerpt);
    return end_event(ret, TARGET_BROKEN);
}

/* What is left is the beginning of something: keeps it, or, if nothing will follow, says so. */
static enum target_event_kind need_more(struct target *t, struct target_rx *rx,
                                        struct target_event *ret)
{
    size_t len = rx_len(rx);

    if (rx->is_end) {
        say(ret, len > 0 || t->skip > 0 ? "in the middle of a reply" : "");
        return end_event(ret, TARGET_ENDED);
    }

    assert(len <= sizeof(t->carry));
    memcpy(t->carry, rx->at, len);
    t->carry_len = (uint16_t)len;
    return end_event(ret, TARGET_NOTHING);
}

static void name_uuid(struct target_event *ret, const uint8_t uuid[static UUID_SIZE])
{
    char text[UUID_STR_LEN];

    uuid_unparse_lower(uuid, text);
    say(ret, "%s", text);
}

/*
 * The reply to one of those sent. If that is not the oldest, then the oldest is passed over first:
 * false, and the same reply comes again.
 */
static bool match(struct target *t, ssize_t index, struct target_event *ret)
{
    ret->kind = index > 0 ? TARGET_MISSING : TARGET_REPLY;
    ret->request = *inflight_at(&t->inflight, 0);
    inflight_pop(&t->inflight, 1);
    return index == 0;
}

/* ---- Text ---- */

/* Our own UUID comes back as it was sent, so that comparing is enough; only what is not the one
 * expected has to be understood. */
static ssize_t find_text(const struct target *t, const char *uuid)
{
    char copy[UUID_STR_LEN];
    uint8_t binary[UUID_SIZE];

    if (inflight_n_sent(&t->inflight) == 0)
        return -ENOENT;
    if (likely(memcmp(uuid, inflight_at(&t->inflight, 0)->text, TEXT_UUID_LEN) == 0))
        return 0;

    memcpy(copy, uuid, TEXT_UUID_LEN);
    copy[TEXT_UUID_LEN] = '\0';
    if (uuid_parse(copy, binary) < 0)
        return -ENOENT;
    return inflight_find(&t->inflight, binary);
}

static bool begins_error_line(const struct target_rx *rx)
{
    size_t prefix = sizeof(TEXT_ERROR_PREFIX) - 1;

    return memcmp(rx->at, TEXT_ERROR_PREFIX, MIN(rx_len(rx), prefix)) == 0;
}

/* Among the bytes of the native protocol no such line is looked for. */
bool target_error_so_far(const struct target *t, char ret_text[static TARGET_TEXT_SIZE])
{
    size_t prefix = sizeof(TEXT_ERROR_PREFIX) - 1;
    bool is_text = t->state == TARGET_GREETING || !t->native;

    if (!is_text || t->carry_len < prefix || memcmp(t->carry, TEXT_ERROR_PREFIX, prefix) != 0)
        return false;
    make_printable(ret_text, TARGET_TEXT_SIZE, t->carry, t->carry_len);
    return true;
}

/* The server has one line to say, and then goes. */
static enum target_event_kind next_error_line(struct target *t, struct target_rx *rx,
                                              struct target_event *ret)
{
    const uint8_t *newline = memchr(rx->at, '\n', rx_len(rx));
    const uint8_t *end = newline ? newline : rx->end;

    if (!newline && !rx->is_end && rx_len(rx) < sizeof(t->carry))
        return need_more(t, rx, ret);
    if (end > rx->at && end[-1] == '\r')
        end--;
    make_printable(ret->text, sizeof(ret->text), rx->at, (size_t)(end - rx->at));
    ret->is_stopping = strstr(ret->text, TEXT_STOPPING) != NULL;
    rx->at = rx->end;
    if (t->state == TARGET_GREETING && t->config->protocol == PROTOCOL_AUTO && !ret->is_stopping)
        return end_event(ret, TARGET_TRY_TEXT);
    return end_event(ret, TARGET_REFUSED);
}

static enum target_event_kind next_text(struct target *t, struct target_rx *rx,
                                        struct target_event *ret)
{
    struct text_reply reply;
    ssize_t len, index;

    while (rx->at < rx->end && (*rx->at == '\n' || *rx->at == '\r'))
        rx->at++;
    if (rx->at == rx->end)
        return need_more(t, rx, ret);
    if (unlikely(begins_error_line(rx)))
        return next_error_line(t, rx, ret);

    len = text_reply_parse((const char *)rx->at, rx_len(rx), &reply);
    if (len == TEXT_NEED_MORE)
        return need_more(t, rx, ret);
    if (len < 0)
        return broken(rx, ret, "expected a reply 'UUID: ... received after N.NNNNNN seconds'");

    index = find_text(t, reply.uuid);
    if (index < 0) {
        make_printable(ret->text, sizeof(ret->text), (const uint8_t *)reply.uuid, TEXT_UUID_LEN);
        rx->at += len;
        return end_event(ret, TARGET_WRONG);
    }
    if (match(t, index, ret)) {
        rx->at += len;
        ret->reply.delta = reply.delta;
        ret->ends_stamp = rx->at == rx->stamp_end;
    }
    return ret->kind;
}

/* ---- Native ---- */

static enum target_event_kind give_reply(struct target *t, const struct target_rx *rx,
                                         struct target_event *ret)
{
    ssize_t index = inflight_find(&t->inflight, t->pending.uuid);

    if (index < 0 || inflight_at(&t->inflight, (size_t)index)->seq != t->pending.seq) {
        t->has_pending = false;
        name_uuid(ret, t->pending.uuid);
        return end_event(ret, TARGET_WRONG);
    }
    if (match(t, index, ret)) {
        t->has_pending = false;
        ret->reply = t->pending;
        ret->ends_stamp = rx->at == rx->stamp_end;
    }
    return ret->kind;
}

/* A goodbye or an error, with its text as far as we show one. */
static enum target_event_kind next_notice(struct target *t, struct target_rx *rx,
                                          const struct proto_frame *frame,
                                          struct target_event *ret)
{
    size_t shown = MIN(frame->tail_len, (uint32_t)PROTO_TEXT_MAX);
    char text[PROTO_TEXT_MAX + 1];

    if (rx_len(rx) < frame->head_len + shown && !rx->is_end)
        return need_more(t, rx, ret);
    shown = MIN(shown, rx_len(rx) - frame->head_len);
    proto_notice_text(rx->at + frame->head_len, shown, text);
    rx->at += frame->head_len + shown;
    t->skip = frame->tail_len - (uint32_t)shown;

    if (frame->type == PROTO_ERROR) {
        say(ret, "%s", text[0] ? text : proto_fault_text(frame->code));
        ret->is_stopping = false;
        return end_event(ret, TARGET_REFUSED);
    }
    say(ret, "%s", text[0] ? text : proto_reason_text(frame->code));
    ret->is_stopping = frame->code == PROTO_REASON_STOPPING;
    t->state = TARGET_LEAVING;
    return end_event(ret, TARGET_GOODBYE);
}

static void skip_tail(struct target *t, struct target_rx *rx)
{
    size_t n = MIN((size_t)t->skip, rx_len(rx));

    rx->at += n;
    t->skip -= (uint32_t)n;
}

static enum target_event_kind next_native(struct target *t, struct target_rx *rx,
                                          struct target_event *ret)
{
    const struct proto_limits limits = {
        .role = PROTO_CLIENT, .max_reply_padding = t->config->reply_size};
    struct proto_frame frame;
    enum proto_fault fault;
    ssize_t len;

    for (;;) {
        skip_tail(t, rx);
        if (t->skip > 0)
            return need_more(t, rx, ret);
        if (t->has_pending)
            return give_reply(t, rx, ret);

        len = proto_frame_peek(&limits, rx->at, rx_len(rx), &frame, &fault);
        if (len == PROTO_NEED_MORE)
            return need_more(t, rx, ret);
        if (len < 0)
            return broken(rx, ret, proto_fault_text(fault));

        if (frame.type == PROTO_GOODBYE || frame.type == PROTO_ERROR)
            return next_notice(t, rx, &frame, ret);
        if (frame.type == PROTO_REPLY) {
            proto_reply_decode(rx->at, &t->pending);
            t->has_pending = true;
        } else if (frame.type == PROTO_KEEPALIVE) {
            target_owe_ack(t);
        }
        rx->at += frame.head_len;
        t->skip = frame.tail_len;
    }
}

/* ---- Greeting ---- */

/* A closed loop asks for no more than one at a time unless told; an open one as many as stand in
 * the server's buffers, so that it is our own counting that holds a request back, not TCP's. */
static void become_native(struct target *t)
{
    const struct target_config *c = t->config;

    t->state = TARGET_READY;
    t->native = true;
    if (c->in_flight > 0)
        t->limit = c->in_flight;
    else if (c->is_closed_loop)
        t->limit = 1;
    else
        t->limit = proto_in_flight(&t->welcome, c->size, c->reply_size);
}

static bool is_padding_allowed(uint32_t padding, uint32_t limit, const char *whose,
                               struct target_event *ret)
{
    if (padding <= limit)
        return true;
    say(ret, "the server allows %" PRIu32 " bytes of payload in a %s, not %" PRIu32, limit, whose,
        padding);
    return false;
}

/* More than the welcome allows must not be asked for. */
static bool are_paddings_allowed(const struct target *t, struct target_event *ret)
{
    const struct target_config *c = t->config;

    return is_padding_allowed(c->size, t->welcome.max_request_padding, "request", ret) &&
           is_padding_allowed(c->reply_size, t->welcome.max_reply_padding, "reply", ret);
}

static enum target_event_kind next_greeting(struct target *t, struct target_rx *rx,
                                            struct target_event *ret)
{
    bool is_auto = t->config->protocol == PROTOCOL_AUTO;
    enum proto_fault fault;
    ssize_t len;

    if (rx->at == rx->end) {
        if (rx->is_end && is_auto)
            return end_event(ret, TARGET_TRY_TEXT);
        return need_more(t, rx, ret);
    }
    /* The first byte tells: 'E' an error line, 'U' an echo, 't' a welcome; a welcome is taken in
     * as it comes, so that later bytes of it say nothing about the kind. */
    if (t->line.n_bytes == 0 && begins_error_line(rx))
        return next_error_line(t, rx, ret);
    if (t->line.n_bytes == 0 && *rx->at == 'U') {
        len = proto_hello_is_echo((const char *)rx->at, rx_len(rx), t->config->hello,
                                  t->config->hello_len);
        if (len == PROTO_NEED_MORE)
            return need_more(t, rx, ret);
        if (len < 0 || !is_auto)
            return broken(rx, ret, is_auto ? "expected the hello back, or a welcome"
                                           : "expected a tcptimerd that speaks the native "
                                             "protocol");
        rx->at += len;
        target_become_text(t);
        return end_event(ret, TARGET_GREETED);
    }

    len = proto_welcome_feed(&t->line, (const char *)rx->at, rx_len(rx), &t->welcome, &fault);
    if (len < 0)
        return broken(rx, ret, proto_fault_text(fault));
    if (len == PROTO_NEED_MORE) {
        rx->at = rx->end;
        return need_more(t, rx, ret);
    }
    rx->at += len;
    if (!are_paddings_allowed(t, ret))
        return end_event(ret, TARGET_BROKEN);
    become_native(t);
    return end_event(ret, TARGET_GREETED);
}

enum target_event_kind target_next(struct target *t, struct target_rx *rx,
                                   struct target_event *ret)
{
    if (t->state == TARGET_GREETING)
        return next_greeting(t, rx, ret);
    return t->native ? next_native(t, rx, ret) : next_text(t, rx, ret);
}
