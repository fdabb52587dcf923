/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid.h>

#include "tests/support/test.h"

#include "client/target.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_stream.h"

#define START ((nsec_t)1000000)

struct fixture {
    struct fake_clock clock;
    struct clock_src clock_src;
    struct fake_stream fake;
    struct stream stream;
    struct options options;
    struct target_config config;
    struct target target;
    struct target_rx rx;
    struct target_event event;
    uint8_t tx[TARGET_TX_SIZE];
    uint8_t rx_buf[TARGET_RX_SIZE];
    uint64_t n_pushed;
    char texts[8][160];             /* replies, whose bytes the fake stream borrows */
    size_t n_texts;
};

static struct fixture *make(void **state, const struct options *options)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->clock.now = START;
    f->clock_src = fake_clock_src(&f->clock);
    f->stream = fake_stream_start(&f->fake);
    f->options = *options;
    target_config_init(&f->config, &f->clock_src, &f->options);
    assert_int_equal(target_init(&f->target, &f->config), 0);
    target_start(&f->target, &f->stream);
    *state = f;
    return f;
}

static int setup_text(void **state)
{
    (void)make(state, &(struct options){.protocol = PROTOCOL_TEXT, .arrivals = ARRIVALS_FIXED,
                                        .in_flight = 3});
    return 0;
}

static int setup_auto(void **state)
{
    (void)make(state, &(struct options){.protocol = PROTOCOL_AUTO, .arrivals = ARRIVALS_FIXED});
    return 0;
}

static int setup_native(void **state)
{
    (void)make(state, &(struct options){.protocol = PROTOCOL_NATIVE, .arrivals = ARRIVALS_FIXED,
                                        .reply_size = 100});
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    target_deinit(&f->target);
    free(f);
    return 0;
}

/* ---- Steps ---- */

static struct request *push(struct fixture *f, nsec_t due)
{
    struct request *q;

    assert_int_equal(target_push(&f->target, due, ++f->n_pushed, &q), 0);
    return q;
}

static void push_many(struct fixture *f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)push(f, START);
}

static void assert_flushed(struct fixture *f, ssize_t n)
{
    assert_int_equal(target_flush(&f->target, f->tx), n);
}

static void receive(struct fixture *f)
{
    assert_int_equal(target_receive(&f->target, f->rx_buf, 0, &f->rx), 0);
}

static void assert_next(struct fixture *f, enum target_event_kind kind)
{
    assert_int_equal(target_next(&f->target, &f->rx, &f->event), kind);
    assert_int_equal(f->event.kind, kind);
}

/* The reply to the i-th of those sent, as text. */
static const char *text_reply(struct fixture *f, size_t i)
{
    char *text = f->texts[f->n_texts++];
    char uuid[37];

    uuid_unparse_lower(inflight_at(&f->target.inflight, i)->uuid, uuid);
    (void)snprintf(text, sizeof(f->texts[0]), "UUID: %s received after 1.500000 seconds", uuid);
    return text;
}

/* ---- Text ---- */

static void test_text_is_ready_at_once(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(f->target.state, TARGET_READY);
    assert_false(target_wants_send(&f->target));
}

static void test_message_is_the_uuid_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    const struct request *q = push(f, START);
    char uuid[37];

    uuid_unparse_lower(q->uuid, uuid);
    assert_flushed(f, 1);
    assert_int_equal(f->fake.n_sent, 36);
    assert_memory_equal(f->fake.sent, uuid, 36);
    assert_int_equal(uuid[14], '4');            /* RFC 9562: version 4, variant 10 */
    assert_non_null(strchr("89ab", uuid[19]));
}

static void test_uuids_differ(void **state)
{
    struct fixture *f = *state;
    uint8_t first[UUID_SIZE];

    memcpy(first, push(f, START)->uuid, UUID_SIZE);
    assert_memory_not_equal(push(f, START)->uuid, first, UUID_SIZE);
}

static void test_reply_answers_its_request(void **state)
{
    struct fixture *f = *state;

    (void)push(f, START - 5);
    assert_flushed(f, 1);
    fake_stream_will_read_text(&f->fake, text_reply(f, 0));
    receive(f);
    assert_next(f, TARGET_REPLY);
    assert_int_equal(f->event.request.seq, 1);
    assert_int_equal(f->event.request.due, START - 5);
    assert_int_equal(f->event.request.sent, START);
    assert_int_equal(f->event.reply.delta, 1500 * NSEC_PER_MSEC);
    assert_true(f->event.ends_stamp);
    assert_next(f, TARGET_NOTHING);
    assert_int_equal(inflight_n_sent(&f->target.inflight), 0);
}

static void test_no_more_are_sent_than_asked_for(void **state)
{
    struct fixture *f = *state;

    push_many(f, 5);
    assert_flushed(f, 3);
    assert_int_equal(f->fake.n_calls, 1);
    assert_false(target_wants_send(&f->target));

    fake_stream_will_read_text(&f->fake, text_reply(f, 0));
    receive(f);
    assert_next(f, TARGET_REPLY);
    assert_next(f, TARGET_NOTHING);
    assert_true(target_wants_send(&f->target));
    assert_flushed(f, 1);
    assert_int_equal(inflight_n_waiting(&f->target.inflight), 1);
}

/* Whatever the socket takes of a batch, all bytes come out once and in order. */
static void test_short_writes_lose_and_repeat_nothing(void **state)
{
    struct fixture *f = *state;
    char expected[3 * 37];

    push_many(f, 3);
    for (size_t i = 0; i < 3; i++)
        uuid_unparse_lower(inflight_at(&f->target.inflight, i)->uuid, expected + i * 36);

    fake_stream_will_take(&f->fake, 50);
    assert_flushed(f, 1);
    assert_true(target_wants_send(&f->target));
    f->clock.now += 7;
    fake_stream_will_take(&f->fake, 3);
    assert_flushed(f, 0);
    fake_stream_will_take(&f->fake, -EAGAIN);
    assert_flushed(f, 0);
    fake_stream_will_take(&f->fake, 19);
    assert_flushed(f, 1);
    assert_flushed(f, 1);
    assert_int_equal(f->fake.n_sent, 3 * 36);
    assert_memory_equal(f->fake.sent, expected, 3 * 36);

    /* The second began with the first, the third seven nanoseconds later. */
    assert_int_equal(inflight_at(&f->target.inflight, 1)->sent, START);
    assert_int_equal(inflight_at(&f->target.inflight, 2)->sent, START + 7);
}

static void test_reset_while_sending_is_told(void **state)
{
    struct fixture *f = *state;

    push_many(f, 1);
    fake_stream_will_take(&f->fake, -EPIPE);
    assert_flushed(f, -EPIPE);
}

static void test_reply_may_come_byte_by_byte(void **state)
{
    struct fixture *f = *state;
    const char *text;

    push_many(f, 1);
    assert_flushed(f, 1);
    text = text_reply(f, 0);
    for (size_t i = 0; i + 1 < strlen(text) && i < FAKE_STREAM_STEPS_MAX - 8; i++) {
        fake_stream_will_read(&f->fake, text + i, 1);
        receive(f);
        assert_next(f, TARGET_NOTHING);
    }
    fake_stream_will_read_text(&f->fake, text + FAKE_STREAM_STEPS_MAX - 8);
    receive(f);
    assert_next(f, TARGET_REPLY);
}

static void test_replies_may_come_together_with_line_ends(void **state)
{
    struct fixture *f = *state;

    push_many(f, 2);
    assert_flushed(f, 2);
    fake_stream_will_read_text(&f->fake, text_reply(f, 0));
    fake_stream_will_read_text(&f->fake, "\r\n");
    fake_stream_will_read_text(&f->fake, text_reply(f, 1));
    receive(f);
    assert_next(f, TARGET_REPLY);
    assert_next(f, TARGET_NOTHING);
    receive(f);
    assert_next(f, TARGET_NOTHING);
    receive(f);
    assert_next(f, TARGET_REPLY);
    assert_int_equal(f->event.request.seq, 2);
}

static void test_uuid_may_come_back_in_capitals(void **state)
{
    struct fixture *f = *state;
    char *text;

    push_many(f, 1);
    assert_flushed(f, 1);
    text = (char *)(uintptr_t)text_reply(f, 0);
    for (char *p = text + strlen("UUID: "); *p != ' '; p++) {
        if (*p >= 'a')
            *p = (char)(*p - 'a' + 'A');
    }
    fake_stream_will_read_text(&f->fake, text);
    receive(f);
    assert_next(f, TARGET_REPLY);
}

static void test_a_later_reply_names_those_passed_over(void **state)
{
    struct fixture *f = *state;

    push_many(f, 3);
    assert_flushed(f, 3);
    fake_stream_will_read_text(&f->fake, text_reply(f, 2));
    receive(f);
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
    struct fixture *f = *state;
    const char *wrong =
        "UUID: 00000000-0000-4000-8000-000000000000 received after 0.000001 seconds";

    push_many(f, 1);
    assert_flushed(f, 1);
    fake_stream_will_read_text(&f->fake, wrong);
    fake_stream_will_read_text(&f->fake, text_reply(f, 0));
    receive(f);
    assert_next(f, TARGET_WRONG);
    assert_string_equal(f->event.text, "00000000-0000-4000-8000-000000000000");
    assert_next(f, TARGET_NOTHING);
    receive(f);
    assert_next(f, TARGET_REPLY);
}

static void test_rubbish_is_shown_as_far_as_it_prints(void **state)
{
    struct fixture *f = *state;

    fake_stream_will_read_text(&f->fake, "what \x01 is this");
    receive(f);
    assert_next(f, TARGET_BROKEN);
    assert_non_null(strstr(f->event.text, "got 'what . is this'"));
}

static void test_error_line_is_shown_as_it_is(void **state)
{
    struct fixture *f = *state;

    fake_stream_will_read_text(&f->fake, "ERROR: expected ");
    fake_stream_will_read_text(&f->fake, "something else\r\n");
    receive(f);
    assert_next(f, TARGET_NOTHING);
    receive(f);
    assert_next(f, TARGET_REFUSED);
    assert_string_equal(f->event.text, "ERROR: expected something else");
    assert_false(f->event.is_stopping);
}

static void test_error_line_may_end_with_the_stream(void **state)
{
    struct fixture *f = *state;

    fake_stream_will_read_text(&f->fake, "ERROR: the server is stopping");
    fake_stream_will_end(&f->fake);
    receive(f);
    assert_next(f, TARGET_NOTHING);
    receive(f);
    assert_next(f, TARGET_REFUSED);
    assert_string_equal(f->event.text, "ERROR: the server is stopping");
    assert_true(f->event.is_stopping);
}

static void test_error_line_without_end_is_cut(void **state)
{
    struct fixture *f = *state;
    static char line[TARGET_CARRY_SIZE + 100];

    memset(line, 'x', sizeof(line));
    memcpy(line, "ERROR: ", 7);
    fake_stream_will_read(&f->fake, line, sizeof(line));
    receive(f);
    assert_next(f, TARGET_REFUSED);
    assert_int_equal(strlen(f->event.text), TARGET_TEXT_SIZE - 1);
}

static void test_end_says_if_it_cut_a_reply(void **state)
{
    struct fixture *f = *state;

    fake_stream_will_read_text(&f->fake, "UUID: ");
    fake_stream_will_end(&f->fake);
    receive(f);
    assert_next(f, TARGET_NOTHING);
    receive(f);
    assert_next(f, TARGET_ENDED);
    assert_string_equal(f->event.text, "in the middle of a reply");
}

static void test_end_between_replies_says_nothing_more(void **state)
{
    struct fixture *f = *state;

    fake_stream_will_end(&f->fake);
    receive(f);
    assert_next(f, TARGET_ENDED);
    assert_string_equal(f->event.text, "");
}

static void test_reset_while_receiving_is_told(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(target_receive(&f->target, f->rx_buf, 0, &f->rx), -EAGAIN);
    fake_stream_will_fail(&f->fake, -ECONNRESET);
    assert_int_equal(target_receive(&f->target, f->rx_buf, 0, &f->rx), -ECONNRESET);
}

/* A message that was cut by the end of its connection leaves whole on the next one. */
static void test_next_connection_begins_with_whole_messages(void **state)
{
    struct fixture *f = *state;

    push_many(f, 2);
    fake_stream_will_take(&f->fake, 40);
    assert_flushed(f, 1);
    target_stop(&f->target);
    inflight_rewind(&f->target.inflight);
    assert_false(target_wants_send(&f->target));

    fake_stream_clear_sent(&f->fake);
    target_start(&f->target, &f->stream);
    assert_flushed(f, 2);
    assert_int_equal(f->fake.n_sent, 2 * 36);
    assert_true(inflight_at(&f->target.inflight, 0)->resent);
    assert_false(inflight_at(&f->target.inflight, 1)->resent);
}

/* ---- The greeting ---- */

static void assert_hello_sent(struct fixture *f)
{
    assert_flushed(f, 0);
    assert_int_equal(f->fake.n_calls, 1);
    assert_int_equal(f->fake.n_sent, f->config.hello_len);
    assert_memory_equal(f->fake.sent, f->config.hello, f->config.hello_len);
    fake_stream_clear_sent(&f->fake);
}

static void test_hello_goes_alone_and_first(void **state)
{
    struct fixture *f = *state;

    push_many(f, 1);
    assert_hello_sent(f);
    assert_false(target_wants_send(&f->target));
}

static void test_hello_may_leave_in_pieces(void **state)
{
    struct fixture *f = *state;

    fake_stream_will_take(&f->fake, 5);
    fake_stream_will_take(&f->fake, -EAGAIN);
    assert_flushed(f, 0);
    assert_true(target_wants_send(&f->target));
    assert_flushed(f, 0);
    assert_int_equal(f->fake.n_sent, f->config.hello_len);
    assert_memory_equal(f->fake.sent, f->config.hello, f->config.hello_len);
}

static void test_echoed_hello_means_text_on_this_connection(void **state)
{
    struct fixture *f = *state;
    char echo[PROTO_HELLO_MAX + 64];

    assert_hello_sent(f);
    (void)snprintf(echo, sizeof(echo), "UUID: %.*s received after 0.000123 seconds",
                   (int)f->config.hello_len, f->config.hello);
    fake_stream_will_read(&f->fake, echo, 20);
    fake_stream_will_read_text(&f->fake, echo + 20);
    receive(f);
    assert_next(f, TARGET_NOTHING);
    receive(f);
    assert_next(f, TARGET_GREETED);
    assert_false(f->target.native);
    assert_int_equal(f->target.limit, 1);       /* the original may take one recv for a message */
    push_many(f, 2);
    assert_flushed(f, 1);
    assert_int_equal(f->fake.n_sent, 36);
}

static void test_error_line_after_hello_means_text_on_a_new_connection(void **state)
{
    struct fixture *f = *state;

    assert_hello_sent(f);
    fake_stream_will_read_text(&f->fake, "ERROR: expected a UUID\n");
    receive(f);
    assert_next(f, TARGET_TRY_TEXT);
}

static void test_close_after_hello_means_text_on_a_new_connection(void **state)
{
    struct fixture *f = *state;

    assert_hello_sent(f);
    fake_stream_will_end(&f->fake);
    receive(f);
    assert_next(f, TARGET_TRY_TEXT);
}

static void test_stopping_server_is_not_asked_again_in_text(void **state)
{
    struct fixture *f = *state;

    assert_hello_sent(f);
    fake_stream_will_read_text(&f->fake, "ERROR: the server is stopping\n");
    receive(f);
    assert_next(f, TARGET_REFUSED);
    assert_true(f->event.is_stopping);
}

static void test_native_only_refuses_an_echo(void **state)
{
    struct fixture *f = *state;
    char echo[PROTO_HELLO_MAX + 64];

    (void)snprintf(echo, sizeof(echo), "UUID: %.*s received after 0.000123 seconds",
                   (int)f->config.hello_len, f->config.hello);
    fake_stream_will_read_text(&f->fake, echo);
    receive(f);
    assert_next(f, TARGET_BROKEN);
}

/* ---- Native ---- */

static const struct proto_welcome welcome = {
    .version = 1, .max_request_padding = 65536, .max_reply_padding = 65536, .rx_buffer = 65536,
    .tx_buffer = 65536, .idle_timeout_ms = 300000, .message_timeout_ms = 10000,
};

static void greet(struct fixture *f)
{
    static char line[PROTO_WELCOME_MAX];
    size_t len = proto_welcome_encode(line, &welcome);

    assert_hello_sent(f);
    fake_stream_will_read(&f->fake, line, len / 2);
    fake_stream_will_read(&f->fake, line + len / 2, len - len / 2);
    receive(f);
    assert_next(f, TARGET_NOTHING);
    receive(f);
    assert_next(f, TARGET_GREETED);
    assert_next(f, TARGET_NOTHING);
    assert_true(f->target.native);
}

/* The reply to the i-th of those sent, with @padding bytes behind it; the bytes are borrowed until
 * the next one is made. */
static size_t native_reply(struct fixture *f, size_t i, uint32_t padding, uint8_t *ret)
{
    const struct request *q = inflight_at(&f->target.inflight, i);
    struct proto_reply reply = {.seq = q->seq, .padding = padding, .delta = 77, .arrival = 1000,
                                .arrival_real = 5000, .residence = 12};

    memcpy(reply.uuid, q->uuid, UUID_SIZE);
    proto_reply_encode(ret, &reply);
    memset(ret + PROTO_REPLY_LEN, 0, padding);
    return PROTO_REPLY_LEN + padding;
}

static void test_native_request_carries_sequence_and_uuid(void **state)
{
    struct fixture *f = *state;
    struct proto_request request;
    const struct request *q;

    greet(f);
    q = push(f, START);
    assert_flushed(f, 1);
    assert_int_equal(f->fake.n_sent, PROTO_REQUEST_LEN);
    proto_request_decode(f->fake.sent, &request);
    assert_int_equal(request.seq, q->seq);
    assert_memory_equal(request.uuid, q->uuid, UUID_SIZE);
    assert_int_equal(request.padding, 0);
    assert_int_equal(request.reply_padding, 100);
}

static void test_native_holds_as_many_as_the_server_has_room_for(void **state)
{
    struct fixture *f = *state;

    greet(f);
    assert_int_equal(f->target.limit, proto_in_flight(&welcome, 0, 100));
    assert_true(f->target.limit > 1);
}

/* The reply counts when its last byte of padding is in, however it is cut. */
static void test_native_reply_ends_with_its_padding(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[PROTO_REPLY_LEN + 100];
    size_t len;

    greet(f);
    push_many(f, 1);
    assert_flushed(f, 1);
    len = native_reply(f, 0, 100, bytes);
    for (size_t at = 0; at < len; at += 43) {
        fake_stream_will_read(&f->fake, bytes + at, len - at < 43 ? len - at : 43);
        receive(f);
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
    struct fixture *f = *state;
    uint8_t bytes[2 * (PROTO_REPLY_LEN + 100)];
    size_t len;

    greet(f);
    push_many(f, 2);
    assert_flushed(f, 2);
    len = native_reply(f, 0, 100, bytes);
    len += native_reply(f, 1, 100, bytes + len);
    fake_stream_will_read(&f->fake, bytes, 50);
    fake_stream_will_read(&f->fake, bytes + 50, 50);
    fake_stream_will_read(&f->fake, bytes + 100, len - 100);

    assert_int_equal(target_reply_rest(&f->target), PROTO_REPLY_LEN + 100);
    receive(f);
    assert_next(f, TARGET_NOTHING);
    assert_int_equal(target_reply_rest(&f->target), PROTO_REPLY_LEN + 100 - 50);
    receive(f);
    assert_next(f, TARGET_NOTHING);
    assert_int_equal(target_reply_rest(&f->target), PROTO_REPLY_LEN + 100 - 100);
    assert_int_equal(target_receive(&f->target, f->rx_buf, target_reply_rest(&f->target), &f->rx),
                     0);
    assert_next(f, TARGET_REPLY);
    assert_int_equal(f->event.request.seq, 1);
    assert_next(f, TARGET_NOTHING);
}

/* Two replies wait in the kernel, as two packets or merged into one; the first is read alone. */
static void test_stamp_of_a_first_reply_is_its_own_if_the_next_byte_has_another(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[2][2 * PROTO_REPLY_LEN];

    greet(f);
    push_many(f, 4);
    assert_flushed(f, 4);
    for (size_t merged = 0; merged < 2; merged++) {
        struct fake_read *reads = f->fake.reads + f->fake.n_reads;

        (void)native_reply(f, 0, 0, bytes[merged]);
        (void)native_reply(f, 1, 0, bytes[merged] + PROTO_REPLY_LEN);
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
        receive(f);
        assert_next(f, TARGET_REPLY);
        assert_true(f->event.ends_stamp);
        assert_next(f, TARGET_NOTHING);
    }
}

/* What is read is as much as there is room for: the stamp may be that of what is left. */
static void test_stamp_of_a_full_read_is_nobodys(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[PROTO_REPLY_LEN];

    greet(f);
    push_many(f, 1);
    assert_flushed(f, 1);
    (void)native_reply(f, 0, 0, bytes);
    fake_stream_will_read(&f->fake, bytes, sizeof(bytes));
    f->fake.reads[f->fake.n_reads - 1].info = (struct stream_rx){.stamp_real = 5, .n_queued = 1};
    receive(f);
    assert_next(f, TARGET_REPLY);
    assert_false(f->event.ends_stamp);
}

static void test_native_reply_with_another_sequence_is_wrong(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[PROTO_REPLY_LEN];

    greet(f);
    push_many(f, 1);
    assert_flushed(f, 1);
    inflight_at(&f->target.inflight, 0)->seq++;
    (void)native_reply(f, 0, 0, bytes);
    inflight_at(&f->target.inflight, 0)->seq--;
    fake_stream_will_read(&f->fake, bytes, sizeof(bytes));
    receive(f);
    assert_next(f, TARGET_WRONG);
    assert_int_equal(inflight_n_sent(&f->target.inflight), 1);
}

static void test_keepalive_is_answered_between_requests(void **state)
{
    struct fixture *f = *state;
    uint8_t frame[PROTO_HEADER_LEN], ack[PROTO_HEADER_LEN];

    greet(f);
    proto_keepalive_encode(frame, PROTO_KEEPALIVE);
    proto_keepalive_encode(ack, PROTO_KEEPALIVE_ACK);
    push_many(f, 1);
    fake_stream_will_take(&f->fake, 10);
    assert_flushed(f, 0);
    fake_stream_will_read(&f->fake, frame, sizeof(frame));
    receive(f);
    assert_next(f, TARGET_NOTHING);

    assert_flushed(f, 1);
    assert_int_equal(f->fake.n_sent, PROTO_REQUEST_LEN + PROTO_HEADER_LEN);
    assert_memory_equal(f->fake.sent + PROTO_REQUEST_LEN, ack, sizeof(ack));
}

static void test_each_keepalive_is_answered(void **state)
{
    enum { N = 5 };
    struct fixture *f = *state;
    uint8_t frames[N][PROTO_HEADER_LEN], ack[PROTO_HEADER_LEN];

    greet(f);
    proto_keepalive_encode(ack, PROTO_KEEPALIVE_ACK);
    for (int i = 0; i < N; i++)
        proto_keepalive_encode(frames[i], PROTO_KEEPALIVE);
    fake_stream_will_read(&f->fake, frames, sizeof(frames));
    receive(f);
    assert_next(f, TARGET_NOTHING);

    fake_stream_will_take(&f->fake, 3);
    assert_flushed(f, 0);
    assert_int_equal(f->fake.n_sent, sizeof(frames));
    for (int i = 0; i < N; i++)
        assert_memory_equal(f->fake.sent + i * PROTO_HEADER_LEN, ack, sizeof(ack));
    assert_false(target_wants_send(&f->target));
}

static void test_goodbye_stops_sending_but_not_receiving(void **state)
{
    struct fixture *f = *state;
    uint8_t frame[PROTO_NOTICE_MAX], bytes[PROTO_REPLY_LEN];
    size_t len = proto_notice_encode(frame, PROTO_GOODBYE, PROTO_REASON_STOPPING, "");

    greet(f);
    push_many(f, 1);
    assert_flushed(f, 1);
    push_many(f, 1);
    fake_stream_will_read(&f->fake, frame, len);
    receive(f);
    assert_next(f, TARGET_GOODBYE);
    assert_true(f->event.is_stopping);
    assert_string_equal(f->event.text, proto_reason_text(PROTO_REASON_STOPPING));
    assert_next(f, TARGET_NOTHING);
    assert_false(target_wants_send(&f->target));

    (void)native_reply(f, 0, 0, bytes);
    fake_stream_will_read(&f->fake, bytes, sizeof(bytes));
    receive(f);
    assert_next(f, TARGET_REPLY);
}

/* The server may not see half a message and then something else. */
static void test_goodbye_lets_the_message_on_its_way_out_end(void **state)
{
    struct fixture *f = *state;
    uint8_t frame[PROTO_NOTICE_MAX];
    size_t len = proto_notice_encode(frame, PROTO_GOODBYE, PROTO_REASON_STOPPING, "");

    greet(f);
    push_many(f, 2);
    fake_stream_will_take(&f->fake, 10);
    assert_flushed(f, 0);
    fake_stream_will_read(&f->fake, frame, len);
    receive(f);
    assert_next(f, TARGET_GOODBYE);
    assert_true(target_wants_send(&f->target));
    assert_flushed(f, 1);
    assert_int_equal(f->fake.n_sent, PROTO_REQUEST_LEN);
    assert_false(target_wants_send(&f->target));
}

static void test_error_frame_is_shown_in_its_words(void **state)
{
    struct fixture *f = *state;
    uint8_t frame[PROTO_NOTICE_MAX];
    size_t len = proto_notice_encode(frame, PROTO_ERROR, PROTO_FAULT_LONG, "too long, friend");

    greet(f);
    fake_stream_will_read(&f->fake, frame, 12);
    fake_stream_will_read(&f->fake, frame + 12, len - 12);
    receive(f);
    assert_next(f, TARGET_NOTHING);
    receive(f);
    assert_next(f, TARGET_REFUSED);
    assert_string_equal(f->event.text, "too long, friend");
}

/* UTF-8, which the protocol allows; what is none, and what a terminal would obey, is not shown. */
static void test_error_frame_keeps_its_alphabet(void **state)
{
    struct fixture *f = *state;
    uint8_t frame[PROTO_NOTICE_MAX];
    size_t len = proto_notice_encode(frame, PROTO_ERROR, PROTO_FAULT_LONG,
                                     "zu lang f\xc3\xbcr mich \xe2\x80\x93 \x1b[31m \xff");

    greet(f);
    fake_stream_will_read(&f->fake, frame, len);
    receive(f);
    assert_next(f, TARGET_REFUSED);
    assert_string_equal(f->event.text, "zu lang f\xc3\xbcr mich \xe2\x80\x93 ?[31m ?");
}

static void test_longest_notice_is_shown_in_full(void **state)
{
    struct fixture *f = *state;
    uint8_t frame[PROTO_NOTICE_MAX];
    char text[PROTO_TEXT_MAX + 1];
    size_t len;

    memset(text, 'x', PROTO_TEXT_MAX);
    memcpy(text + PROTO_TEXT_MAX - 2, "\xc3\xbc", sizeof("\xc3\xbc"));
    len = proto_notice_encode(frame, PROTO_ERROR, PROTO_FAULT_LONG, text);
    greet(f);
    fake_stream_will_read(&f->fake, frame, len);
    receive(f);
    assert_next(f, TARGET_REFUSED);
    assert_string_equal(f->event.text, text);
    assert_next(f, TARGET_NOTHING);
}

static void test_malformed_frame_is_broken(void **state)
{
    struct fixture *f = *state;

    greet(f);
    fake_stream_will_read(&f->fake, "\x7f\x00\x00\x00\x00\x00\x00\x00", 8);
    receive(f);
    assert_next(f, TARGET_BROKEN);
    assert_non_null(strstr(f->event.text, proto_fault_text(PROTO_FAULT_TYPE)));
}

static void test_client_says_goodbye(void **state)
{
    struct fixture *f = *state;
    struct proto_frame frame;
    enum proto_fault fault;
    const struct proto_limits limits = {.role = PROTO_SERVER};

    greet(f);
    target_say_goodbye(&f->target);
    assert_true(proto_frame_peek(&limits, f->fake.sent, f->fake.n_sent, &frame, &fault) > 0);
    assert_int_equal(frame.type, PROTO_GOODBYE);
    assert_int_equal(frame.code, PROTO_REASON_DONE);
}

/* ---- The closed loop ---- */

static int setup_closed(void **state)
{
    (void)make(state, &(struct options){.protocol = PROTOCOL_TEXT, .arrivals = ARRIVALS_CLOSED});
    return 0;
}

static void test_closed_loop_is_due_when_it_leaves(void **state)
{
    struct fixture *f = *state;

    (void)push(f, START);
    f->clock.now += 50;
    assert_flushed(f, 1);
    assert_int_equal(inflight_at(&f->target.inflight, 0)->due, START + 50);

    /* What is sent again was due when it was first sent. */
    target_stop(&f->target);
    inflight_rewind(&f->target.inflight);
    target_start(&f->target, &f->stream);
    f->clock.now += 50;
    assert_flushed(f, 1);
    assert_int_equal(inflight_at(&f->target.inflight, 0)->due, START + 50);
    assert_int_equal(inflight_at(&f->target.inflight, 0)->sent, START + 100);
}

#define IN(setup, test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(setup_text, test_text_is_ready_at_once),
        IN(setup_text, test_message_is_the_uuid_and_nothing_else),
        IN(setup_text, test_uuids_differ),
        IN(setup_text, test_reply_answers_its_request),
        IN(setup_text, test_no_more_are_sent_than_asked_for),
        IN(setup_text, test_short_writes_lose_and_repeat_nothing),
        IN(setup_text, test_reset_while_sending_is_told),
        IN(setup_text, test_reply_may_come_byte_by_byte),
        IN(setup_text, test_replies_may_come_together_with_line_ends),
        IN(setup_text, test_uuid_may_come_back_in_capitals),
        IN(setup_text, test_a_later_reply_names_those_passed_over),
        IN(setup_text, test_a_reply_to_nothing_is_named_and_skipped),
        IN(setup_text, test_rubbish_is_shown_as_far_as_it_prints),
        IN(setup_text, test_error_line_is_shown_as_it_is),
        IN(setup_text, test_error_line_may_end_with_the_stream),
        IN(setup_text, test_error_line_without_end_is_cut),
        IN(setup_text, test_end_says_if_it_cut_a_reply),
        IN(setup_text, test_end_between_replies_says_nothing_more),
        IN(setup_text, test_reset_while_receiving_is_told),
        IN(setup_text, test_next_connection_begins_with_whole_messages),
        IN(setup_auto, test_hello_goes_alone_and_first),
        IN(setup_auto, test_hello_may_leave_in_pieces),
        IN(setup_auto, test_echoed_hello_means_text_on_this_connection),
        IN(setup_auto, test_error_line_after_hello_means_text_on_a_new_connection),
        IN(setup_auto, test_close_after_hello_means_text_on_a_new_connection),
        IN(setup_auto, test_stopping_server_is_not_asked_again_in_text),
        IN(setup_native, test_native_only_refuses_an_echo),
        IN(setup_native, test_native_request_carries_sequence_and_uuid),
        IN(setup_native, test_native_holds_as_many_as_the_server_has_room_for),
        IN(setup_native, test_native_reply_ends_with_its_padding),
        IN(setup_native, test_rest_of_a_reply_is_known),
        IN(setup_native, test_stamp_of_a_first_reply_is_its_own_if_the_next_byte_has_another),
        IN(setup_native, test_stamp_of_a_full_read_is_nobodys),
        IN(setup_native, test_native_reply_with_another_sequence_is_wrong),
        IN(setup_native, test_keepalive_is_answered_between_requests),
        IN(setup_native, test_each_keepalive_is_answered),
        IN(setup_native, test_goodbye_stops_sending_but_not_receiving),
        IN(setup_native, test_goodbye_lets_the_message_on_its_way_out_end),
        IN(setup_native, test_error_frame_is_shown_in_its_words),
        IN(setup_native, test_error_frame_keeps_its_alphabet),
        IN(setup_native, test_longest_notice_is_shown_in_full),
        IN(setup_native, test_malformed_frame_is_broken),
        IN(setup_native, test_client_says_goodbye),
        IN(setup_closed, test_closed_loop_is_due_when_it_leaves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
