/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/test.h"

#include "client/run_log.h"
#include "tests/support/fake_clock.h"

/* The disk: 0, or what it is that keeps it from taking more. */
static int disk_error;

ssize_t __real_write(int fd, const void *buf, size_t len);
ssize_t __wrap_write(int fd, const void *buf, size_t len);

ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
    if (disk_error == 0)
        return __real_write(fd, buf, len);
    errno = disk_error;
    return -1;
}

struct fixture {
    struct fake_clock clock;
    struct clock_src clock_src;
    char directory[64];
    char path[128];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->clock.now = NSEC_PER_SEC;
    f->clock.real = 1700000000 * NSEC_PER_SEC;
    f->clock_src = fake_clock_src(&f->clock);
    (void)snprintf(f->directory, sizeof(f->directory), "/tmp/tt-run-log-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    (void)snprintf(f->path, sizeof(f->path), "%s/log", f->directory);
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    (void)unlink(f->path);
    (void)rmdir(f->directory);
    free(f);
    return 0;
}

static void assert_content(const struct fixture *f, const char *expected)
{
    char text[1024] = "";
    FILE *file = fopen(f->path, "r");

    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    (void)fclose(file);
    assert_string_equal(text, expected);
}

static void test_lines_have_the_time_of_what_happened(void **state)
{
    struct fixture *f = *state;
    struct record record = {.kind = RECORD_OUTAGE, .at = NSEC_PER_SEC, .text = "gone"};
    struct run_log *log;

    assert_int_equal(run_log_new(&log, f->path, false, &f->clock_src, NSEC_PER_SEC), 0);
    fake_clock_advance(&f->clock, NSEC_PER_SEC / 2);
    run_log_record(log, &record);
    run_log_line(log, "the end");
    assert_content(f, "");          /* written in batches */
    assert_int_equal(run_log_flush(log), 0);
    assert_content(f, "2023-11-14T22:13:20.000000+00:00 connection lost: gone; "
                      "connecting again\n"
                      "2023-11-14T22:13:20.500000+00:00 the end\n");
    run_log_free(log);
}

static void test_more_than_the_buffer_holds_is_written_too(void **state)
{
    struct fixture *f = *state;
    const size_t n_lines = 3000, line_len = strlen("2023-11-14T22:13:20.000000+00:00 0123456789\n");
    struct run_log *log;
    struct stat st;

    assert_int_equal(run_log_new(&log, f->path, false, &f->clock_src, NSEC_PER_SEC), 0);
    for (size_t i = 0; i < n_lines; i++)
        run_log_line(log, "0123456789");
    assert_int_equal(run_log_flush(log), 0);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_size, n_lines * line_len);
    run_log_free(log);
}

static void test_a_file_that_cannot_be_opened_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct run_log *log;

    assert_int_equal(run_log_new(&log, "/proc/no/such/place", false, &f->clock_src, 1), -ENOENT);
    assert_int_equal(run_log_new(&log, f->directory, false, &f->clock_src, 1), -EISDIR);
}

static void test_lost_lines_are_told(void **state)
{
    struct fixture *f = *state;
    struct run_log *log;

    assert_int_equal(run_log_new(&log, f->path, false, &f->clock_src, NSEC_PER_SEC), 0);
    disk_error = ENOSPC;
    run_log_line(log, "one");
    run_log_line(log, "two");
    assert_int_equal(run_log_flush(log), -ENOSPC);
    run_log_line(log, "three");
    assert_int_equal(run_log_flush(log), 0);        /* it was told that it fails */

    disk_error = 0;
    fake_clock_advance(&f->clock, 2 * NSEC_PER_SEC);
    run_log_line(log, "four");
    assert_int_equal(run_log_flush(log), RUN_LOG_RESUMED);
    assert_int_equal(run_log_take_lost(log), 3);
    assert_int_equal(run_log_take_lost(log), 0);
    assert_content(f, "2023-11-14T22:13:22.000000+00:00 four\n"
                      "2023-11-14T22:13:22.000000+00:00 the file is written again, 3 lines were "
                      "lost\n");

    /* It fails to the end. */
    disk_error = EIO;
    run_log_line(log, "five");
    assert_int_equal(run_log_flush(log), -EIO);
    assert_int_equal(run_log_take_lost(log), 1);
    disk_error = 0;
    run_log_free(log);
}

static void test_lines_lost_between_flushes_are_told_too(void **state)
{
    struct fixture *f = *state;
    struct run_log *log;

    assert_int_equal(run_log_new(&log, f->path, false, &f->clock_src, NSEC_PER_SEC), 0);
    disk_error = ENOSPC;
    for (int i = 0; i < 3000; i++)                  /* more than the buffer holds */
        run_log_line(log, "0123456789");
    assert_int_equal(run_log_flush(log), -ENOSPC);
    assert_int_equal(run_log_take_lost(log), 3000);
    disk_error = 0;
    run_log_free(log);
}

static void test_usual_place_follows_the_environment(void **state)
{
    char path[PATH_MAX];

    (void)state;
    assert_int_equal(setenv("HOME", "/home/somebody", 1), 0);
    assert_int_equal(setenv("XDG_STATE_HOME", "/var/state", 1), 0);
    assert_int_equal(run_log_find_path(path), 0);
    assert_string_equal(path, "/var/state/tcptimer/tcptimer.log");

    /* What is not absolute has to be ignored, says the specification. */
    assert_int_equal(setenv("XDG_STATE_HOME", "state", 1), 0);
    assert_int_equal(run_log_find_path(path), 0);
    assert_string_equal(path, "/home/somebody/.local/state/tcptimer/tcptimer.log");

    assert_int_equal(unsetenv("XDG_STATE_HOME"), 0);
    assert_int_equal(unsetenv("HOME"), 0);
    assert_int_equal(run_log_find_path(path), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines_have_the_time_of_what_happened, setup, teardown),
        cmocka_unit_test_setup_teardown(test_more_than_the_buffer_holds_is_written_too, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_lost_lines_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lines_lost_between_flushes_are_told_too, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_file_that_cannot_be_opened_is_an_error, setup,
                                        teardown),
        cmocka_unit_test(test_usual_place_follows_the_environment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
