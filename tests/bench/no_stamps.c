/* SPDX-License-Identifier: MIT */
/*
 * No stamps: loaded in front of libc (LD_PRELOAD), refuses kernel time stamps and nothing else.
 *
 * The daemon takes them where it gets them and has no switch for that; this is the switch, so that
 * their price can be measured.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
    if (level == SOL_SOCKET && option == SO_TIMESTAMPING) {
        errno = ENOPROTOOPT;
        return -1;
    }
    return (int)syscall(SYS_setsockopt, fd, level, option, value, len);
}
