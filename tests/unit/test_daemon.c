/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "daemon/daemon.h"
#include "tests/support/daemon_run.h"
#include "tests/support/fault.h"

/* Runs a daemon that is told to stop before it begins. */
static int run(const char *option)
{
    struct options options;
    int r;

    daemon_run_options(&options, option, NULL);
    assert_int_equal(kill(getpid(), SIGTERM), 0);       /* blocked, so that it waits */
    r = daemon_run(&options);
    options_deinit(&options);
    return r;
}

static int count_descriptors(void)
{
    int n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void test_daemon_comes_and_goes_without_a_trace(void **state)
{
    int before = count_descriptors();

    (void)state;
    assert_int_equal(run(NULL), 0);
    assert_int_equal(run("--log-file=/dev/null"), 0);
    assert_int_equal(count_descriptors(), before);
}

static void test_fault_in_the_configuration_ends_it(void **state)
{
    int before = count_descriptors();

    (void)state;
    assert_int_equal(run("--max-clients=0"), -EINVAL);
    assert_int_equal(run("--listen=203.0.113.1:1"), -EADDRNOTAVAIL);
    assert_int_equal(count_descriptors(), before);
    daemon_run_take_signals();
}

/* The faults are said, but in no file, whose name and size are in what could not be read. */
static void test_fault_in_the_configuration_makes_no_file(void **state)
{
    char dir[] = "/tmp/tcptimer-daemon.XXXXXX";

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(setenv("LOGS_DIRECTORY", dir, 1), 0);
    assert_int_equal(run("--max-clients=0"), -EINVAL);
    assert_int_equal(unsetenv("LOGS_DIRECTORY"), 0);
    assert_int_equal(rmdir(dir), 0);
    daemon_run_take_signals();
}

/* A pipe that is full, and whose reader sleeps: what is said is lost, the stop is not held up. */
static void test_stuck_standard_error_does_not_hang_the_stop(void **state)
{
    int kept = dup(STDERR_FILENO);
    int fds[2], r;

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    while (write(fds[1], "x", 1) == 1)
        ;
    assert_int_equal(fcntl(fds[1], F_SETFL, 0), 0);
    assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
    r = run("--log-target=stderr");
    (void)dup2(kept, STDERR_FILENO);
    assert_int_equal(r, 0);
    fd_closep(&kept);
    fd_closep(&fds[0]);
    fd_closep(&fds[1]);
}

/* Whatever it lacks, and whenever: it undoes what it had done, and says so by its result. */
static void test_every_failure_of_the_start_is_undone(void **state)
{
    int before = count_descriptors();
    struct options options;
    int n_failed = 0;

    (void)state;
    daemon_run_options(&options, NULL, NULL);
    for (unsigned n = 0;; n++) {
        int r;

        assert_int_equal(kill(getpid(), SIGTERM), 0);
        fault_arm(n);
        r = daemon_run(&options);
        if (!fault_disarm()) {
            assert_int_equal(r, 0);
            break;
        }
        n_failed += r < 0;
        assert_int_equal(count_descriptors(), before);
        daemon_run_take_signals();
    }
    assert_in_range(n_failed, 30, 1000);
    options_deinit(&options);
}

/* A journal that hangs: it takes no entry until it may go on. */
static struct {
    _Atomic bool hangs;
    int go[2];                      /* a pipe */
    bool is_left;                   /* by the stop, which waits a short while here */
    pthread_t thread;
} journal;

int __real_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_pthread_detach(pthread_t thread);
int __wrap_sd_journal_sendv(const struct iovec *iov, int n);

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
    return __real_poll(fds, n, atomic_load(&journal.hangs) && timeout > 2000 ? 1 : timeout);
}

int __wrap_pthread_detach(pthread_t thread)
{
    journal.is_left = true;
    journal.thread = thread;
    return 0;
}

int __wrap_sd_journal_sendv(const struct iovec *iov, int n)
{
    char byte;

    (void)iov;
    (void)n;
    return atomic_load(&journal.hangs) && read(journal.go[0], &byte, 1) != 1 ? -errno : 0;
}

/* Last, as what the thread may use is not freed. */
static void test_journal_that_hangs_does_not_hang_the_stop(void **state)
{
    char text[128] = "";
    int kept = dup(STDERR_FILENO);
    int errors[2], r;

    (void)state;
    assert_int_equal(pipe2(journal.go, O_CLOEXEC), 0);
    assert_int_equal(pipe2(errors, O_CLOEXEC | O_NONBLOCK), 0);
    atomic_store(&journal.hangs, true);
    assert_int_equal(dup2(errors[1], STDERR_FILENO), STDERR_FILENO);
    r = run("--log-target=journal");
    (void)dup2(kept, STDERR_FILENO);
    assert_int_equal(r, 0);
    assert_true(journal.is_left);
    assert_true(read(errors[0], text, sizeof(text) - 1) > 0);
    assert_string_equal(text, "tcptimerd: the log hangs: its last entries are lost\n");

    atomic_store(&journal.hangs, false);
    assert_int_equal(write(journal.go[1], "x", 1), 1);
    assert_int_equal(pthread_join(journal.thread, NULL), 0);
    fd_closep(&kept);
    for (unsigned i = 0; i < 2; i++) {
        fd_closep(&journal.go[i]);
        fd_closep(&errors[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_daemon_comes_and_goes_without_a_trace),
        cmocka_unit_test(test_fault_in_the_configuration_ends_it),
        cmocka_unit_test(test_fault_in_the_configuration_makes_no_file),
        cmocka_unit_test(test_stuck_standard_error_does_not_hang_the_stop),
        cmocka_unit_test(test_every_failure_of_the_start_is_undone),
        cmocka_unit_test(test_journal_that_hangs_does_not_hang_the_stop),
    };

    return cmocka_run_group_tests(tests, daemon_run_block_signals, NULL);
}
