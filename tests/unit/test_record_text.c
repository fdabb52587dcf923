/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "tests/support/test.h"

#include "client/record_text.h"

#define TIMEOUT (5 * NSEC_PER_SEC)
#define UUID "f47ac10b-58cc-4372-a567-0e02b2c3d479"

static const uint8_t uuid[PROTO_UUID_LEN] = {0xf4, 0x7a, 0xc1, 0x0b, 0x58, 0xcc, 0x43, 0x72,
                                        0xa5, 0x67, 0x0e, 0x02, 0xb2, 0xc3, 0xd4, 0x79};

static void assert_line(const struct record *record, const char *expected)
{
    char line[RECORD_LINE_SIZE];

    record_text_format(record, TIMEOUT, line);
    assert_string_equal(line, expected);
}

static void test_reply_has_both_times_and_the_delta(void **state)
{
    struct record record = {
        .kind = RECORD_REPLY,
        .reply.sample = {.due = 1000, .send = 2000, .read = 1502000, .delta = 1000000, .seq = 7},
    };

    (void)state;
    memcpy(record.reply.sample.uuid, uuid, PROTO_UUID_LEN);
    assert_line(&record, "reply to message 7 (" UUID "): service RTT 1.500000 ms, response RTT "
                "1.501000 ms, delta 1.000000 ms");
}

static void test_reply_says_what_is_odd_about_it(void **state)
{
    struct record record = {
        .kind = RECORD_REPLY,
        .reply.sample = {.read = 6 * NSEC_PER_SEC, .seq = 7, .flags = SAMPLE_RESENT},
    };
    char line[RECORD_LINE_SIZE];

    (void)state;
    record_text_format(&record, TIMEOUT, line);
    assert_non_null(strstr(line, ", late, sent again"));
}

static void test_messages_without_reply_say_why(void **state)
{
    struct record record = {.kind = RECORD_OVERDUE, .message = {.seq = 3}};

    (void)state;
    memcpy(record.message.uuid, uuid, PROTO_UUID_LEN);
    assert_line(&record, "no reply to message 3 (" UUID ") within 5s");
    record.kind = RECORD_MISSING;
    assert_line(&record, "no reply to message 3 (" UUID "), a later one was answered");
    record.kind = RECORD_LOST;
    assert_line(&record, "no reply to message 3 (" UUID "), its connection ended");
}

static void test_outage_has_its_length_and_its_price(void **state)
{
    struct record record = {.kind = RECORD_OUTAGE, .text = "connection closed by the server"};

    (void)state;
    assert_line(&record, "connection lost: connection closed by the server; connecting again");
    record = (struct record){
        .kind = RECORD_RESTORED,
        .outage = {.length = 1500000123, .n_lost = 1, .n_resent = 2, .n_not_sent = 3},
    };
    assert_line(&record, "connected again after 1.5s: 1 lost, 2 sent again, 3 not sent");
}

static void test_texts_are_put_into_a_sentence(void **state)
{
    struct record record = {.kind = RECORD_WRONG, .text = UUID};

    (void)state;
    assert_line(&record, "wrong reply: no message waits for the UUID " UUID);
    record = (struct record){.kind = RECORD_CONNECTED, .connected.is_native = true};
    assert_line(&record, "connected: native protocol");
    record = (struct record){.kind = RECORD_NOTICE, .text = "so it is"};
    assert_line(&record, "so it is");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reply_has_both_times_and_the_delta),
        cmocka_unit_test(test_reply_says_what_is_odd_about_it),
        cmocka_unit_test(test_messages_without_reply_say_why),
        cmocka_unit_test(test_outage_has_its_length_and_its_price),
        cmocka_unit_test(test_texts_are_put_into_a_sentence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
