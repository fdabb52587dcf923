/* SPDX-License-Identifier: MIT */
#include "common/proto.h"

#include <errno.h>
#include <string.h>

#include "common/base.h"
#include "common/wire.h"

#define TEXT_OF(number) TEXT_OF_EXPANDED(number)
#define TEXT_OF_EXPANDED(number) #number

const char *proto_fault_text(unsigned fault)
{
    static const char *const texts[] = {
        [PROTO_FAULT_NONE] = "nothing is wrong",
        [PROTO_FAULT_LINE] = "expected a tcptimer hello or welcome",
        [PROTO_FAULT_LINE_LENGTH] = "expected a ';' within the longest line",
        [PROTO_FAULT_WORD] = "expected a version and well-formed numbers in the first line",
        [PROTO_FAULT_VERSION] = "expected a protocol version from " TEXT_OF(PROTO_VERSION_MIN)
                                " to " TEXT_OF(PROTO_VERSION_MAX),
        [PROTO_FAULT_TYPE] = "expected a known frame type",
        [PROTO_FAULT_DIRECTION] = "expected a frame type that this side may send",
        [PROTO_FAULT_FLAG] = "expected only known frame flags",
        [PROTO_FAULT_SHORT] = "expected a frame with all fixed fields of its type",
        [PROTO_FAULT_LONG] = "expected a frame within the length limit",
        [PROTO_FAULT_REPLY_PADDING] = "expected a wanted reply padding within the limit",
    };

    return fault < ARRAY_SIZE(texts) ? texts[fault] : "unknown fault";
}

const char *proto_reason_text(unsigned reason)
{
    static const char *const texts[] = {
        [0] = "going away",
        [PROTO_REASON_DONE] = "done",
        [PROTO_REASON_STOPPING] = "stopping",
        [PROTO_REASON_IDLE_TIMEOUT] = "idle timeout",
        [PROTO_REASON_MESSAGE_TIMEOUT] = "message timeout",
    };

    return texts[reason < ARRAY_SIZE(texts) ? reason : 0];
}

/* Where fields stand that are read or written outside their frame's codec; PROTOCOL.md has all. */
enum {
    REQUEST_REPLY_PADDING_AT = 32,
    REPLY_ARRIVAL_AT = 40,
    REPLY_RESIDENCE_AT = 56,
};

static const struct {
    uint8_t head_len;               /* 0 = no such type */
    bool is_for[2];                 /* by enum proto_role */
} frame_rules[] = {
    [PROTO_REQUEST] = {PROTO_REQUEST_LEN, {[PROTO_SERVER] = true}},
    [PROTO_REPLY] = {PROTO_REPLY_LEN, {[PROTO_CLIENT] = true}},
    [PROTO_KEEPALIVE] = {PROTO_HEADER_LEN, {true, true}},
    [PROTO_KEEPALIVE_ACK] = {PROTO_HEADER_LEN, {true, true}},
    [PROTO_GOODBYE] = {PROTO_HEADER_LEN, {true, true}},
    [PROTO_ERROR] = {PROTO_HEADER_LEN, {true, true}},
};

static uint32_t length_limit(const struct proto_limits *limits, uint8_t type)
{
    switch (type) {
    case PROTO_REQUEST:
        return PROTO_REQUEST_LEN - PROTO_HEADER_LEN + limits->max_request_padding;
    case PROTO_REPLY:
        return PROTO_REPLY_LEN - PROTO_HEADER_LEN + limits->max_reply_padding;
    default:
        return PROTO_LENGTH_MAX;
    }
}

/* Judges a header alone and fills in the frame's two lengths. */
static enum proto_fault check_header(const struct proto_limits *limits, uint32_t length,
                                     struct proto_frame *frame)
{
    bool known = frame->type < ARRAY_SIZE(frame_rules) && frame_rules[frame->type].head_len > 0;

    frame->head_len = PROTO_HEADER_LEN;
    if (known) {
        if (!frame_rules[frame->type].is_for[limits->role])
            return PROTO_FAULT_DIRECTION;
        if (frame->flags & ~PROTO_FLAGS_MAY_IGNORE)
            return PROTO_FAULT_FLAG;
        frame->head_len = frame_rules[frame->type].head_len;
    } else if (!(frame->type & PROTO_TYPE_MAY_IGNORE)) {
        return PROTO_FAULT_TYPE;
    }

    if (length < frame->head_len - PROTO_HEADER_LEN)
        return PROTO_FAULT_SHORT;
    if (length > MIN(length_limit(limits, frame->type), (uint32_t)PROTO_LENGTH_MAX))
        return PROTO_FAULT_LONG;

    frame->tail_len = length - (frame->head_len - PROTO_HEADER_LEN);
    return PROTO_FAULT_NONE;
}

static uint32_t get_u32_at(const uint8_t *at)
{
    struct wire_reader r = WIRE_READER(at, sizeof(uint32_t));

    return wire_get_u32(&r);
}

ssize_t proto_frame_peek(const struct proto_limits *limits, const uint8_t *buf, size_t len,
                         struct proto_frame *ret_frame, enum proto_fault *ret_fault)
{
    struct wire_reader r = WIRE_READER(buf, len);
    struct proto_frame frame;
    enum proto_fault fault;
    uint32_t length;

    if (len < PROTO_HEADER_LEN)
        return PROTO_NEED_MORE;

    frame.type = wire_get_u8(&r);
    frame.flags = wire_get_u8(&r);
    frame.code = wire_get_u16(&r);
    length = wire_get_u32(&r);
    fault = check_header(limits, length, &frame);
    if (!fault && len < frame.head_len)
        return PROTO_NEED_MORE;
    if (!fault && frame.type == PROTO_REQUEST &&
        get_u32_at(buf + REQUEST_REPLY_PADDING_AT) > limits->max_reply_padding)
        fault = PROTO_FAULT_REPLY_PADDING;
    if (fault) {
        *ret_fault = fault;
        return -EPROTO;
    }

    *ret_frame = frame;
    return frame.head_len;
}

static inline void put_header(struct wire_writer *w, enum proto_type type, uint8_t flags,
                              uint16_t code, size_t length)
{
    wire_put_u8(w, (uint8_t)type);
    wire_put_u8(w, flags);
    wire_put_u16(w, code);
    wire_put_u32(w, (uint32_t)length);
}

void proto_request_encode(uint8_t ret_head[static PROTO_REQUEST_LEN],
                          const struct proto_request *request)
{
    struct wire_writer w = WIRE_WRITER(ret_head, PROTO_REQUEST_LEN);

    put_header(&w, PROTO_REQUEST, 0, 0, PROTO_REQUEST_LEN - PROTO_HEADER_LEN + request->padding);
    wire_put_u64(&w, request->seq);
    wire_put_bytes(&w, request->uuid, sizeof(request->uuid));
    wire_put_u32(&w, request->reply_padding);
}

/* Reads a header that was checked; what it says beside the flags and the tail is known. */
static void get_checked_header(struct wire_reader *r, uint32_t head_len, uint8_t *ret_flags,
                               uint32_t *ret_padding)
{
    (void)wire_get_u8(r);
    *ret_flags = wire_get_u8(r);
    (void)wire_get_u16(r);
    *ret_padding = wire_get_u32(r) - (head_len - PROTO_HEADER_LEN);
}

void proto_request_decode(const uint8_t head[static PROTO_REQUEST_LEN],
                          struct proto_request *ret_request)
{
    struct wire_reader r = WIRE_READER(head, PROTO_REQUEST_LEN);
    uint8_t flags;

    get_checked_header(&r, PROTO_REQUEST_LEN, &flags, &ret_request->padding);
    ret_request->seq = wire_get_u64(&r);
    wire_get_bytes(&r, ret_request->uuid, sizeof(ret_request->uuid));
    ret_request->reply_padding = wire_get_u32(&r);
}

void proto_reply_encode(uint8_t ret_head[static PROTO_REPLY_LEN], const struct proto_reply *reply)
{
    struct wire_writer w = WIRE_WRITER(ret_head, PROTO_REPLY_LEN);

    put_header(&w, PROTO_REPLY, reply->flags, 0,
               PROTO_REPLY_LEN - PROTO_HEADER_LEN + reply->padding);
    wire_put_u64(&w, reply->seq);
    wire_put_bytes(&w, reply->uuid, sizeof(reply->uuid));
    wire_put_u64(&w, reply->delta);
    wire_put_u64(&w, reply->arrival);
    wire_put_u64(&w, reply->arrival_real);
    wire_put_u64(&w, reply->residence);
    wire_put_u64(&w, reply->window);
}

void proto_reply_decode(const uint8_t head[static PROTO_REPLY_LEN], struct proto_reply *ret_reply)
{
    struct wire_reader r = WIRE_READER(head, PROTO_REPLY_LEN);

    get_checked_header(&r, PROTO_REPLY_LEN, &ret_reply->flags, &ret_reply->padding);
    ret_reply->seq = wire_get_u64(&r);
    wire_get_bytes(&r, ret_reply->uuid, sizeof(ret_reply->uuid));
    ret_reply->delta = wire_get_u64(&r);
    ret_reply->arrival = wire_get_u64(&r);
    ret_reply->arrival_real = wire_get_u64(&r);
    ret_reply->residence = wire_get_u64(&r);
    ret_reply->window = wire_get_u64(&r);
}

void proto_reply_set_departure(uint8_t head[static PROTO_REPLY_LEN], nsec_t departure)
{
    struct wire_reader r = WIRE_READER(head + REPLY_ARRIVAL_AT, sizeof(nsec_t));
    struct wire_writer w = WIRE_WRITER(head + REPLY_RESIDENCE_AT, sizeof(nsec_t));
    nsec_t arrival = wire_get_u64(&r);

    wire_put_u64(&w, departure > arrival ? departure - arrival : 0);
}

void proto_keepalive_encode(uint8_t ret_frame[static PROTO_HEADER_LEN], enum proto_type type)
{
    struct wire_writer w = WIRE_WRITER(ret_frame, PROTO_HEADER_LEN);

    put_header(&w, type, 0, 0, 0);
}

size_t proto_notice_encode(uint8_t ret_frame[static PROTO_NOTICE_MAX], enum proto_type type,
                           uint16_t code, const char *text)
{
    struct wire_writer w = WIRE_WRITER(ret_frame, PROTO_NOTICE_MAX);
    size_t n = strnlen(text, PROTO_TEXT_MAX + 1);

    if (n > PROTO_TEXT_MAX) {
        n = PROTO_TEXT_MAX;
        while (n > 0 && ((uint8_t)text[n] & 0xc0) == 0x80)      /* in the middle of a character */
            n--;
    }

    put_header(&w, type, 0, code, n);
    wire_put_bytes(&w, text, n);
    return PROTO_HEADER_LEN + n;
}

/* The length of the character at @at, 0 if it is malformed (RFC 3629) or a control character. */
static size_t printable_len(const uint8_t *at, size_t left)
{
    static const uint32_t smallest[] = {0, 0, 0xa0, 0x800, 0x10000};   /* 0x80 to 0x9f: controls */
    size_t n = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    uint32_t c;

    if (n == 1)
        return at[0] >= ' ' && at[0] != 0x7f ? 1 : 0;
    if (at[0] < 0xc0 || at[0] >= 0xf8 || left < n)
        return 0;

    c = at[0] & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (at[i] & 0x3f);
    }

    return c >= smallest[n] && c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff) ? n : 0;
}

void proto_notice_text(const uint8_t *tail, size_t len, char ret_text[static PROTO_TEXT_MAX + 1])
{
    size_t at = 0;

    len = MIN(len, (size_t)PROTO_TEXT_MAX);
    while (at < len) {
        size_t n = printable_len(tail + at, len - at);

        if (n > 0) {
            memcpy(ret_text + at, tail + at, n);
            at += n;
        } else {
            ret_text[at++] = '?';
        }
    }
    ret_text[at] = '\0';
}
