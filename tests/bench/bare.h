/* SPDX-License-Identifier: MIT */
/*
 * Bare: what the two bare programs share, and as little of it as will do.
 *
 * They are the yardstick: a server and a client that do nothing but what the measurement takes, so
 * that tcptimerd and tcptimer can be held against the machine instead of against each other. They
 * die at the first thing they do not expect, and hold every rule of good programs in contempt that
 * costs a nanosecond, save one: every reply is checked.
 *
 * On the wire is the original's text: a UUID of 36 characters, answered by "UUID: ", the same 36,
 * and " received after S.uuuuuu seconds", 74 bytes in all as no delta here reaches ten seconds.
 */
#pragma once

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define REQUEST_LEN 36
#define REPLY_LEN 74

#define UUID_AT 6               /* of a reply */
#define INFIX_AT (UUID_AT + REQUEST_LEN)
#define INFIX " received after "
#define DELTA_AT (INFIX_AT + sizeof(INFIX) - 1)
#define SUFFIX_AT (REPLY_LEN - sizeof(SUFFIX) + 1)
#define SUFFIX " seconds"

#define BATCH 512
#define RX_SIZE 65536

static inline _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
    exit(1);
}

static inline uint64_t now_ns(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static inline struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static inline void set_on(int fd, int level, int option)
{
    int on = 1;

    if (setsockopt(fd, level, option, &on, sizeof(on)) < 0)
        die("setsockopt");
}

/* As many descriptors as this process may have. */
static inline void raise_nofile(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        die("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        die("setrlimit");
}
