/* SPDX-License-Identifier: MIT */
/*
 * Config: one table of keys, read from a file and from the command line; const afterwards.
 *
 * Each fault becomes one line of text that names where it stands, the key, and what was expected.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/clock.h"
#include "daemon/conn_limits.h"

#define CONFIG_WORKERS_MAX 1024

enum log_target {
    LOG_TARGET_AUTO,                /* the journal if standard error goes there, else that */
    LOG_TARGET_JOURNAL,
    LOG_TARGET_STDERR,
    LOG_TARGET_NONE,
};

struct config {
    const char *origin;             /* where what is set next is written: "FILE:LINE: ", "option "
                                     * or NULL; borrowed */
    char **listen;                  /* addresses, as written */
    char **listen_origins;          /* where each of them is; "" = not known */
    size_t n_listen;
    uint32_t port;                  /* where there is no `listen` */
    char *port_origin;              /* where it is written; NULL = nowhere */
    bool port_is_set;               /* it was written down somewhere */
    uint32_t workers;               /* 0 = one for each CPU allowed */
    struct conn_limits limits;
    nsec_t drain_timeout;
    nsec_t exit_on_idle;            /* 0 = off */
    nsec_t busy_poll;               /* 0 = off */
    int log_level;                  /* syslog(3) */
    enum log_target log_target;
    char *log_file;                 /* NULL or "" = none, or the unit's directory decides */
    uint64_t log_file_size;         /* [bytes] */
    uint32_t log_file_count;
};

#define CONFIG_INIT ((struct config){.port = 0})

/* Defaults. */
void config_init(struct config *c);
void config_deinit(struct config *c);

/* As if `listen` had never been set. */
void config_forget_listen(struct config *c);

/**
 * config_set() - set one key
 * @key:        as in the file, or as an option ('-' for '_')
 * @value:      text
 * @ret_expected:       on -EINVAL, what would have been right; static
 *
 * Return: 0, -ENOENT for an unknown key, -EINVAL for a bad value, -ENOMEM.
 */
int config_set(struct config *c, const char *key, const char *value, const char **ret_expected);

/**
 * config_read_file() - read a file over what is set
 * @path:       file
 * @faults:     each fault is written there, a line each
 *
 * Return: 0, -EINVAL if there were faults, or the negative errno of opening or reading it (which is
 * written to @faults too).
 */
int config_read_file(struct config *c, const char *path, FILE *faults);

/* The keys, for options and help: the n-th key and what it takes, NULL behind the last. */
struct config_key {
    const char *name;
    const char *group;              /* its heading in tcptimerd.conf(5) */
    const char *argument;           /* what a value looks like, for --help */
    const char *help;
    bool fixed;                     /* cannot change at run time */
};
const struct config_key *config_key(size_t n);

/* Writes the names of keys that differ and cannot change at run time, a space before each; without
 * those of the listeners where they are @inherited, as they have no effect then. */
void config_name_fixed_changes(const struct config *old, const struct config *new, bool inherited,
                               FILE *names);

/* Exchanges what cannot change at run time: @next gets what @now runs with, and @now, which is not
 * needed any more, owns what @next had. */
void config_keep_fixed(struct config *next, struct config *now);
