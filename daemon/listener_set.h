/* SPDX-License-Identifier: MIT */
/*
 * Listener set: all listeners of the daemon - those that it inherited, or else its own.
 */
#pragma once

#include <stdio.h>

#include "daemon/config.h"
#include "daemon/listener.h"

struct listener_set {
    struct listener *items;
    size_t n;
    bool inherited;                 /* from the service manager: the configuration's do not count */
};

#define LISTENER_SET_INIT ((struct listener_set){.n = 0})

/**
 * listener_set_open() - adopt what was inherited, or bind what the configuration names
 * @ret_set:    initialised by LISTENER_SET_INIT; for the caller to deinit, also on failure
 * @faults:     what could not be used and why, a line each; may get some even on success
 *
 * An inherited socket that cannot be used is a fault but no failure as long as one can; an address
 * that cannot be bound is a failure.
 *
 * Return: 0 or negative errno.
 */
int listener_set_open(struct listener_set *ret_set, const struct config *config, FILE *faults);
/* Shuts those that are the daemon's own. */
void listener_set_shut(struct listener_set *s);
void listener_set_deinit(struct listener_set *s);
