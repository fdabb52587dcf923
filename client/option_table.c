/* SPDX-License-Identifier: MIT */
#include "client/option_table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base.h"
#include "common/parse.h"
#include "common/proto.h"

#define DEFAULT_BUSY_POLL (100 * NSEC_PER_USEC)

#define CONNECTIONS_MAX 1000000
#define THREADS_MAX 1024
#define IN_FLIGHT_MAX 1000000
#define WORST_MAX 1000
#define RATE_MAX 1e9

#define EXPECT_DURATION "a duration such as 10ms, 2s or 1.5 (seconds)"

static int set_u32(const char *arg, uint32_t min, uint32_t max, uint32_t *ret)
{
    uint64_t value;
    int r = parse_u64(arg, min, max, &value);

    if (r == 0)
        *ret = (uint32_t)value;
    return r;
}

static int set_count(struct option_parser *p, const char *arg)
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

static int set_duration(struct option_parser *p, const char *arg)
{
    return set_positive_duration(arg, &p->o.duration);
}

static int set_interval(struct option_parser *p, const char *arg)
{
    nsec_t value;
    int r = parse_duration(arg, &value);

    if (r < 0)
        return r;
    p->has_interval = true;
    p->o.interval = (double)value;
    return 0;
}

static int set_rate(struct option_parser *p, const char *arg)
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

static int set_arrivals(struct option_parser *p, const char *arg)
{
    int i = find_value(ARRIVALS_VALUES, arg);

    if (i < 0)
        return i;
    p->has_arrivals = true;
    p->o.arrivals = i == 0 ? ARRIVALS_FIXED : ARRIVALS_POISSON;
    return 0;
}

static int set_protocol(struct option_parser *p, const char *arg)
{
    static const enum protocol by_position[] = {PROTOCOL_AUTO, PROTOCOL_NATIVE, PROTOCOL_TEXT};
    int i = find_value(PROTOCOL_VALUES, arg);

    if (i < 0)
        return i;
    p->o.protocol = by_position[i];
    return 0;
}

static int set_in_flight(struct option_parser *p, const char *arg)
{
    return set_u32(arg, 1, IN_FLIGHT_MAX, &p->o.in_flight);
}

static int set_timeout(struct option_parser *p, const char *arg)
{
    return set_positive_duration(arg, &p->o.timeout);
}

static int set_connections(struct option_parser *p, const char *arg)
{
    return set_u32(arg, 1, CONNECTIONS_MAX, &p->o.connections);
}

static int set_threads(struct option_parser *p, const char *arg)
{
    return set_u32(arg, 1, THREADS_MAX, &p->o.threads);
}

static int set_connect(struct option_parser *p, _unused_ const char *arg)
{
    p->o.connect = true;
    return 0;
}

static int set_payload(const char *arg, uint32_t *ret)
{
    uint64_t bytes;
    int r = parse_size(arg, &bytes);

    if (r == 0 && bytes > PROTO_PADDING_MAX)
        r = -ERANGE;
    if (r == 0)
        *ret = (uint32_t)bytes;
    return r;
}

static int set_size(struct option_parser *p, const char *arg)
{
    return set_payload(arg, &p->o.size);
}

static int set_reply_size(struct option_parser *p, const char *arg)
{
    return set_payload(arg, &p->o.reply_size);
}

static int set_busy_poll(struct option_parser *p, const char *arg)
{
    if (!arg) {
        p->o.busy_poll = DEFAULT_BUSY_POLL;
        return 0;
    }
    return parse_duration(arg, &p->o.busy_poll);
}

/* A bare number is messages, as -c counts them; one with a unit is time. */
static int set_omit(struct option_parser *p, const char *arg)
{
    p->o.omit_count = 0;
    p->o.omit_duration = 0;
    if (arg[strspn(arg, "0123456789")] == '\0')
        return parse_u64(arg, 0, INT64_MAX, &p->o.omit_count);
    return parse_duration(arg, &p->o.omit_duration);
}

int option_set_host(struct option_parser *p, const char *arg)
{
    if (p->o.host || arg[0] == '\0')
        return -EINVAL;
    p->o.host = arg;
    return 0;
}

static int set_port(struct option_parser *p, const char *arg)
{
    return parse_port(arg, 1, &p->o.port);
}

static int set_family(struct option_parser *p, int family)
{
    if (p->o.family != AF_UNSPEC && p->o.family != family)
        return -EINVAL;
    p->o.family = family;
    return 0;
}

static int set_ipv4(struct option_parser *p, _unused_ const char *arg)
{
    return set_family(p, AF_INET);
}

static int set_ipv6(struct option_parser *p, _unused_ const char *arg)
{
    return set_family(p, AF_INET6);
}

static int set_source(struct option_parser *p, const char *arg)
{
    if (arg[0] == '\0')
        return -EINVAL;
    p->o.source = arg;
    return 0;
}

static int set_source_port(struct option_parser *p, const char *arg)
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

static int set_dscp(struct option_parser *p, const char *arg)
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

static int set_nagle(struct option_parser *p, _unused_ const char *arg)
{
    p->o.nagle = true;
    return 0;
}

static int set_output(struct option_parser *p, enum output output)
{
    if (p->has_output && p->o.output != output)
        return -EINVAL;
    p->o.output = output;
    p->has_output = true;
    return 0;
}

static int set_json(struct option_parser *p, _unused_ const char *arg)
{
    return set_output(p, OUTPUT_JSON);
}

static int set_json_stream(struct option_parser *p, _unused_ const char *arg)
{
    return set_output(p, OUTPUT_JSON_STREAM);
}

static int set_csv(struct option_parser *p, _unused_ const char *arg)
{
    return set_output(p, OUTPUT_CSV);
}

static int set_hgrm(struct option_parser *p, const char *arg)
{
    if (arg[0] == '\0')
        return -EINVAL;
    p->o.hgrm_path = arg;
    return 0;
}

int option_set_percentiles(struct option_parser *p, const char *arg)
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

static int set_worst(struct option_parser *p, const char *arg)
{
    return set_u32(arg, 0, WORST_MAX, &p->o.worst);
}

static int set_log_file(struct option_parser *p, const char *arg)
{
    if (arg && arg[0] == '\0')
        return -EINVAL;
    p->o.log = true;
    p->o.log_path = arg;
    return 0;
}

static int set_fail_if(struct option_parser *p, const char *arg)
{
    p->fail_if = arg;               /* read in the end, with words of its own if it is wrong */
    return 0;
}

static int set_quiet(struct option_parser *p, _unused_ const char *arg)
{
    p->o.quiet = true;
    return 0;
}

static int set_verbose(struct option_parser *p, _unused_ const char *arg)
{
    p->o.verbose = true;
    return 0;
}

static int set_timestamps(struct option_parser *p, _unused_ const char *arg)
{
    p->o.timestamps = true;
    return 0;
}

static int set_help(struct option_parser *p, _unused_ const char *arg)
{
    p->help = true;
    return 0;
}

static int set_version(struct option_parser *p, _unused_ const char *arg)
{
    p->version = true;
    return 0;
}

/* clang-format off */
static const struct option_entry table[] = {
    {{"count", 'c', "N", .help = "end after N; back to back unless -i or -r"},
     GROUP_LOAD, set_count, "a number of messages, at least 1"},
    {{"num-msgs", '\0', "N", .help = NULL},
     GROUP_LOAD, set_count, "a number of messages, at least 1"},
    {{"num_msgs", '\0', "N", .help = NULL},
     GROUP_LOAD, set_count, "a number of messages, at least 1"},
    {{"duration", 'w', "DUR", .help = "end after this time (10ms, 2m, bare: seconds)"},
     GROUP_LOAD, set_duration, EXPECT_DURATION ", above 0"},
    {{"interval", 'i', "DUR", .help = "a message each DUR; 0: after the reply (1s)"},
     GROUP_LOAD, set_interval, EXPECT_DURATION},
    {{"rate", 'r', "N", .help = "N messages a second"},
     GROUP_LOAD, set_rate, "messages a second, above 0 and at most 1e9"},
    {{"arrivals", '\0', "A", .values = ARRIVALS_VALUES, .help = "fixed or poisson (fixed)"},
     GROUP_LOAD, set_arrivals, "fixed or poisson"},
    {{"in-flight", '\0', "N", .help = "most unanswered a connection (text: 1)"},
     GROUP_LOAD, set_in_flight, "a number of messages, 1 to 1000000"},
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
     GROUP_PEER, option_set_host, "one host, given once"},
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
     GROUP_REPORT, option_set_percentiles,
     "numbers above 0 and below 100, each once, as 50,99,99.9"},
    {{"worst", '\0', "N", .help = "list the N worst messages (10)"},
     GROUP_REPORT, set_worst, "a number of messages, at most 1000"},
    {{"fail-if", '\0', "EXPR", .help = "exit 4 if true, as 'p99>5ms,loss>0.1%'"},
     GROUP_REPORT, set_fail_if, NULL},
    {{"quiet", 'q', .help = "the summary only"},
     GROUP_REPORT, set_quiet, NULL},
    {{"verbose", 'v', .help = "a line for each message, with its UUID"},
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

_Static_assert(ARRAY_SIZE(table) <= OPTION_TABLE_MAX, "users have room for all of it");

const struct option_entry *option_table_at(size_t i)
{
    return i < ARRAY_SIZE(table) ? &table[i] : NULL;
}
