/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "common/base.h"
#include "common/version.h"
#include "daemon/daemon.h"
#include "daemon/options.h"

#define EXIT_USAGE 2

static int check_config(const struct options *options)
{
    _cleanup_(config_deinit) struct config config = CONFIG_INIT;

    return options_load(options, &config, stderr) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    _cleanup_(options_deinit) struct options options = OPTIONS_INIT;

    if (options_parse(&options, argc, argv, stderr) < 0)
        return EXIT_USAGE;

    switch (options.action) {
    case OPTIONS_HELP:
        options_print_help(stdout);
        return EXIT_SUCCESS;
    case OPTIONS_VERSION:
        return puts("tcptimerd " TT_VERSION) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    case OPTIONS_CHECK_CONFIG:
        return check_config(&options);
    case OPTIONS_RUN:
        break;
    }
    return daemon_run(&options) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
