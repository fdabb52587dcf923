/* SPDX-License-Identifier: MIT */
/*
 * Options: the daemon's command line, and how it and the file make one configuration.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "daemon/config.h"

enum options_action {
    OPTIONS_RUN,
    OPTIONS_CHECK_CONFIG,
    OPTIONS_HELP,
    OPTIONS_VERSION,
};

struct options {
    enum options_action action;
    const char *path;               /* configuration file; borrowed from argv, or the default */
    bool path_is_given;             /* then it has to exist */
    struct {
        const char *key;            /* a key of the table */
        const char *value;          /* borrowed from argv */
    } *settings;                    /* in the order given */
    size_t n_settings;
};

#define OPTIONS_INIT ((struct options){.n_settings = 0})

/**
 * options_parse() - read the command line
 * @ret_options:        initialised by OPTIONS_INIT
 * @faults:             what is wrong, a line
 *
 * Return: 0, -EINVAL or -ENOMEM.
 */
int options_parse(struct options *ret_options, int argc, char **argv, FILE *faults);
void options_deinit(struct options *o);

/**
 * options_load() - the configuration that the file and the command line make; the latter wins
 * @ret_config: initialised by CONFIG_INIT, for the caller to deinit on success only
 * @faults:     every fault, a line each
 *
 * Return: 0 or negative errno.
 */
int options_load(const struct options *o, struct config *ret_config, FILE *faults);

void options_print_help(FILE *to);
