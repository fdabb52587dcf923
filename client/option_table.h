/* SPDX-License-Identifier: MIT */
/*
 * Option table: for each option how it is written, what it sets, and what may be said about it. All
 * that knows the options by name comes from here: getopt_long(3), --help, completions, errors.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "client/options.h"

#define DEFAULT_PERCENTILES "50,90,95,99,99.9"

/* While the command line is read: the options, and what only matters until the end of it. */
struct option_parser {
    struct options o;
    bool has_interval;
    bool has_rate;
    bool has_arrivals;
    bool has_output;
    const char *fail_if;            /* NULL = not given */
    bool help;
    bool version;
};

enum option_group { GROUP_LOAD, GROUP_PEER, GROUP_REPORT, GROUP_OTHER };

struct option_entry {
    struct option_info info;
    enum option_group group;
    /* Takes the argument (NULL if there is none). Return: 0, or a negative errno if it is not what
     * was expected. */
    int (*set)(struct option_parser *p, const char *arg);
    const char *expected;           /* of the argument, or why the option may not stand here */
};

#define OPTION_TABLE_MAX 64

/* The i-th entry, NULL behind the last; at most OPTION_TABLE_MAX of them. */
const struct option_entry *option_table_at(size_t i);

/* What --percentiles sets; the default comes this way too. */
int option_set_percentiles(struct option_parser *p, const char *arg);

/* What an argument HOST sets; -EINVAL if it is empty or the second one. */
int option_set_host(struct option_parser *p, const char *arg);
