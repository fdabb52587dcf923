/* SPDX-License-Identifier: MIT */
#include "tests/support/daemon_run.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/test.h"

#include "common/base.h"

static const char *const base[] = {"tcptimerd", "--config=/dev/null", "--listen=127.0.0.1:0",
                                   "--workers=2", "--log-target=none"};

void daemon_run_options(struct options *ret_options, const char *option, const char *another)
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
    *ret_options = OPTIONS_INIT;
    assert_int_equal(options_parse(ret_options, argc, args, stderr), 0);
}

int daemon_run_block_signals(void **state)
{
    sigset_t set;

    (void)state;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    return pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void daemon_run_take_signals(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    while (sigtimedwait(&set, NULL, &(struct timespec){0}) > 0)
        ;
}
