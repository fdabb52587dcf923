/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "daemon/log_sink.h"

/* What standard error does: bytes that each call takes, or negative errno; behind the last, all. */
static struct {
    ssize_t steps[8];
    unsigned n_steps, next;
    bool halted;                    /* it has room for nothing */
    bool halts_behind_steps;
    unsigned n_waits;               /* of polls that took their time */
    char got[4096];
    size_t n_got;
} terminal;

ssize_t __wrap_write(int fd, const void *buf, size_t len);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);

ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
    assert_int_equal(fd, STDERR_FILENO);
    if (terminal.next < terminal.n_steps) {
        ssize_t step = terminal.steps[terminal.next++];

        if (step < 0) {
            errno = (int)-step;
            return -1;
        }
        len = MIN(len, (size_t)step);
        terminal.halted = terminal.halts_behind_steps;
    }
    assert_true(terminal.n_got + len <= sizeof(terminal.got));
    memcpy(terminal.got + terminal.n_got, buf, len);
    terminal.n_got += len;
    return (ssize_t)len;
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
    assert_int_equal(n, 1);
    assert_int_equal(fds->fd, STDERR_FILENO);
    assert_int_equal(fds->events, POLLOUT);
    assert_in_range(timeout, 0, 10000);
    terminal.n_waits += terminal.halted && timeout > 0;
    return terminal.halted ? 0 : 1;
}

static int write_text(const char *text)
{
    static const struct log_site site = {.event = LOG_EVENT_STARTED};
    struct log_record r = {.site = &site};
    struct log_entry entry = {.record = &r, .priority = LOG_INFO, .when = "now", .text = text,
                              .text_len = strlen(text)};

    return log_stderr_ops.write(NULL, &entry);
}

static int setup(void **state)
{
    (void)state;
    memset(&terminal, 0, sizeof(terminal));
    (void)write_text("the sink forgets what the test before it did");
    terminal.n_got = 0;
    return 0;
}

static void assert_got_line(const char *end)
{
    size_t len = strlen(end);

    assert_true(terminal.n_got > len);
    assert_memory_equal(terminal.got + terminal.n_got - len, end, len);
    assert_ptr_equal(memchr(terminal.got, '\n', terminal.n_got),
                     terminal.got + terminal.n_got - 1);
}

static void test_entry_is_one_write(void **state)
{
    (void)state;
    assert_int_equal(write_text("hello"), 0);
    assert_got_line(" info hello\n");
    assert_int_equal(terminal.next, 0);
}

static void test_short_write_is_continued(void **state)
{
    (void)state;
    terminal.steps[0] = 3;
    terminal.steps[1] = 1;
    terminal.n_steps = 2;
    assert_int_equal(write_text("hello"), 0);
    assert_got_line(" info hello\n");
}

static void test_interrupted_write_is_repeated(void **state)
{
    (void)state;
    terminal.steps[0] = -EINTR;
    terminal.n_steps = 1;
    assert_int_equal(write_text("hello"), 0);
    assert_got_line(" info hello\n");
}

static void test_full_pipe_is_waited_for(void **state)
{
    (void)state;
    terminal.steps[0] = 5;
    terminal.steps[1] = -EAGAIN;
    terminal.n_steps = 2;
    assert_int_equal(write_text("hello"), 0);
    assert_got_line(" info hello\n");
}

/* Once, and not once an entry; and again when it has taken something meanwhile. */
static void test_halted_terminal_is_waited_for_once(void **state)
{
    (void)state;
    terminal.halted = true;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(write_text("lost"), -EAGAIN);
    assert_int_equal(terminal.n_waits, 1);
    assert_int_equal(terminal.n_got, 0);

    terminal.halted = false;
    assert_int_equal(write_text("hello"), 0);
    assert_got_line(" info hello\n");
    terminal.halted = true;
    assert_int_equal(write_text("lost"), -EAGAIN);
    assert_int_equal(terminal.n_waits, 2);
}

static void test_line_that_was_cut_is_ended_by_the_next(void **state)
{
    (void)state;
    terminal.steps[0] = 5;
    terminal.n_steps = 1;
    terminal.halts_behind_steps = true;
    assert_int_equal(write_text("lost"), -EAGAIN);
    assert_int_equal(terminal.n_got, 5);

    terminal.halted = false;
    assert_int_equal(write_text("hello"), 0);
    assert_int_equal(terminal.got[5], '\n');
    assert_memory_equal(terminal.got + terminal.n_got - 12, " info hello\n", 12);
    terminal.n_got = 0;
    assert_int_equal(write_text("again"), 0);
    assert_got_line(" info again\n");
}

static void test_closed_pipe_is_an_error(void **state)
{
    (void)state;
    terminal.steps[0] = -EPIPE;
    terminal.n_steps = 1;
    assert_int_equal(write_text("hello"), -EPIPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_entry_is_one_write, setup),
        cmocka_unit_test_setup(test_short_write_is_continued, setup),
        cmocka_unit_test_setup(test_interrupted_write_is_repeated, setup),
        cmocka_unit_test_setup(test_full_pipe_is_waited_for, setup),
        cmocka_unit_test_setup(test_halted_terminal_is_waited_for_once, setup),
        cmocka_unit_test_setup(test_line_that_was_cut_is_ended_by_the_next, setup),
        cmocka_unit_test_setup(test_closed_pipe_is_an_error, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
