/* SPDX-License-Identifier: MIT */
/* The lines at the start of a native connection; the frames are in test_proto.c. */
#include <errno.h>
#include <string.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "common/proto_lines.h"

/* Field by field, as structs have gaps. */
static void assert_hello_equal(const struct proto_hello *a, const struct proto_hello *b)
{
    assert_int_equal(a->version_min, b->version_min);
    assert_int_equal(a->version_max, b->version_max);
    assert_int_equal(a->max_reply_padding, b->max_reply_padding);
}

static void assert_welcome_equal(const struct proto_welcome *a, const struct proto_welcome *b)
{
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->max_request_padding, b->max_request_padding);
    assert_int_equal(a->max_reply_padding, b->max_reply_padding);
    assert_int_equal(a->rx_buffer, b->rx_buffer);
    assert_int_equal(a->tx_buffer, b->tx_buffer);
    assert_int_equal(a->idle_timeout_ms, b->idle_timeout_ms);
    assert_int_equal(a->message_timeout_ms, b->message_timeout_ms);
    assert_int_equal(a->kernel_stamps, b->kernel_stamps);
}

/* A hello that is fed in one piece. */
static ssize_t feed_hello(const char *text, size_t len, struct proto_hello *ret_hello,
                          enum proto_fault *ret_fault)
{
    struct proto_line line = {0};

    *ret_hello = PROTO_HELLO_INIT;
    *ret_fault = PROTO_FAULT_NONE;
    return proto_hello_feed(&line, text, len, ret_hello, ret_fault);
}

static enum proto_fault hello_fault(const char *text)
{
    struct proto_hello hello;
    enum proto_fault fault;

    assert_int_equal(feed_hello(text, strlen(text), &hello, &fault), -EPROTO);
    return fault;
}

static enum proto_fault welcome_fault(const char *text)
{
    struct proto_line line = {0};
    struct proto_welcome welcome = PROTO_WELCOME_INIT;
    enum proto_fault fault = PROTO_FAULT_NONE;

    assert_int_equal(proto_welcome_feed(&line, text, strlen(text), &welcome, &fault), -EPROTO);
    return fault;
}

static void test_hello_is_printable_and_begins_no_uuid(void **state)
{
    struct proto_hello widest = {.version_min = UINT16_MAX, .version_max = UINT16_MAX,
                                 .max_reply_padding = UINT32_MAX};
    char line[PROTO_HELLO_MAX];
    size_t n = proto_hello_encode(line, &widest);

    (void)state;
    assert_true(n <= PROTO_HELLO_MAX);
    for (size_t i = 0; i < n; i++)
        assert_true(line[i] >= ' ' && line[i] <= '~');
    assert_null(strchr("0123456789abcdefABCDEF", line[0]));
}

static void test_hello_comes_back_however_it_is_cut(void **state)
{
    struct proto_hello said = {.version_min = 1, .version_max = 7, .max_reply_padding = 1234};
    char text[PROTO_HELLO_MAX + 3];
    size_t n = proto_hello_encode(text, &said);

    (void)state;
    memcpy(text + n, "\x01\x00", 2);            /* the next frame begins in the same read */
    for (size_t cut = 0; cut < n; cut++) {
        struct proto_line line = {0};
        struct proto_hello hello = PROTO_HELLO_INIT;
        enum proto_fault fault;

        assert_int_equal(proto_hello_feed(&line, text, cut, &hello, &fault), PROTO_NEED_MORE);
        assert_int_equal(proto_hello_feed(&line, text + cut, n + 2 - cut, &hello, &fault),
                         n - cut);
        assert_hello_equal(&hello, &said);
    }
}

static void test_hello_comes_back_byte_by_byte(void **state)
{
    struct proto_hello said = PROTO_HELLO_OURS;
    struct proto_line line = {0};
    struct proto_hello hello = PROTO_HELLO_INIT;
    enum proto_fault fault;
    char text[PROTO_HELLO_MAX];
    size_t n = proto_hello_encode(text, &said);

    (void)state;
    for (size_t i = 0; i < n; i++)
        assert_int_equal(proto_hello_feed(&line, text + i, 1, &hello, &fault),
                         i + 1 < n ? PROTO_NEED_MORE : 1);
    assert_hello_equal(&hello, &said);
}

static void test_hello_ignores_words_of_a_later_version(void **state)
{
    static const char text[] = "tcptimer-hello  colour=blue version=2 versions "
                               "a-word-that-is-very-much-longer-than-those-we-know=1 max= ;";
    struct proto_hello hello;
    enum proto_fault fault;

    (void)state;
    assert_int_equal(feed_hello(text, strlen(text), &hello, &fault), strlen(text));
    assert_int_equal(hello.version_min, 2);
    assert_int_equal(hello.version_max, 2);
    assert_int_equal(hello.max_reply_padding, PROTO_PADDING_MAX);
}

/* A word of PROTO_WORD_MAX characters is the longest that counts; one more, and its first
 * PROTO_WORD_MAX must not count either. */
static void test_hello_does_not_take_the_beginning_of_a_long_word(void **state)
{
    static const char longest[] = "tcptimer-hello version=1 max-reply-padding=0000000000042;";
    static const char longer[] = "tcptimer-hello version=1 max-reply-padding=00000000000042;";
    struct proto_hello hello;
    enum proto_fault fault;

    (void)state;
    assert_int_equal(feed_hello(longest, strlen(longest), &hello, &fault), strlen(longest));
    assert_int_equal(hello.max_reply_padding, 42);
    assert_int_equal(feed_hello(longer, strlen(longer), &hello, &fault), strlen(longer));
    assert_int_equal(hello.max_reply_padding, PROTO_PADDING_MAX);
}

static void test_hello_is_refused_at_the_first_byte_that_cannot_belong(void **state)
{
    static const char *const wrong[] = {"x", "tcpd", "tcptimer-hellO", "tcptimer-hello!",
                                        "tcptimer-h ", "tcptimer-hello v\n", "tcptimer-hello \x80",
                                        " ", ";"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct proto_hello hello;
        enum proto_fault fault;
        size_t n = strlen(wrong[i]);

        assert_int_equal(feed_hello(wrong[i], n - 1, &hello, &fault), PROTO_NEED_MORE);
        assert_int_equal(feed_hello(wrong[i], n, &hello, &fault), -EPROTO);
        assert_int_equal(fault, PROTO_FAULT_LINE);
    }
}

static void test_hello_with_a_nul_after_its_name_is_refused(void **state)
{
    struct proto_hello hello;
    enum proto_fault fault;

    (void)state;
    assert_int_equal(feed_hello("tcptimer-hello\0;", 16, &hello, &fault), -EPROTO);
    assert_int_equal(fault, PROTO_FAULT_LINE);
}

static void test_hello_may_have_its_whole_length_and_no_more(void **state)
{
    char text[PROTO_HELLO_MAX];
    struct proto_hello hello;
    enum proto_fault fault;

    (void)state;
    memset(text, ' ', sizeof(text));
    memcpy(text, "tcptimer-hello version=1", strlen("tcptimer-hello version=1"));
    assert_int_equal(feed_hello(text, sizeof(text), &hello, &fault), -EPROTO);
    assert_int_equal(fault, PROTO_FAULT_LINE_LENGTH);

    text[sizeof(text) - 1] = ';';
    assert_int_equal(feed_hello(text, sizeof(text), &hello, &fault), PROTO_HELLO_MAX);
}

static void test_hello_names_a_word_that_is_malformed_or_missing(void **state)
{
    (void)state;
    assert_int_equal(hello_fault("tcptimer-hello;"), PROTO_FAULT_WORD);
    assert_int_equal(hello_fault("tcptimer-hello version=0;"), PROTO_FAULT_WORD);
    assert_int_equal(hello_fault("tcptimer-hello version=;"), PROTO_FAULT_WORD);
    assert_int_equal(hello_fault("tcptimer-hello version=one;"), PROTO_FAULT_WORD);
    assert_int_equal(hello_fault("tcptimer-hello version=2-1;"), PROTO_FAULT_WORD);
    assert_int_equal(hello_fault("tcptimer-hello version=1-65536;"), PROTO_FAULT_WORD);
    assert_int_equal(hello_fault("tcptimer-hello version=1-;"), PROTO_FAULT_WORD);
    assert_int_equal(hello_fault("tcptimer-hello version=1 max-reply-padding=4294967296;"),
                     PROTO_FAULT_WORD);
}

static void test_welcome_comes_back_however_it_is_cut(void **state)
{
    struct proto_welcome said = {.version = 1, .max_request_padding = UINT32_MAX,
                                 .max_reply_padding = 2, .rx_buffer = 3, .tx_buffer = 4,
                                 .idle_timeout_ms = 5, .message_timeout_ms = 6, .kernel_stamps = 1};
    char text[PROTO_WELCOME_MAX];
    size_t n = proto_welcome_encode(text, &said);

    (void)state;
    for (size_t cut = 0; cut < n; cut++) {
        struct proto_line line = {0};
        struct proto_welcome welcome = PROTO_WELCOME_INIT;
        enum proto_fault fault;

        assert_int_equal(proto_welcome_feed(&line, text, cut, &welcome, &fault), PROTO_NEED_MORE);
        assert_int_equal(proto_welcome_feed(&line, text + cut, n - cut, &welcome, &fault),
                         n - cut);
        assert_welcome_equal(&welcome, &said);
    }
}

static void test_longest_welcome_leaves_room_to_grow(void **state)
{
    struct proto_welcome widest;
    char text[PROTO_WELCOME_MAX];

    (void)state;
    memset(&widest, 0xff, sizeof(widest));
    assert_true(proto_welcome_encode(text, &widest) < PROTO_WELCOME_MAX * 2 / 3);
}

static void test_welcome_of_an_unknown_or_no_version_is_refused(void **state)
{
    (void)state;
    assert_int_equal(welcome_fault("tcptimer-welcome version=2;"), PROTO_FAULT_VERSION);
    assert_int_equal(welcome_fault("tcptimer-welcome rx-buffer=1;"), PROTO_FAULT_WORD);
    assert_int_equal(welcome_fault("tcptimer-welcome version=1 rx-buffer=-1;"), PROTO_FAULT_WORD);
}

static void test_version_is_the_highest_that_both_speak(void **state)
{
    struct proto_hello hello = {.version_min = 3, .version_max = 5};

    (void)state;
    assert_int_equal(proto_version_choose(&hello, 1, 2), 0);
    assert_int_equal(proto_version_choose(&hello, 1, 3), 3);
    assert_int_equal(proto_version_choose(&hello, 4, 4), 4);
    assert_int_equal(proto_version_choose(&hello, 1, 9), 5);
    assert_int_equal(proto_version_choose(&hello, 5, 9), 5);
    assert_int_equal(proto_version_choose(&hello, 6, 9), 0);
}

static void test_negotiation_takes_the_lower_limit(void **state)
{
    struct proto_hello hello = {.version_min = 1, .version_max = 9, .max_reply_padding = 10};
    struct proto_welcome welcome = {.max_reply_padding = 20};

    (void)state;
    assert_int_equal(proto_negotiate(&hello, &welcome), 0);
    assert_int_equal(welcome.version, 1);
    assert_int_equal(welcome.max_reply_padding, 10);

    welcome.max_reply_padding = 5;
    assert_int_equal(proto_negotiate(&hello, &welcome), 0);
    assert_int_equal(welcome.max_reply_padding, 5);
}

static void test_negotiation_without_a_common_version_fails(void **state)
{
    struct proto_hello hello = {.version_min = PROTO_VERSION_MAX + 1,
                                .version_max = PROTO_VERSION_MAX + 1};
    struct proto_welcome welcome = {0};

    (void)state;
    assert_int_equal(proto_negotiate(&hello, &welcome), -EPROTO);
}

static void test_echo_of_the_hello_is_known_however_much_of_it_is_there(void **state)
{
    static const char hello[] = "tcptimer-hello version=1-1;";
    static const char echo[] = "UUID: tcptimer-hello version=1-1; received after 12.000345 seconds";
    size_t n = sizeof(echo) - 1;

    (void)state;
    for (size_t len = 0; len < n; len++)
        assert_int_equal(proto_hello_is_echo(echo, len, hello, sizeof(hello) - 1),
                         PROTO_NEED_MORE);
    assert_int_equal(proto_hello_is_echo(echo, n, hello, sizeof(hello) - 1), n);
    assert_int_equal(proto_hello_is_echo(echo, n + 1, hello, sizeof(hello) - 1), n);
}

static void test_what_is_no_echo_of_the_hello_is_told_apart(void **state)
{
    static const char hello[] = "tcptimer-hello version=1-1;";
    static const char *const others[] = {
        "E", "t", "tcptimer-welcome version=1;", "ERROR: full", "UUIX", "UUID: X",
        "UUID: tcptimer-hello version=1-1 ", "UUID: tcptimer-hello version=1-1;;",
        "UUID: tcptimer-hello version=1-1; received after x",
        "UUID: tcptimer-hello version=1-1; received after 1.00000s",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_int_equal(proto_hello_is_echo(others[i], strlen(others[i]), hello,
                                             sizeof(hello) - 1), -EBADMSG);
}

static void test_in_flight_is_what_the_smaller_buffer_holds(void **state)
{
    struct proto_welcome welcome = {.rx_buffer = 10 * 136, .tx_buffer = 1000 * 1072};

    (void)state;
    assert_int_equal(proto_in_flight(&welcome, 100, 1000), 10);
    welcome.tx_buffer = 4 * 1072 + 1071;
    assert_int_equal(proto_in_flight(&welcome, 100, 1000), 4);
    assert_int_equal(proto_in_flight(&welcome, UINT32_MAX, UINT32_MAX), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello_is_printable_and_begins_no_uuid),
        cmocka_unit_test(test_hello_comes_back_however_it_is_cut),
        cmocka_unit_test(test_hello_comes_back_byte_by_byte),
        cmocka_unit_test(test_hello_ignores_words_of_a_later_version),
        cmocka_unit_test(test_hello_does_not_take_the_beginning_of_a_long_word),
        cmocka_unit_test(test_hello_is_refused_at_the_first_byte_that_cannot_belong),
        cmocka_unit_test(test_hello_with_a_nul_after_its_name_is_refused),
        cmocka_unit_test(test_hello_may_have_its_whole_length_and_no_more),
        cmocka_unit_test(test_hello_names_a_word_that_is_malformed_or_missing),
        cmocka_unit_test(test_welcome_comes_back_however_it_is_cut),
        cmocka_unit_test(test_longest_welcome_leaves_room_to_grow),
        cmocka_unit_test(test_welcome_of_an_unknown_or_no_version_is_refused),
        cmocka_unit_test(test_version_is_the_highest_that_both_speak),
        cmocka_unit_test(test_negotiation_takes_the_lower_limit),
        cmocka_unit_test(test_negotiation_without_a_common_version_fails),
        cmocka_unit_test(test_echo_of_the_hello_is_known_however_much_of_it_is_there),
        cmocka_unit_test(test_what_is_no_echo_of_the_hello_is_told_apart),
        cmocka_unit_test(test_in_flight_is_what_the_smaller_buffer_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
