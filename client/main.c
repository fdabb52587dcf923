/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/options.h"
#include "client/run.h"
#include "client/verdict.h"
#include "client/warnings.h"
#include "common/version.h"

/* A descriptor that we were started without is the next to be given out: what is printed would go
 * into the log file, or into a connection. The output is made one that can't be written, which is
 * told. */
static bool open_missing_descriptors(void)
{
    static const int modes[] = {
        [STDIN_FILENO] = O_RDONLY, [STDOUT_FILENO] = O_RDONLY, [STDERR_FILENO] = O_WRONLY};

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) != fd)
            return false;
    }
    return true;
}

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

    if (!open_missing_descriptors()) {
        warnings_say("/dev/null: %s", strerror(errno));
        return EXIT_ERROR;
    }
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
