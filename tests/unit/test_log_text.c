/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <string.h>

#include "tests/support/test.h"

#include "daemon/log_text.h"

#define WHEN "2023-11-14T23:13:20.123456+01:00"
#define UUID "f47ac10b-58cc-4372-a567-0e02b2c3d479"

/* A record with room for values and a text, which the test fills in. */
struct room {
    union {
        struct log_record record;
        char bytes[sizeof(struct log_record) + LOG_VALUES_MAX * sizeof(struct log_value) +
                   LOG_TEXT_MAX];
    };
};

static struct log_site site;

static struct log_record *record(struct room *room, enum log_event event)
{
    site = (struct log_site){.file = "f.c", .func = "f", .line = 1, .event = event};
    memset(room, 0, sizeof(*room));
    room->record.site = &site;
    return &room->record;
}

static void add_value(struct log_record *r, enum log_field field, uint64_t value)
{
    r->values[r->n_values++] = (struct log_value){.field = field, .value = value};
}

static void set_text(struct log_record *r, const char *text)
{
    r->text_len = (uint16_t)strlen(text);
    memcpy(&r->values[r->n_values], text, r->text_len);
}

static void assert_text(const struct log_record *r, const char *expected)
{
    char text[LOG_TEXT_SIZE], client[ADDR_TEXT_SIZE];
    size_t len;

    addr_key_format(&r->client, client);
    len = log_text_make(r, r->has_client ? client : NULL, text);

    assert_string_equal(text, expected);
    assert_int_equal(len, strlen(expected));
}

static void test_message_reads_as_the_original_wrote_it(void **state)
{
    struct room room;
    struct log_record *r = record(&room, LOG_EVENT_MESSAGE);

    (void)state;
    memcpy(r->uuid, UUID, TEXT_UUID_LEN);
    r->has_uuid = true;
    add_value(r, LOG_FIELD_DELTA, 1000345678);
    assert_text(r, UUID " received after 1.000345 seconds");
}

static void test_slow_message_names_the_threshold(void **state)
{
    struct room room;
    struct log_record *r = record(&room, LOG_EVENT_SLOW);

    (void)state;
    memcpy(r->uuid, UUID, TEXT_UUID_LEN);
    r->has_uuid = true;
    add_value(r, LOG_FIELD_DELTA, 2 * NSEC_PER_SEC);
    add_value(r, LOG_FIELD_THRESHOLD, 500 * NSEC_PER_MSEC);
    assert_text(r, UUID " received after 2.000000 seconds, more than slow_threshold = 0.500000 s");
}

static void test_client_stands_in_front(void **state)
{
    struct room room;
    struct log_record *r = record(&room, LOG_EVENT_CONNECTED);

    (void)state;
    r->has_client = true;
    r->client = (struct addr_key){.ip = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 1}, .port = 4711,
                                  .family = AF_INET};
    assert_text(r, "192.0.2.1:4711: connected");
}

static void test_own_text_is_kept_and_what_was_left_out_is_said(void **state)
{
    struct room room;
    struct log_record *r = record(&room, LOG_EVENT_REFUSED);

    (void)state;
    add_value(r, LOG_FIELD_SUPPRESSED, 3);
    set_text(r, "the server is full");
    assert_text(r, "the server is full (3 more like it not logged)");

    r = record(&room, LOG_EVENT_REFUSED);
    add_value(r, LOG_FIELD_SUPPRESSED, 0);
    set_text(r, "the server is full");
    assert_text(r, "the server is full");
}

/* The longest of everything still is one whole line, in the text and in the file. */
static void test_longest_record_fits_a_line(void **state)
{
    struct room room;
    struct log_record *r = record(&room, LOG_EVENT_REFUSED);
    char longest[LOG_TEXT_MAX + 1];
    char text[LOG_TEXT_SIZE];
    char line[LOG_LINE_MAX];
    struct log_entry entry = {.record = r, .priority = LOG_WARNING, .when = WHEN, .text = text};
    char client[ADDR_TEXT_SIZE];
    size_t len;

    (void)state;
    memset(longest, 'x', LOG_TEXT_MAX);
    longest[LOG_TEXT_MAX] = '\0';
    add_value(r, LOG_FIELD_SUPPRESSED, UINT64_MAX);
    set_text(r, longest);
    r->has_client = true;
    r->client = (struct addr_key){.family = AF_INET6, .port = 65535, .scope_id = UINT32_MAX};
    memset(r->client.ip, 0xfe, sizeof(r->client.ip));

    addr_key_format(&r->client, client);
    entry.text_len = log_text_make(r, client, text);
    assert_int_equal(entry.text_len, strlen(text));
    assert_non_null(strstr(text, "18446744073709551615 more like it not logged)"));
    len = log_line_format(&entry, line);
    assert_true(len < LOG_LINE_MAX);
    assert_int_equal(line[len - 1], '\n');
    assert_memory_equal(line + len - strlen("logged)\n"), "logged)\n", strlen("logged)\n"));
}

static void test_line_that_is_too_long_still_ends(void **state)
{
    struct room room;
    struct log_record *r = record(&room, LOG_EVENT_REFUSED);
    char text[LOG_LINE_MAX];
    char line[LOG_LINE_MAX];
    struct log_entry entry = {.record = r, .priority = LOG_WARNING, .when = WHEN, .text = text,
                              .text_len = sizeof(text)};

    (void)state;
    memset(text, 'x', sizeof(text));
    assert_int_equal(log_line_format(&entry, line), LOG_LINE_MAX);
    assert_int_equal(line[LOG_LINE_MAX - 1], '\n');
    assert_int_equal(line[LOG_LINE_MAX - 2], 'x');
}

static void test_line_has_time_priority_and_text(void **state)
{
    struct room room;
    struct log_record *r = record(&room, LOG_EVENT_STARTED);
    struct log_entry entry = {.record = r, .priority = LOG_INFO, .when = WHEN, .text = "hello",
                              .text_len = 5};
    char line[LOG_LINE_MAX];

    (void)state;
    line[log_line_format(&entry, line)] = '\0';
    assert_string_equal(line, WHEN " info hello\n");
}

static void test_every_event_has_a_name_and_an_id_of_its_own(void **state)
{
    (void)state;
    for (enum log_event e = 0; e < N_LOG_EVENTS; e++) {
        const char *id = log_event_message_id(e);
        char name[LOG_EVENT_NAME_SIZE];

        log_event_name(e, name);
        assert_true(strlen(name) > 0 && strlen(name) < LOG_EVENT_NAME_SIZE - 1);
        for (const char *p = name; *p; p++)
            assert_true(islower(*p) || *p == '_');
        assert_int_equal(strlen(id), 32);
        assert_int_equal(strspn(id, "0123456789abcdef"), 32);
        for (enum log_event other = 0; other < e; other++)
            assert_string_not_equal(id, log_event_message_id(other));
        assert_in_range(log_event_priority(e), LOG_CRIT, LOG_DEBUG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message_reads_as_the_original_wrote_it),
        cmocka_unit_test(test_slow_message_names_the_threshold),
        cmocka_unit_test(test_client_stands_in_front),
        cmocka_unit_test(test_own_text_is_kept_and_what_was_left_out_is_said),
        cmocka_unit_test(test_longest_record_fits_a_line),
        cmocka_unit_test(test_line_that_is_too_long_still_ends),
        cmocka_unit_test(test_line_has_time_priority_and_text),
        cmocka_unit_test(test_every_event_has_a_name_and_an_id_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
