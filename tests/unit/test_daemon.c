/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "daemon/daemon.h"
#include "tests/support/fault.h"

static const char *const base[] = {"tcptimerd", "--config=/dev/null", "--listen=127.0.0.1:0",
                                   "--workers=2", "--log-target=none"};

/* With these options too; NULL = none. */
static void parse(struct options *options, const char *option, const char *another)
{
    const char *argv[ARRAY_SIZE(base) + 3] = {0};
    char *args[ARRAY_SIZE(argv)];   /* of main()'s type; nobody writes to what they point to */
    int argc = ARRAY_SIZE(base);

    memcpy(argv, base, sizeof(base));
    if (option)
        argv[argc++] = option;
    if (another)
        argv[argc++] = another;
    memcpy(args, argv, sizeof(args));
    *options = OPTIONS_INIT;
    assert_int_equal(options_parse(options, argc, args, stderr), 0);
}

/* Runs a daemon that is told to stop before it begins. */
static int run(const char *option)
{
    struct options options;
    int r;

    parse(&options, option, NULL);
    assert_int_equal(kill(getpid(), SIGTERM), 0);       /* blocked, so that it waits */
    r = daemon_run(&options);
    options_deinit(&options);
    return r;
}

/* Those that the daemon did not get so far as to take. */
static void take_signals(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    while (sigtimedwait(&set, NULL, &(struct timespec){0}) > 0)
        ;
}

/* Runs a daemon that is told to reload and to stop before it begins; returns what it says. */
static const char *run_and_reload(const struct options *options, int *ret_result)
{
    static char said[65536];
    FILE *file = tmpfile();
    int kept = dup(STDERR_FILENO);
    size_t n;

    assert_non_null(file);
    assert_int_equal(dup2(fileno(file), STDERR_FILENO), STDERR_FILENO);
    (void)kill(getpid(), SIGHUP);   /* the lower number is taken first */
    (void)kill(getpid(), SIGTERM);
    *ret_result = daemon_run(options);
    (void)dup2(kept, STDERR_FILENO);
    fd_closep(&kept);

    rewind(file);
    n = fread(said, 1, sizeof(said) - 1, file);
    said[n] = '\0';
    (void)fclose(file);
    return said;
}

static int count_descriptors(void)
{
    int n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static int block(void **state)
{
    sigset_t set;

    (void)state;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    return pthread_sigmask(SIG_BLOCK, &set, NULL);
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
    take_signals();
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
    parse(&options, NULL, NULL);
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
        take_signals();
    }
    assert_in_range(n_failed, 30, 1000);
    options_deinit(&options);
}

/* Whatever it lacks: it has reloaded, or it has not, and does not say both. */
static void test_reload_that_fails_is_not_said_to_have_worked(void **state)
{
    struct options options;
    unsigned n_failed = 0, n_reloaded = 0;
    bool failed = true;

    (void)state;
    parse(&options, "--log-target=stderr", "--log-file=/dev/null");
    for (unsigned n = 0; failed; n++) {
        const char *said;
        bool has_failed, has_reloaded;
        int r;

        fault_arm(n);
        said = run_and_reload(&options, &r);
        failed = fault_disarm();
        has_failed = strstr(said, " reload: ");
        has_reloaded = strstr(said, "configuration reloaded");
        if (r == 0 && has_failed == has_reloaded)
            fail_msg("call %u failed, and it said:\n%s", n, said);
        n_failed += has_failed;
        n_reloaded += has_reloaded;
        take_signals();
    }
    assert_true(n_failed > 0 && n_reloaded > 0);
    options_deinit(&options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_daemon_comes_and_goes_without_a_trace),
        cmocka_unit_test(test_fault_in_the_configuration_ends_it),
        cmocka_unit_test(test_stuck_standard_error_does_not_hang_the_stop),
        cmocka_unit_test(test_every_failure_of_the_start_is_undone),
        cmocka_unit_test(test_reload_that_fails_is_not_said_to_have_worked),
    };

    return cmocka_run_group_tests(tests, block, NULL);
}
