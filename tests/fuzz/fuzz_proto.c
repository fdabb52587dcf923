/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the native protocol's codec as both sides use it: a line, then frames.
 *
 * The input's first byte says who receives, its second how the line is cut; the rest is the
 * stream. Checked beside memory safety: a cut changes nothing, what peek lets pass is within its
 * limits, and what is decoded comes back from being encoded.
 */
#include <errno.h>
#include <stdbool.h>

#include "common/base.h"
#include "common/proto.h"
#include "common/proto_lines.h"
#include "tests/fuzz/fuzz.h"

#define PADDING_LIMIT 300

/* What came of a line, whichever it is. */
struct outcome {
    ssize_t n;                      /* bytes it took, PROTO_NEED_MORE or -EPROTO */
    enum proto_fault fault;
    struct proto_hello hello;
    struct proto_welcome welcome;
};

/* Feeds a line in pieces of @piece bytes. */
static struct outcome feed_line(enum proto_role role, const uint8_t *data, size_t size,
                                size_t piece)
{
    struct outcome o = {.hello = PROTO_HELLO_INIT, .welcome = PROTO_WELCOME_INIT};
    struct proto_line line = {0};

    for (size_t at = 0; at < size && o.n == PROTO_NEED_MORE; at += piece) {
        size_t len = MIN(piece, size - at);
        char *bytes = fuzz_copy(data + at, len);

        o.n = role == PROTO_SERVER
                  ? proto_hello_feed(&line, bytes, len, &o.hello, &o.fault)
                  : proto_welcome_feed(&line, bytes, len, &o.welcome, &o.fault);
        fuzz_check(o.n <= (ssize_t)len);
        if (o.n > 0)
            o.n += (ssize_t)at;
        free(bytes);
    }

    return o;
}

static void check_hello(const struct proto_hello *hello)
{
    struct proto_welcome welcome = {.max_reply_padding = PADDING_LIMIT};
    char text[PROTO_HELLO_MAX];
    size_t n = proto_hello_encode(text, hello);
    struct outcome again = feed_line(PROTO_SERVER, (const uint8_t *)text, n, n);

    fuzz_check(again.n == (ssize_t)n);
    fuzz_check(again.hello.version_min == hello->version_min);
    fuzz_check(again.hello.version_max == hello->version_max);
    fuzz_check(again.hello.max_reply_padding == hello->max_reply_padding);
    fuzz_check(hello->version_min >= 1 && hello->version_min <= hello->version_max);
    if (proto_negotiate(hello, &welcome) == 0) {
        fuzz_check(welcome.version >= hello->version_min);
        fuzz_check(welcome.version <= hello->version_max);
        fuzz_check(welcome.max_reply_padding <= PADDING_LIMIT);
    }
}

static void check_welcome(const struct proto_welcome *welcome)
{
    char text[PROTO_WELCOME_MAX];
    size_t n = proto_welcome_encode(text, welcome);
    struct outcome again = feed_line(PROTO_CLIENT, (const uint8_t *)text, n, n);

    fuzz_check(again.n == (ssize_t)n);
    fuzz_check(again.welcome.rx_buffer == welcome->rx_buffer);
    fuzz_check(again.welcome.kernel_stamps == welcome->kernel_stamps);
    fuzz_check(proto_in_flight(welcome, welcome->max_request_padding,
                               welcome->max_reply_padding) >= 1);
}

/* Returns how much of the data the line took; 0 if there is none. */
static size_t fuzz_line(enum proto_role role, const uint8_t *data, size_t size, size_t piece)
{
    struct outcome whole = feed_line(role, data, size, MAX(size, (size_t)1));
    struct outcome cut = feed_line(role, data, size, piece);

    fuzz_check(whole.n == cut.n);
    fuzz_check(whole.fault == cut.fault);
    fuzz_check(whole.n != -EPROTO || whole.fault != PROTO_FAULT_NONE);
    if (whole.n <= 0)
        return 0;

    if (role == PROTO_SERVER)
        check_hello(&whole.hello);
    else
        check_welcome(&whole.welcome);
    return (size_t)whole.n;
}

static void check_request(const struct proto_frame *frame, const uint8_t *head)
{
    uint8_t again[PROTO_REQUEST_LEN];
    struct proto_request request;

    proto_request_decode(head, &request);
    fuzz_check(request.padding == frame->tail_len && request.padding <= PADDING_LIMIT);
    fuzz_check(request.reply_padding <= PADDING_LIMIT);
    proto_request_encode(again, &request);
    fuzz_check(memcmp(again + 4, head + 4, sizeof(again) - 4) == 0);
}

static void check_reply(const struct proto_frame *frame, const uint8_t *head)
{
    uint8_t again[PROTO_REPLY_LEN];
    struct proto_reply reply;

    proto_reply_decode(head, &reply);
    fuzz_check(reply.padding == frame->tail_len && reply.padding <= PADDING_LIMIT);
    fuzz_check(reply.flags == frame->flags);
    proto_reply_encode(again, &reply);
    fuzz_check(memcmp(again + 4, head + 4, sizeof(again) - 4) == 0);

    proto_reply_set_departure(again, reply.arrival);
    proto_reply_decode(again, &reply);
    fuzz_check(reply.residence == 0);
}

static void check_text(const uint8_t *tail, size_t len)
{
    char text[PROTO_TEXT_MAX + 1];
    uint8_t *exact = fuzz_copy(tail, len);

    proto_notice_text(exact, len, text);
    fuzz_check(strlen(text) == MIN(len, (size_t)PROTO_TEXT_MAX));
    for (const char *c = text; *c; c++)
        fuzz_check((uint8_t)*c >= ' ' && *c != 0x7f);
    free(exact);
}

static void fuzz_frames(enum proto_role role, const uint8_t *data, size_t size)
{
    const struct proto_limits limits = {.role = role, .max_request_padding = PADDING_LIMIT,
                                        .max_reply_padding = PADDING_LIMIT};
    const size_t head_max = role == PROTO_SERVER ? PROTO_REQUEST_LEN : PROTO_REPLY_LEN;

    while (size > 0) {
        /* A receiver looks at no more than it can have to keep. */
        size_t len = MIN(size, head_max);
        uint8_t *head = fuzz_copy(data, len);
        struct proto_frame frame;
        enum proto_fault fault = PROTO_FAULT_NONE;
        ssize_t n = proto_frame_peek(&limits, head, len, &frame, &fault);

        fuzz_check(n > 0 ? (size_t)n == frame.head_len && (size_t)n <= len
                         : n == PROTO_NEED_MORE ? len < head_max
                                                : n == -EPROTO && fault != PROTO_FAULT_NONE);
        if (n > 0 && frame.type == PROTO_REQUEST)
            check_request(&frame, head);
        else if (n > 0 && frame.type == PROTO_REPLY)
            check_reply(&frame, head);
        free(head);
        if (n <= 0)
            return;

        fuzz_check(frame.tail_len <= PROTO_LENGTH_MAX);
        data += n;
        size -= (size_t)n;
        if (frame.type == PROTO_GOODBYE || frame.type == PROTO_ERROR)
            check_text(data, MIN(size, (size_t)frame.tail_len));
        data += MIN(size, (size_t)frame.tail_len);
        size -= MIN(size, (size_t)frame.tail_len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum proto_role role;
    size_t piece, n;

    if (size < 2)
        return 0;
    role = data[0] & 1 ? PROTO_CLIENT : PROTO_SERVER;
    piece = (size_t)data[1] % 16 + 1;
    data += 2;
    size -= 2;

    n = fuzz_line(role, data, size, piece);
    if (n > 0)
        fuzz_frames(role, data + n, size - n);
    return 0;
}
