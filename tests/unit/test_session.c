/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "common/rng.h"
#include "daemon/session.h"

#define SEED 47945
#define ACCEPTED (1000 * NSEC_PER_SEC)

#define UUID_A "f47ac10b-58cc-4372-a567-0e02b2c3d479"
#define UUID_B "6F1ED002-AB55-4F1F-9A3C-27414B5E6077"
#define REPLY_A "UUID: " UUID_A " received after 0.000000 seconds"
#define REPLY_B "UUID: " UUID_B " received after 0.000000 seconds"

#define OUT_MAX ((size_t)1 << 20)

/* A session, and all that came out of it so far. */
struct fixture {
    struct session session;
    struct session_terms terms;
    struct session_input in;        /* what the next feed() says beside the bytes */
    enum session_result result;     /* of the last feed() */
    const char *fault;
    size_t room;                    /* for one output */
    char *buf;
    uint32_t heads[SESSION_MESSAGES];
    struct session_message messages[SESSION_MESSAGES];
    bool wants_messages;
    size_t n_messages;
    size_t n_full;                  /* outputs that were full */
    char *out;                      /* all outputs */
    size_t n_out;
    nsec_t departure;
};

static void begin(struct fixture *f)
{
    session_init(&f->session, ACCEPTED);
    f->n_out = f->n_messages = f->n_full = 0;
    f->out[0] = '\0';
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->terms = (struct session_terms){
        .welcome = {.max_request_padding = PROTO_PADDING_MAX,
                    .max_reply_padding = PROTO_PADDING_MAX},
        .limits = {.role = PROTO_SERVER, .max_request_padding = PROTO_PADDING_MAX,
                   .max_reply_padding = PROTO_PADDING_MAX},
    };
    f->in.arrival = ACCEPTED;
    f->room = 65536;
    f->buf = malloc(OUT_MAX);
    f->out = malloc(OUT_MAX);
    assert_non_null(f->buf);
    assert_non_null(f->out);
    begin(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    free(f->buf);
    free(f->out);
    free(f);
    return 0;
}

/* Feeds one read, in as many outputs as it takes. */
static enum session_result feed(struct fixture *f, const void *bytes, size_t len)
{
    struct session_input in = f->in;

    in.bytes = bytes;
    in.len = len;
    do {
        struct session_output out = {
            .buf = f->buf, .size = f->room, .heads = f->heads,
            .messages = f->wants_messages ? f->messages : NULL,
        };

        f->result = session_feed(&f->session, &f->terms, &in, &out);
        assert_true(out.len <= f->room);
        assert_true(f->n_out + out.len < OUT_MAX);
        if (f->departure > 0)
            session_depart(&out, f->departure);
        memcpy(f->out + f->n_out, out.buf, out.len);
        f->n_out += out.len;
        f->out[f->n_out] = '\0';
        f->n_messages += out.n_messages;
        f->n_full += f->result == SESSION_FULL;
        f->fault = out.fault;
    } while (f->result == SESSION_FULL);

    if (f->result == SESSION_OK)
        assert_int_equal(in.len, 0);
    return f->result;
}

static enum session_result feed_text(struct fixture *f, const char *text)
{
    return feed(f, text, strlen(text));
}

/* Feeds it in pieces of random lengths. */
static void feed_in_pieces(struct fixture *f, const char *bytes, size_t len, struct rng *rng)
{
    while (len > 0) {
        size_t n = MIN(len, (size_t)(rng_next_u64(rng) % 100 + 1));

        (void)feed(f, bytes, n);
        bytes += n;
        len -= n;
    }
}

/* ---- text ---- */

static void test_message_gets_its_reply_in_the_case_it_came_in(void **state)
{
    struct fixture *f = *state;

    f->in.arrival = ACCEPTED + 1000345678;
    assert_int_equal(feed_text(f, UUID_B), SESSION_OK);
    assert_string_equal(f->out, "UUID: " UUID_B " received after 1.000345 seconds");
    assert_int_equal(f->n_messages, 1);
}

static void test_message_may_be_cut_anywhere(void **state)
{
    struct fixture *f = *state;
    const char *both = UUID_A UUID_B;

    for (size_t at = 0; at <= strlen(both); at++) {
        begin(f);
        assert_int_equal(feed(f, both, at), SESSION_OK);
        assert_int_equal(session_is_amid_message(&f->session), at % 36 != 0);
        assert_int_equal(feed_text(f, both + at), SESSION_OK);
        assert_string_equal(f->out, REPLY_A REPLY_B);
        assert_false(session_is_amid_message(&f->session));
    }
}

static void test_message_may_come_byte_by_byte(void **state)
{
    struct fixture *f = *state;

    for (const char *p = UUID_A UUID_B; *p; p++)
        assert_int_equal(feed(f, p, 1), SESSION_OK);
    assert_string_equal(f->out, REPLY_A REPLY_B);
}

static void test_message_arrives_with_its_last_byte(void **state)
{
    struct fixture *f = *state;

    f->in.arrival = ACCEPTED + NSEC_PER_SEC;
    (void)feed(f, UUID_A, 35);
    assert_int_equal(f->n_out, 0);
    f->in.arrival = ACCEPTED + 3 * NSEC_PER_SEC;
    (void)feed(f, &UUID_A[35], 1);
    assert_string_equal(f->out, "UUID: " UUID_A " received after 3.000000 seconds");
}

static void test_line_end_in_the_same_read_ends_that_reply_too(void **state)
{
    struct fixture *f = *state;

    (void)feed_text(f, UUID_A "\n");
    (void)feed_text(f, UUID_B);
    assert_string_equal(f->out, REPLY_A "\n" REPLY_B "\n");

    begin(f);
    (void)feed_text(f, UUID_A "\r\n" UUID_B "\r\n");
    assert_string_equal(f->out, REPLY_A "\n" REPLY_B "\n");
}

static void test_line_end_that_comes_later_ends_the_replies_that_follow(void **state)
{
    struct fixture *f = *state;

    (void)feed_text(f, UUID_A);
    (void)feed_text(f, "\n");
    assert_string_equal(f->out, REPLY_A);
    (void)feed_text(f, UUID_B);
    assert_string_equal(f->out, REPLY_A REPLY_B "\n");

    begin(f);
    (void)feed_text(f, UUID_A "\r");
    (void)feed_text(f, "\n" UUID_B);
    assert_string_equal(f->out, REPLY_A REPLY_B "\n");
}

static void test_only_the_message_before_the_line_end_is_in_its_line(void **state)
{
    struct fixture *f = *state;

    (void)feed_text(f, UUID_A UUID_B "\n");
    assert_string_equal(f->out, REPLY_A REPLY_B "\n");
}

static void test_empty_lines_hurt_nobody(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(feed_text(f, UUID_A "\n\r\n\n"), SESSION_OK);
    assert_int_equal(feed_text(f, UUID_B "\n"), SESSION_OK);
    assert_string_equal(f->out, REPLY_A "\n" REPLY_B "\n");
}

static void test_line_end_before_the_first_message_is_a_fault(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(feed_text(f, "\n" UUID_A), SESSION_FAULT);
    begin(f);
    assert_int_equal(feed_text(f, "\r\n" UUID_A), SESSION_FAULT);
}

static void test_line_end_amid_a_message_is_a_fault(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(feed_text(f, "f47ac10b\n"), SESSION_FAULT);
    assert_string_equal(f->out, "ERROR: expected a UUID of 8-4-4-4-12 hexadecimal digits, got byte "
                                "0x0a at position 9\n");
}

static void test_carriage_return_alone_is_a_fault(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(feed_text(f, UUID_A "\r" UUID_B), SESSION_FAULT);
    assert_string_equal(f->out, REPLY_A "ERROR: expected a line feed after the carriage return, "
                                        "got byte 0x36 at position 1\n");
}

/* A byte that cannot belong, at each position, in one read and behind a cut. */
static void test_fault_is_told_at_its_first_byte(void **state)
{
    struct fixture *f = *state;

    for (size_t at = 0; at < TEXT_UUID_LEN; at++) {
        bool dash = UUID_A[at] == '-';
        const char wrong[] = {'g', dash ? '0' : '-', '\0', ' ', (char)0xff};

        for (size_t i = 0; i < sizeof(wrong); i++) {
            char message[TEXT_UUID_LEN];
            char expected[256];

            memcpy(message, UUID_A, TEXT_UUID_LEN);
            message[at] = wrong[i];
            (void)snprintf(expected, sizeof(expected),
                           REPLY_B "ERROR: expected a UUID of 8-4-4-4-12 hexadecimal digits, got "
                           "byte 0x%02x at position %zu\n", (uint8_t)wrong[i], at + 1);
            begin(f);
            assert_int_equal(feed_text(f, UUID_B), SESSION_OK);
            assert_int_equal(feed(f, message, at), SESSION_OK);
            assert_int_equal(feed(f, message + at, TEXT_UUID_LEN - at), SESSION_FAULT);
            assert_string_equal(f->out, expected);
            assert_string_equal(f->fault, "expected a UUID of 8-4-4-4-12 hexadecimal digits");

            begin(f);
            (void)feed_text(f, UUID_B);
            assert_int_equal(feed(f, message, sizeof(message)), SESSION_FAULT);
            assert_string_equal(f->out, expected);
        }
    }
}

/*
 * Random arrivals, in random pieces, some of which seem to lie before the previous one: no delta is
 * negative, and their sum is the time from the beginning to the latest, truncated once.
 */
static void test_deltas_telescope(void **state)
{
    struct fixture *f = *state;
    struct rng rng;

    rng_seed(&rng, SEED);
    for (unsigned run = 0; run < 200; run++) {
        nsec_t first = ACCEPTED - NSEC_PER_SEC + rng_next_u64(&rng) % (2 * NSEC_PER_SEC);
        nsec_t start = MIN(first, ACCEPTED);
        nsec_t latest = start, sum = 0;

        begin(f);
        f->in.arrival = first;
        for (unsigned i = 0; i < 50; i++) {
            struct text_reply reply;
            size_t cut = (size_t)(rng_next_u64(&rng) % 37);
            size_t before = f->n_out;

            (void)feed(f, UUID_A, cut);
            (void)feed(f, &UUID_A[cut], TEXT_UUID_LEN - cut);
            latest = MAX(latest, f->in.arrival);
            if (text_reply_parse(f->out + before, f->n_out - before, &reply) <= 0)
                fail_msg("seed %d, run %u: no reply %u", SEED, run, i);
            sum += reply.delta;
            if (sum != (latest - start) / NSEC_PER_USEC * NSEC_PER_USEC)
                fail_msg("seed %d, run %u, message %u: the deltas make %llu ns, not %llu ns", SEED,
                         run, i, (unsigned long long)sum, (unsigned long long)(latest - start));
            f->in.arrival += rng_next_u64(&rng) % (10 * NSEC_PER_MSEC);
            if (rng_next_u64(&rng) % 4 == 0)
                f->in.arrival -= rng_next_u64(&rng) % (10 * NSEC_PER_MSEC);
        }
    }
}

static void test_connection_begins_with_its_first_byte_if_that_came_before_the_accept(void **state)
{
    struct fixture *f = *state;

    f->in.arrival = ACCEPTED - 2 * NSEC_PER_SEC;
    (void)feed(f, UUID_A, 1);
    f->in.arrival = ACCEPTED + NSEC_PER_SEC;
    (void)feed(f, &UUID_A[1], 35);
    assert_string_equal(f->out, "UUID: " UUID_A " received after 3.000000 seconds");
    assert_int_equal(session_last_arrival(&f->session), ACCEPTED + NSEC_PER_SEC);
}

/* Whatever the room, the output is the same; what could not be answered waits for the next one. */
static void test_full_output_is_resumed(void **state)
{
    struct fixture *f = *state;
    static char input[300 * (TEXT_UUID_LEN + 1)];
    _cleanup_(freep) char *expected = NULL;
    size_t len = 0;

    for (unsigned i = 0; i < 300; i++) {
        memcpy(input + len, i % 2 ? UUID_A : UUID_B, TEXT_UUID_LEN);
        len += TEXT_UUID_LEN;
        if (i > 150)
            input[len++] = '\n';
    }
    (void)feed(f, input, len);
    assert_int_equal(f->n_messages, 300);
    assert_int_equal(f->n_full, 0);
    expected = strdup(f->out);

    for (size_t room = SESSION_OUTPUT_MIN; room < SESSION_OUTPUT_MIN + 200; room++) {
        begin(f);
        f->room = room;
        (void)feed(f, input, len);
        assert_true(f->n_full > 0);
        assert_string_equal(f->out, expected);
    }
}

static void test_output_holds_only_so_many_messages(void **state)
{
    enum { N = SESSION_MESSAGES + 10 };
    static char input[N * TEXT_UUID_LEN];
    struct fixture *f = *state;

    for (size_t i = 0; i < N; i++)
        memcpy(input + i * TEXT_UUID_LEN, UUID_A, TEXT_UUID_LEN);
    f->room = OUT_MAX;
    (void)feed(f, input, sizeof(input));
    assert_int_equal(f->n_messages, N);
    assert_int_equal(f->n_full, 1);
}

static void test_messages_are_handed_out_where_wanted(void **state)
{
    struct fixture *f = *state;

    f->wants_messages = true;
    (void)feed_text(f, UUID_A);
    f->in.arrival = ACCEPTED + 1500;
    (void)feed_text(f, UUID_B);
    assert_memory_equal(f->messages[0].uuid, UUID_B, TEXT_UUID_LEN);
    assert_int_equal(f->messages[0].delta, NSEC_PER_USEC);  /* as it was told */
}

/* ---- native: the hello ---- */

#define HELLO "tcptimer-hello version=1-1;"

static size_t welcome_len(const struct fixture *f)
{
    const char *end = memchr(f->out, ';', f->n_out);

    assert_non_null(end);
    assert_memory_equal(f->out, "tcptimer-welcome version=1 ", 27);
    return (size_t)(end - f->out) + 1;
}

/* A native session whose welcome is not in its output. */
static void begin_native(struct fixture *f)
{
    begin(f);
    assert_int_equal(feed_text(f, HELLO), SESSION_OK);
    (void)welcome_len(f);
    f->n_out = 0;
}

static void test_hello_may_be_cut_anywhere(void **state)
{
    struct fixture *f = *state;

    for (size_t at = 1; at < strlen(HELLO); at++) {
        begin(f);
        assert_int_equal(feed(f, HELLO, at), SESSION_OK);
        assert_int_equal(f->n_out, 0);
        assert_true(session_is_amid_message(&f->session));
        assert_int_equal(feed_text(f, &HELLO[at]), SESSION_OK);
        assert_int_equal(welcome_len(f), f->n_out);
        assert_int_equal(f->session.speech, SESSION_NATIVE);
        assert_false(session_is_amid_message(&f->session));
    }
}

static void test_welcome_states_the_smaller_limit(void **state)
{
    struct fixture *f = *state;
    uint8_t request[PROTO_REQUEST_LEN];

    assert_int_equal(feed_text(f, "tcptimer-hello version=1 max-reply-padding=100;"), SESSION_OK);
    assert_non_null(strstr(f->out, " max-reply-padding=100 "));
    f->n_out = 0;
    proto_request_encode(request, &(struct proto_request){.reply_padding = 101});
    assert_int_equal(feed(f, request, sizeof(request)), SESSION_FAULT);
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
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        begin(f);
        assert_int_equal(feed_text(f, bad[i]), SESSION_FAULT);
        assert_memory_equal(f->out, "ERROR: expected ", 16);
        assert_int_equal(f->out[f->n_out - 1], '\n');
        assert_non_null(f->fault);
    }
}

static void test_endless_hello_is_ended(void **state)
{
    struct fixture *f = *state;
    unsigned n = 0;

    (void)feed_text(f, "tcptimer-hello ");
    while (f->result == SESSION_OK && n < 1000) {
        (void)feed(f, "x ", 2);
        n++;
    }
    assert_int_equal(f->result, SESSION_FAULT);
    assert_in_range(n, 115, 125);   /* 255 bytes */
}

/* ---- native: requests and replies ---- */

struct parsed {
    struct proto_reply replies[64];
    unsigned n_replies;
    unsigned n_acks;
    unsigned n_goodbyes;
    unsigned fault;                 /* of an error frame */
};

/* Takes the native output apart, and checks that nothing is left over. */
static struct parsed parse(const struct fixture *f)
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
    struct fixture *f = *state;
    char request[PROTO_REQUEST_LEN];
    struct parsed p;

    begin_native(f);
    f->in.arrival = ACCEPTED + 5000;
    f->in.arrival_real = 1700000000 * NSEC_PER_SEC;
    f->in.kernel_stamp = true;
    f->in.window = 77;              /* which a stamp of its own makes meaningless */
    f->departure = ACCEPTED + 5321;
    (void)feed(f, request, put_request(request, 42, 0, 0));
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

static void test_reply_without_a_kernel_stamp_says_so(void **state)
{
    struct fixture *f = *state;
    char request[PROTO_REQUEST_LEN];

    begin_native(f);
    (void)feed(f, request, put_request(request, 1, 0, 0));
    assert_int_equal(parse(f).replies[0].flags, 0);
}

/* A hello and requests, padded and not, in pieces of any size: the same replies come. */
static void test_requests_may_be_cut_anywhere(void **state)
{
    struct fixture *f = *state;
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
    struct fixture *f = *state;
    static char input[3 * (PROTO_REQUEST_LEN + PROTO_PADDING_MAX)];
    struct parsed p;
    size_t len = 0;

    for (unsigned i = 0; i < 3; i++)
        len += put_request(input + len, i, PROTO_PADDING_MAX, PROTO_PADDING_MAX);
    begin_native(f);
    f->room = SESSION_OUTPUT_MIN + 1000;
    for (size_t at = 0; at < len; at += 50000)
        assert_int_equal(feed(f, input + at, MIN(len - at, (size_t)50000)), SESSION_OK);
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
    struct fixture *f = *state;
    char request[PROTO_REQUEST_LEN + 100];
    struct parsed p;

    begin_native(f);
    (void)put_request(request, 1, 100, 0);
    (void)feed(f, request, PROTO_REQUEST_LEN + 99);
    assert_int_equal(f->n_out, 0);
    assert_true(session_is_amid_message(&f->session));
    f->in.arrival = ACCEPTED + NSEC_PER_SEC;
    (void)feed(f, request + PROTO_REQUEST_LEN + 99, 1);
    p = parse(f);
    assert_int_equal(p.replies[0].arrival, ACCEPTED + NSEC_PER_SEC);
    assert_int_equal(p.replies[0].flags & PROTO_REPLY_SHARED_STAMP, 0);
}

static void test_native_deltas_telescope_to_the_nanosecond(void **state)
{
    struct fixture *f = *state;
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
        (void)feed(f, request, put_request(request, i, 0, 0));
        p = parse(f);
        sum += p.replies[0].delta;
        assert_int_equal(p.replies[0].arrival, latest);
        assert_int_equal(ACCEPTED + sum, latest);
    }
}

static void test_stamp_is_shared_by_all_but_the_last_of_a_read(void **state)
{
    struct fixture *f = *state;
    char requests[3 * PROTO_REQUEST_LEN];
    struct parsed p;
    size_t len = 0;

    for (unsigned i = 0; i < 3; i++)
        len += put_request(requests + len, i, 0, 0);
    f->in.kernel_stamp = true;
    f->in.window = 5000;
    begin_native(f);
    (void)feed(f, requests, len);
    p = parse(f);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(p.replies[i].flags, PROTO_REPLY_KERNEL_STAMP | PROTO_REPLY_SHARED_STAMP);
        assert_int_equal(p.replies[i].window, 5000);
    }
    assert_int_equal(p.replies[2].flags, PROTO_REPLY_KERNEL_STAMP);
    assert_int_equal(p.replies[2].window, 0);

    begin_native(f);
    f->in.more = f->in.away = true;
    (void)feed(f, requests, len);
    p = parse(f);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(p.replies[i].flags, PROTO_REPLY_KERNEL_STAMP | PROTO_REPLY_SHARED_STAMP |
                                                 PROTO_REPLY_SERVER_AWAY);
}

static void test_native_messages_are_handed_out_where_wanted(void **state)
{
    struct fixture *f = *state;
    char request[PROTO_REQUEST_LEN];

    begin_native(f);
    f->wants_messages = true;
    f->in.arrival = ACCEPTED + 1234;
    (void)feed(f, request, put_request(request, 9, 0, 0));
    assert_memory_equal(f->messages[0].uuid, "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a", TEXT_UUID_LEN);
    assert_int_equal(f->messages[0].delta, 1234);
}

/* ---- native: other frames ---- */

static void test_keepalive_is_answered_and_counts_for_no_delta(void **state)
{
    static const char keepalive[8] = {PROTO_KEEPALIVE};
    static const char ack[8] = {PROTO_KEEPALIVE_ACK};
    struct fixture *f = *state;
    char request[PROTO_REQUEST_LEN];

    begin_native(f);
    f->in.arrival = ACCEPTED + NSEC_PER_SEC;
    (void)feed(f, keepalive, sizeof(keepalive));
    assert_int_equal(f->n_out, 8);
    assert_memory_equal(f->out, ack, 8);
    (void)feed(f, ack, sizeof(ack));
    assert_int_equal(f->n_out, 8);
    f->in.arrival = ACCEPTED + 2 * NSEC_PER_SEC;
    (void)feed(f, request, put_request(request, 1, 0, 0));
    assert_int_equal(parse(f).replies[0].delta, 2 * NSEC_PER_SEC);
    assert_int_equal(f->n_messages, 1);
}

static void test_frame_that_may_be_ignored_is_skipped(void **state)
{
    static const char unknown[11] = {(char)0x80, (char)0xff, 0x12, 0x34, 0, 0, 0, 3, 1, 2, 3};
    struct fixture *f = *state;
    char request[PROTO_REQUEST_LEN];

    for (size_t at = 0; at <= sizeof(unknown); at++) {
        begin_native(f);
        assert_int_equal(feed(f, unknown, at), SESSION_OK);
        assert_int_equal(feed(f, unknown + at, sizeof(unknown) - at), SESSION_OK);
        assert_int_equal(f->n_out, 0);
        (void)feed(f, request, put_request(request, 1, 0, 0));
        assert_int_equal(parse(f).n_replies, 1);
    }
}

static void test_goodbye_is_answered_after_what_came_before(void **state)
{
    struct fixture *f = *state;
    char input[PROTO_REQUEST_LEN + 8];
    struct parsed p;
    size_t len = put_request(input, 1, 0, 0);

    memcpy(input + len, (char[8]){PROTO_GOODBYE, 0, 0, PROTO_REASON_DONE}, 8);
    begin_native(f);
    assert_int_equal(feed(f, input, sizeof(input)), SESSION_DONE);
    p = parse(f);
    assert_int_equal(p.n_replies, 1);
    assert_int_equal(p.n_goodbyes, 1);
}

static void test_error_of_the_client_ends_the_session_without_words(void **state)
{
    static const char error[8] = {PROTO_ERROR, 0, 0, PROTO_FAULT_LONG};
    struct fixture *f = *state;

    begin_native(f);
    assert_int_equal(feed(f, error, sizeof(error)), SESSION_FAULT);
    assert_int_equal(f->n_out, 0);
    assert_non_null(f->fault);
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
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char input[PROTO_REQUEST_LEN + 8];
        size_t len = put_request(input, 1, 0, 0);
        struct parsed p;

        memcpy(input + len, cases[i].frame, 8);
        begin_native(f);
        assert_int_equal(feed(f, input, sizeof(input)), SESSION_FAULT);
        p = parse(f);
        assert_int_equal(p.n_replies, 1);
        assert_int_equal(p.fault, cases[i].fault);
    }
}

/* ---- parting ---- */

static size_t part(struct fixture *f, enum proto_reason reason, const char *text)
{
    struct session_output out = {.buf = f->buf, .size = f->room, .heads = f->heads};

    session_part(&f->session, reason, text, &out);
    memcpy(f->out, out.buf, out.len);
    f->n_out = out.len;
    f->out[f->n_out] = '\0';
    return out.len;
}

static void test_text_peer_is_told_in_a_line(void **state)
{
    struct fixture *f = *state;

    (void)part(f, PROTO_REASON_IDLE_TIMEOUT, "no message for 5m");
    assert_string_equal(f->out, "ERROR: no message for 5m\n");
    begin(f);
    (void)feed_text(f, UUID_A "f47");
    (void)part(f, PROTO_REASON_MESSAGE_TIMEOUT, "a message was begun");
    assert_string_equal(f->out, "ERROR: a message was begun\n");
    begin(f);
    assert_int_equal(part(f, PROTO_REASON_STOPPING, NULL), 0);
}

static void test_native_peer_is_told_once_and_even_amid_its_message(void **state)
{
    struct fixture *f = *state;
    char request[PROTO_REQUEST_LEN];

    begin_native(f);
    (void)put_request(request, 1, 0, 0);
    (void)feed(f, request, 20);
    (void)part(f, PROTO_REASON_MESSAGE_TIMEOUT, "not for it");
    assert_int_equal(parse(f).n_goodbyes, 1);
    assert_int_equal(f->out[3], PROTO_REASON_MESSAGE_TIMEOUT);
    assert_int_equal(part(f, PROTO_REASON_STOPPING, NULL), 0);
}

/* The server has said goodbye already: the half-close is answer enough. */
static void test_goodbye_after_ours_is_not_answered(void **state)
{
    static const char goodbye[8] = {PROTO_GOODBYE, 0, 0, PROTO_REASON_DONE};
    struct fixture *f = *state;

    begin_native(f);
    (void)part(f, PROTO_REASON_STOPPING, NULL);
    f->n_out = 0;
    assert_int_equal(feed(f, goodbye, sizeof(goodbye)), SESSION_DONE);
    assert_int_equal(f->n_out, 0);
}

static void test_nothing_is_said_amid_a_reply(void **state)
{
    struct fixture *f = *state;
    char request[PROTO_REQUEST_LEN];
    struct session_input in = {.bytes = request, .arrival = ACCEPTED};
    struct session_output out = {.buf = f->buf, .size = 2000, .heads = f->heads};

    begin_native(f);
    in.len = put_request(request, 1, 0, 10000);
    assert_int_equal(session_feed(&f->session, &f->terms, &in, &out), SESSION_FULL);
    assert_int_equal(part(f, PROTO_REASON_IDLE_TIMEOUT, "not for it"), 0);
}

#define IN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_message_gets_its_reply_in_the_case_it_came_in),
        IN(test_message_may_be_cut_anywhere),
        IN(test_message_may_come_byte_by_byte),
        IN(test_message_arrives_with_its_last_byte),
        IN(test_line_end_in_the_same_read_ends_that_reply_too),
        IN(test_line_end_that_comes_later_ends_the_replies_that_follow),
        IN(test_only_the_message_before_the_line_end_is_in_its_line),
        IN(test_empty_lines_hurt_nobody),
        IN(test_line_end_before_the_first_message_is_a_fault),
        IN(test_line_end_amid_a_message_is_a_fault),
        IN(test_carriage_return_alone_is_a_fault),
        IN(test_fault_is_told_at_its_first_byte),
        IN(test_deltas_telescope),
        IN(test_connection_begins_with_its_first_byte_if_that_came_before_the_accept),
        IN(test_full_output_is_resumed),
        IN(test_output_holds_only_so_many_messages),
        IN(test_messages_are_handed_out_where_wanted),
        IN(test_hello_may_be_cut_anywhere),
        IN(test_welcome_states_the_smaller_limit),
        IN(test_bad_hello_gets_an_error_line),
        IN(test_endless_hello_is_ended),
        IN(test_request_gets_its_reply),
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
        IN(test_text_peer_is_told_in_a_line),
        IN(test_native_peer_is_told_once_and_even_amid_its_message),
        IN(test_goodbye_after_ours_is_not_answered),
        IN(test_nothing_is_said_amid_a_reply),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
