/* SPDX-License-Identifier: MIT */
#include "common/schedstat.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

int schedstat_open(void)
{
    return open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
}

bool schedstat_read(int fd, nsec_t *ret_run_delay)
{
    char text[96];
    ssize_t n;

    if (fd < 0)
        return false;
    n = pread(fd, text, sizeof(text) - 1, 0);
    if (n <= 0)
        return false;
    text[n] = '\0';
    return sscanf(text, "%*u %" SCNu64, ret_run_delay) == 1;
}
