/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "tests/support/test.h"

#include "daemon/log_sink.h"
#include "daemon/log_text.h"

#define UUID "f47ac10b-58cc-4372-a567-0e02b2c3d479"

/* What the journal got last, a field a line. */
static struct {
    char fields[8192];
    int result;
} journal;

int __wrap_sd_journal_sendv(const struct iovec *iov, int n);

int __wrap_sd_journal_sendv(const struct iovec *iov, int n)
{
    char *at = journal.fields;

    for (int i = 0; i < n; i++) {
        at = mempcpy(at, iov[i].iov_base, iov[i].iov_len);
        *at++ = '\n';
    }
    *at = '\0';
    return journal.result;
}

static int send_last(struct log *log)
{
    const struct log_record *r = ring_peek(&log->ring);
    char name[LOG_EVENT_NAME_SIZE];
    char text[LOG_TEXT_SIZE], client[ADDR_TEXT_SIZE];
    struct log_entry entry = {.record = r, .name = name, .text = text};
    int result;

    assert_non_null(r);
    entry.message_id = log_event_message_id(r->site->event);
    entry.priority = log_event_priority(r->site->event);
    addr_key_format(&r->client, client);
    entry.client = r->has_client ? client : NULL;
    entry.text_len = log_text_make(r, entry.client, text);
    log_event_name(r->site->event, name);
    result = log_journal_ops.write(NULL, &entry);
    ring_release(&log->ring);
    return result;
}

static void assert_has(const char *field)
{
    char line[512];

    (void)snprintf(line, sizeof(line), "%s\n", field);
    if (strncmp(journal.fields, line, strlen(line)) != 0) {
        (void)snprintf(line, sizeof(line), "\n%s\n", field);
        if (!strstr(journal.fields, line))
            fail_msg("no \"%s\" in:\n%s", field, journal.fields);
    }
}

static void assert_has_not(const char *name)
{
    if (strstr(journal.fields, name))
        fail_msg("unexpected \"%s\" in:\n%s", name, journal.fields);
}

static int setup(void **state)
{
    static struct log_shared shared;
    static struct log log;

    shared.level = LOG_DEBUG;
    memset(&journal, 0, sizeof(journal));
    assert_int_equal(log_init(&log, &shared, &clock_system, 2), 0);
    *state = &log;
    return 0;
}

static int teardown(void **state)
{
    log_deinit(*state);
    return 0;
}

static void test_entry_has_all_that_it_knows(void **state)
{
    struct log *log = *state;
    struct addr_key client = {.ip = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 1}, .port = 4711,
                              .family = AF_INET};
    char line[64];

    log_event(log, SLOW, .client = &client, .uuid = UUID, .reason = "slow", .error = EIO,
              .listener = "[::]:1", LOG_VALUES({LOG_FIELD_DELTA, 2000000000},
                                               {LOG_FIELD_THRESHOLD, 1000000000}));
    (void)snprintf(line, sizeof(line), "CODE_LINE=%d",
                   ((const struct log_record *)ring_peek(&log->ring))->site->line);
    assert_int_equal(send_last(log), 0);
    assert_has("MESSAGE=192.0.2.1:4711: " UUID " received after 2.000000 seconds, more than "
               "slow_threshold = 1.000000 s");
    assert_has("MESSAGE_ID=90afc728d77f40e691961773b478c2ed");
    assert_has("PRIORITY=4");
    assert_has("SYSLOG_IDENTIFIER=tcptimerd");
    assert_has("CODE_FILE=test_log_journal.c");
    assert_has("CODE_FUNC=test_entry_has_all_that_it_knows");
    assert_has(line);
    assert_has("TCPTIMER_EVENT=slow");
    assert_has("TCPTIMER_WORKER=2");
    assert_has("TCPTIMER_CLIENT=192.0.2.1:4711");
    assert_has("TCPTIMER_LISTENER=[::]:1");
    assert_has("TCPTIMER_UUID=" UUID);
    assert_has("TCPTIMER_REASON=slow");
    assert_has("ERRNO=5");
    assert_has("TCPTIMER_DELTA_NSEC=2000000000");
    assert_has("TCPTIMER_THRESHOLD_NSEC=1000000000");
}

static void test_entry_has_no_field_that_it_does_not_know(void **state)
{
    struct log *log = *state;

    log->worker = LOG_NO_WORKER;
    log_text(log, STARTED, &((struct log_data){LOG_VALUES({LOG_FIELD_WORKERS, 4})}), "started");
    assert_int_equal(send_last(log), 0);
    assert_has("MESSAGE=started");
    assert_has("PRIORITY=6");
    assert_has("TCPTIMER_WORKERS=4");
    assert_has_not("TCPTIMER_WORKER=");
    assert_has_not("TCPTIMER_CLIENT=");
    assert_has_not("TCPTIMER_UUID=");
    assert_has_not("TCPTIMER_REASON=");
    assert_has_not("TCPTIMER_LISTENER=");
    assert_has_not("ERRNO=");
}

static void test_number_with_a_sign_keeps_it(void **state)
{
    struct log *log = *state;

    log_text(log, CLOCK_STEPPED,
             &((struct log_data){LOG_VALUES({LOG_FIELD_STEP, (uint64_t)INT64_C(-1500000000)})}),
             "stepped");
    assert_int_equal(send_last(log), 0);
    assert_has("TCPTIMER_STEP_NSEC=-1500000000");

    log_text(log, CLOCK_STEPPED, &((struct log_data){LOG_VALUES({LOG_FIELD_STEP, 2000})}),
             "stepped");
    assert_int_equal(send_last(log), 0);
    assert_has("TCPTIMER_STEP_NSEC=2000");
}

/* The largest of everything: no field is left out for want of room. */
static void test_largest_entry_keeps_all_fields(void **state)
{
    struct log *log = *state;
    struct addr_key client = {.family = AF_INET6, .port = 65535, .scope_id = UINT32_MAX};
    struct log_data data = {.client = &client, .uuid = UUID, .reason = "max_clients_per_source",
                            .error = 4095, .n_values = LOG_VALUES_MAX};
    char text[LOG_TEXT_MAX + 1], listener[ADDR_TEXT_SIZE], field[ADDR_TEXT_SIZE + 32];

    memset(text, 'x', LOG_TEXT_MAX);
    text[LOG_TEXT_MAX] = '\0';
    memset(listener, 'y', sizeof(listener) - 1);
    listener[sizeof(listener) - 1] = '\0';
    data.listener = listener;
    for (unsigned i = 0; i < LOG_VALUES_MAX; i++)
        data.values[i] = (struct log_value){.field = LOG_FIELD_THRESHOLD, .value = UINT64_MAX - i};

    log_text(log, CONFIG_WARNING, &data, "%s", text);
    assert_int_equal(send_last(log), 0);
    (void)snprintf(field, sizeof(field), "TCPTIMER_LISTENER=%s", listener);
    assert_has(field);
    assert_has("TCPTIMER_THRESHOLD_NSEC=18446744073709551606");
}

static void test_failure_is_passed_on(void **state)
{
    struct log *log = *state;

    journal.result = -ENOBUFS;
    log_text(log, STARTED, &((struct log_data){0}), "started");
    assert_int_equal(send_last(log), -ENOBUFS);
}

#define IN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_entry_has_all_that_it_knows),
        IN(test_entry_has_no_field_that_it_does_not_know),
        IN(test_number_with_a_sign_keeps_it),
        IN(test_largest_entry_keeps_all_fields),
        IN(test_failure_is_passed_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
