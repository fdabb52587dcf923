/* SPDX-License-Identifier: MIT */
/*
 * Dial: a socket to a server, made without waiting, with the options that the user wants on it.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "client/options.h"
#include "common/addr.h"

/* What all sockets of a run have in common. */
struct dial_config {
    char leave[96];                 /* "leave from 192.0.2.1 to", for messages */
    bool has_source;
    struct addr source;             /* address to leave from */
    char device[IFNAMSIZ];          /* device to leave by, "" = any */
    uint16_t source_port;           /* of the first connection, 0 = any */
    int dscp;                       /* -1 = leave as it is */
    bool nagle;
    bool queue;                     /* have each read tell how much it left in the kernel */
    int silence_ms;                 /* what was sent and is not acknowledged for so long breaks the
                                     * connection; 0 = the system's quarter of an hour */
    bool reset;                     /* end with a reset, which leaves no TIME_WAIT behind */
    bool reads_wait;                /* those that are not told otherwise */
};

/**
 * dial_config_init() - take the options that concern sockets
 * @ret_reason: on failure, what was expected
 *
 * Return: 0 or -EINVAL.
 */
int dial_config_init(struct dial_config *c, const struct options *o, const char **ret_reason);

/**
 * dial_start() - begin to connect
 * @to:         the server
 * @index:      of the connection in the run, for its source port
 * @ret_fd:     the socket, non-blocking; the caller's
 * @ret_what:   on failure, what could not be done, to be followed by the server's address: "connect
 *              to", "leave from 192.0.2.1 to", ...; as long-lived as @c
 *
 * Once the socket is writable, dial_error() tells how it went.
 *
 * Return: 0 or negative errno; -EAGAIN for a Unix socket whose backlog is full at present.
 */
int dial_start(const struct dial_config *c, const struct addr *to, uint32_t index, int *ret_fd,
               const char **ret_what);

/* How connecting ended: 0, or negative errno. */
int dial_error(int fd);

/* Makes a socket ready whose connection stands. Return: 0 or negative errno. */
int dial_finish(const struct dial_config *c, int fd);
