/* SPDX-License-Identifier: MIT */
/*
 * Settings: how the configuration becomes what a daemon does, at its start and at each reload.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "daemon/config.h"
#include "daemon/worker.h"

struct daemon;

/**
 * settings_load() - the configuration as file and command line have it now
 * @ret_config: initialised by CONFIG_INIT
 * @reloading:  its faults are those of a reload, not of the start
 *
 * Says every fault. Return: 0 or negative errno.
 */
int settings_load(struct daemon *d, struct config *ret_config, bool reloading);

/* What a fault means. */
enum settings_result {
    SETTINGS_NO_START,
    SETTINGS_START_WITHOUT,         /* the daemon starts all the same */
    SETTINGS_NO_RELOAD,
};

/* Says each line of @lines (NULL = none), which it takes apart, as a fault. */
void settings_say_faults(struct daemon *d, char *lines, enum settings_result result);

/* Raises the soft limit of descriptors to the hard one, and fits max_clients into it. */
void settings_fit_max_clients(struct daemon *d, struct config *c, size_t n_workers);

/* Names the keys that have no effect, as the listeners are inherited or as they are not. */
void settings_warn_of_ignored(struct daemon *d, const struct config *c);

/* What a configuration asks of the workers. */
struct worker_orders settings_orders(const struct config *c);

/* Gives the logger its settings, or makes it. Return: 0 or negative errno: nothing is changed. */
int settings_apply_to_log(struct daemon *d, const struct config *c);

/* Loads the configuration anew and does as it says, all of it or nothing. */
void settings_reload(struct daemon *d);
