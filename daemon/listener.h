/* SPDX-License-Identifier: MIT */
/*
 * Listener: a listening socket, inherited from the service manager or bound here, made ready to be
 * shared by the workers.
 */
#pragma once

#include <stdbool.h>

#include "common/addr.h"

struct listener {
    int fd;
    bool inherited;                 /* it outlives this process, and what waits in it */
    char *name;                     /* FileDescriptorName= of an inherited one, else NULL */
    char *path;                     /* of a UNIX socket that was bound here and is removed again */
    char address[ADDR_TEXT_SIZE];   /* for people, with the port that the kernel chose */
};

#define LISTENER_INIT ((struct listener){.fd = -1})

/**
 * listener_bind() - bind and listen
 * @text:           PORT, ADDRESS:PORT, [ADDRESS]:PORT or unix:PATH
 * @ret_listener:   initialised by LISTENER_INIT
 * @ret_reason:     on failure what was expected or what failed, static
 *
 * Return: 0 or negative errno.
 */
int listener_bind(struct listener *ret_listener, const char *text, const char **ret_reason);

/**
 * listener_adopt() - take over an inherited socket
 * @fd:             taken over on success
 * @name:           its FileDescriptorName=; copied
 * @ret_listener:   initialised by LISTENER_INIT
 * @ret_reason:     on failure what was expected, static
 *
 * Return: 0 or negative errno; -EINVAL if it is not a listening stream socket.
 */
int listener_adopt(struct listener *ret_listener, int fd, const char *name,
                   const char **ret_reason);

/* Nobody new gets into its queue from now on: TCP clients are not heard until it is closed, and are
 * refused then, a second later; those of AF_UNIX are refused at once, and the file is removed. Not
 * for an inherited one. */
void listener_shut(struct listener *l);

void listener_deinit(struct listener *l);

/* Sets what a listener hands down, on a connection that was made before it had it. */
void listener_set_options(int fd);
