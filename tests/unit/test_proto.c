/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "common/proto.h"

#define UUID {0xf4, 0x7a, 0xc1, 0x0b, 0x58, 0xcc, 0x43, 0x72, 0xa5, 0x67, 0x0e, 0x02, 0xb2, 0xc3,  \
              0xd4, 0x79}

static const struct proto_limits server = {.role = PROTO_SERVER,
                                           .max_request_padding = 1000, .max_reply_padding = 2000};
static const struct proto_limits client = {.role = PROTO_CLIENT, .max_reply_padding = 2000};

static const struct proto_request a_request = {
    .seq = 0x0102030405060708, .uuid = UUID, .padding = 1000, .reply_padding = 2000,
};

static const struct proto_reply a_reply = {
    .seq = 0x0102030405060708, .uuid = UUID, .padding = 2000,
    .flags = PROTO_REPLY_KERNEL_STAMP | PROTO_REPLY_SHARED_STAMP,
    .delta = 1, .arrival = 2000, .arrival_real = 3, .residence = 4, .window = 5,
};

/* Field by field, as structs have gaps. */
static void assert_request_equal(const struct proto_request *a, const struct proto_request *b)
{
    assert_true(a->seq == b->seq);
    assert_memory_equal(a->uuid, b->uuid, PROTO_UUID_LEN);
    assert_int_equal(a->padding, b->padding);
    assert_int_equal(a->reply_padding, b->reply_padding);
}

static void assert_reply_equal(const struct proto_reply *a, const struct proto_reply *b)
{
    assert_true(a->seq == b->seq);
    assert_memory_equal(a->uuid, b->uuid, PROTO_UUID_LEN);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->padding, b->padding);
    assert_true(a->delta == b->delta);
    assert_true(a->arrival == b->arrival);
    assert_true(a->arrival_real == b->arrival_real);
    assert_true(a->residence == b->residence);
    assert_true(a->window == b->window);
}

static void put_header(uint8_t *frame, uint8_t type, uint8_t flags, uint32_t length)
{
    frame[0] = type;
    frame[1] = flags;
    frame[2] = frame[3] = 0;
    frame[4] = (uint8_t)(length >> 24);
    frame[5] = (uint8_t)(length >> 16);
    frame[6] = (uint8_t)(length >> 8);
    frame[7] = (uint8_t)length;
}

/* Peeks at a header with nothing behind it. */
static ssize_t peek_header(const struct proto_limits *limits, uint8_t type, uint8_t flags,
                           uint32_t length, struct proto_frame *ret_frame,
                           enum proto_fault *ret_fault)
{
    uint8_t header[PROTO_HEADER_LEN];

    put_header(header, type, flags, length);
    *ret_fault = PROTO_FAULT_NONE;
    return proto_frame_peek(limits, header, sizeof(header), ret_frame, ret_fault);
}

static enum proto_fault header_fault(const struct proto_limits *limits, uint8_t type,
                                     uint8_t flags, uint32_t length)
{
    struct proto_frame frame;
    enum proto_fault fault;

    assert_int_equal(peek_header(limits, type, flags, length, &frame, &fault), -EPROTO);
    return fault;
}

static void test_request_comes_back_and_each_truncation_needs_more(void **state)
{
    uint8_t head[PROTO_REQUEST_LEN];
    struct proto_request request = {0};
    struct proto_frame frame;
    enum proto_fault fault;

    (void)state;
    proto_request_encode(head, &a_request);
    for (size_t len = 0; len < sizeof(head); len++)
        assert_int_equal(proto_frame_peek(&server, head, len, &frame, &fault), PROTO_NEED_MORE);
    assert_int_equal(proto_frame_peek(&server, head, sizeof(head), &frame, &fault),
                     PROTO_REQUEST_LEN);
    assert_int_equal(frame.type, PROTO_REQUEST);
    assert_int_equal(frame.tail_len, 1000);

    proto_request_decode(head, &request);
    assert_request_equal(&request, &a_request);
}

static void test_reply_comes_back_and_each_truncation_needs_more(void **state)
{
    uint8_t head[PROTO_REPLY_LEN];
    struct proto_reply reply = {0};
    struct proto_frame frame;
    enum proto_fault fault;

    (void)state;
    proto_reply_encode(head, &a_reply);
    for (size_t len = 0; len < sizeof(head); len++)
        assert_int_equal(proto_frame_peek(&client, head, len, &frame, &fault), PROTO_NEED_MORE);
    assert_int_equal(proto_frame_peek(&client, head, sizeof(head), &frame, &fault),
                     PROTO_REPLY_LEN);
    assert_int_equal(frame.type, PROTO_REPLY);
    assert_int_equal(frame.tail_len, 2000);

    proto_reply_decode(head, &reply);
    assert_reply_equal(&reply, &a_reply);
}

static void test_departure_makes_the_residence_of_an_encoded_reply(void **state)
{
    uint8_t head[PROTO_REPLY_LEN];
    struct proto_reply expected = a_reply;
    struct proto_reply reply = {0};

    (void)state;
    proto_reply_encode(head, &a_reply);
    proto_reply_set_departure(head, 2750);
    proto_reply_decode(head, &reply);
    expected.residence = 750;
    assert_reply_equal(&reply, &expected);
}

/* An arrival that was carried over from another clock may come out a little late. */
static void test_departure_before_the_arrival_is_no_residence(void **state)
{
    uint8_t head[PROTO_REPLY_LEN];
    struct proto_reply reply;

    (void)state;
    proto_reply_encode(head, &a_reply);
    proto_reply_set_departure(head, 1999);
    proto_reply_decode(head, &reply);
    assert_int_equal(reply.residence, 0);
}

static void test_length_is_judged_before_the_head_is_there(void **state)
{
    (void)state;
    assert_int_equal(header_fault(&server, PROTO_REQUEST, 0, 27), PROTO_FAULT_SHORT);
    assert_int_equal(header_fault(&server, PROTO_REQUEST, 0, 28 + 1001), PROTO_FAULT_LONG);
    assert_int_equal(header_fault(&server, PROTO_REQUEST, 0, UINT32_MAX), PROTO_FAULT_LONG);
    assert_int_equal(header_fault(&client, PROTO_REPLY, 0, 63), PROTO_FAULT_SHORT);
    assert_int_equal(header_fault(&client, PROTO_REPLY, 0, 64 + 2001), PROTO_FAULT_LONG);
    assert_int_equal(header_fault(&client, PROTO_GOODBYE, 0, PROTO_LENGTH_MAX + 1),
                     PROTO_FAULT_LONG);
}

static void test_request_for_too_long_a_reply_is_a_fault(void **state)
{
    struct proto_request request = a_request;
    uint8_t head[PROTO_REQUEST_LEN];
    struct proto_frame frame;
    enum proto_fault fault;

    (void)state;
    request.reply_padding = 2001;
    proto_request_encode(head, &request);
    assert_int_equal(proto_frame_peek(&server, head, sizeof(head), &frame, &fault), -EPROTO);
    assert_int_equal(fault, PROTO_FAULT_REPLY_PADDING);
}

static void test_every_type_is_known_ignored_or_a_fault(void **state)
{
    (void)state;
    for (unsigned type = 0; type <= UINT8_MAX; type++) {
        struct proto_frame frame;
        enum proto_fault fault;
        ssize_t r = peek_header(&server, (uint8_t)type, 0, 36, &frame, &fault);

        if (type == PROTO_REQUEST) {
            assert_int_equal(r, PROTO_NEED_MORE);
        } else if (type == PROTO_REPLY) {
            assert_int_equal(r, -EPROTO);
            assert_int_equal(fault, PROTO_FAULT_DIRECTION);
        } else if (type & PROTO_TYPE_MAY_IGNORE ||
                   (type >= PROTO_KEEPALIVE && type <= PROTO_ERROR)) {
            assert_int_equal(r, PROTO_HEADER_LEN);
            assert_int_equal(frame.type, type);
            assert_int_equal(frame.tail_len, 36);
        } else {
            assert_int_equal(r, -EPROTO);
            assert_int_equal(fault, PROTO_FAULT_TYPE);
        }
    }
}

static void test_request_is_not_for_a_client(void **state)
{
    (void)state;
    assert_int_equal(header_fault(&client, PROTO_REQUEST, 0, 28), PROTO_FAULT_DIRECTION);
}

static void test_every_flag_is_known_ignored_or_a_fault(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 8; bit++) {
        struct proto_frame frame;
        enum proto_fault fault;
        uint8_t flag = (uint8_t)(1U << bit);
        ssize_t r = peek_header(&client, PROTO_GOODBYE, flag, 0, &frame, &fault);

        if (flag & PROTO_FLAGS_MAY_IGNORE) {
            assert_int_equal(r, PROTO_HEADER_LEN);
            assert_int_equal(frame.flags, flag);
        } else {
            assert_int_equal(r, -EPROTO);
            assert_int_equal(fault, PROTO_FAULT_FLAG);
        }
    }
}

/* Flags belong to a type: those of a type that may be ignored are not ours to judge. */
static void test_flags_of_an_ignored_type_are_ignored(void **state)
{
    struct proto_frame frame;
    enum proto_fault fault;

    (void)state;
    assert_int_equal(peek_header(&server, PROTO_TYPE_MAY_IGNORE | 1, 0xff, 7, &frame, &fault),
                     PROTO_HEADER_LEN);
    assert_int_equal(frame.tail_len, 7);
}

static void test_keepalives_are_bare_headers(void **state)
{
    uint8_t bytes[PROTO_HEADER_LEN];
    struct proto_frame frame;
    enum proto_fault fault;

    (void)state;
    proto_keepalive_encode(bytes, PROTO_KEEPALIVE_ACK);
    assert_int_equal(proto_frame_peek(&client, bytes, sizeof(bytes), &frame, &fault),
                     PROTO_HEADER_LEN);
    assert_int_equal(frame.type, PROTO_KEEPALIVE_ACK);
    assert_int_equal(frame.tail_len, 0);
}

static void test_goodbye_carries_its_reason_and_text(void **state)
{
    uint8_t bytes[PROTO_NOTICE_MAX];
    char text[PROTO_TEXT_MAX + 1];
    struct proto_frame frame;
    enum proto_fault fault;
    size_t n = proto_notice_encode(bytes, PROTO_GOODBYE, PROTO_REASON_STOPPING, "caf\xc3\xa9");

    (void)state;
    assert_int_equal(proto_frame_peek(&client, bytes, n, &frame, &fault), PROTO_HEADER_LEN);
    assert_int_equal(frame.type, PROTO_GOODBYE);
    assert_int_equal(frame.code, PROTO_REASON_STOPPING);
    assert_int_equal(frame.tail_len, n - PROTO_HEADER_LEN);
    proto_notice_text(bytes + PROTO_HEADER_LEN, frame.tail_len, text);
    assert_string_equal(text, "caf\xc3\xa9");
}

static void test_long_text_is_cut_between_characters(void **state)
{
    char text[PROTO_TEXT_MAX + 10];
    uint8_t bytes[PROTO_NOTICE_MAX];

    (void)state;
    memset(text, 'x', sizeof(text));
    memcpy(text + PROTO_TEXT_MAX - 2, "\xe2\x82\xac", 3);   /* a euro sign across the limit */
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(proto_notice_encode(bytes, PROTO_ERROR, PROTO_FAULT_TYPE, text),
                     PROTO_HEADER_LEN + PROTO_TEXT_MAX - 2);
}

/* What a peer says reaches a terminal and JSON documents. */
static void test_text_is_made_printable(void **state)
{
    static const struct {
        const char *said;
        const char *expected;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"\x1b[31m\r\n\x7f", "?[31m???"},
        {"\xc2\x9b" "31m", "??31m"},                    /* U+009B, a terminal's CSI */
        {"\xc2\xa0\xf0\x9f\x95\xb0", "\xc2\xa0\xf0\x9f\x95\xb0"},
        {"\xc3", "?"},
        {"\xc3(", "?("},
        {"\xc0\xaf", "??"},                             /* longer than it need be */
        {"\xe0\x80\xaf", "???"},
        {"\xed\xa0\x80", "???"},                        /* a surrogate */
        {"\xf4\x90\x80\x80", "????"},                   /* beyond the last character */
        {"\xff\x80", "??"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[PROTO_TEXT_MAX + 1];

        proto_notice_text((const uint8_t *)cases[i].said, strlen(cases[i].said), text);
        assert_string_equal(text, cases[i].expected);
    }
}

static void test_text_beyond_the_longest_is_left_out(void **state)
{
    uint8_t tail[PROTO_TEXT_MAX + 1];
    char text[PROTO_TEXT_MAX + 1];

    (void)state;
    memset(tail, 'x', sizeof(tail));
    proto_notice_text(tail, sizeof(tail), text);
    assert_int_equal(strlen(text), PROTO_TEXT_MAX);
}

static void test_every_code_has_words(void **state)
{
    (void)state;
    for (unsigned fault = PROTO_FAULT_LINE; fault <= PROTO_FAULT_REPLY_PADDING; fault++) {
        assert_ptr_equal(strstr(proto_fault_text(fault), "expected "), proto_fault_text(fault));
        assert_string_not_equal(proto_fault_text(fault), proto_fault_text(UINT16_MAX));
    }
    for (unsigned reason = PROTO_REASON_DONE; reason <= PROTO_REASON_MESSAGE_TIMEOUT; reason++)
        assert_string_not_equal(proto_reason_text(reason), proto_reason_text(UINT16_MAX));
}

/*
 * Walks a stream as a receiver does, each look through a block of its own of just that length, so
 * that a sanitizer sees a read beyond it. Asserts what the header promises.
 */
static void walk(const struct proto_limits *limits, const uint8_t *bytes, size_t len)
{
    size_t head_max = limits->role == PROTO_SERVER ? PROTO_REQUEST_LEN : PROTO_REPLY_LEN;

    while (len > 0) {
        uint8_t *block = malloc(len);
        struct proto_frame frame;
        enum proto_fault fault = PROTO_FAULT_NONE;
        ssize_t n;

        assert_non_null(block);
        memcpy(block, bytes, len);
        n = proto_frame_peek(limits, block, len, &frame, &fault);
        if (n > 0 && frame.type == PROTO_REQUEST) {
            struct proto_request request;

            proto_request_decode(block, &request);
            assert_int_equal(request.padding, frame.tail_len);
            assert_true(request.padding <= limits->max_request_padding);
            assert_true(request.reply_padding <= limits->max_reply_padding);
        } else if (n > 0 && frame.type == PROTO_REPLY) {
            struct proto_reply reply;

            proto_reply_decode(block, &reply);
            assert_int_equal(reply.padding, frame.tail_len);
            assert_true(reply.padding <= limits->max_reply_padding);
        }
        free(block);

        if (n <= 0) {
            assert_true(n == PROTO_NEED_MORE ? len < head_max : n == -EPROTO && fault != 0);
            return;
        }
        assert_true((size_t)n <= head_max && (size_t)n == frame.head_len && (size_t)n <= len);
        assert_true(frame.tail_len <= PROTO_LENGTH_MAX);
        bytes += n;
        len -= (size_t)n;
        if (frame.tail_len > len)
            return;
        bytes += frame.tail_len;
        len -= frame.tail_len;
    }
}

static void test_no_mutation_of_a_byte_leads_out_of_bounds(void **state)
{
    uint8_t stream[PROTO_REQUEST_LEN + PROTO_REPLY_LEN + 2 * PROTO_NOTICE_MAX];
    const struct proto_limits *roles[] = {&server, &client};

    (void)state;
    for (size_t role = 0; role < ARRAY_SIZE(roles); role++) {
        struct proto_request request = {.seq = 1, .uuid = UUID, .padding = 3, .reply_padding = 5};
        struct proto_reply reply = {.seq = 1, .uuid = UUID, .padding = 5};
        size_t n = 0;

        memset(stream, 0, sizeof(stream));
        if (roles[role] == &server) {
            proto_request_encode(stream, &request);
            n += PROTO_REQUEST_LEN + request.padding;
        } else {
            proto_reply_encode(stream, &reply);
            n += PROTO_REPLY_LEN + reply.padding;
        }
        n += proto_notice_encode(stream + n, PROTO_GOODBYE, PROTO_REASON_DONE, "bye");

        for (size_t i = 0; i < n; i++) {
            uint8_t was = stream[i];

            for (unsigned value = 0; value <= UINT8_MAX; value++) {
                stream[i] = (uint8_t)value;
                walk(roles[role], stream, n);
            }
            stream[i] = was;
        }
    }
}

/* xorshift64 (Marsaglia 2003); the seed is fixed, so a failure repeats itself. */
static uint64_t next_random(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

static void test_random_messages_come_back(void **state)
{
    uint64_t random = 20260101;

    (void)state;
    for (int i = 0; i < 10000; i++) {
        struct proto_request request = {.seq = next_random(&random)}, request_back = {0};
        struct proto_reply reply = {.seq = next_random(&random)}, reply_back = {0};
        uint8_t head[PROTO_REPLY_LEN];

        for (size_t k = 0; k < PROTO_UUID_LEN; k++)
            request.uuid[k] = reply.uuid[k] = (uint8_t)next_random(&random);
        request.padding = (uint32_t)next_random(&random) % (PROTO_PADDING_MAX + 1);
        request.reply_padding = (uint32_t)next_random(&random);
        proto_request_encode(head, &request);
        proto_request_decode(head, &request_back);
        assert_request_equal(&request_back, &request);

        reply.flags = (uint8_t)next_random(&random);
        reply.padding = (uint32_t)next_random(&random) % (PROTO_PADDING_MAX + 1);
        reply.delta = next_random(&random);
        reply.arrival = next_random(&random);
        reply.arrival_real = next_random(&random);
        reply.residence = next_random(&random);
        reply.window = next_random(&random);
        proto_reply_encode(head, &reply);
        proto_reply_decode(head, &reply_back);
        assert_reply_equal(&reply_back, &reply);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_comes_back_and_each_truncation_needs_more),
        cmocka_unit_test(test_reply_comes_back_and_each_truncation_needs_more),
        cmocka_unit_test(test_departure_makes_the_residence_of_an_encoded_reply),
        cmocka_unit_test(test_departure_before_the_arrival_is_no_residence),
        cmocka_unit_test(test_length_is_judged_before_the_head_is_there),
        cmocka_unit_test(test_request_for_too_long_a_reply_is_a_fault),
        cmocka_unit_test(test_every_type_is_known_ignored_or_a_fault),
        cmocka_unit_test(test_request_is_not_for_a_client),
        cmocka_unit_test(test_every_flag_is_known_ignored_or_a_fault),
        cmocka_unit_test(test_flags_of_an_ignored_type_are_ignored),
        cmocka_unit_test(test_keepalives_are_bare_headers),
        cmocka_unit_test(test_goodbye_carries_its_reason_and_text),
        cmocka_unit_test(test_long_text_is_cut_between_characters),
        cmocka_unit_test(test_text_is_made_printable),
        cmocka_unit_test(test_text_beyond_the_longest_is_left_out),
        cmocka_unit_test(test_every_code_has_words),
        cmocka_unit_test(test_no_mutation_of_a_byte_leads_out_of_bounds),
        cmocka_unit_test(test_random_messages_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
