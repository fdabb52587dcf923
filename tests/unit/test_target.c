/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <uuid.h>

#include "tests/support/test.h"

#include "tests/support/target_fixture.h"

/* ---- Text ---- */

static void test_text_is_ready_at_once(void **state)
{
    struct target_fixture *f = *state;

    assert_int_equal(f->target.state, TARGET_READY);
    assert_false(target_wants_send(&f->target));
}

static void test_message_is_the_uuid_and_nothing_else(void **state)
{
    struct target_fixture *f = *state;
    const struct request *q = target_fixture_push(f, TARGET_FIXTURE_START);
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
    struct target_fixture *f = *state;
    uint8_t first[UUID_SIZE];

    memcpy(first, target_fixture_push(f, TARGET_FIXTURE_START)->uuid, UUID_SIZE);
    assert_memory_not_equal(target_fixture_push(f, TARGET_FIXTURE_START)->uuid, first, UUID_SIZE);
}

static void test_no_more_are_sent_than_asked_for(void **state)
{
    struct target_fixture *f = *state;

    target_fixture_push_many(f, 5);
    assert_flushed(f, 3);
    assert_int_equal(f->fake.n_calls, 1);
    assert_false(target_wants_send(&f->target));

    fake_stream_will_read_text(&f->fake, target_fixture_text_reply(f, 0));
    target_fixture_receive(f);
    assert_next(f, TARGET_REPLY);
    assert_next(f, TARGET_NOTHING);
    assert_true(target_wants_send(&f->target));
    assert_flushed(f, 1);
    assert_int_equal(inflight_n_waiting(&f->target.inflight), 1);
}

/* Whatever the socket takes of a batch, all bytes come out once and in order. */
static void test_short_writes_lose_and_repeat_nothing(void **state)
{
    struct target_fixture *f = *state;
    char expected[3 * 37];

    target_fixture_push_many(f, 3);
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
    assert_int_equal(inflight_at(&f->target.inflight, 1)->sent, TARGET_FIXTURE_START);
    assert_int_equal(inflight_at(&f->target.inflight, 2)->sent, TARGET_FIXTURE_START + 7);
}

static void test_reset_while_sending_is_told(void **state)
{
    struct target_fixture *f = *state;

    target_fixture_push_many(f, 1);
    fake_stream_will_take(&f->fake, -EPIPE);
    assert_flushed(f, -EPIPE);
}

/* A message that was cut by the end of its connection leaves whole on the next one. */
static void test_next_connection_begins_with_whole_messages(void **state)
{
    struct target_fixture *f = *state;

    target_fixture_push_many(f, 2);
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

static void test_hello_goes_alone_and_first(void **state)
{
    struct target_fixture *f = *state;

    target_fixture_push_many(f, 1);
    assert_hello_sent(f);
    assert_false(target_wants_send(&f->target));
}

static void test_hello_may_leave_in_pieces(void **state)
{
    struct target_fixture *f = *state;

    fake_stream_will_take(&f->fake, 5);
    fake_stream_will_take(&f->fake, -EAGAIN);
    assert_flushed(f, 0);
    assert_true(target_wants_send(&f->target));
    assert_flushed(f, 0);
    assert_int_equal(f->fake.n_sent, f->config.hello_len);
    assert_memory_equal(f->fake.sent, f->config.hello, f->config.hello_len);
}

/* ---- Native ---- */

static void test_native_request_carries_sequence_and_uuid(void **state)
{
    struct target_fixture *f = *state;
    struct proto_request request;
    const struct request *q;

    target_fixture_greet(f);
    q = target_fixture_push(f, TARGET_FIXTURE_START);
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
    struct target_fixture *f = *state;

    target_fixture_greet(f);
    assert_int_equal(f->target.limit, proto_in_flight(&target_fixture_welcome, 0, 100));
    assert_true(f->target.limit > 1);
}

static void test_keepalive_is_answered_between_requests(void **state)
{
    struct target_fixture *f = *state;
    uint8_t frame[PROTO_HEADER_LEN], ack[PROTO_HEADER_LEN];

    target_fixture_greet(f);
    proto_keepalive_encode(frame, PROTO_KEEPALIVE);
    proto_keepalive_encode(ack, PROTO_KEEPALIVE_ACK);
    target_fixture_push_many(f, 1);
    fake_stream_will_take(&f->fake, 10);
    assert_flushed(f, 0);
    fake_stream_will_read(&f->fake, frame, sizeof(frame));
    target_fixture_receive(f);
    assert_next(f, TARGET_NOTHING);

    assert_flushed(f, 1);
    assert_int_equal(f->fake.n_sent, PROTO_REQUEST_LEN + PROTO_HEADER_LEN);
    assert_memory_equal(f->fake.sent + PROTO_REQUEST_LEN, ack, sizeof(ack));
}

static void test_each_keepalive_is_answered(void **state)
{
    enum { N = 5 };
    struct target_fixture *f = *state;
    uint8_t frames[N][PROTO_HEADER_LEN], ack[PROTO_HEADER_LEN];

    target_fixture_greet(f);
    proto_keepalive_encode(ack, PROTO_KEEPALIVE_ACK);
    for (int i = 0; i < N; i++)
        proto_keepalive_encode(frames[i], PROTO_KEEPALIVE);
    fake_stream_will_read(&f->fake, frames, sizeof(frames));
    target_fixture_receive(f);
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
    struct target_fixture *f = *state;
    uint8_t frame[PROTO_NOTICE_MAX], bytes[PROTO_REPLY_LEN];
    size_t len = proto_notice_encode(frame, PROTO_GOODBYE, PROTO_REASON_STOPPING, "");

    target_fixture_greet(f);
    target_fixture_push_many(f, 1);
    assert_flushed(f, 1);
    target_fixture_push_many(f, 1);
    fake_stream_will_read(&f->fake, frame, len);
    target_fixture_receive(f);
    assert_next(f, TARGET_GOODBYE);
    assert_true(f->event.is_stopping);
    assert_string_equal(f->event.text, proto_reason_text(PROTO_REASON_STOPPING));
    assert_next(f, TARGET_NOTHING);
    assert_false(target_wants_send(&f->target));

    (void)target_fixture_reply(f, 0, 0, bytes);
    fake_stream_will_read(&f->fake, bytes, sizeof(bytes));
    target_fixture_receive(f);
    assert_next(f, TARGET_REPLY);
}

/* The server may not see half a message and then something else. */
static void test_goodbye_lets_the_message_on_its_way_out_end(void **state)
{
    struct target_fixture *f = *state;
    uint8_t frame[PROTO_NOTICE_MAX];
    size_t len = proto_notice_encode(frame, PROTO_GOODBYE, PROTO_REASON_STOPPING, "");

    target_fixture_greet(f);
    target_fixture_push_many(f, 2);
    fake_stream_will_take(&f->fake, 10);
    assert_flushed(f, 0);
    fake_stream_will_read(&f->fake, frame, len);
    target_fixture_receive(f);
    assert_next(f, TARGET_GOODBYE);
    assert_true(target_wants_send(&f->target));
    assert_flushed(f, 1);
    assert_int_equal(f->fake.n_sent, PROTO_REQUEST_LEN);
    assert_false(target_wants_send(&f->target));
}

static void test_client_says_goodbye(void **state)
{
    struct target_fixture *f = *state;
    struct proto_frame frame;
    enum proto_fault fault;
    const struct proto_limits limits = {.role = PROTO_SERVER};

    target_fixture_greet(f);
    target_say_goodbye(&f->target);
    assert_true(proto_frame_peek(&limits, f->fake.sent, f->fake.n_sent, &frame, &fault) > 0);
    assert_int_equal(frame.type, PROTO_GOODBYE);
    assert_int_equal(frame.code, PROTO_REASON_DONE);
}

/* ---- The closed loop ---- */

static void test_closed_loop_is_due_when_it_leaves(void **state)
{
    struct target_fixture *f = *state;

    (void)target_fixture_push(f, TARGET_FIXTURE_START);
    f->clock.now += 50;
    assert_flushed(f, 1);
    assert_int_equal(inflight_at(&f->target.inflight, 0)->due, TARGET_FIXTURE_START + 50);

    /* What is sent again was due when it was first sent. */
    target_stop(&f->target);
    inflight_rewind(&f->target.inflight);
    target_start(&f->target, &f->stream);
    f->clock.now += 50;
    assert_flushed(f, 1);
    assert_int_equal(inflight_at(&f->target.inflight, 0)->due, TARGET_FIXTURE_START + 50);
    assert_int_equal(inflight_at(&f->target.inflight, 0)->sent, TARGET_FIXTURE_START + 100);
}

#define IN(setup, test) cmocka_unit_test_setup_teardown(test, setup, target_fixture_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(target_fixture_text, test_text_is_ready_at_once),
        IN(target_fixture_text, test_message_is_the_uuid_and_nothing_else),
        IN(target_fixture_text, test_uuids_differ),
        IN(target_fixture_text, test_no_more_are_sent_than_asked_for),
        IN(target_fixture_text, test_short_writes_lose_and_repeat_nothing),
        IN(target_fixture_text, test_reset_while_sending_is_told),
        IN(target_fixture_text, test_next_connection_begins_with_whole_messages),
        IN(target_fixture_auto, test_hello_goes_alone_and_first),
        IN(target_fixture_auto, test_hello_may_leave_in_pieces),
        IN(target_fixture_native, test_native_request_carries_sequence_and_uuid),
        IN(target_fixture_native, test_native_holds_as_many_as_the_server_has_room_for),
        IN(target_fixture_native, test_keepalive_is_answered_between_requests),
        IN(target_fixture_native, test_each_keepalive_is_answered),
        IN(target_fixture_native, test_goodbye_stops_sending_but_not_receiving),
        IN(target_fixture_native, test_goodbye_lets_the_message_on_its_way_out_end),
        IN(target_fixture_native, test_client_says_goodbye),
        IN(target_fixture_closed, test_closed_loop_is_due_when_it_leaves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
