/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/options.h"
#include "client/run.h"
#include "client/verdict.h"
#include "client/warnings.h"
#include "common/standard_fds.h"
#include "common/version.h"

/* Whoever asked for the text and gets none has to be told. */
static int finish_output(void)
{
    int error = fflush(stdout) != 0 ? errno : ferror(stdout) ? EIO : 0;

    if (error == 0)
        return EXIT_ALL_IN;
    warnings_say("standard output: %s", strerror(error));
    return EXIT_ERROR;
}

int main(int argc, char **argv)
{
    struct options options;
    char error[OPTIONS_ERROR_SIZE];
    int r;

    if (standard_fds_open() < 0)
        return EXIT_ERROR;          /* it can't be said: what would be standard error is not open */
    r = options_parse(argc, argv, &options, error);
    if (r < 0)
        return run_refuse(&options, error);
    if (r == OPTIONS_HELP) {
        options_print_help(stdout);
        return finish_output();
    }
    if (r == OPTIONS_VERSION) {
        (void)printf("tcptimer %s\n", TT_VERSION);
        return finish_output();
    }
    return run_measurement(&options);
}
