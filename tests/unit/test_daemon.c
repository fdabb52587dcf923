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

static void parse(struct options *options, const char *option)
{
    const char *argv[ARRAY_SIZE(base) + 2] = {0};
    char *args[ARRAY_SIZE(argv)];   /* of main()'s type; nobody writes to what they point to */
    int argc = ARRAY_SIZE(base);

    memcpy(argv, base, sizeof(base));
    if (option)
        argv[argc++] = option;
    memcpy(args, argv, sizeof(args));
    *options = OPTIONS_INIT;
    assert_int_equal(options_parse(options, argc, args, stderr), 0);
}

/* Runs a daemon that is told to stop before it begins. */
static int run(const char *option)
{
    struct options options;
    int r;

    parse(&options, option);
    assert_int_equal(kill(getpid(), SIGTERM), 0);       /* blocked, so that it waits */
    r = daemon_run(&options);
    options_deinit(&options);
    return r;
}

static void take_signal(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigtimedwait(&set, NULL, &(struct timespec){0});
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
    take_signal();
}

/* Whatever it lacks, and whenever: it undoes what it had done, and says so by its result. */
static void test_every_failure_of_the_start_is_undone(void **state)
{
    int before = count_descriptors();
    struct options options;
    int n_failed = 0;

    (void)state;
    parse(&options, NULL);
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
        take_signal();
    }
    assert_in_range(n_failed, 30, 1000);
    options_deinit(&options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_daemon_comes_and_goes_without_a_trace),
        cmocka_unit_test(test_fault_in_the_configuration_ends_it),
        cmocka_unit_test(test_every_failure_of_the_start_is_undone),
    };

    return cmocka_run_group_tests(tests, block, NULL);
}
