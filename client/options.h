/* SPDX-License-Identifier: MIT */
/*
 * Options: the command line, checked as a whole, as a constant struct.
 *
 * There is one table of options, in option_table.c: getopt_long(3), --help and the shell
 * completions all come from it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include "client/slo.h"
#include "common/clock.h"

#define DEFAULT_HOST "127.0.0.1"

enum arrivals {
    ARRIVALS_CLOSED,                /* the next message leaves when the reply is in */
    ARRIVALS_FIXED,                 /* one each interval, on a fixed grid */
    ARRIVALS_POISSON,               /* random, one each interval in the mean */
};

enum protocol { PROTOCOL_AUTO, PROTOCOL_NATIVE, PROTOCOL_TEXT };

enum output { OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_JSON_STREAM, OUTPUT_CSV };

#define PERCENTILES_MAX 24

/* A percentile, and how the user wrote it: that is its name in the reports. */
struct percentile {
    char name[16];
    double value;                   /* above 0 and below 100 */
};

/* Strings are borrowed from argv. What is zero or NULL was not asked for, unless said otherwise. */
struct options {
    /* the peer and the way to it */
    const char *host;               /* HOST, HOST:PORT, [v6]:PORT or unix:/path */
    uint16_t port;                  /* where @host names none */
    int family;                     /* AF_INET, AF_INET6 or AF_UNSPEC */
    const char *source;             /* device or address to leave from */
    uint16_t source_port;           /* of the first connection; the others count up from it */
    int dscp;                       /* -1 = leave as it is */
    bool nagle;
    enum protocol protocol;

    /* the load */
    uint64_t count;                 /* messages in all, 0 = no end */
    nsec_t duration;                /* of the run, 0 = no end */
    enum arrivals arrivals;
    double interval;                /* between two messages of the run [ns], unless closed */
    uint32_t in_flight;             /* most unanswered messages a connection, 0 = as the peer can */
    nsec_t timeout;
    uint32_t connections;
    uint32_t threads;
    bool connect;                   /* a new connection for each message */
    uint32_t size;                  /* payload of a request [bytes] */
    uint32_t reply_size;            /* payload of a reply [bytes] */
    nsec_t busy_poll;
    uint64_t omit_count;            /* messages left out of the statistics at the start... */
    nsec_t omit_duration;           /* ...or the time */

    /* the report */
    enum output output;
    bool quiet;
    bool verbose;
    bool timestamps;
    uint32_t worst;
    struct percentile percentiles[PERCENTILES_MAX];
    size_t n_percentiles;
    const char *hgrm_path;
    bool log;
    const char *log_path;           /* NULL = the default place */
    struct slo slo;                 /* --fail-if; no conditions = not given */
};

/* Neither -c nor -w: the run ends when it is told to, and a lost connection is an outage. */
static inline bool options_endless(const struct options *o)
{
    return o->count == 0 && o->duration == 0;
}

/* Options that end the program at once. */
enum {
    OPTIONS_HELP = 1,
    OPTIONS_VERSION = 2,
};

#define OPTIONS_ERROR_SIZE 256

/**
 * options_parse() - read the command line
 * @argc:       as main() has it
 * @argv:       as main() has it; getopt_long() permutes it
 * @ret:        the options; after an error what was read until then
 * @ret_error:  what is wrong with which option and what was expected, one line without its end
 *
 * Return: 0, OPTIONS_HELP, OPTIONS_VERSION, or -EINVAL with @ret_error.
 */
int options_parse(int argc, char **argv, struct options *ret,
                  char ret_error[static OPTIONS_ERROR_SIZE]);

/* Writes what --help shows. */
void options_print_help(FILE *out);

/* What a shell needs to know to complete an option. */
struct option_info {
    const char *name;               /* long name */
    char letter;                    /* '\0' = none */
    const char *argument;           /* NULL = none */
    bool is_argument_optional;
    const char *values;             /* "a|b|c" if only these are good */
    bool is_file;                   /* the argument is a path */
    const char *help;               /* NULL = another spelling of the one before it */
};

/* The table, entry by entry; false behind the last. */
bool options_describe(size_t i, struct option_info *ret);
