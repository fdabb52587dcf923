/* SPDX-License-Identifier: MIT */
/* A session that speaks text. */
#include <stdio.h>
#include <string.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "common/rng.h"
#include "tests/support/session_fixture.h"

#define SEED 47945

static void test_message_gets_its_reply_in_the_case_it_came_in(void **state)
{
    struct session_fixture *f = *state;

    f->in.arrival = ACCEPTED + 1000345678;
    assert_int_equal(session_fixture_feed_text(f, UUID_B), SESSION_OK);
    assert_string_equal(f->out, "UUID: " UUID_B " received after 1.000345 seconds");
    assert_int_equal(f->n_messages, 1);
}

static void test_message_may_be_cut_anywhere(void **state)
{
    struct session_fixture *f = *state;
    const char *both = UUID_A UUID_B;

    for (size_t at = 0; at <= strlen(both); at++) {
        session_fixture_begin(f);
        assert_int_equal(session_fixture_feed(f, both, at), SESSION_OK);
        assert_int_equal(session_is_amid_message(&f->session), at % 36 != 0);
        assert_int_equal(session_fixture_feed_text(f, both + at), SESSION_OK);
        assert_string_equal(f->out, REPLY_A REPLY_B);
        assert_false(session_is_amid_message(&f->session));
    }
}

static void test_message_may_come_byte_by_byte(void **state)
{
    struct session_fixture *f = *state;

    for (const char *p = UUID_A UUID_B; *p; p++)
        assert_int_equal(session_fixture_feed(f, p, 1), SESSION_OK);
    assert_string_equal(f->out, REPLY_A REPLY_B);
}

static void test_message_arrives_with_its_last_byte(void **state)
{
    struct session_fixture *f = *state;

    f->in.arrival = ACCEPTED + NSEC_PER_SEC;
    (void)session_fixture_feed(f, UUID_A, 35);
    assert_int_equal(f->n_out, 0);
    f->in.arrival = ACCEPTED + 3 * NSEC_PER_SEC;
    (void)session_fixture_feed(f, &UUID_A[35], 1);
    assert_string_equal(f->out, "UUID: " UUID_A " received after 3.000000 seconds");
}

static void test_line_end_in_the_same_read_ends_that_reply_too(void **state)
{
    struct session_fixture *f = *state;

    (void)session_fixture_feed_text(f, UUID_A "\n");
    (void)session_fixture_feed_text(f, UUID_B);
    assert_string_equal(f->out, REPLY_A "\n" REPLY_B "\n");

    session_fixture_begin(f);
    (void)session_fixture_feed_text(f, UUID_A "\r\n" UUID_B "\r\n");
    assert_string_equal(f->out, REPLY_A "\n" REPLY_B "\n");
}

static void test_line_end_that_comes_later_ends_the_replies_that_follow(void **state)
{
    struct session_fixture *f = *state;

    (void)session_fixture_feed_text(f, UUID_A);
    (void)session_fixture_feed_text(f, "\n");
    assert_string_equal(f->out, REPLY_A);
    (void)session_fixture_feed_text(f, UUID_B);
    assert_string_equal(f->out, REPLY_A REPLY_B "\n");

    session_fixture_begin(f);
    (void)session_fixture_feed_text(f, UUID_A "\r");
    (void)session_fixture_feed_text(f, "\n" UUID_B);
    assert_string_equal(f->out, REPLY_A REPLY_B "\n");
}

static void test_only_the_message_before_the_line_end_is_in_its_line(void **state)
{
    struct session_fixture *f = *state;

    (void)session_fixture_feed_text(f, UUID_A UUID_B "\n");
    assert_string_equal(f->out, REPLY_A REPLY_B "\n");
}

static void test_empty_lines_hurt_nobody(void **state)
{
    struct session_fixture *f = *state;

    assert_int_equal(session_fixture_feed_text(f, UUID_A "\n\r\n\n"), SESSION_OK);
    assert_int_equal(session_fixture_feed_text(f, UUID_B "\n"), SESSION_OK);
    assert_string_equal(f->out, REPLY_A "\n" REPLY_B "\n");
}

static void test_line_end_before_the_first_message_is_a_fault(void **state)
{
    struct session_fixture *f = *state;

    assert_int_equal(session_fixture_feed_text(f, "\n" UUID_A), SESSION_FAULT);
    session_fixture_begin(f);
    assert_int_equal(session_fixture_feed_text(f, "\r\n" UUID_A), SESSION_FAULT);
}

static void test_line_end_amid_a_message_is_a_fault(void **state)
{
    struct session_fixture *f = *state;

    assert_int_equal(session_fixture_feed_text(f, "f47ac10b\n"), SESSION_FAULT);
    assert_string_equal(f->out, "ERROR: expected a UUID of 8-4-4-4-12 hexadecimal digits, got byte "
                                "0x0a at position 9\n");
}

static void test_carriage_return_alone_is_a_fault(void **state)
{
    struct session_fixture *f = *state;

    assert_int_equal(session_fixture_feed_text(f, UUID_A "\r" UUID_B), SESSION_FAULT);
    assert_string_equal(f->out, REPLY_A "ERROR: expected a line feed after the carriage return, "
                                        "got byte 0x36 at position 1\n");
}

/* A byte that cannot belong, at each position, in one read and behind a cut. */
static void test_fault_is_told_at_its_first_byte(void **state)
{
    struct session_fixture *f = *state;

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
            session_fixture_begin(f);
            assert_int_equal(session_fixture_feed_text(f, UUID_B), SESSION_OK);
            assert_int_equal(session_fixture_feed(f, message, at), SESSION_OK);
            assert_int_equal(session_fixture_feed(f, message + at, TEXT_UUID_LEN - at),
                             SESSION_FAULT);
            assert_string_equal(f->out, expected);
            assert_memory_equal(f->out + strlen(REPLY_B "ERROR: "), f->fault, strlen(f->fault));
            assert_true(strlen(f->fault) > 64);     /* as the peer was told, to the position */

            session_fixture_begin(f);
            (void)session_fixture_feed_text(f, UUID_B);
            assert_int_equal(session_fixture_feed(f, message, sizeof(message)), SESSION_FAULT);
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
    struct session_fixture *f = *state;
    struct rng rng;

    rng_seed(&rng, SEED);
    for (unsigned run = 0; run < 200; run++) {
        nsec_t first = ACCEPTED - NSEC_PER_SEC + rng_next_u64(&rng) % (2 * NSEC_PER_SEC);
        nsec_t start = MIN(first, ACCEPTED);
        nsec_t latest = start, sum = 0;

        session_fixture_begin(f);
        f->in.arrival = first;
        for (unsigned i = 0; i < 50; i++) {
            struct text_reply reply;
            size_t cut = (size_t)(rng_next_u64(&rng) % 37);
            size_t before = f->n_out;

            (void)session_fixture_feed(f, UUID_A, cut);
            (void)session_fixture_feed(f, &UUID_A[cut], TEXT_UUID_LEN - cut);
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
    struct session_fixture *f = *state;

    f->in.arrival = ACCEPTED - 2 * NSEC_PER_SEC;
    (void)session_fixture_feed(f, UUID_A, 1);
    f->in.arrival = ACCEPTED + NSEC_PER_SEC;
    (void)session_fixture_feed(f, &UUID_A[1], 35);
    assert_string_equal(f->out, "UUID: " UUID_A " received after 3.000000 seconds");
    assert_int_equal(session_last_arrival(&f->session), ACCEPTED + NSEC_PER_SEC);
}

/* Whatever the room, the output is the same; what could not be answered waits for the next one. */
static void test_full_output_is_resumed(void **state)
{
    struct session_fixture *f = *state;
    static char input[300 * (TEXT_UUID_LEN + 1)];
    _cleanup_(freep) char *expected = NULL;
    size_t len = 0;

    for (unsigned i = 0; i < 300; i++) {
        memcpy(input + len, i % 2 ? UUID_A : UUID_B, TEXT_UUID_LEN);
        len += TEXT_UUID_LEN;
        if (i > 150)
            input[len++] = '\n';
    }
    (void)session_fixture_feed(f, input, len);
    assert_int_equal(f->n_messages, 300);
    assert_int_equal(f->n_full, 0);
    expected = strdup(f->out);

    for (size_t room = SESSION_OUTPUT_MIN; room < SESSION_OUTPUT_MIN + 200; room++) {
        session_fixture_begin(f);
        f->room = room;
        (void)session_fixture_feed(f, input, len);
        assert_true(f->n_full > 0);
        assert_string_equal(f->out, expected);
    }
}

static void test_output_holds_only_so_many_messages(void **state)
{
    enum { N = SESSION_MESSAGES + 10 };
    static char input[N * TEXT_UUID_LEN];
    struct session_fixture *f = *state;

    for (size_t i = 0; i < N; i++)
        memcpy(input + i * TEXT_UUID_LEN, UUID_A, TEXT_UUID_LEN);
    f->room = OUT_MAX;
    (void)session_fixture_feed(f, input, sizeof(input));
    assert_int_equal(f->n_messages, N);
    assert_int_equal(f->n_full, 1);
}

static void test_messages_are_handed_out_where_wanted(void **state)
{
    struct session_fixture *f = *state;

    f->wants_messages = true;
    (void)session_fixture_feed_text(f, UUID_A);
    f->in.arrival = ACCEPTED + 1500;
    (void)session_fixture_feed_text(f, UUID_B);
    assert_memory_equal(f->messages[0].uuid, UUID_B, TEXT_UUID_LEN);
    assert_int_equal(f->messages[0].delta, NSEC_PER_USEC);  /* as it was told */
}

static void test_text_peer_is_told_in_a_line(void **state)
{
    struct session_fixture *f = *state;

    (void)session_fixture_part(f, PROTO_REASON_IDLE_TIMEOUT, "no message for 5m");
    assert_string_equal(f->out, "ERROR: no message for 5m\n");
    session_fixture_begin(f);
    (void)session_fixture_feed_text(f, UUID_A "f47");
    (void)session_fixture_part(f, PROTO_REASON_MESSAGE_TIMEOUT, "a message was begun");
    assert_string_equal(f->out, "ERROR: a message was begun\n");
    session_fixture_begin(f);
    assert_int_equal(session_fixture_part(f, PROTO_REASON_STOPPING, NULL), 0);
}

#define IN(test)                                                                                   \
    cmocka_unit_test_setup_teardown(test, session_fixture_set_up, session_fixture_tear_down)

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
        IN(test_text_peer_is_told_in_a_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
