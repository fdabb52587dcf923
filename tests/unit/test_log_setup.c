/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/test.h"

#include "daemon/log_setup.h"
#include "tests/support/fault.h"

static int setup(void **state)
{
    (void)state;
    (void)unsetenv("JOURNAL_STREAM");
    (void)unsetenv("LOGS_DIRECTORY");
    return 0;
}

static struct logger_settings resolve(enum log_target target, char *file)
{
    struct config c = {.log_target = target, .log_file = file, .log_file_size = 5000,
                       .log_file_count = 3};
    struct logger_settings s;

    assert_int_equal(log_setup_resolve(&c, &s), 0);
    return s;
}

static void set_journal_stream(int offset)
{
    char text[64];
    struct stat st;

    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    (void)snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev,
                   (unsigned long long)st.st_ino + (unsigned long long)offset);
    assert_int_equal(setenv("JOURNAL_STREAM", text, 1), 0);
}

static void test_auto_is_standard_error_outside_of_a_unit(void **state)
{
    (void)state;
    assert_ptr_equal(resolve(LOG_TARGET_AUTO, NULL).sink.ops, &log_stderr_ops);
}

static void test_auto_is_the_journal_where_standard_error_goes_there(void **state)
{
    (void)state;
    set_journal_stream(0);
    assert_ptr_equal(resolve(LOG_TARGET_AUTO, NULL).sink.ops, &log_journal_ops);
}

/* A unit's child whose output somebody has redirected still has the variable. */
static void test_auto_is_standard_error_where_it_was_redirected(void **state)
{
    (void)state;
    set_journal_stream(1);
    assert_ptr_equal(resolve(LOG_TARGET_AUTO, NULL).sink.ops, &log_stderr_ops);
    assert_int_equal(setenv("JOURNAL_STREAM", "rubbish", 1), 0);
    assert_ptr_equal(resolve(LOG_TARGET_AUTO, NULL).sink.ops, &log_stderr_ops);
}

static void test_other_targets_are_what_they_say(void **state)
{
    (void)state;
    assert_ptr_equal(resolve(LOG_TARGET_JOURNAL, NULL).sink.ops, &log_journal_ops);
    set_journal_stream(0);
    assert_ptr_equal(resolve(LOG_TARGET_STDERR, NULL).sink.ops, &log_stderr_ops);
    assert_null(resolve(LOG_TARGET_NONE, NULL).sink.ops);
}

static void assert_file(char *file, const char *expected)
{
    struct logger_settings s = resolve(LOG_TARGET_NONE, file);

    if (expected)
        assert_string_equal(s.file, expected);
    else
        assert_null(s.file);
    assert_int_equal(s.file_size, 5000);
    assert_int_equal(s.file_count, 3);
    logger_settings_deinit(&s);
}

static void test_no_file_unless_asked_for_outside_of_a_unit(void **state)
{
    (void)state;
    assert_file(NULL, NULL);
    assert_file((char[]){""}, NULL);
    assert_file((char[]){"some.log"}, "some.log");
    assert_file((char[]){"/var/log/some.log"}, "/var/log/some.log");
}

static void test_file_is_in_the_directory_of_the_unit(void **state)
{
    (void)state;
    assert_int_equal(setenv("LOGS_DIRECTORY", "/var/log/tcptimer", 1), 0);
    assert_file(NULL, "/var/log/tcptimer/tcptimerd.log");
    assert_file((char[]){""}, NULL);
    assert_file((char[]){"some.log"}, "/var/log/tcptimer/some.log");
    assert_file((char[]){"/srv/some.log"}, "/srv/some.log");
}

/* LogsDirectory=tcptimer other, systemd.exec(5): the first is ours. */
static void test_file_is_in_the_first_of_several_directories(void **state)
{
    (void)state;
    assert_int_equal(setenv("LOGS_DIRECTORY", "/var/log/tcptimer:/var/log/other", 1), 0);
    assert_file(NULL, "/var/log/tcptimer/tcptimerd.log");
}

static void test_lack_of_memory_is_an_error(void **state)
{
    struct config c = {.log_file = (char[]){"/srv/some.log"}};
    struct logger_settings s;

    (void)state;
    fault_arm(0);
    assert_int_equal(log_setup_resolve(&c, &s), -ENOMEM);
    assert_true(fault_disarm());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_auto_is_standard_error_outside_of_a_unit, setup),
        cmocka_unit_test_setup(test_auto_is_the_journal_where_standard_error_goes_there, setup),
        cmocka_unit_test_setup(test_auto_is_standard_error_where_it_was_redirected, setup),
        cmocka_unit_test_setup(test_other_targets_are_what_they_say, setup),
        cmocka_unit_test_setup(test_no_file_unless_asked_for_outside_of_a_unit, setup),
        cmocka_unit_test_setup(test_file_is_in_the_directory_of_the_unit, setup),
        cmocka_unit_test_setup(test_file_is_in_the_first_of_several_directories, setup),
        cmocka_unit_test_setup(test_lack_of_memory_is_an_error, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
