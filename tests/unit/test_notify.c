/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/test.h"

#include "daemon/notify.h"

/* What the service manager was told last, and what it wants. */
static struct {
    char text[512];
    int watchdog_result;
    uint64_t watchdog_usec;
} manager;

int __wrap_sd_notify(int unset_environment, const char *text);
int __wrap_sd_notifyf(int unset_environment, const char *format, ...) _printf_(2, 3);
int __wrap_sd_watchdog_enabled(int unset_environment, uint64_t *ret_usec);

int __wrap_sd_notify(int unset_environment, const char *text)
{
    assert_int_equal(unset_environment, 0);
    (void)snprintf(manager.text, sizeof(manager.text), "%s", text);
    return 1;
}

int __wrap_sd_notifyf(int unset_environment, const char *format, ...)
{
    va_list args;

    assert_int_equal(unset_environment, 0);
    va_start(args, format);
    (void)vsnprintf(manager.text, sizeof(manager.text), format, args);
    va_end(args);
    return 1;
}

int __wrap_sd_watchdog_enabled(int unset_environment, uint64_t *ret_usec)
{
    assert_int_equal(unset_environment, 0);
    *ret_usec = manager.watchdog_usec;
    return manager.watchdog_result;
}

static void test_states_are_told_as_sd_notify_has_them(void **state)
{
    (void)state;
    notify_ready();
    assert_string_equal(manager.text, "READY=1");
    notify_reloading(1234567890);
    assert_string_equal(manager.text, "RELOADING=1\nMONOTONIC_USEC=1234567");
    notify_stopping(20 * NSEC_PER_SEC);
    assert_string_equal(manager.text, "STOPPING=1\nEXTEND_TIMEOUT_USEC=20000000\n"
                                      "STATUS=stopping, serving clients on until they are done");
    notify_watchdog();
    assert_string_equal(manager.text, "WATCHDOG=1");
}

static void test_status_is_one_line_of_text(void **state)
{
    char longest[1024];

    (void)state;
    notify_status("%d clients, 100%%", 3);
    assert_string_equal(manager.text, "STATUS=3 clients, 100%");

    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    notify_status("%s", longest);
    assert_in_range(strlen(manager.text), 200, 300);
}

static void test_watchdog_interval_is_what_the_manager_wants(void **state)
{
    (void)state;
    manager.watchdog_result = 1;
    manager.watchdog_usec = 10000000;
    assert_int_equal(notify_watchdog_interval(), 10 * NSEC_PER_SEC);
    manager.watchdog_result = 0;
    assert_int_equal(notify_watchdog_interval(), 0);
    manager.watchdog_result = -22;
    assert_int_equal(notify_watchdog_interval(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states_are_told_as_sd_notify_has_them),
        cmocka_unit_test(test_status_is_one_line_of_text),
        cmocka_unit_test(test_watchdog_interval_is_what_the_manager_wants),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
