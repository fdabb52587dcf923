/* SPDX-License-Identifier: MIT */
#include "client/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "client/slo.h"
#include "common/base.h"
#include "common/parse.h"

#define DEFAULT_TIMEOUT (5 * NSEC_PER_SEC)
#define DEFAULT_BUSY_POLL (100 * NSEC_PER_USEC)
#define DEFAULT_WORST 10
#define DEFAULT_PERCENTILES "50,90,95,99,99.9"

#define CONNECTIONS_MAX 1000000
#define THREADS_MAX 1024
#define IN_FLIGHT_MAX 1000000
#define WORST_MAX 1000
#define PAYLOAD_MAX 65536
#define RATE_MAX 1e9

#define EXPECT_DURATION "a duration such as 10ms, 2s or 1.5 (seconds)"

/* While the command line is read: the options, and what only matters until the end of it. */
struct parser {
    struct options o;
    bool has_interval;
    bool has_rate;
    bool has_arrivals;
    const char *output_name;        /* the option that chose the output */
    bool help;
    bool version;
};

/*
 * Each takes the argument (NULL if there is none) and returns 0, or a negative errno if it is not
 * what the table says under `expected`.
 */
typedef int (*option_setter)(struct parser *p, const char *arg);

static int set_u32(const char *arg, uint32_t min, uint32_t max, uint32_t *ret)
{
    uint64_t value;
    int r = parse_u64(arg, min, max, &value);

    if (r == 0)
        *ret = (uint32_t)value;
    return r;
}

static int set_count(struct parser *p, const char *arg)
{
    return parse_u64(arg, 1, INT64_MAX, &p->o.count);
}

static int set_positive_duration(const char *arg, nsec_t *ret)
{
    nsec_t value;
    int r = parse_duration(arg, &value);

    if (r == 0 && value == 0)
        r = -ERANGE;
    if (r == 0)
        *ret = value;
    return r;
}

static int set_duration(struct parser *p, const char *arg)
{
    return set_positive_duration(arg, &p->o.duration);
}

static int set_interval(struct parser *p, const char *arg)
{
    nsec_t value;
    int r = parse_duration(arg, &value);

    if (r < 0)
        return r;
    p->has_interval = true;
    p->o.interval = (double)value;
    return 0;
}

static int set_rate(struct parser *p, const char *arg)
{
    double rate;
    int r = parse_double(arg, 1e-9, RATE_MAX, &rate);

    if (r < 0)
        return r;
    p->has_rate = true;
    p->o.interval = (double)NSEC_PER_SEC / rate;
    return 0;
}

/* The position of @arg in "a|b|c". */
static int find_value(const char *values, const char *arg)
{
    size_t len = strlen(arg);

    for (int i = 0; *values; i++) {
        size_t n = strcspn(values, "|");

        if (n == len && memcmp(values, arg, n) == 0)
            return i;
        values += n + (values[n] == '|');
    }
    return -EINVAL;
}

#define ARRIVALS_VALUES "fixed|poisson"
#define PROTOCOL_VALUES "auto|native|text"

static int set_arrivals(struct parser *p, const char *arg)
{
    int i = find_value(ARRIVALS_VALUES, arg);

    if (i < 0)
        return i;
    p->has_arrivals = true;
    p->o.arrivals = i == 0 ? ARRIVALS_FIXED : ARRIVALS_POISSON;
    return 0;
}

static int set_protocol(struct parser *p, const char *arg)
{
    static const enum protocol by_position[] = {PROTOCOL_AUTO, PROTOCOL_NATIVE, PROTOCOL_TEXT};
    int i = find_value(PROTOCOL_VALUES, arg);

    if (i < 0)
        return i;
    p->o.protocol = by_position[i];
    return 0;
}

static int set_in_flight(struct parser *p, const char *arg)
{
    return set_u32(arg, 1, IN_FLIGHT_MAX, &p->o.in_flight);
}

static int set_timeout(struct parser *p, const char *arg)
{
    return set_positive_duration(arg, &p->o.timeout);
}

static int set_connections(struct parser *p, const char *arg)
{
    return set_u32(arg, 1, CONNECTIONS_MAX, &p->o.connections);
}

static int set_threads(struct parser *p, const char *arg)
{
    return set_u32(arg, 1, THREADS_MAX, &p->o.threads);
}

static int set_connect(struct parser *p, _unused_ const char *arg)
{
    p->o.connect = true;
    return 0;
}

static int set_payload(const char *arg, uint32_t *ret)
{
    uint64_t bytes;
    int r = parse_size(arg, &bytes);

    if (r == 0 && bytes > PAYLOAD_MAX)
        r = -ERANGE;
    if (r == 0)
        *ret = (uint32_t)bytes;
    return r;
}

static int set_size(struct parser *p, const char *arg)
{
    return set_payload(arg, &p->o.size);
}

static int set_reply_size(struct parser *p, const char *arg)
{
    return set_payload(arg, &p->o.reply_size);
}

static int set_busy_poll(struct parser *p, const char *arg)
{
    if (!arg) {
        p->o.busy_poll = DEFAULT_BUSY_POLL;
        return 0;
    }
    return parse_duration(arg, &p->o.busy_poll);
}

/* A bare number is messages, as -c counts them; one with a unit is time. */
static int set_omit(struct parser *p, const char *arg)
{
    p->o.omit_count = 0;
    p->o.omit_duration = 0;
    if (arg[strspn(arg, "0123456789")] == '\0')
        return parse_u64(arg, 0, INT64_MAX, &p->o.omit_count);
    return parse_duration(arg, &p->o.omit_duration);
}

static int set_host(struct parser *p, const char *arg)
{
    if (p->o.host || arg[0] == '\0')
        return -EINVAL;
    p->o.host = arg;
    return 0;
}

static int set_port(struct parser *p, const char *arg)
{
    return parse_port(arg, 1, &p->o.port);
}

static int set_family(struct parser *p, int family)
{
    if (p->o.family != AF_UNSPEC && p->o.family != family)
        return -EINVAL;
    p->o.family = family;
    return 0;
}

static int set_ipv4(struct parser *p, _unused_ const char *arg)
{
    return set_family(p, AF_INET);
}

static int set_ipv6(struct parser *p, _unused_ const char *arg)
{
    return set_family(p, AF_INET6);
}

static int set_source(struct parser *p, const char *arg)
{
    if (arg[0] == '\0')
        return -EINVAL;
    p->o.source = arg;
    return 0;
}

static int set_source_port(struct parser *p, const char *arg)
{
    return parse_port(arg, 1, &p->o.source_port);
}

/* RFC 2474, 2597, 3246, 5865 and 8622. */
static const struct {
    const char *name;
    int value;
} dscp_names[] = {
    {"cs0", 0},   {"be", 0},    {"le", 1},    {"cs1", 8},   {"af11", 10}, {"af12", 12},
    {"af13", 14}, {"cs2", 16},  {"af21", 18}, {"af22", 20}, {"af23", 22}, {"cs3", 24},
    {"af31", 26}, {"af32", 28}, {"af33", 30}, {"cs4", 32},  {"af41", 34}, {"af42", 36},
    {"af43", 38}, {"cs5", 40},  {"va", 44},   {"ef", 46},   {"cs6", 48},  {"cs7", 56},
};

static int set_dscp(struct parser *p, const char *arg)
{
    uint32_t value;
    int r;

    for (size_t i = 0; i < ARRAY_SIZE(dscp_names); i++) {
        if (strcasecmp(dscp_names[i].name, arg) == 0) {
            p->o.dscp = dscp_names[i].value;
            return 0;
        }
    }
    r = set_u32(arg, 0, 63, &value);
    if (r == 0)
        p->o.dscp = (int)value;
    return r;
}

static int set_nagle(struct parser *p, _unused_ const char *arg)
{
    p->o.nagle = true;
    return 0;
}

static int set_output(struct parser *p, enum output output, const char *name)
{
    if (p->output_name && p->o.output != output)
        return -EINVAL;
    p->o.output = output;
    p->output_name = name;
    return 0;
}

static int set_json(struct parser *p, _unused_ const char *arg)
{
    return set_output(p, OUTPUT_JSON, "--json");
}

static int set_json_stream(struct parser *p, _unused_ const char *arg)
{
    return set_output(p, OUTPUT_JSON_STREAM, "--json-stream");
}

static int set_csv(struct parser *p, _unused_ const char *arg)
{
    return set_output(p, OUTPUT_CSV, "--csv");
}

static int set_hgrm(struct parser *p, const char *arg)
{
    if (arg[0] == '\0')
        return -EINVAL;
    p->o.hgrm_path = arg;
    return 0;
}

static int set_percentiles(struct parser *p, const char *arg)
{
    struct options *o = &p->o;
    size_t n = 0;

    for (const char *at = arg;; at++) {
        size_t len = strcspn(at, ",");
        struct percentile *item = &o->percentiles[n];

        if (n == PERCENTILES_MAX || len >= sizeof(item->name))
            return -ERANGE;
        (void)snprintf(item->name, sizeof(item->name), "%.*s", (int)len, at);
        /* Strictly between: the ends are no percentiles but the minimum and the maximum. */
        if (parse_double(item->name, 0, 100, &item->value) < 0 || item->value <= 0 ||
            item->value >= 100)
            return -EINVAL;
        for (size_t i = 0; i < n; i++) {
            if (o->percentiles[i].value == item->value)
                return -EINVAL;
        }
        n++;
        at += len;
        if (*at == '\0')
            break;
    }

    o->n_percentiles = n;
    return 0;
}

static int set_worst(struct parser *p, const char *arg)
{
    return set_u32(arg, 0, WORST_MAX, &p->o.worst);
}

static int set_log_file(struct parser *p, const char *arg)
{
    if (arg && arg[0] == '\0')
        return -EINVAL;
    p->o.log = true;
    p->o.log_path = arg;
    return 0;
}

static int set_fail_if(struct parser *p, const char *arg)
{
    p->o.fail_if = arg;             /* its syntax is checked in the end, with a message of its own */
    return 0;
}

static int set_quiet(struct parser *p, _unused_ const char *arg)
{
    p->o.quiet = true;
    return 0;
}

static int set_verbose(struct parser *p, _unused_ const char *arg)
{
    p->o.verbose = true;
    return 0;
}

static int set_timestamps(struct parser *p, _unused_ const char *arg)
{
    p->o.timestamps = true;
    return 0;
}

static int set_help(struct parser *p, _unused_ const char *arg)
{
    p->help = true;
    return 0;
}

static int set_version(struct parser *p, _unused_ const char *arg)
{
    p->version = true;
    return 0;
}

enum group { GROUP_LOAD, GROUP_PEER, GROUP_REPORT, GROUP_OTHER };

static const char *const group_names[] = {"Load", "Peer", "Report", "Other"};

struct option_entry {
    struct option_info info;
    enum group group;
    option_setter set;
    const char *expected;           /* of the argument, or why it may not stand here */
};

/* clang-format off */
static const struct option_entry table[] = {
    {{"count", 'c', "N", .help = "end after N; back to back unless -i or -r"},
     GROUP_LOAD, set_count, "a number of messages, at least 1"},
    {{"num-msgs", '\0', "N", .help = NULL}, GROUP_LOAD, set_count, "a number of messages, at least 1"},
    {{"num_msgs", '\0', "N", .help = NULL}, GROUP_LOAD, set_count, "a number of messages, at least 1"},
    {{"duration", 'w', "DUR", .help = "end after this time (10ms, 2m, bare: seconds)"},
     GROUP_LOAD, set_duration, EXPECT_DURATION ", above 0"},
    {{"interval", 'i', "DUR", .help = "a message each DUR; 0: after the reply (1s)"},
     GROUP_LOAD, set_interval, EXPECT_DURATION},
    {{"rate", 'r', "N", .help = "N messages a second"},
     GROUP_LOAD, set_rate, "messages a second, above 0 and at most 1e9"},
    {{"arrivals", '\0', "A", .values = ARRIVALS_VALUES, .help = "fixed or poisson (fixed)"},
     GROUP_LOAD, set_arrivals, "fixed or poisson"},
    {{"in-flight", '\0', "N", .help = "most unanswered a connection (text: 1)"},
     GROUP_LOAD, set_in_flight, "a number of messages, at least 1"},
    {{"timeout", 'W', "DUR", .help = "wait this long for a reply (5s)"},
     GROUP_LOAD, set_timeout, EXPECT_DURATION ", above 0"},
    {{"connections", 'P', "N", .help = "connections that share the load (1)"},
     GROUP_LOAD, set_connections, "a number of connections, 1 to 1000000"},
    {{"threads", '\0', "N", .help = "threads that share the connections (1)"},
     GROUP_LOAD, set_threads, "a number of threads, 1 to 1024"},
    {{"connect", '\0', .help = "a new connection for each message"},
     GROUP_LOAD, set_connect, NULL},
    {{"size", 's', "N", .help = "payload of a request, at most 64K (native)"},
     GROUP_LOAD, set_size, "a size, at most 64K"},
    {{"reply-size", '\0', "N", .help = "payload of a reply, at most 64K (native)"},
     GROUP_LOAD, set_reply_size, "a size, at most 64K"},
    {{"omit", 'O', "DUR|N", .help = "leave the first DUR or N messages out (0)"},
     GROUP_LOAD, set_omit, "a number of messages or a duration with its unit, such as 2s"},
    {{"busy-poll", '\0', "DUR", true, .help = "spin up to DUR before sleeping (100us)"},
     GROUP_LOAD, set_busy_poll, EXPECT_DURATION},

    {{"host", '\0', "HOST", .help = "as HOST[:PORT], [v6]:PORT or unix:/path"},
     GROUP_PEER, set_host, "one host, given once"},
    {{"port", 'p', "N", .help = "port (47945)"},
     GROUP_PEER, set_port, "a port, 1 to 65535"},
    {{"ipv4", '4', .help = "IPv4 only"},
     GROUP_PEER, set_ipv4, "not together with -6"},
    {{"ipv6", '6', .help = "IPv6 only"},
     GROUP_PEER, set_ipv6, "not together with -4"},
    {{"interface", 'I', "DEV|ADDR", .help = "leave from this device or address"},
     GROUP_PEER, set_source, "a device or an address"},
    {{"cport", '\0', "N", .help = "leave from port N; more connections from N+1"},
     GROUP_PEER, set_source_port, "a port, 1 to 65535"},
    {{"dscp", '\0', "NAME|N", .help = "mark packets, as EF, AF41, CS6 or 46"},
     GROUP_PEER, set_dscp, "a name such as EF, AF41 or CS6, or 0 to 63"},
    {{"nagle", '\0', .help = "leave Nagle's algorithm on"},
     GROUP_PEER, set_nagle, NULL},
    {{"protocol", '\0', "P", .values = PROTOCOL_VALUES, .help = "auto, native or text (auto)"},
     GROUP_PEER, set_protocol, "auto, native or text"},

    {{"json", 'J', .help = "one JSON document"},
     GROUP_REPORT, set_json, "one output only: --json, --json-stream or --csv"},
    {{"json-stream", '\0', .help = "a JSON object a line, the last with the report"},
     GROUP_REPORT, set_json_stream, "one output only: --json, --json-stream or --csv"},
    {{"csv", '\0', .help = "a row a message"},
     GROUP_REPORT, set_csv, "one output only: --json, --json-stream or --csv"},
    {{"hgrm", '\0', "FILE", .is_file = true, .help = "write the response RTT as HdrHistogram"},
     GROUP_REPORT, set_hgrm, "a file name"},
    {{"percentiles", '\0', "LIST", .help = "which to report (" DEFAULT_PERCENTILES ")"},
     GROUP_REPORT, set_percentiles, "numbers between 0 and 100, each once, as 50,99,99.9"},
    {{"worst", '\0', "N", .help = "list the N worst messages (10)"},
     GROUP_REPORT, set_worst, "a number of messages, at most 1000"},
    {{"fail-if", '\0', "EXPR", .help = "exit 4 if true, as 'p99>5ms,loss>0.1%'"},
     GROUP_REPORT, set_fail_if, NULL},
    {{"quiet", 'q', .help = "the summary only"},
     GROUP_REPORT, set_quiet, NULL},
    {{"verbose", 'v', .help = "a line for each message, and events"},
     GROUP_REPORT, set_verbose, NULL},
    {{"timestamps", 'D', .help = "the time in front of each line"},
     GROUP_REPORT, set_timestamps, NULL},
    {{"log-file", '\0', "PATH", true, .is_file = true,
      .help = "log each message and event to a rotated file"},
     GROUP_REPORT, set_log_file, "a file name, or nothing for the usual one"},

    {{"version", 'V', .help = "show the version"},
     GROUP_OTHER, set_version, NULL},
    {{"help", 'h', .help = "show this help"},
     GROUP_OTHER, set_help, NULL},
};
/* clang-format on */

/* getopt_long() returns this plus the index in the table for options without a letter. */
#define INDEX_BASE 256

bool options_describe(size_t i, struct option_info *ret)
{
    if (i >= ARRAY_SIZE(table))
        return false;
    *ret = table[i].info;
    return true;
}

#define HELP_NAME_WIDTH 22

static void print_entry(FILE *out, const struct option_entry *e, const char *group)
{
    const struct option_info *info = &e->info;
    char name[64];
    char letter[8] = "   ";

    if (info->letter)
        (void)snprintf(letter, sizeof(letter), "-%c,", info->letter);
    (void)snprintf(name, sizeof(name), "--%s%s%s%s", info->name,
                   info->argument ? info->is_argument_optional ? "[=" : " " : "",
                   info->argument ? info->argument : "",
                   info->is_argument_optional ? "]" : "");
    (void)fprintf(out, "%-7s%s %-*s%s\n", group, letter, HELP_NAME_WIDTH, name, info->help);
}

void options_print_help(FILE *out)
{
    const char *group = "";
    enum group last = GROUP_OTHER;

    (void)fprintf(out,
                  "Usage: tcptimer [OPTION]... [HOST[:PORT]]            (%s:%d)\n"
                  "Measures the response time of TCP against tcptimerd, and says where it went.\n",
                  DEFAULT_HOST, DEFAULT_PORT);
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        if (!table[i].info.help)
            continue;
        group = i == 0 || table[i].group != last ? group_names[table[i].group] : "";
        last = table[i].group;
        print_entry(out, &table[i], group);
    }
    (void)fputs("Without -c, -w, -i or -r: a message a second until interrupted. See tcptimer(1).\n",
                out);
}

static int fail(char ret_error[static OPTIONS_ERROR_SIZE], const char *format, ...) _printf_(2, 3);

static int fail(char ret_error[static OPTIONS_ERROR_SIZE], const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(ret_error, OPTIONS_ERROR_SIZE, format, args);
    va_end(args);
    return -EINVAL;
}

static int apply(struct parser *p, const struct option_entry *e, const char *arg,
                 char ret_error[static OPTIONS_ERROR_SIZE])
{
    if (e->set(p, arg) == 0)
        return 0;
    if (e->info.argument)
        return fail(ret_error, "--%s '%s': expected %s", e->info.name, arg, e->expected);
    return fail(ret_error, "--%s: %s", e->info.name, e->expected);
}

/* What is good in itself but not together. */
static int check(struct parser *p, char ret_error[static OPTIONS_ERROR_SIZE])
{
    struct options *o = &p->o;

    if (p->has_interval && p->has_rate)
        return fail(ret_error, "--interval and --rate say the same: expected one of them");
    if (p->has_arrivals && !p->has_rate && (!p->has_interval || o->interval <= 0))
        return fail(ret_error, "--arrivals: expected a --rate or an --interval above 0 with it");
    if (o->quiet && o->verbose)
        return fail(ret_error, "--quiet and --verbose: expected one of them");
    if (o->threads > o->connections)
        return fail(ret_error, "--threads '%u': expected at most as many as --connections (%u)",
                    o->threads, o->connections);
    if (o->protocol == PROTOCOL_TEXT && (o->size > 0 || o->reply_size > 0))
        return fail(ret_error, "--%s: the text protocol has no payload, expected --protocol native",
                    o->size > 0 ? "size" : "reply-size");
    if (o->connect && o->in_flight > 1)
        return fail(ret_error, "--in-flight '%u': expected 1 with --connect", o->in_flight);
    if (o->count > 0 && o->omit_count >= o->count)
        return fail(ret_error, "--omit '%llu': expected fewer than --count (%llu)",
                    (unsigned long long)o->omit_count, (unsigned long long)o->count);
    if (o->duration > 0 && o->omit_duration >= o->duration)
        return fail(ret_error, "--omit: expected less than --duration");
    if (o->source_port > 0 && o->source_port + o->connections - 1 > UINT16_MAX)
        return fail(ret_error, "--cport '%u': expected room for %u ports up to 65535",
                    o->source_port, o->connections);
    if (o->fail_if) {
        struct slo slo;
        char why[SLO_ERROR_SIZE];

        if (slo_parse(o->fail_if, &slo, why) < 0)
            return fail(ret_error, "--fail-if '%.80s': %s", o->fail_if, why);
    }
    return 0;
}

/* The load that was asked for, or that the other options imply. */
static void resolve_load(struct parser *p)
{
    struct options *o = &p->o;

    if (!p->has_interval && !p->has_rate) {
        if (o->count > 0)
            return;                 /* as the original: back to back */
        o->interval = (double)NSEC_PER_SEC;     /* as ping */
    }
    if (o->interval > 0 && o->arrivals == ARRIVALS_CLOSED)
        o->arrivals = ARRIVALS_FIXED;
}

static const struct option_entry *find_entry(int value)
{
    if (value >= INDEX_BASE)
        return &table[value - INDEX_BASE];
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        if (table[i].info.letter == value)
            return &table[i];
    }
    return NULL;
}

/* The table in the form of getopt_long(3). */
struct getopt_form {
    struct option longs[ARRAY_SIZE(table) + 1];
    char shorts[2 * ARRAY_SIZE(table) + 2];
};

static void fill_getopt_form(struct getopt_form *ret)
{
    char *at = ret->shorts;

    *ret = (struct getopt_form){0};
    *at++ = ':';                    /* tell a missing argument from an unknown option */
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        const struct option_info *info = &table[i].info;
        int has_arg = !info->argument               ? no_argument
                      : info->is_argument_optional ? optional_argument
                                                    : required_argument;

        ret->longs[i] = (struct option){
            .name = info->name, .has_arg = has_arg, .val = INDEX_BASE + (int)i};
        if (info->letter) {
            *at++ = info->letter;
            if (has_arg == required_argument)
                *at++ = ':';
        }
    }
}

static int refuse(int c, char **argv, char ret_error[static OPTIONS_ERROR_SIZE])
{
    const struct option_entry *e = find_entry(optopt);

    if (c == ':' && e && e->expected)
        return fail(ret_error, "--%s: expected %s", e->info.name, e->expected);
    if (c == ':' && e)
        return fail(ret_error, "--%s: expected an argument", e->info.name);
    if (optopt >= INDEX_BASE)
        return fail(ret_error, "--%s: expected no argument", e->info.name);
    if (optopt)
        return fail(ret_error, "-%c: no such option, see tcptimer --help", optopt);
    return fail(ret_error, "%.80s: no such option, or not clear which, see tcptimer --help",
                argv[optind - 1]);
}

static int parse_all(struct parser *p, int argc, char **argv,
                     char ret_error[static OPTIONS_ERROR_SIZE])
{
    struct getopt_form form;
    int c, r;

    fill_getopt_form(&form);
    optind = 0;                     /* GNU: begin anew */
    opterr = 0;
    while ((c = getopt_long(argc, argv, form.shorts, form.longs, NULL)) != -1) {
        if (c == '?' || c == ':')
            return refuse(c, argv, ret_error);
        r = apply(p, find_entry(c), optarg, ret_error);
        if (r < 0)
            return r;
        if (p->help || p->version)
            return p->help ? OPTIONS_HELP : OPTIONS_VERSION;
    }

    for (; optind < argc; optind++) {
        if (set_host(p, argv[optind]) < 0)
            return fail(ret_error, "'%.80s': expected one HOST[:PORT], given once", argv[optind]);
    }
    return check(p, ret_error);
}

int options_parse(int argc, char **argv, struct options *ret,
                  char ret_error[static OPTIONS_ERROR_SIZE])
{
    struct parser p = {
        .o = {
            .port = DEFAULT_PORT,
            .family = AF_UNSPEC,
            .dscp = -1,
            .timeout = DEFAULT_TIMEOUT,
            .connections = 1,
            .threads = 1,
            .worst = DEFAULT_WORST,
        },
    };
    int r;

    (void)set_percentiles(&p, DEFAULT_PERCENTILES);
    r = parse_all(&p, argc, argv, ret_error);
    if (!p.o.host)
        p.o.host = DEFAULT_HOST;
    resolve_load(&p);
    *ret = p.o;
    return r;
}
