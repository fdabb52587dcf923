/* SPDX-License-Identifier: MIT */
/*
 * Signals are the process' own, sent to itself. What is waited for is the eventfd.
 */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/test.h"

#include "client/interrupt.h"
#include "client/verdict.h"

#define DEADLINE_MS 20000

struct fixture {
    struct interrupt *interrupt;
    int report_fd;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->report_fd = eventfd(0, EFD_CLOEXEC);
    assert_true(f->report_fd >= 0);
    interrupt_block();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    interrupt_free(f->interrupt);
    fd_closep(&f->report_fd);
    free(f);
    return 0;
}

static void begin(struct fixture *f)
{
    assert_int_equal(interrupt_new(&f->interrupt, NULL, 0, f->report_fd), 0);
}

static void wait_for_report(struct fixture *f)
{
    struct pollfd p = {.fd = f->report_fd, .events = POLLIN};
    uint64_t count;

    assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
    assert_int_equal(read(f->report_fd, &count, sizeof(count)), sizeof(count));
}

/* Long enough for another interrupt to be one. */
static void let_time_pass(void)
{
    const struct timespec pause = {.tv_nsec = 150 * 1000 * 1000};

    (void)nanosleep(&pause, NULL);
}

static void test_interrupts_are_counted_and_told(void **state)
{
    struct fixture *f = *state;

    begin(f);
    assert_int_equal(interrupt_count(f->interrupt), 0);
    assert_int_equal(kill(getpid(), SIGINT), 0);
    wait_for_report(f);
    assert_int_equal(interrupt_count(f->interrupt), 1);
    let_time_pass();
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    wait_for_report(f);
    assert_int_equal(interrupt_count(f->interrupt), 2);
    assert_false(interrupt_take_quit(f->interrupt));
}

static void test_quit_is_told_once_and_ends_nothing(void **state)
{
    struct fixture *f = *state;

    begin(f);
    assert_int_equal(kill(getpid(), SIGQUIT), 0);
    wait_for_report(f);
    assert_true(interrupt_take_quit(f->interrupt));
    assert_false(interrupt_take_quit(f->interrupt));
    assert_int_equal(interrupt_count(f->interrupt), 0);
}

/* As when somebody presses Ctrl-C while the threads are being made. */
static void test_what_came_before_the_thread_is_heard(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(kill(getpid(), SIGINT), 0);
    begin(f);
    wait_for_report(f);
    assert_int_equal(interrupt_count(f->interrupt), 1);
}

/* As timeout(1) sends them. Both are pending before the thread begins, so that it cannot be late
 * for the second one. */
static void test_two_interrupts_at_once_are_one(void **state)
{
    struct fixture *f = *state;

    sigset_t pending;

    assert_int_equal(kill(getpid(), SIGINT), 0);
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    begin(f);
    do
        assert_int_equal(sigpending(&pending), 0);
    while (sigismember(&pending, SIGTERM));
    assert_int_equal(kill(getpid(), SIGQUIT), 0);   /* is heard after those */
    while (!interrupt_take_quit(f->interrupt))
        wait_for_report(f);
    assert_int_equal(interrupt_count(f->interrupt), 1);
}

/* A process that does nothing but hear, as one that waits in a write. */
static void test_second_interrupt_ends_a_process_that_is_stuck(void **state)
{
    struct fixture *f = *state;
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        if (interrupt_new(&f->interrupt, NULL, 0, f->report_fd) < 0)
            _exit(99);
        (void)kill(getpid(), SIGINT);
        while (interrupt_count(f->interrupt) < 1)
            continue;
        let_time_pass();
        (void)kill(getpid(), SIGINT);
        for (;;)
            (void)pause();
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_FORCED);
}

#define IN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_interrupts_are_counted_and_told),
        IN(test_quit_is_told_once_and_ends_nothing),
        IN(test_what_came_before_the_thread_is_heard),
        IN(test_two_interrupts_at_once_are_one),
        IN(test_second_interrupt_ends_a_process_that_is_stuck),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
