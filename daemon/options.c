/* SPDX-License-Identifier: MIT */
#include "daemon/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "common/base.h"
#include "common/version.h"
#include "daemon/paths.h"

#define DEFAULT_PATH TT_SYSCONFDIR "/tcptimerd.conf"

#define N_KEYS_MAX 64
#define NAME_MAX_LEN 40

/* Values of the options that are no keys; those of keys are their index. */
enum {
    OPTION_CONFIG = N_KEYS_MAX,
    OPTION_CHECK_CONFIG,
};

/* getopt_long()'s table, made from the keys: '_' becomes '-'. */
struct table {
    struct option rows[N_KEYS_MAX + 8];
    char names[N_KEYS_MAX][NAME_MAX_LEN];
};

static void make_table(struct table *t)
{
    static const struct option others[] = {
        {"config", required_argument, NULL, OPTION_CONFIG},
        {"check-config", optional_argument, NULL, OPTION_CHECK_CONFIG},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    const struct config_key *k;
    size_t n = 0;

    for (; (k = config_key(n)) && n < N_KEYS_MAX; n++) {
        char *name = t->names[n];

        (void)stpncpy(name, k->name, NAME_MAX_LEN - 1);
        name[NAME_MAX_LEN - 1] = '\0';
        for (char *p = name; (p = strchr(p, '_'));)
            *p = '-';
        t->rows[n] = (struct option){.name = name, .has_arg = required_argument, .val = (int)n};
    }
    memcpy(t->rows + n, others, sizeof(others));
}

static int add_setting(struct options *o, const char *key, const char *value)
{
    typeof(o->settings) more = reallocarray(o->settings, o->n_settings + 1, sizeof(*more));

    if (!more)
        return -ENOMEM;
    o->settings = more;
    o->settings[o->n_settings].key = key;
    o->settings[o->n_settings].value = value;
    o->n_settings++;
    return 0;
}

static int parse(struct options *o, int argc, char **argv, FILE *faults)
{
    struct table table = {0};
    int option;

    make_table(&table);
    opterr = 0;
    optind = 0;                     /* starts afresh, as glibc has it */
    while ((option = getopt_long(argc, argv, ":hV", table.rows, NULL)) >= 0) {
        switch (option) {
        case OPTION_CONFIG:
            o->path = optarg;
            o->path_is_given = true;
            break;
        case OPTION_CHECK_CONFIG:
            o->action = OPTIONS_CHECK_CONFIG;
            if (optarg) {
                o->path = optarg;
                o->path_is_given = true;
            }
            break;
        case 'h':
            o->action = OPTIONS_HELP;
            return 0;
        case 'V':
            o->action = OPTIONS_VERSION;
            return 0;
        case ':':
            (void)fprintf(faults, "%s: expected a value\n", argv[optind - 1]);
            return -EINVAL;
        case '?':
            (void)fprintf(faults, "%s: expected an option of tcptimerd --help\n", argv[optind - 1]);
            return -EINVAL;
        default:
            if (add_setting(o, config_key((size_t)option)->name, optarg) < 0)
                return -ENOMEM;
        }
    }

    if (o->action == OPTIONS_CHECK_CONFIG && optind == argc - 1 && !o->path_is_given) {
        o->path = argv[optind++];   /* --check-config FILE */
        o->path_is_given = true;
    }
    if (optind < argc) {
        (void)fprintf(faults, "%s: expected no argument, only options\n", argv[optind]);
        return -EINVAL;
    }
    return 0;
}

int options_parse(struct options *ret_options, int argc, char **argv, FILE *faults)
{
    struct options o = {.path = DEFAULT_PATH};
    int r = parse(&o, argc, argv, faults);

    if (r < 0) {
        options_deinit(&o);
        return r;
    }
    *ret_options = o;
    return 0;
}

void options_deinit(struct options *o)
{
    free(take_ptr(o->settings));
}

static int apply_settings(const struct options *o, struct config *c, FILE *faults)
{
    bool has_listen = false;
    int result = 0;

    for (size_t i = 0; i < o->n_settings; i++) {
        const char *key = o->settings[i].key;
        const char *expected;
        int r;

        if (strcmp(key, "listen") == 0 && !has_listen) {
            config_forget_listen(c);        /* the file's */
            has_listen = true;
        }
        c->origin = "option ";
        r = config_set(c, key, o->settings[i].value, &expected);
        c->origin = NULL;
        if (r == -EINVAL)
            (void)fprintf(faults, "option %s: expected %s, got \"%s\"\n", key, expected,
                          o->settings[i].value);
        else if (r < 0)
            (void)fprintf(faults, "option %s: %s\n", key, strerror(-r));
        if (result == 0)
            result = r;
    }
    return result;
}

/* One that cannot be looked at may well be there: reading it will tell. */
static bool is_there(const char *path)
{
    return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

int options_load(const struct options *o, struct config *ret_config, FILE *faults)
{
    struct config c;
    int r = 0, r_file = 0;

    config_init(&c);
    if (o->path_is_given || is_there(o->path))
        r_file = config_read_file(&c, o->path, faults);
    r = apply_settings(o, &c, faults);
    if (r_file < 0 || r < 0) {
        config_deinit(&c);
        return r_file < 0 ? r_file : r;
    }

    *ret_config = c;
    return 0;
}

static void print_option(FILE *to, const char *group, const char *option, const char *help)
{
    (void)fprintf(to, "%-8s%-27s %s\n", group, option, help);
}

/* Fits a screen of 24 lines. */
void options_print_help(FILE *to)
{
    struct table table = {0};
    const struct config_key *k;
    const char *last = "";

    make_table(&table);
    (void)fputs("Usage: tcptimerd [OPTION]...\n"
                "Answers TCP clients with the time between their messages.\n", to);
    for (size_t n = 0; (k = config_key(n)); n++) {
        char option[64];

        (void)snprintf(option, sizeof(option), "--%s=%s", table.names[n], k->argument);
        print_option(to, strcmp(k->group, last) != 0 ? k->group : "", option, k->help);
        last = k->group;
    }
    print_option(to, "Other", "--config=FILE", "read it, not the one in " TT_SYSCONFDIR);
    print_option(to, "", "--check-config[=FILE]", "print every fault of it, and exit");
    print_option(to, "", "-h, --help, -V, --version", "print this or the version, and exit");
    (void)fputs("Keys of the file are options, which win. See tcptimerd(8), tcptimerd.conf(5).\n",
                to);
}
