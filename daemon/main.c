/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base.h"
#include "common/standard_fds.h"
#include "common/version.h"
#include "daemon/check.h"
#include "daemon/daemon.h"
#include "daemon/options.h"

#define EXIT_USAGE 2

/* What was printed has got out only when this says so: a disk can be full. */
static int end_output(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_SUCCESS;
    (void)fprintf(stderr, "tcptimerd: standard output: %s\n", strerror(errno));
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    _cleanup_(options_deinit) struct options options = OPTIONS_INIT;

    if (standard_fds_open() < 0)
        return EXIT_FAILURE;        /* it can't be said: what would be standard error is not open */
    if (options_parse(&options, argc, argv, stderr) < 0)
        return EXIT_USAGE;

    switch (options.action) {
    case OPTIONS_HELP:
        options_print_help(stdout);
        return end_output();
    case OPTIONS_VERSION:
        (void)puts("tcptimerd " TT_VERSION);    /* end_output() sees whether that worked */
        return end_output();
    case OPTIONS_CHECK_CONFIG:
        return check_config(&options) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    case OPTIONS_RUN:
        break;
    }
    return daemon_run(&options) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
