/* SPDX-License-Identifier: MIT */
/*
 * Replays the examples of PROTOCOL.md, read from the page itself: page and code can't drift apart.
 *
 * An example is a fenced block with a name. "hex": bytes, up to two spaces in each line. "line":
 * text, with one space for each line break.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "common/proto.h"
#include "common/proto_lines.h"
#include "common/text.h"

struct example {
    char name[32];
    uint8_t bytes[512];
    size_t len;
    bool replayed;
};

static struct example examples[32];
static size_t n_examples;

static void add_byte(struct example *e, uint8_t byte)
{
    assert_true(e->len < sizeof(e->bytes));
    e->bytes[e->len++] = byte;
}

/* The bytes at the beginning of @text: "01 02  what they mean". */
static void add_hex(struct example *e, const char *text)
{
    while (isxdigit(text[0]) && isxdigit(text[1])) {
        char digits[3] = {text[0], text[1], '\0'};

        add_byte(e, (uint8_t)strtoul(digits, NULL, 16));
        text += text[2] == ' ' ? 3 : 2;
    }
    assert_true(*text == ' ' || *text == '\0');
}

static void add_line(struct example *e, const char *text)
{
    if (e->len > 0)
        add_byte(e, ' ');
    while (*text != '\0')
        add_byte(e, (uint8_t)*text++);
}

static int read_page(void **state)
{
    _cleanup_(freep) char *line = NULL;
    void (*add)(struct example *, const char *) = NULL;
    size_t size = 0;
    FILE *page = fopen(PROTOCOL_PAGE, "re");

    (void)state;
    assert_non_null(page);
    while (getline(&line, &size, page) >= 0) {
        struct example *e = &examples[n_examples];
        char kind[8] = "";

        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "```", 3) != 0) {
            if (add)
                add(e, line);
            continue;
        }
        if (add) {                      /* the block ends */
            n_examples++;
            add = NULL;
            continue;
        }
        assert_true(n_examples < ARRAY_SIZE(examples));
        if (sscanf(line, "```%7s %31s", kind, e->name) == 2) {
            add = strcmp(kind, "hex") == 0 ? add_hex : strcmp(kind, "line") == 0 ? add_line : NULL;
            assert_non_null(add);
        }
    }
    (void)fclose(page);

    return 0;
}

static const struct example *example(const char *name)
{
    for (size_t i = 0; i < n_examples; i++)
        if (strcmp(examples[i].name, name) == 0) {
            examples[i].replayed = true;
            return &examples[i];
        }

    fail_msg("the page has no example called '%s'", name);
    return NULL;
}

static void assert_bytes(const char *name, const void *bytes, size_t len)
{
    const struct example *e = example(name);

    assert_int_equal(len, e->len);
    assert_memory_equal(bytes, e->bytes, len);
}

/* The frame that an example is for a receiver that allows the most. */
static struct proto_frame peek(const char *name, enum proto_role role)
{
    const struct example *e = example(name);
    const struct proto_limits limits = {.role = role, .max_request_padding = PROTO_PADDING_MAX,
                                        .max_reply_padding = PROTO_PADDING_MAX};
    struct proto_frame frame;
    enum proto_fault fault;

    assert_true(proto_frame_peek(&limits, e->bytes, e->len, &frame, &fault) > 0);
    assert_int_equal(frame.head_len + frame.tail_len, e->len);
    return frame;
}

/* ---- Text ---- */

static void test_text_message_is_a_uuid(void **state)
{
    const struct example *e = example("message");

    (void)state;
    assert_int_equal(e->len, TEXT_UUID_LEN);
    assert_int_equal(text_uuid_match(0, (const char *)e->bytes, e->len), TEXT_UUID_LEN);
}

static void test_text_reply_answers_the_message(void **state)
{
    const struct example *message = example("message");
    const struct example *e = example("text-reply");
    char reply[TEXT_REPLY_MAX];
    struct text_reply parsed;

    (void)state;
    assert_bytes("text-reply", reply,
                 text_reply_format(reply, (const char *)message->bytes, 1000345));
    assert_int_equal(text_reply_parse((const char *)e->bytes, e->len, &parsed), e->len);
    assert_true(parsed.delta == 1000345 * NSEC_PER_USEC);
}

static void test_text_error_has_its_prefix(void **state)
{
    (void)state;
    assert_memory_equal(example("text-error")->bytes, TEXT_ERROR_PREFIX,
                        strlen(TEXT_ERROR_PREFIX));
}

/* ---- The lines at the start ---- */

static void test_hello_is_ours(void **state)
{
    const struct example *e = example("hello");
    char line[PROTO_HELLO_MAX];
    struct proto_line parser = {0};
    struct proto_hello hello = PROTO_HELLO_INIT;
    enum proto_fault fault;

    (void)state;
    assert_bytes("hello", line, proto_hello_encode(line, &PROTO_HELLO_OURS));
    assert_int_equal(proto_hello_feed(&parser, (const char *)e->bytes, e->len, &hello, &fault),
                     e->len);
}

static void test_welcome_states_its_limits(void **state)
{
    const struct example *e = example("welcome");
    const struct proto_welcome said = {
        .version = 1, .max_request_padding = PROTO_PADDING_MAX,
        .max_reply_padding = PROTO_PADDING_MAX, .rx_buffer = 65536, .tx_buffer = 65536,
        .idle_timeout_ms = 300000, .message_timeout_ms = 10000, .kernel_stamps = 1,
    };
    char line[PROTO_WELCOME_MAX];
    struct proto_line parser = {0};
    struct proto_welcome welcome = PROTO_WELCOME_INIT;
    enum proto_fault fault;

    (void)state;
    assert_bytes("welcome", line, proto_welcome_encode(line, &said));
    assert_int_equal(proto_welcome_feed(&parser, (const char *)e->bytes, e->len, &welcome, &fault),
                     e->len);
}

static void test_echo_is_that_of_the_hello(void **state)
{
    const struct example *hello = example("hello");
    const struct example *e = example("echo");

    (void)state;
    assert_int_equal(proto_hello_is_echo((const char *)e->bytes, e->len,
                                         (const char *)hello->bytes, hello->len), e->len);
}

/* ---- Frames ---- */

#define UUID_1 {0xf4, 0x7a, 0xc1, 0x0b, 0x58, 0xcc, 0x43, 0x72,                                    \
                0xa5, 0x67, 0x0e, 0x02, 0xb2, 0xc3, 0xd4, 0x79}
#define UUID_2 {0x6f, 0x1e, 0xd0, 0x02, 0xab, 0x55, 0x4f, 0x1f,                                    \
                0x9a, 0x3c, 0x27, 0x41, 0x4b, 0x5e, 0x60, 0x77}

static void test_request_is_encoded_so(void **state)
{
    const struct proto_request request = {.seq = 1, .uuid = UUID_1};
    uint8_t frame[PROTO_REQUEST_LEN];

    (void)state;
    proto_request_encode(frame, &request);
    assert_bytes("request", frame, sizeof(frame));
    assert_int_equal(peek("request", PROTO_SERVER).type, PROTO_REQUEST);
}

static void test_padded_request_is_encoded_so(void **state)
{
    const struct proto_request request = {.seq = 2, .uuid = UUID_2, .padding = 4,
                                          .reply_padding = 2};
    uint8_t frame[PROTO_REQUEST_LEN + 4];

    (void)state;
    proto_request_encode(frame, &request);
    memcpy(frame + PROTO_REQUEST_LEN, "pad!", 4);
    assert_bytes("request-padded", frame, sizeof(frame));
    assert_int_equal(peek("request-padded", PROTO_SERVER).tail_len, 4);
}

static void test_reply_is_encoded_so(void **state)
{
    const struct proto_reply reply = {
        .seq = 1, .uuid = UUID_1, .flags = PROTO_REPLY_KERNEL_STAMP,
        .delta = NSEC_PER_MSEC, .arrival = 86400 * NSEC_PER_SEC,
        .arrival_real = 1767225600 * NSEC_PER_SEC, .residence = 12 * NSEC_PER_USEC,
    };
    uint8_t frame[PROTO_REPLY_LEN];

    (void)state;
    proto_reply_encode(frame, &reply);
    assert_bytes("reply", frame, sizeof(frame));
    assert_int_equal(peek("reply", PROTO_CLIENT).type, PROTO_REPLY);
}

static void test_shared_reply_is_encoded_so(void **state)
{
    const struct proto_reply reply = {
        .seq = 2, .uuid = UUID_2, .padding = 2,
        .flags = PROTO_REPLY_KERNEL_STAMP | PROTO_REPLY_SHARED_STAMP | PROTO_REPLY_SERVER_AWAY,
        .delta = 300 * NSEC_PER_MSEC, .arrival = 86400 * NSEC_PER_SEC + 300 * NSEC_PER_MSEC,
        .arrival_real = 1767225600 * NSEC_PER_SEC + 300 * NSEC_PER_MSEC,
        .residence = 50 * NSEC_PER_USEC, .window = 300 * NSEC_PER_MSEC,
    };
    uint8_t frame[PROTO_REPLY_LEN + 2] = {0};

    (void)state;
    proto_reply_encode(frame, &reply);
    assert_bytes("reply-shared", frame, sizeof(frame));
    assert_int_equal(peek("reply-shared", PROTO_CLIENT).tail_len, 2);
}

static void test_keepalives_are_encoded_so(void **state)
{
    uint8_t frame[PROTO_HEADER_LEN];

    (void)state;
    proto_keepalive_encode(frame, PROTO_KEEPALIVE);
    assert_bytes("keepalive", frame, sizeof(frame));
    proto_keepalive_encode(frame, PROTO_KEEPALIVE_ACK);
    assert_bytes("keepalive-ack", frame, sizeof(frame));
}

static void test_goodbyes_are_encoded_so(void **state)
{
    uint8_t frame[PROTO_NOTICE_MAX];

    (void)state;
    assert_bytes("goodbye-done", frame,
                 proto_notice_encode(frame, PROTO_GOODBYE, PROTO_REASON_DONE, ""));
    assert_bytes("goodbye-stopping", frame,
                 proto_notice_encode(frame, PROTO_GOODBYE, PROTO_REASON_STOPPING,
                                     proto_reason_text(PROTO_REASON_STOPPING)));
    assert_int_equal(peek("goodbye-stopping", PROTO_CLIENT).code, PROTO_REASON_STOPPING);
}

static void test_error_is_encoded_so(void **state)
{
    uint8_t frame[PROTO_NOTICE_MAX];

    (void)state;
    assert_bytes("error", frame,
                 proto_notice_encode(frame, PROTO_ERROR, PROTO_FAULT_TYPE,
                                     proto_fault_text(PROTO_FAULT_TYPE)));
    assert_int_equal(peek("error", PROTO_CLIENT).code, PROTO_FAULT_TYPE);
}

static void test_unknown_frame_is_skipped_by_its_length(void **state)
{
    (void)state;
    assert_int_equal(peek("ignored", PROTO_SERVER).tail_len, 3);
    assert_int_equal(peek("ignored", PROTO_CLIENT).tail_len, 3);
}

/* The last one: an example that nobody replays proves nothing. */
static void test_every_example_was_replayed(void **state)
{
    (void)state;
    assert_true(n_examples > 0);
    for (size_t i = 0; i < n_examples; i++)
        if (!examples[i].replayed)
            fail_msg("no test replays the example '%s'", examples[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_message_is_a_uuid),
        cmocka_unit_test(test_text_reply_answers_the_message),
        cmocka_unit_test(test_text_error_has_its_prefix),
        cmocka_unit_test(test_hello_is_ours),
        cmocka_unit_test(test_welcome_states_its_limits),
        cmocka_unit_test(test_echo_is_that_of_the_hello),
        cmocka_unit_test(test_request_is_encoded_so),
        cmocka_unit_test(test_padded_request_is_encoded_so),
        cmocka_unit_test(test_reply_is_encoded_so),
        cmocka_unit_test(test_shared_reply_is_encoded_so),
        cmocka_unit_test(test_keepalives_are_encoded_so),
        cmocka_unit_test(test_goodbyes_are_encoded_so),
        cmocka_unit_test(test_error_is_encoded_so),
        cmocka_unit_test(test_unknown_frame_is_skipped_by_its_length),
        cmocka_unit_test(test_every_example_was_replayed),
    };

    return cmocka_run_group_tests(tests, read_page, NULL);
}
