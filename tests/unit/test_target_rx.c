/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <uuid.h>

#include "tests/support/test.h"

#include "tests/support/target_fixture.h"

/* ---- Text ---- */

static void test_reply_answers_its_request(void **state)
{
    struct target_fixture *f = *state;

    (void)target_fixture_push(f, TARGET_FIXTURE_START - 5);
    assert_flushed(f, 1);
    fake_stream_will_read_text(&f->fake, target_fixture_text_reply(f, 0));
    target_fixture_receive(f);
    assert_next(f, TARGET_REPLY);
    assert_int_equal(f->event.request.seq, 1);
    assert_int_equal(f->event.request.due, TARGET_FIXTURE_START - 5);
    assert_int_equal(f->event.request.sent, TARGET_FIXTURE_START);
    assert_int_equal(f->event.reply.delta, 1500 * NSEC_PER_MSEC);
    assert_true(f->event.ends_stamp);
    assert_next(f, TARGET_NOTHING);
    assert_int_equal(inflight_n_sent(&f->target.inflight), 0);
}

static void test_reply_may_come_byte_by_byte(void **state)
{
    struct target_fixture *f = *state;
    const char *text;

    target_fixture_push_many(f, 1);
    assert_flushed(f, 1);
    text = target_fixture_text_reply(f, 0);
    for (size_t i = 0; i + 1 < strlen(text) && i < FAKE_STREAM_STEPS_MAX - 8; i++) {
        fake_stream_will_read(&f->fake, text + i, 1);
        target_fixture_receive(f);
        assert_next(f, TARGET_NOTHING);
    }
    fake_stream_will_read_text(&f->fake, text + FAKE_STREAM_STEPS_MAX - 8);
    target_fixture_receive(f);
    assert_next(f, TARGET_REPLY);
}

static void test_replies_may_come_together_with_line_ends(void **state)
{
    struct target_fixture *f = *state;

    target_fixture_push_many(f, 2);
    assert_flushed(f, 2);
    fake_stream_will_read_text(&f->fake, target_fixture_text_reply(f, 0));
    fake_stream_will_read_text(&f->fake, "\r\n");
    fake_stream_will_read_text(&f->fake, target_fixture_text_reply(f, 1));
    target_fixture_receive(f);
    assert_next(f, TARGET_REPLY);
    assert_next(f, TARGET_NOTHING);
    target_fixture_receive(f);
    assert_next(f, TARGET_NOTHING);
    target_fixture_receive(f);
    assert_next(f, TARGET_REPLY);
    assert_int_equal(f->event.request.seq, 2);
}

static void test_uuid_may_come_back_in_capitals(void **state)
{
    struct target_fixture *f = *state;
    char *text;

    target_fixture_push_many(f, 1);
    assert_flushed(f, 1);
    text = (char *)(uintptr_t)target_fixture_text_reply(f, 0);
    for (char *p = text + strlen("UUID: "); *p != ' '; p++) {
        if (*p >= 'a')
            *p = (char)(*p - 'a' + 'A');
    }
    fake_stream_will_read_text(&f->fake, text);
    target_fixture_receive(f);
    assert_next(f, TARGET_REPLY);
}

static void test_a_later_reply_names_those_passed_over(void **state)
{
    struct target_fixture *f = *state;

    target_fixture_push_many(f, 3);
    assert_flushed(f, 3);
    fake_stream_will_read_text(&f->fake, target_fixture_text_reply(f, 2));
    target_fixture_receive(f);
    assert_next(f, TARGET_MISSING);
    assert_int_equal(f->event.request.seq, 1);
    assert_next(f, TARGET_MISSING);
    assert_int_equal(f->event.request.seq, 2);
    assert_next(f, TARGET_REPLY);
    assert_int_equal(f->event.request.seq, 3);
    assert_next(f, TARGET_NOTHING);
}

static void test_a_reply_to_nothing_is_named_and_skipped(void **state)
{
    struct target_fixture *f = *state;
    const char *wrong =
        "UUID: 00000000-0000-4000-8000-000000000000 received after 0.000001 seconds";

    target_fixture_push_many(f, 1);
    assert_flushed(f, 1);
    fake_stream_will_read_text(&f->fake, wrong);
    fake_stream_will_read_text(&f->fake, target_fixture_text_reply(f, 0));
    target_fixture_receive(f);
    assert_next(f, TARGET_WRONG);
    assert_string_equal(f->event.text, "00000000-0000-4000-8000-000000000000");
    assert_next(f, TARGET_NOTHING);
    target_fixture_receive(f);
    assert_next(f, TARGET_REPLY);
}

static void test_rubbish_is_shown_as_far_as_it_prints(void **state)
{
    struct target_fixture *f = *state;

    fake_stream_will_read_text(&f->fake, "what \x01 is this");
    target_fixture_receive(f);
    assert_next(f, TARGET_BROKEN);
    assert_non_null(strstr(f->event.text, "got 'what . is this'"));
}

/* What is wrong with a reply may stand at its end. */
static void test_malformed_reply_is_shown_whole(void **state)
{
    static const char reply[] =
        "UUID: 00000000-0000-4000-8000-000000000000 received after 999999999.12345 seconds";
    struct target_fixture *f = *state;

    fake_stream_will_read_text(&f->fake, reply);
    target_fixture_receive(f);
    assert_next(f, TARGET_BROKEN);
    assert_non_null(strstr(f->event.text, reply));
}

static void test_error_line_is_shown_as_it_is(void **state)
{
    struct target_fixture *f = *state;

    fake_stream_will_read_text(&f->fake, "ERROR: expected ");
    fake_stream_will_read_text(&f->fake, "something else\r\n");
    target_fixture_receive(f);
    assert_next(f, TARGET_NOTHING);
    target_fixture_receive(f);
    assert_next(f, TARGET_REFUSED);
    assert_string_equal(f->event.text, "ERROR: expected something else");
    assert_false(f->event.is_stopping);
}

static void test_error_line_may_end_with_the_stream(void **state)
{
    struct target_fixture *f = *state;

    fake_stream_will_read_text(&f->fake, "ERROR: the server is stopping");
    fake_stream_will_end(&f->fake);
    target_fixture_receive(f);
    assert_next(f, TARGET_NOTHING);
    target_fixture_receive(f);
    assert_next(f, TARGET_REFUSED);
    assert_string_equal(f->event.text, "ERROR: the server is stopping");
    assert_true(f->event.is_stopping);
}

static void test_error_line_without_end_is_cut(void **state)
{
    struct target_fixture *f = *state;
    static char line[TARGET_CARRY_SIZE + 100];

    memset(line, 'x', sizeof(line));
    memcpy(line, "ERROR: ", 7);
    fake_stream_will_read(&f->fake, line, sizeof(line));
    target_fixture_receive(f);
    assert_next(f, TARGET_REFUSED);
    assert_int_equal(strlen(f->event.text), TARGET_TEXT_SIZE - 1);
}

static void test_end_says_if_it_cut_a_reply(void **state)
{
    struct target_fixture *f = *state;

    fake_stream_will_read_text(&f->fake, "UUID: ");
    fake_stream_will_end(&f->fake);
    target_fixture_receive(f);
    assert_next(f, TARGET_NOTHING);
    target_fixture_receive(f);
    assert_next(f, TARGET_ENDED);
    assert_string_equal(f->event.text, "in the middle of a reply");
}

static void test_end_between_replies_says_nothing_more(void **state)
{
    struct target_fixture *f = *state;

    fake_stream_will_end(&f->fake);
    target_fixture_receive(f);
    assert_next(f, TARGET_ENDED);
    assert_string_equal(f->event.text, "");
}

static void test_reset_while_receiving_is_told(void **state)
{
    struct target_fixture *f = *state;

    assert_int_equal(target_receive(&f->target, f->rx_buf, 0, &f->rx), -EAGAIN);
    fake_stream_will_fail(&f->fake, -ECONNRESET);
    assert_int_equal(target_receive(&f->target, f->rx_buf, 0, &f->rx), -ECONNRESET);
}

/* ---- The greeting ---- */

static void test_echoed_hello_means_text_on_this_connection(void **state)
{
    struct target_fixture *f = *state;
    char echo[PROTO_HELLO_MAX + 64];

    assert_hello_sent(f);
    (void)snprintf(echo, sizeof(echo), "UUID: %.*s received after 0.000123 seconds",
                   (int)f->config.hello_len, f->config.hello);
    fake_stream_will_read(&f->fake, echo, 20);
    fake_stream_will_read_text(&f->fake, echo + 20);
    target_fixture_receive(f);
    assert_next(f, TARGET_NOTHING);
    target_fixture_receive(f);
    assert_next(f, TARGET_GREETED);
    assert_false(f->target.native);
    assert_int_equal(f->target.limit, 1);       /* the original may take one recv for a message */
    target_fixture_push_many(f, 2);
    assert_flushed(f, 1);
    assert_int_equal(f->fake.n_sent, 36);
}

static void test_error_line_after_hello_means_text_on_a_new_connection(void **state)
{
    struct target_fixture *f = *state;

    assert_hello_sent(f);
    fake_stream_will_read_text(&f->fake, "ERROR: expected a UUID\n");
    target_fixture_receive(f);
    assert_next(f, TARGET_TRY_TEXT);
}

static void test_close_after_hello_means_text_on_a_new_connection(void **state)
{
    struct target_fixture *f = *state;

    assert_hello_sent(f);
    fake_stream_will_end(&f->fake);
    target_fixture_receive(f);
    assert_next(f, TARGET_TRY_TEXT);
}

static void test_stopping_server_is_not_asked_again_in_text(void **state)
{
    struct target_fixture *f = *state;

    assert_hello_sent(f);
    fake_stream_will_read_text(&f->fake, "ERROR: the server is stopping\n");
    target_fixture_receive(f);
    assert_next(f, TARGET_REFUSED);
    assert_true(f->event.is_stopping);
}

static void test_native_only_refuses_an_echo(void **state)
{
    struct target_fixture *f = *state;
    char echo[PROTO_HELLO_MAX + 64];

    (void)snprintf(echo, sizeof(echo), "UUID: %.*s received after 0.000123 seconds",
                   (int)f->config.hello_len, f->config.hello);
    fake_stream_will_read_text(&f->fake, echo);
    target_fixture_receive(f);
    assert_next(f, TARGET_BROKEN);
    assert_non_null(strstr(f->event.text, "expected a tcptimerd that speaks the native protocol"));
}

/* Either protocol is fine, so that of this server is no answer to give. */
static void test_auto_says_what_it_takes_for_a_greeting(void **state)
{
    struct target_fixture *f = *state;

    fake_stream_will_read_text(&f->fake, "UUID: something else received after 0.000123 seconds");
    target_fixture_receive(f);
    assert_next(f, TARGET_BROKEN);
    assert_non_null(strstr(f->event.text, "expected the hello back, or a welcome, got 'UUID: "));
}

static void assert_payload_refused(struct target_fixture *f, const struct proto_welcome *limits,
                                   const char *text)
{
    char line[PROTO_WELCOME_MAX];

    assert_hello_sent(f);
    fake_stream_will_read(&f->fake, line, proto_welcome_encode(line, limits));
    target_fixture_receive(f);
    assert_next(f, TARGET_BROKEN);
    assert_string_equal(f->event.text, text);
}

static void test_payload_that_the_server_does_not_take_is_not_sent(void **state)
{
    const struct proto_welcome limits = {.version = 1, .max_request_padding = 99,
                                         .max_reply_padding = 100};
    struct target_fixture *f = *state;

    f->config.size = 100;
    assert_payload_refused(f, &limits,
                           "the server allows 99 bytes of payload in a request, not 100");
}

static void test_payload_that_the_server_does_not_give_is_not_asked_for(void **state)
{
    const struct proto_welcome limits = {.version = 1, .max_reply_padding = 99};

    assert_payload_refused(*state, &limits,
                           "the server allows 99 bytes of payload in a reply, not 100");
}

/* ---- Native ---- */

/* The reply counts when its last byte of padding is in, however it is cut. */
static void test_native_reply_ends_with_its_padding(void **state)
{
    struct target_fixture *f = *state;
    uint8_t bytes[PROTO_REPLY_LEN + 100];
    size_t len;

    target_fixture_greet(f);
    target_fixture_push_many(f, 1);
    assert_flushed(f, 1);
    len = target_fixture_reply(f, 0, 100, bytes);
    for (size_t at = 0; at < len; at += 43) {
        fake_stream_will_read(&f->fake, bytes + at, len - at < 43 ? len - at : 43);
        target_fixture_receive(f);
        if (at + 43 < len)
            assert_next(f, TARGET_NOTHING);
    }
    assert_next(f, TARGET_REPLY);
    assert_int_equal(f->event.request.seq, 1);
    assert_int_equal(f->event.reply.delta, 77);
    assert_int_equal(f->event.reply.residence, 12);
    assert_next(f, TARGET_NOTHING);
}

/* The first of several replies can be read alone, wherever the last read stopped. */
static void test_rest_of_a_reply_is_known(void **state)
{
    struct target_fixture *f = *state;
    uint8_t bytes[2 * (PROTO_REPLY_LEN + 100)];
    size_t len;

    target_fixture_greet(f);
    target_fixture_push_many(f, 2);
    assert_flushed(f, 2);
    len = target_fixture_reply(f, 0, 100, bytes);
    len += target_fixture_reply(f, 1, 100, bytes + len);
    fake_stream_will_read(&f->fake, bytes, 50);
    fake_stream_will_read(&f->fake, bytes + 50, 50);
    fake_stream_will_read(&f->fake, bytes + 100, len - 100);

    assert_int_equal(target_reply_rest(&f->target), PROTO_REPLY_LEN + 100);
    target_fixture_receive(f);
    assert_next(f, TARGET_NOTHING);
    assert_int_equal(target_reply_rest(&f->target), PROTO_REPLY_LEN + 100 - 50);
    target_fixture_receive(f);
    assert_next(f, TARGET_NOTHING);
    assert_int_equal(target_reply_rest(&f->target), PROTO_REPLY_LEN + 100 - 100);
    assert_int_equal(target_receive(&f->target, f->rx_buf, target_reply_rest(&f->target), &f->rx),
                     0);
    assert_next(f, TARGET_REPLY);
    assert_int_equal(f->event.request.seq, 1);
    assert_next(f, TARGET_NOTHING);
}

/* Two replies wait in the kernel, as two packets or merged into one; the first is read alone. */
static void test_stamp_of_a_first_reply_is_its_own_if_the_next_differs(void **state)
{
    struct target_fixture *f = *state;
    uint8_t bytes[2][2 * PROTO_REPLY_LEN];

    target_fixture_greet(f);
    target_fixture_push_many(f, 4);
    assert_flushed(f, 4);
    for (size_t merged = 0; merged < 2; merged++) {
        struct fake_read *reads = f->fake.reads + f->fake.n_reads;

        (void)target_fixture_reply(f, 0, 0, bytes[merged]);
        (void)target_fixture_reply(f, 1, 0, bytes[merged] + PROTO_REPLY_LEN);
        fake_stream_will_read(&f->fake, bytes[merged], PROTO_REPLY_LEN);
        fake_stream_will_read(&f->fake, bytes[merged] + PROTO_REPLY_LEN, PROTO_REPLY_LEN);
        reads[0].info = (struct stream_rx){.stamp_real = 5, .n_queued = PROTO_REPLY_LEN};
        reads[1].info.stamp_real = merged ? 5 : 6;

        assert_int_equal(target_receive(&f->target, f->rx_buf, target_reply_rest(&f->target),
                                        &f->rx), 0);
        target_look_behind(&f->target, f->rx_buf, &f->rx);
        assert_int_equal(f->rx.info.n_queued, PROTO_REPLY_LEN - 1);
        assert_next(f, TARGET_REPLY);
        assert_int_equal(f->event.ends_stamp, !merged);
        assert_next(f, TARGET_NOTHING);
        target_fixture_receive(f);
        assert_next(f, TARGET_REPLY);
        assert_true(f->event.ends_stamp);
        assert_next(f, TARGET_NOTHING);
    }
}

/* What is read is as much as there is room for: the stamp may be that of what is left. */
static void test_stamp_of_a_full_read_is_nobodys(void **state)
{
    struct target_fixture *f = *state;
    uint8_t bytes[PROTO_REPLY_LEN];

    target_fixture_greet(f);
    target_fixture_push_many(f, 1);
    assert_flushed(f, 1);
    (void)target_fixture_reply(f, 0, 0, bytes);
    fake_stream_will_read(&f->fake, bytes, sizeof(bytes));
    f->fake.reads[f->fake.n_reads - 1].info = (struct stream_rx){.stamp_real = 5, .n_queued = 1};
    target_fixture_receive(f);
    assert_next(f, TARGET_REPLY);
    assert_false(f->event.ends_stamp);
}

static void test_native_reply_with_another_sequence_is_wrong(void **state)
{
    struct target_fixture *f = *state;
    uint8_t bytes[PROTO_REPLY_LEN];

    target_fixture_greet(f);
    target_fixture_push_many(f, 1);
    assert_flushed(f, 1);
    inflight_at(&f->target.inflight, 0)->seq++;
    (void)target_fixture_reply(f, 0, 0, bytes);
    inflight_at(&f->target.inflight, 0)->seq--;
    fake_stream_will_read(&f->fake, bytes, sizeof(bytes));
    target_fixture_receive(f);
    assert_next(f, TARGET_WRONG);
    assert_int_equal(inflight_n_sent(&f->target.inflight), 1);
}

static void test_error_frame_is_shown_in_its_words(void **state)
{
    struct target_fixture *f = *state;
    uint8_t frame[PROTO_NOTICE_MAX];
    size_t len = proto_notice_encode(frame, PROTO_ERROR, PROTO_FAULT_LONG, "too long, friend");

    target_fixture_greet(f);
    fake_stream_will_read(&f->fake, frame, 12);
    fake_stream_will_read(&f->fake, frame + 12, len - 12);
    target_fixture_receive(f);
    assert_next(f, TARGET_NOTHING);
    target_fixture_receive(f);
    assert_next(f, TARGET_REFUSED);
    assert_string_equal(f->event.text, "too long, friend");
}

/* UTF-8, which the protocol allows; what is none, and what a terminal would obey, is not shown. */
static void test_error_frame_keeps_its_alphabet(void **state)
{
    struct target_fixture *f = *state;
    uint8_t frame[PROTO_NOTICE_MAX];
    size_t len = proto_notice_encode(frame, PROTO_ERROR, PROTO_FAULT_LONG,
                                     "zu lang f\xc3\xbcr mich \xe2\x80\x93 \x1b[31m \xff");

    target_fixture_greet(f);
    fake_stream_will_read(&f->fake, frame, len);
    target_fixture_receive(f);
    assert_next(f, TARGET_REFUSED);
    assert_string_equal(f->event.text, "zu lang f\xc3\xbcr mich \xe2\x80\x93 ?[31m ?");
}

static void test_longest_notice_is_shown_in_full(void **state)
{
    struct target_fixture *f = *state;
    uint8_t frame[PROTO_NOTICE_MAX];
    char text[PROTO_TEXT_MAX + 1];
    size_t len;

    memset(text, 'x', PROTO_TEXT_MAX);
    memcpy(text + PROTO_TEXT_MAX - 2, "\xc3\xbc", sizeof("\xc3\xbc"));
    len = proto_notice_encode(frame, PROTO_ERROR, PROTO_FAULT_LONG, text);
    target_fixture_greet(f);
    fake_stream_will_read(&f->fake, frame, len);
    target_fixture_receive(f);
    assert_next(f, TARGET_REFUSED);
    assert_string_equal(f->event.text, text);
    assert_next(f, TARGET_NOTHING);
}

static void test_malformed_frame_is_broken(void **state)
{
    struct target_fixture *f = *state;

    target_fixture_greet(f);
    fake_stream_will_read(&f->fake, "\x7f\x00\x00\x00\x00\x00\x00\x00", 8);
    target_fixture_receive(f);
    assert_next(f, TARGET_BROKEN);
    assert_non_null(strstr(f->event.text, proto_fault_text(PROTO_FAULT_TYPE)));
}

#define IN(setup, test) cmocka_unit_test_setup_teardown(test, setup, target_fixture_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(target_fixture_text, test_reply_answers_its_request),
        IN(target_fixture_text, test_reply_may_come_byte_by_byte),
        IN(target_fixture_text, test_replies_may_come_together_with_line_ends),
        IN(target_fixture_text, test_uuid_may_come_back_in_capitals),
        IN(target_fixture_text, test_a_later_reply_names_those_passed_over),
        IN(target_fixture_text, test_a_reply_to_nothing_is_named_and_skipped),
        IN(target_fixture_text, test_rubbish_is_shown_as_far_as_it_prints),
        IN(target_fixture_text, test_malformed_reply_is_shown_whole),
        IN(target_fixture_text, test_error_line_is_shown_as_it_is),
        IN(target_fixture_text, test_error_line_may_end_with_the_stream),
        IN(target_fixture_text, test_error_line_without_end_is_cut),
        IN(target_fixture_text, test_end_says_if_it_cut_a_reply),
        IN(target_fixture_text, test_end_between_replies_says_nothing_more),
        IN(target_fixture_text, test_reset_while_receiving_is_told),
        IN(target_fixture_auto, test_echoed_hello_means_text_on_this_connection),
        IN(target_fixture_auto, test_error_line_after_hello_means_text_on_a_new_connection),
        IN(target_fixture_auto, test_close_after_hello_means_text_on_a_new_connection),
        IN(target_fixture_auto, test_stopping_server_is_not_asked_again_in_text),
        IN(target_fixture_native, test_native_only_refuses_an_echo),
        IN(target_fixture_auto, test_auto_says_what_it_takes_for_a_greeting),
        IN(target_fixture_native, test_payload_that_the_server_does_not_take_is_not_sent),
        IN(target_fixture_native, test_payload_that_the_server_does_not_give_is_not_asked_for),
        IN(target_fixture_native, test_native_reply_ends_with_its_padding),
        IN(target_fixture_native, test_rest_of_a_reply_is_known),
        IN(target_fixture_native, test_stamp_of_a_first_reply_is_its_own_if_the_next_differs),
        IN(target_fixture_native, test_stamp_of_a_full_read_is_nobodys),
        IN(target_fixture_native, test_native_reply_with_another_sequence_is_wrong),
        IN(target_fixture_native, test_error_frame_is_shown_in_its_words),
        IN(target_fixture_native, test_error_frame_keeps_its_alphabet),
        IN(target_fixture_native, test_longest_notice_is_shown_in_full),
        IN(target_fixture_native, test_malformed_frame_is_broken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
