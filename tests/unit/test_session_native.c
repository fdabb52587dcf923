/* SPDX-License-Identifier: MIT */
/* A session that speaks the native protocol. */
#include <string.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "common/rng.h"
#include "tests/support/session_fixture.h"

#define SEED 47945

/* Feeds it in pieces of random lengths. */
static void feed_in_pieces(struct session_fixture *f, const char *bytes, size_t len,
                           struct rng *rng)
{
    while (len > 0) {
        size_t n = MIN(len, (size_t)(rng_next_u64(rng) % 100 + 1));

        (void)session_fixture_feed(f, bytes, n);
        bytes += n;
        len -= n;
    }
}

/* ---- the hello ---- */

#define HELLO "tcptimer-hello version=1-1;"

static size_t welcome_len(const struct session_fixture *f)
{
    const char *end = memchr(f->out, ';', f->n_out);

    assert_non_null(end);
    assert_memory_equal(f->out, "tcptimer-welcome version=1 ", 27);
    return (size_t)(end - f->out) + 1;
}

/* A native session whose welcome is not in its output. */
static void begin_native(struct session_fixture *f)
{
    session_fixture_begin(f);
    assert_int_equal(session_fixture_feed_text(f, HELLO), SESSION_OK);
    (void)welcome_len(f);
    f->n_out = 0;
}

static void test_hello_may_be_cut_anywhere(void **state)
{
    struct session_fixture *f = *state;

    for (size_t at = 1; at < strlen(HELLO); at++) {
        session_fixture_begin(f);
        assert_int_equal(session_fixture_feed(f, HELLO, at), SESSION_OK);
        assert_int_equal(f->n_out, 0);
        assert_true(session_is_amid_message(&f->session));
        assert_int_equal(session_fixture_feed_text(f, &HELLO[at]), SESSION_OK);
        assert_int_equal(welcome_len(f), f->n_out);
        assert_int_equal(f->session.speech, SESSION_NATIVE);
        assert_false(session_is_amid_message(&f->session));
    }
}

static void test_welcome_states_the_smaller_limit(void **state)
{
    struct session_fixture *f = *state;
    uint8_t request[PROTO_REQUEST_LEN];

    assert_int_equal(
        session_fixture_feed_text(f, "tcptimer-hello version=1 max-reply-padding=100;"),
        SESSION_OK);
    assert_non_null(strstr(f->out, " max-reply-padding=100 "));
    f->n_out = 0;
    proto_request_encode(request, &(struct proto_request){.reply_padding = 101});
    assert_int_equal(session_fixture_feed(f, request, sizeof(request)), SESSION_FAULT);
    assert_int_equal(f->out[0], PROTO_ERROR);
    assert_int_equal(f->out[3], PROTO_FAULT_REPLY_PADDING);
}

static void test_bad_hello_gets_an_error_line(void **state)
{
    static const char *const bad[] = {
        "tcptimer-hallo version=1;",
        "tcptimer-hello;",
        "tcptimer-hello version=;",
        "tcptimer-hello version=2-9;",
        "tcptimer-hello version=3-2;",
        "tcptimer-hello version=1 max-reply-padding=x;",
        "tcptimer-hello version=1\n;",
        "t\r\n",
        "tttttttttttttttttttttttttttttttttttttttt",
    };
    struct session_fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        session_fixture_begin(f);
        assert_int_equal(session_fixture_feed_text(f, bad[i]), SESSION_FAULT);
        assert_memory_equal(f->out, "ERROR: expected ", 16);
        assert_int_equal(f->out[f->n_out - 1], '\n');
        assert_memory_equal(f->out + 7, f->fault, strlen(f->fault));
    }
}

/* Whoever types a word that begins like a hello learns what the text protocol takes. */
static void test_what_is_no_hello_is_told_of_the_uuid_too(void **state)
{
    struct session_fixture *f = *state;

    assert_int_equal(session_fixture_feed_text(f, "test\n"), SESSION_FAULT);
    assert_string_equal(f->out, "ERROR: expected a UUID of 8-4-4-4-12 hexadecimal digits, or a "
                                "hello of the native protocol\n");
}

static void test_endless_hello_is_ended(void **state)
{
    struct session_fixture *f = *state;
    unsigned n = 0;

    (void)session_fixture_feed_text(f, "tcptimer-hello ");
    while (f->result == SESSION_OK && n < 1000) {
        (void)session_fixture_feed(f, "x ", 2);
        n++;
    }
    assert_int_equal(f->result, SESSION_FAULT);
    assert_in_range(n, 115, 125);   /* 255 bytes */
}

/* ---- requests and replies ---- */

struct parsed {
    struct proto_reply replies[64];
    unsigned n_replies;
    unsigned n_acks;
    unsigned n_goodbyes;
    unsigned fault;                 /* of an error frame */
};

/* Takes the native output apart, and checks that nothing is left over. */
static struct parsed parse(const struct session_fixture *f)
{
    struct proto_limits limits = {.role = PROTO_CLIENT, .max_reply_padding = PROTO_PADDING_MAX};
    const uint8_t *at = (const uint8_t *)f->out;
    size_t left = f->n_out;
    struct parsed p = {0};

    while (left > 0) {
        struct proto_frame frame;
        enum proto_fault fault;
        ssize_t n = proto_frame_peek(&limits, at, left, &frame, &fault);

        assert_true(n > 0);
        assert_true((size_t)n + frame.tail_len <= left);
        if (frame.type == PROTO_REPLY) {
            assert_true(p.n_replies < ARRAY_SIZE(p.replies));
            proto_reply_decode(at, &p.replies[p.n_replies++]);
        } else if (frame.type == PROTO_KEEPALIVE_ACK) {
            p.n_acks++;
        } else if (frame.type == PROTO_GOODBYE) {
            p.n_goodbyes++;
        } else if (frame.type == PROTO_ERROR) {
            p.fault = frame.code;
        } else {
            fail_msg("a frame of type %u", frame.type);
        }
        at += (size_t)n + frame.tail_len;
        left -= (size_t)n + frame.tail_len;
    }
    return p;
}

static size_t put_request(char *at, uint64_t seq, uint32_t padding, uint32_t reply_padding)
{
    struct proto_request r = {.seq = seq, .padding = padding, .reply_padding = reply_padding};

    memset(r.uuid, (int)seq + 1, sizeof(r.uuid));
    proto_request_encode((uint8_t *)at, &r);
    memset(at + PROTO_REQUEST_LEN, 0xaa, padding);
    return PROTO_REQUEST_LEN + padding;
}

static size_t put_keepalive(char *at)
{
    proto_keepalive_encode((uint8_t *)at, PROTO_KEEPALIVE);
    return PROTO_HEADER_LEN;
}

static void test_request_gets_its_reply(void **state)
{
    struct session_fixture *f = *state;
    char request[PROTO_REQUEST_LEN];
    struct parsed p;

    begin_native(f);
    f->in.arrival = ACCEPTED + 5000;
    f->in.arrival_real = 1700000000 * NSEC_PER_SEC;
    f->in.kernel_stamp = true;
    f->in.window = 77;              /* which a stamp of its own makes meaningless */
    f->departure = ACCEPTED + 5321;
    (void)session_fixture_feed(f, request, put_request(request, 42, 0, 0));
    p = parse(f);
    assert_int_equal(p.n_replies, 1);
    assert_int_equal(p.replies[0].seq, 42);
    assert_int_equal(p.replies[0].uuid[0], 43);
    assert_int_equal(p.replies[0].delta, 5000);
    assert_int_equal(p.replies[0].arrival, ACCEPTED + 5000);
    assert_int_equal(p.replies[0].arrival_real, 1700000000 * NSEC_PER_SEC);
    assert_int_equal(p.replies[0].residence, 321);
    assert_int_equal(p.replies[0].window, 0);
    assert_int_equal(p.replies[0].flags, PROTO_REPLY_KERNEL_STAMP);
}

static void test_reply_tells_whose_stamp_it_has(void **state)
{
    struct session_fixture *f = *state;
    char requests[2 * PROTO_REQUEST_LEN];
    struct parsed p;

    begin_native(f);
    f->in.arrival = ACCEPTED + 9000;
    f->in.kernel_stamp = true;
    f->in.first_arrival = ACCEPTED + 5000;
    f->in.first_nic_stamp = true;
    f->in.n_behind = PROTO_REQUEST_LEN;
    (void)put_request(requests, 1, 0, 0);
    (void)put_request(requests + PROTO_REQUEST_LEN, 2, 0, 0);
    (void)session_fixture_feed(f, requests, sizeof(requests));
    p = parse(f);
    assert_int_equal(p.n_replies, 2);
    assert_int_equal(p.replies[0].flags, PROTO_REPLY_KERNEL_STAMP | PROTO_REPLY_NIC_STAMP);
    assert_int_equal(p.replies[1].flags, PROTO_REPLY_KERNEL_STAMP);
}

static void test_reply_without_a_kernel_stamp_says_so(void **state)
{
    struct session_fixture *f = *state;
    char request[PROTO_REQUEST_LEN];

    begin_native(f);
    (void)session_fixture_feed(f, request, put_request(request, 1, 0, 0));
    assert_int_equal(parse(f).replies[0].flags, 0);
}

/* A hello and requests, padded and not, in pieces of any size: the same replies come. */
static void test_requests_may_be_cut_anywhere(void **state)
{
    struct session_fixture *f = *state;
    static char input[4096];
    size_t len = 0;
    struct rng rng;

    for (unsigned i = 0; i < 20; i++)
        len += put_request(input + len, i, i % 3 * 40, i % 4 * 25);
    for (unsigned i = 0; i < 2; i++)
        len += put_keepalive(input + len);

    rng_seed(&rng, SEED);
    for (unsigned run = 0; run < 500; run++) {
        struct parsed p;

        begin_native(f);
        feed_in_pieces(f, input, len, &rng);
        p = parse(f);
        if (p.n_replies != 20 || p.n_acks != 2)
            fail_msg("seed %d, run %u: %u replies, %u acks", SEED, run, p.n_replies, p.n_acks);
        for (unsigned i = 0; i < 20; i++) {
            assert_int_equal(p.replies[i].seq, i);
            assert_int_equal(p.replies[i].padding, i % 4 * 25);
        }
        assert_false(session_is_amid_message(&f->session));
    }
}

/* Padding both ways that is larger than the output, and than one read. */
static void test_padding_streams_through(void **state)
{
    struct session_fixture *f = *state;
    static char input[3 * (PROTO_REQUEST_LEN + PROTO_PADDING_MAX)];
    struct parsed p;
    size_t len = 0;

    for (unsigned i = 0; i < 3; i++)
        len += put_request(input + len, i, PROTO_PADDING_MAX, PROTO_PADDING_MAX);
    begin_native(f);
    f->room = SESSION_OUTPUT_MIN + 1000;
    for (size_t at = 0; at < len; at += 50000)
        assert_int_equal(session_fixture_feed(f, input + at, MIN(len - at, (size_t)50000)),
                         SESSION_OK);
    assert_true(f->n_full > 90);
    assert_int_equal(f->n_out, 3 * (PROTO_REPLY_LEN + PROTO_PADDING_MAX));
    p = parse(f);
    assert_int_equal(p.n_replies, 3);
    assert_int_equal(p.replies[2].seq, 2);
    for (size_t i = PROTO_REPLY_LEN; i < PROTO_REPLY_LEN + PROTO_PADDING_MAX; i++)
        assert_int_equal(f->out[i], 0);
}

static void test_request_arrives_with_the_last_byte_of_its_padding(void **state)
{
    struct session_fixture *f = *state;
    char request[PROTO_REQUEST_LEN + 100];
    struct parsed p;

    begin_native(f);
    (void)put_request(request, 1, 100, 0);
    (void)session_fixture_feed(f, request, PROTO_REQUEST_LEN + 99);
    assert_int_equal(f->n_out, 0);
    assert_true(session_is_amid_message(&f->session));
    f->in.arrival = ACCEPTED + NSEC_PER_SEC;
    (void)session_fixture_feed(f, request + PROTO_REQUEST_LEN + 99, 1);
    p = parse(f);
    assert_int_equal(p.replies[0].arrival, ACCEPTED + NSEC_PER_SEC);
    assert_int_equal(p.replies[0].flags & PROTO_REPLY_SHARED_STAMP, 0);
}

static void test_native_deltas_telescope_to_the_nanosecond(void **state)
{
    struct session_fixture *f = *state;
    struct rng rng;
    nsec_t latest = ACCEPTED, sum = 0;

    rng_seed(&rng, SEED);
    begin_native(f);
    for (unsigned i = 0; i < 1000; i++) {
        char request[PROTO_REQUEST_LEN];
        struct parsed p;

        f->n_out = 0;
        f->in.arrival = latest + rng_next_u64(&rng) % 2000 - 500;
        latest = MAX(latest, f->in.arrival);
        (void)session_fixture_feed(f, request, put_request(request, i, 0, 0));
        p = parse(f);
        sum += p.replies[0].delta;
        assert_int_equal(p.replies[0].arrival, latest);
        assert_int_equal(ACCEPTED + sum, latest);
    }
}

static void test_stamp_is_shared_by_all_but_the_last_of_a_read(void **state)
{
    struct session_fixture *f = *state;
    char requests[3 * PROTO_REQUEST_LEN];
    struct parsed p;
    size_t len = 0;

    for (unsigned i = 0; i < 3; i++)
        len += put_request(requests + len, i, 0, 0);
    f->in.kernel_stamp = true;
    f->in.window = 5000;
    begin_native(f);
    (void)session_fixture_feed(f, requests, len);
    p = parse(f);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(p.replies[i].flags, PROTO_REPLY_KERNEL_STAMP | PROTO_REPLY_SHARED_STAMP);
        assert_int_equal(p.replies[i].window, 5000);
    }
    assert_int_equal(p.replies[2].flags, PROTO_REPLY_KERNEL_STAMP);
    assert_int_equal(p.replies[2].window, 0);

    begin_native(f);
    f->in.more = f->in.away = true;
    (void)session_fixture_feed(f, requests, len);
    p = parse(f);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(p.replies[i].flags, PROTO_REPLY_KERNEL_STAMP | PROTO_REPLY_SHARED_STAMP |
                                                 PROTO_REPLY_SERVER_AWAY);
}

static void test_native_messages_are_handed_out_where_wanted(void **state)
{
    struct session_fixture *f = *state;
    char request[PROTO_REQUEST_LEN];

    begin_native(f);
    f->wants_messages = true;
    f->in.arrival = ACCEPTED + 1234;
    (void)session_fixture_feed(f, request, put_request(request, 9, 0, 0));
    assert_memory_equal(f->messages[0].uuid, "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a", TEXT_UUID_LEN);
    assert_int_equal(f->messages[0].delta, 1234);
}

/* ---- other frames ---- */

static void test_keepalive_is_answered_and_counts_for_no_delta(void **state)
{
    static const char keepalive[8] = {PROTO_KEEPALIVE};
    static const char ack[8] = {PROTO_KEEPALIVE_ACK};
    struct session_fixture *f = *state;
    char request[PROTO_REQUEST_LEN];

    begin_native(f);
    f->in.arrival = ACCEPTED + NSEC_PER_SEC;
    (void)session_fixture_feed(f, keepalive, sizeof(keepalive));
    assert_int_equal(f->n_out, 8);
    assert_memory_equal(f->out, ack, 8);
    (void)session_fixture_feed(f, ack, sizeof(ack));
    assert_int_equal(f->n_out, 8);
    f->in.arrival = ACCEPTED + 2 * NSEC_PER_SEC;
    (void)session_fixture_feed(f, request, put_request(request, 1, 0, 0));
    assert_int_equal(parse(f).replies[0].delta, 2 * NSEC_PER_SEC);
    assert_int_equal(f->n_messages, 1);
}

static void test_frame_that_may_be_ignored_is_skipped(void **state)
{
    static const char unknown[11] = {(char)0x80, (char)0xff, 0x12, 0x34, 0, 0, 0, 3, 1, 2, 3};
    struct session_fixture *f = *state;
    char request[PROTO_REQUEST_LEN];

    for (size_t at = 0; at <= sizeof(unknown); at++) {
        begin_native(f);
        assert_int_equal(session_fixture_feed(f, unknown, at), SESSION_OK);
        assert_int_equal(session_fixture_feed(f, unknown + at, sizeof(unknown) - at), SESSION_OK);
        assert_int_equal(f->n_out, 0);
        (void)session_fixture_feed(f, request, put_request(request, 1, 0, 0));
        assert_int_equal(parse(f).n_replies, 1);
    }
}

static void test_goodbye_is_answered_after_what_came_before(void **state)
{
    struct session_fixture *f = *state;
    char input[PROTO_REQUEST_LEN + 8];
    struct parsed p;
    size_t len = put_request(input, 1, 0, 0);

    memcpy(input + len, (char[8]){PROTO_GOODBYE, 0, 0, PROTO_REASON_DONE}, 8);
    begin_native(f);
    assert_int_equal(session_fixture_feed(f, input, sizeof(input)), SESSION_DONE);
    p = parse(f);
    assert_int_equal(p.n_replies, 1);
    assert_int_equal(p.n_goodbyes, 1);
}

static void test_error_of_the_client_ends_the_session_without_words(void **state)
{
    static const char error[8] = {PROTO_ERROR, 0, 0, PROTO_FAULT_LONG};
    struct session_fixture *f = *state;

    begin_native(f);
    assert_int_equal(session_fixture_feed(f, error, sizeof(error)), SESSION_FAULT);
    assert_int_equal(f->n_out, 0);
    assert_true(strlen(f->fault) > 0);
}

static void test_faulty_frame_is_told_after_the_replies(void **state)
{
    static const struct {
        char frame[8];
        enum proto_fault fault;
    } cases[] = {
        {{0x21}, PROTO_FAULT_TYPE},
        {{PROTO_REPLY, 0, 0, 0, 0, 0, 0, 64}, PROTO_FAULT_DIRECTION},
        {{PROTO_REQUEST, 1, 0, 0, 0, 0, 0, 28}, PROTO_FAULT_FLAG},
        {{PROTO_REQUEST, 0, 0, 0, 0, 0, 0, 27}, PROTO_FAULT_SHORT},
        {{PROTO_REQUEST, 0, 0, 0, 0, 1, 0, 29}, PROTO_FAULT_LONG},
        {{(char)0x90, 0, 0, 0, 0, 1, 0, 65}, PROTO_FAULT_LONG},
    };
    struct session_fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char input[PROTO_REQUEST_LEN + 8];
        size_t len = put_request(input, 1, 0, 0);
        struct parsed p;

        memcpy(input + len, cases[i].frame, 8);
        begin_native(f);
        assert_int_equal(session_fixture_feed(f, input, sizeof(input)), SESSION_FAULT);
        p = parse(f);
        assert_int_equal(p.n_replies, 1);
        assert_int_equal(p.fault, cases[i].fault);
    }
}

/* ---- parting ---- */

static void test_native_peer_is_told_once_and_even_amid_its_message(void **state)
{
    struct session_fixture *f = *state;
    char request[PROTO_REQUEST_LEN];

    begin_native(f);
    (void)put_request(request, 1, 0, 0);
    (void)session_fixture_feed(f, request, 20);
    (void)session_fixture_part(f, PROTO_REASON_MESSAGE_TIMEOUT, "not for it");
    assert_int_equal(parse(f).n_goodbyes, 1);
    assert_int_equal(f->out[3], PROTO_REASON_MESSAGE_TIMEOUT);
    assert_int_equal(session_fixture_part(f, PROTO_REASON_STOPPING, NULL), 0);
}

/* The server has said goodbye already: the half-close is answer enough. */
static void test_goodbye_after_ours_is_not_answered(void **state)
{
    static const char goodbye[8] = {PROTO_GOODBYE, 0, 0, PROTO_REASON_DONE};
    struct session_fixture *f = *state;

    begin_native(f);
    (void)session_fixture_part(f, PROTO_REASON_STOPPING, NULL);
    f->n_out = 0;
    assert_int_equal(session_fixture_feed(f, goodbye, sizeof(goodbye)), SESSION_DONE);
    assert_int_equal(f->n_out, 0);
}

static void test_nothing_is_said_amid_a_reply(void **state)
{
    struct session_fixture *f = *state;
    char request[PROTO_REQUEST_LEN];
    struct session_input in = {.bytes = request, .arrival = ACCEPTED};
    struct session_output out = {.buf = f->buf, .size = 2000, .heads = f->heads};

    begin_native(f);
    in.len = put_request(request, 1, 0, 10000);
    assert_int_equal(session_feed(&f->session, &f->terms, &in, &out), SESSION_FULL);
    assert_int_equal(session_fixture_part(f, PROTO_REASON_IDLE_TIMEOUT, "not for it"), 0);
}

#define IN(test)                                                                                   \
    cmocka_unit_test_setup_teardown(test, session_fixture_set_up, session_fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_hello_may_be_cut_anywhere),
        IN(test_welcome_states_the_smaller_limit),
        IN(test_bad_hello_gets_an_error_line),
        IN(test_what_is_no_hello_is_told_of_the_uuid_too),
        IN(test_endless_hello_is_ended),
        IN(test_request_gets_its_reply),
        IN(test_reply_tells_whose_stamp_it_has),
        IN(test_reply_without_a_kernel_stamp_says_so),
        IN(test_requests_may_be_cut_anywhere),
        IN(test_padding_streams_through),
        IN(test_request_arrives_with_the_last_byte_of_its_padding),
        IN(test_native_deltas_telescope_to_the_nanosecond),
        IN(test_stamp_is_shared_by_all_but_the_last_of_a_read),
        IN(test_native_messages_are_handed_out_where_wanted),
        IN(test_keepalive_is_answered_and_counts_for_no_delta),
        IN(test_frame_that_may_be_ignored_is_skipped),
        IN(test_goodbye_is_answered_after_what_came_before),
        IN(test_error_of_the_client_ends_the_session_without_words),
        IN(test_faulty_frame_is_told_after_the_replies),
        IN(test_native_peer_is_told_once_and_even_amid_its_message),
        IN(test_goodbye_after_ours_is_not_answered),
        IN(test_nothing_is_said_amid_a_reply),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
