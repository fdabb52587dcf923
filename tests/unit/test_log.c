/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/test.h"

#include "daemon/log.h"
#include "daemon/wake.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fault.h"

struct fixture {
    struct fake_clock clock;
    struct clock_src clock_src;
    struct log_shared shared;
    struct log log;
};

static struct fixture fixture;

static int setup(void **state)
{
    struct fixture *f = &fixture;

    *f = (struct fixture){.clock = {.real = 1700000000 * NSEC_PER_SEC},
                          .shared = {.level = LOG_DEBUG, .wake_fd = wake_open()}};
    f->clock_src = fake_clock_src(&f->clock);
    assert_true(f->shared.wake_fd >= 0);
    assert_int_equal(log_init(&f->log, &f->shared, &f->clock_src, 3), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    log_deinit(&f->log);
    fd_closep(&f->shared.wake_fd);
    return 0;
}

static const struct log_record *take(struct fixture *f)
{
    const struct log_record *r = ring_peek(&f->log.ring);

    assert_non_null(r);
    ring_release(&f->log.ring);     /* nobody writes meanwhile: it stays readable */
    return r;
}

static const char *text_of(const struct log_record *r)
{
    return (const char *)&r->values[r->n_values];
}

static bool is_woken(struct fixture *f)
{
    return poll(&(struct pollfd){.fd = f->shared.wake_fd, .events = POLLIN}, 1, 0) == 1;
}

static void test_record_has_what_was_said_and_where(void **state)
{
    struct fixture *f = *state;
    struct addr_key client = {.family = AF_INET6, .ip = {0x20, 0x01}, .port = 80};
    const struct log_record *r;
    int line = __LINE__ + 2;

    log_text(&f->log, REFUSED,
             &((struct log_data){.client = &client, .reason = "max_clients", .error = ENOMEM,
                                 .listener = "[::]:1", LOG_VALUES({LOG_FIELD_CLIENTS, 7},
                                                                  {LOG_FIELD_SUPPRESSED, 8})}),
             "full: %d", 42);
    r = take(f);
    assert_int_equal(r->site->event, LOG_EVENT_REFUSED);
    assert_string_equal(r->site->func, __func__);
    assert_string_equal(r->site->file, "test_log.c");
    assert_in_range(r->site->line, line - 1, line + 4);
    assert_int_equal(r->real, f->clock.real);
    assert_int_equal(r->worker, 3);
    assert_true(r->has_client);
    assert_memory_equal(&r->client, &client, sizeof(client));
    assert_false(r->has_uuid);
    assert_string_equal(r->reason, "max_clients");
    assert_string_equal(r->listener, "[::]:1");
    assert_int_equal(r->error, ENOMEM);
    assert_int_equal(r->n_values, 2);
    assert_int_equal(r->values[1].field, LOG_FIELD_SUPPRESSED);
    assert_int_equal(r->values[1].value, 8);
    assert_int_equal(r->text_len, strlen("full: 42"));
    assert_memory_equal(text_of(r), "full: 42", r->text_len);
}

static void test_event_without_text_leaves_it_to_the_logger(void **state)
{
    struct fixture *f = *state;
    const struct log_record *r;

    log_event(&f->log, MESSAGE, .uuid = "f47ac10b-58cc-4372-a567-0e02b2c3d479",
              LOG_VALUES({LOG_FIELD_DELTA, 5}));
    r = take(f);
    assert_int_equal(r->text_len, 0);
    assert_true(r->has_uuid);
    assert_memory_equal(r->uuid, "f47ac10b-58cc-4372-a567-0e02b2c3d479", TEXT_UUID_LEN);
    assert_int_equal(r->values[0].value, 5);
}

static void test_long_text_is_cut(void **state)
{
    struct fixture *f = *state;
    char text[2 * LOG_TEXT_MAX + 1];
    const struct log_record *r;

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_text(&f->log, STATISTICS, &((struct log_data){0}), "%s", text);
    r = take(f);
    assert_int_equal(r->text_len, LOG_TEXT_MAX);
    assert_memory_equal(text_of(r), text, LOG_TEXT_MAX);
}

static void test_level_keeps_out_what_is_less_urgent(void **state)
{
    struct fixture *f = *state;

    atomic_store(&f->shared.level, LOG_NOTICE);
    log_event(&f->log, MESSAGE, );
    assert_null(ring_peek(&f->log.ring));
    log_event(&f->log, BAD_MESSAGE, );
    assert_int_equal(take(f)->site->event, LOG_EVENT_BAD_MESSAGE);
    log_event(&f->log, START_FAILED, );
    assert_int_equal(take(f)->site->event, LOG_EVENT_START_FAILED);
}

static void test_sleeping_logger_is_woken_once(void **state)
{
    struct fixture *f = *state;

    log_event(&f->log, MESSAGE, );
    assert_false(is_woken(f));

    atomic_store(&f->shared.logger_sleeps, true);
    log_event(&f->log, MESSAGE, );
    assert_true(is_woken(f));
    assert_false(f->shared.logger_sleeps);

    wake_clear(f->shared.wake_fd);
    log_event(&f->log, MESSAGE, );
    assert_false(is_woken(f));
}

/* A worker tells the logger once a turn, not with each message. */
static void test_sleeping_logger_may_be_told_later(void **state)
{
    struct fixture *f = *state;

    f->log.announces_later = true;
    atomic_store(&f->shared.logger_sleeps, true);
    log_event(&f->log, MESSAGE, );
    log_event(&f->log, MESSAGE, );
    assert_false(is_woken(f));
    log_announce(&f->log);
    assert_true(is_woken(f));

    wake_clear(f->shared.wake_fd);
    atomic_store(&f->shared.logger_sleeps, true);
    log_announce(&f->log);          /* nothing new */
    assert_false(is_woken(f));
}

static void test_full_ring_drops_and_counts(void **state)
{
    struct fixture *f = *state;
    unsigned n = 0;

    while (ring_dropped(&f->log.ring) == 0) {
        log_event(&f->log, MESSAGE, .uuid = "f47ac10b-58cc-4372-a567-0e02b2c3d479",
                  LOG_VALUES({LOG_FIELD_DELTA, n}));
        n++;
    }
    assert_true(n > 1000);
    assert_int_equal(take(f)->values[0].value, 0);      /* the oldest stays */
}

static void test_log_without_memory_takes_nothing(void **state)
{
    struct fixture *f = *state;
    struct log log;

    fault_arm(0);
    assert_int_equal(log_init(&log, &f->shared, &f->clock_src, 0), -ENOMEM);
    assert_true(fault_disarm());
    log_text(&log, START_FAILED, &((struct log_data){0}), "nobody hears it");
    assert_int_equal(ring_dropped(&log.ring), 1);
    log_deinit(&log);
}

#define IN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_record_has_what_was_said_and_where),
        IN(test_event_without_text_leaves_it_to_the_logger),
        IN(test_long_text_is_cut),
        IN(test_level_keeps_out_what_is_less_urgent),
        IN(test_sleeping_logger_is_woken_once),
        IN(test_sleeping_logger_may_be_told_later),
        IN(test_full_ring_drops_and_counts),
        IN(test_log_without_memory_takes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
