/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "client/options.h"
#include "client/run.h"
#include "common/version.h"

int main(int argc, char **argv)
{
    struct options options;
    char error[OPTIONS_ERROR_SIZE];
    int r;

    r = options_parse(argc, argv, &options, error);
    if (r < 0)
        return run_refuse(&options, error);
    if (r == OPTIONS_HELP) {
        options_print_help(stdout);
        return 0;
    }
    if (r == OPTIONS_VERSION) {
        (void)printf("tcptimer %s\n", TT_VERSION);
        return 0;
    }
    return run_measurement(&options);
}
