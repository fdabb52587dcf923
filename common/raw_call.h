/* SPDX-License-Identifier: MIT */
/*
 * Raw call: the system calls of the request path, as the kernel has them.
 *
 * glibc makes each of them a cancellation point, pthreads(7), which in a process with threads takes
 * two locked instructions a call. Nobody here cancels a thread; at some 200,000 messages a second
 * and three calls a message that is 5 % of the client's CPU time for nothing.
 *
 * They return -1 and set errno as their libc twins do. Under a sanitizer they are these, so that it
 * sees what the kernel reads and writes.
 */
#pragma once

#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#ifdef TT_SANITIZED
#define RAW_CALL(number, libc_call, ...) libc_call
#else
#define RAW_CALL(number, libc_call, ...) syscall(number, __VA_ARGS__)
#endif

static inline ssize_t raw_send(int fd, const void *buf, size_t len, int flags)
{
    return RAW_CALL(SYS_sendto, send(fd, buf, len, flags), fd, buf, len, flags, NULL, 0);
}

static inline ssize_t raw_recvmsg(int fd, struct msghdr *msg, int flags)
{
    return RAW_CALL(SYS_recvmsg, recvmsg(fd, msg, flags), fd, msg, flags);
}

/* @timeout: in milliseconds, -1 = none. */
static inline int raw_epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
    return (int)RAW_CALL(SYS_epoll_pwait, epoll_wait(fd, events, max, timeout), fd, events, max,
                         timeout, NULL, 0);
}
