/* SPDX-License-Identifier: MIT */
#include "client/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "client/option_table.h"
#include "common/base.h"
#include "common/proto.h"

#define DEFAULT_TIMEOUT (5 * NSEC_PER_SEC)
#define DEFAULT_WORST 10

/* getopt_long() returns this plus the index in the table for options without a letter. */
#define INDEX_BASE 256

bool options_describe(size_t i, struct option_info *ret)
{
    const struct option_entry *e = option_table_at(i);

    if (e)
        *ret = e->info;
    return e != NULL;
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
    static const char *const names[] = {"Load", "Peer", "Report", "Other"};
    const struct option_entry *e;
    int last = -1;

    (void)fprintf(out,
                  "Usage: tcptimer [OPTION]... [HOST[:PORT]]            (%s:%d)\n"
                  "Measures the response time of TCP against tcptimerd, and says where it went.\n",
                  DEFAULT_HOST, PROTO_PORT);
    for (size_t i = 0; (e = option_table_at(i)) != NULL; i++) {
        if (!e->info.help)
            continue;
        print_entry(out, e, (int)e->group != last ? names[e->group] : "");
        last = (int)e->group;
    }
    (void)fputs("Without -c, -w, -i or -r: a message a second until interrupted. "
                "See tcptimer(1).\n", out);
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

static int apply(struct option_parser *p, const struct option_entry *e, const char *arg,
                 char ret_error[static OPTIONS_ERROR_SIZE])
{
    if (e->set(p, arg) == 0)
        return 0;
    if (e->info.argument)
        return fail(ret_error, "--%s '%s': expected %s", e->info.name, arg, e->expected);
    return fail(ret_error, "--%s: %s", e->info.name, e->expected);
}

/* What is good in itself but not together. */
static int check(struct option_parser *p, char ret_error[static OPTIONS_ERROR_SIZE])
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
    if (p->fail_if) {
        char why[SLO_ERROR_SIZE];

        if (slo_parse(p->fail_if, &o->slo, why) < 0)
            return fail(ret_error, "--fail-if '%.80s': %s", p->fail_if, why);
    }
    return 0;
}

/* The load that was asked for, or that the other options imply. */
static void resolve_load(struct option_parser *p)
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

/* A payload is native. With one message a connection text is quicker: the message goes at once,
 * where a hello before it would cost a round trip. */
static void resolve_protocol(struct options *o)
{
    if (o->connect)
        o->in_flight = 1;
    if (o->protocol != PROTOCOL_AUTO)
        return;
    if (o->size > 0 || o->reply_size > 0)
        o->protocol = PROTOCOL_NATIVE;
    else if (o->connect)
        o->protocol = PROTOCOL_TEXT;
}

static const struct option_entry *find_entry(int value)
{
    const struct option_entry *e;

    if (value >= INDEX_BASE)
        return option_table_at((size_t)(value - INDEX_BASE));
    for (size_t i = 0; (e = option_table_at(i)) != NULL; i++) {
        if (e->info.letter == value)
            return e;
    }
    return NULL;
}

/* The table in the form of getopt_long(3). */
struct getopt_form {
    struct option longs[OPTION_TABLE_MAX + 1];
    char shorts[2 * OPTION_TABLE_MAX + 2];
};

static void fill_getopt_form(struct getopt_form *ret)
{
    const struct option_entry *e;
    char *at = ret->shorts;

    *ret = (struct getopt_form){0};
    *at++ = ':';                    /* tell a missing argument from an unknown option */
    for (size_t i = 0; (e = option_table_at(i)) != NULL; i++) {
        const struct option_info *info = &e->info;
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

static int parse_all(struct option_parser *p, int argc, char **argv,
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
        if (option_set_host(p, argv[optind]) < 0)
            return fail(ret_error, "'%.80s': expected one HOST[:PORT], given once", argv[optind]);
    }
    return check(p, ret_error);
}

int options_parse(int argc, char **argv, struct options *ret,
                  char ret_error[static OPTIONS_ERROR_SIZE])
{
    struct option_parser p = {
        .o = {
            .port = PROTO_PORT,
            .family = AF_UNSPEC,
            .dscp = -1,
            .timeout = DEFAULT_TIMEOUT,
            .connections = 1,
            .threads = 1,
            .worst = DEFAULT_WORST,
        },
    };
    int r;

    (void)option_set_percentiles(&p, DEFAULT_PERCENTILES);
    r = parse_all(&p, argc, argv, ret_error);
    if (!p.o.host)
        p.o.host = DEFAULT_HOST;
    resolve_load(&p);
    resolve_protocol(&p.o);
    *ret = p.o;
    return r;
}
