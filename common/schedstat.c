/* SPDX-License-Identifier: MIT */
#include "common/schedstat.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int schedstat_open(void)
{
    return open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
}

bool schedstat_read(int fd, nsec_t *ret_run_delay)
{
    char text[96];
    char *second, *end;
    nsec_t run_delay;
    ssize_t n;

    if (fd < 0)
        return false;
    n = pread(fd, text, sizeof(text) - 1, 0);
    if (n <= 0)
        return false;
    text[n] = '\0';
    /* Not sscanf(), which takes longer than the read. */
    (void)strtoull(text, &second, 10);
    run_delay = strtoull(second, &end, 10);
    if (end == second)
        return false;
    *ret_run_delay = run_delay;
    return true;
}
