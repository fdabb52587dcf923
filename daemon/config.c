/* SPDX-License-Identifier: MIT */
#include "daemon/config.h"

#include <assert.h>
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "common/addr.h"
#include "common/base.h"
#include "common/parse.h"
#include "common/proto.h"

enum kind {
    KIND_NUMBER,                    /* uint32_t */
    KIND_WORKERS,                   /* uint32_t, "auto" = 0 */
    KIND_BYTES,                     /* uint64_t */
    KIND_DURATION,                  /* nsec_t, "off" = 0 */
    KIND_BUSY_POLL,                 /* nsec_t, "on" = the usual one */
    KIND_BOOL,                      /* bool */
    KIND_LEVEL,                     /* int */
    KIND_TARGET,                    /* enum log_target */
    KIND_TEXT,                      /* char *, owned */
    KIND_LISTEN,                    /* the list of addresses */
};

struct key {
    struct config_key public;
    enum kind kind;
    size_t offset, size;            /* of the member in struct config */
    uint64_t min, max;              /* of a number */
    const char *expected;
};

#define BUSY_POLL_USUAL (100 * NSEC_PER_USEC)

#define KEY_OF(is_fixed, heading, key, arg, text, what, member, low, high, words)                  \
    {                                                                                              \
        .public = {.name = key, .group = heading, .argument = arg, .help = text,                   \
                   .fixed = is_fixed},                                                             \
        .kind = what,                                                                              \
        .offset = offsetof(struct config, member),                                                 \
        .size = sizeof(((struct config *)0)->member),                                              \
        .min = low, .max = high, .expected = words,                                                \
    }
#define KEY(...) KEY_OF(false, __VA_ARGS__)
#define FIXED_KEY(...) KEY_OF(true, __VA_ARGS__)

#define A_DURATION "a duration like 500ms, 10s or 5m (a bare number is seconds), or off"

/* The headings of tcptimerd.conf(5). */
#define LISTEN "Listen"
#define CLIENTS "Clients"
#define LOG "Log"

static const struct key keys[] = {
    FIXED_KEY(LISTEN, "listen", "ADDR", "PORT, ADDR:PORT or unix:/PATH; repeatable", KIND_LISTEN,
              listen, 0, 0, NULL),
    FIXED_KEY(LISTEN, "port", "PORT", "where there is no listen", KIND_NUMBER, port, 0, 65535,
              "a port number from 0 to 65535 (0: the kernel chooses)"),
    FIXED_KEY(CLIENTS, "workers", "N", "threads that serve clients (auto: one a CPU)", KIND_WORKERS,
              workers, 1, CONFIG_WORKERS_MAX, "auto or a number from 1 to 1024"),
    KEY(CLIENTS, "max_clients", "N", "most clients at once", KIND_NUMBER, limits.max_clients, 1,
        10000000, "a number from 1 to 10000000"),
    KEY(CLIENTS, "max_clients_per_source", "N", "most from one address (0: no limit)", KIND_NUMBER,
        limits.max_clients_per_source, 0, 10000000, "a number from 0 (no limit) to 10000000"),
    KEY(CLIENTS, "idle_timeout", "DUR", "a client that is silent so long is ended", KIND_DURATION,
        limits.idle_timeout, 0, 0, A_DURATION),
    KEY(CLIENTS, "message_timeout", "DUR", "a message that was begun must end within it",
        KIND_DURATION, limits.message_timeout, 0, 0, A_DURATION),
    KEY(CLIENTS, "drain_timeout", "DUR", "how long a stop goes on serving clients", KIND_DURATION,
        drain_timeout, 0, 0, A_DURATION),
    KEY(CLIENTS, "exit_on_idle", "DUR", "exit after so long without clients (off)", KIND_DURATION,
        exit_on_idle, 0, 0, A_DURATION),
    KEY(CLIENTS, "busy_poll", "DUR", "spin so long before sleeping (off)", KIND_BUSY_POLL,
        busy_poll, 0, 0, "on, off or a duration like 100us"),
    KEY(LOG, "log_level", "LEVEL", "debug, info, notice, warning, err, crit", KIND_LEVEL, log_level,
        0, 0, "one of debug, info, notice, warning, err, crit"),
    KEY(LOG, "log_target", "TARGET", "auto, journal, stderr, none", KIND_TARGET, log_target, 0, 0,
        "one of auto, journal, stderr, none"),
    KEY(LOG, "log_file", "PATH", "a log file too, rotated by size", KIND_TEXT, log_file, 0, 0,
        NULL),
    KEY(LOG, "log_file_size", "SIZE", "when it is rotated", KIND_BYTES, log_file_size, 4096,
        (uint64_t)1 << 40, "a size from 4K to 1024G like 2MiB (a bare number is bytes)"),
    KEY(LOG, "log_file_count", "N", "old ones to keep (0: start over in place)", KIND_NUMBER,
        log_file_count, 0, 1000, "a number from 0 to 1000"),
    KEY(LOG, "log_messages", "BOOL", "log every message", KIND_BOOL, limits.log_messages, 0, 0,
        "on or off"),
    KEY(LOG, "slow_threshold", "DUR", "log deltas above it with their UUID (off)", KIND_DURATION,
        limits.slow_threshold, 0, 0, A_DURATION),
};

static const struct {
    const char *name;
    int level;
} levels[] = {
    {"debug", LOG_DEBUG},     {"info", LOG_INFO}, {"notice", LOG_NOTICE},
    {"warning", LOG_WARNING}, {"err", LOG_ERR},   {"crit", LOG_CRIT},
};

static const char *const targets[] = {
    [LOG_TARGET_AUTO] = "auto",
    [LOG_TARGET_JOURNAL] = "journal",
    [LOG_TARGET_STDERR] = "stderr",
    [LOG_TARGET_NONE] = "none",
};

const struct config_key *config_key(size_t n)
{
    return n < ARRAY_SIZE(keys) ? &keys[n].public : NULL;
}

void config_init(struct config *c)
{
    *c = (struct config){
        .port = PROTO_PORT,
        .limits = {
            .max_clients = 10000,
            .idle_timeout = 300 * NSEC_PER_SEC,
            .message_timeout = 10 * NSEC_PER_SEC,
        },
        .drain_timeout = 5 * NSEC_PER_SEC,
        .log_level = LOG_INFO,
        .log_target = LOG_TARGET_AUTO,
        .log_file_size = (uint64_t)2 << 20,
        .log_file_count = 1,
    };
}

void config_forget_listen(struct config *c)
{
    for (size_t i = 0; i < c->n_listen; i++) {
        free(c->listen[i]);
        free(c->listen_origins[i]);
    }
    free(take_ptr(c->listen));
    free(take_ptr(c->listen_origins));
    c->n_listen = 0;
}

void config_deinit(struct config *c)
{
    config_forget_listen(c);
    free(take_ptr(c->port_origin));
    free(take_ptr(c->log_file));
}

static int add_listen(struct config *c, const char *value, const char **ret_expected)
{
    _cleanup_(freep) char *address = NULL;
    _cleanup_(freep) char *origin = NULL;
    struct addr checked;
    char **more;
    int r = addr_parse_listen(value, &checked, ret_expected);

    if (r < 0)
        return r;
    more = reallocarray(c->listen, c->n_listen + 1, sizeof(*more));
    if (!more)
        return -ENOMEM;
    c->listen = more;
    more = reallocarray(c->listen_origins, c->n_listen + 1, sizeof(*more));
    if (!more)
        return -ENOMEM;
    c->listen_origins = more;
    address = strdup(value);
    origin = strdup(c->origin ? c->origin : "");
    if (!address || !origin)
        return -ENOMEM;
    c->listen[c->n_listen] = take_ptr(address);
    c->listen_origins[c->n_listen] = take_ptr(origin);
    c->n_listen++;
    return 0;
}

static int note_port(struct config *c)
{
    char *origin = c->origin ? strdup(c->origin) : NULL;

    if (c->origin && !origin)
        return -ENOMEM;
    free(c->port_origin);
    c->port_origin = origin;
    c->port_is_set = true;
    return 0;
}

static int set_number(uint32_t *member, const struct key *k, const char *value)
{
    uint64_t number;
    int r = parse_u64(value, k->min, k->max, &number);

    if (r == 0)
        *member = (uint32_t)number;
    return r;
}

static int set_duration(nsec_t *member, const char *value)
{
    bool on;

    if (parse_duration(value, member) == 0)
        return 0;
    if (parse_bool(value, &on) < 0 || on)
        return -EINVAL;
    *member = 0;
    return 0;
}

static int set_busy_poll(nsec_t *member, const char *value)
{
    bool on;

    if (parse_bool(value, &on) == 0) {
        *member = on ? BUSY_POLL_USUAL : 0;
        return 0;
    }
    return parse_duration(value, member);
}

static int set_level(int *member, const char *value)
{
    for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
        if (strcmp(value, levels[i].name) == 0) {
            *member = levels[i].level;
            return 0;
        }
    return -EINVAL;
}

static int set_target(enum log_target *member, const char *value)
{
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
        if (strcmp(value, targets[i]) == 0) {
            *member = (enum log_target)i;
            return 0;
        }
    return -EINVAL;
}

static int set_text(char **member, const char *value)
{
    char *copy = strdup(value);

    if (!copy)
        return -ENOMEM;
    free(*member);
    *member = copy;
    return 0;
}

static int set_size(uint64_t *member, const struct key *k, const char *value)
{
    uint64_t size;
    int r = parse_size(value, &size);

    if (r < 0)
        return r;
    if (size < k->min || size > k->max)
        return -ERANGE;
    *member = size;
    return 0;
}

static int set(struct config *c, const struct key *k, const char *value, const char **ret_expected)
{
    void *member = (char *)c + k->offset;

    switch (k->kind) {
    case KIND_NUMBER:
        return set_number(member, k, value);
    case KIND_WORKERS:
        if (strcmp(value, "auto") != 0)
            return set_number(member, k, value);
        *(uint32_t *)member = 0;
        return 0;
    case KIND_BYTES:
        return set_size(member, k, value);
    case KIND_DURATION:
        return set_duration(member, value);
    case KIND_BUSY_POLL:
        return set_busy_poll(member, value);
    case KIND_BOOL:
        return parse_bool(value, member);
    case KIND_LEVEL:
        return set_level(member, value);
    case KIND_TARGET:
        return set_target(member, value);
    case KIND_TEXT:
        return set_text(member, value);
    case KIND_LISTEN:
        return add_listen(c, value, ret_expected);
    }
    return -EINVAL;
}

static bool same_name(const char *name, const char *key)
{
    while (*name && (*name == *key || (*name == '_' && *key == '-'))) {
        name++;
        key++;
    }
    return *name == *key;
}

int config_set(struct config *c, const char *key, const char *value, const char **ret_expected)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        int r;

        if (!same_name(keys[i].public.name, key))
            continue;
        if (keys[i].expected)
            *ret_expected = keys[i].expected;
        r = set(c, &keys[i], value, ret_expected);
        if (r == 0 && keys[i].offset == offsetof(struct config, port))
            r = note_port(c);
        return r == 0 || r == -ENOMEM ? r : -EINVAL;
    }
    return -ENOENT;
}

/* ---- the file ---- */

/* Some editors put it in front of UTF-8. */
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/* inih hands over no line numbers, but it takes its lines from us. */
struct reader {
    struct config *config;
    const char *path;
    FILE *file;
    FILE *faults;
    char *text;                     /* of the line, with no limit to its length */
    size_t text_size;
    unsigned line;
    int read_error;
    int result;
};

static void fault(struct reader *r, int error)
{
    if (r->result == 0)
        r->result = error;
}

static bool is_our_section(const char *line)
{
    const char *name = "[tcptimerd]";
    const char *rest = line + strlen(name);

    if (strncmp(line, name, strlen(name)) != 0)
        return false;
    rest += strspn(rest, " \t");
    return *rest == '\0' || *rest == '#' || *rest == ';';
}

/* Whether inih can take the line; what is wrong with it is told here, as inih tells of the first
 * such line only, and cuts a long one into several. */
static bool check_line(struct reader *r, const char *line, int size)
{
    if (*line == '\0' || *line == '#' || *line == ';')
        return false;
    if (*line == '[' && !is_our_section(line)) {
        (void)fprintf(r->faults, "%s:%u: section %s: expected none, or [tcptimerd]\n", r->path,
                      r->line, line);
        fault(r, -EINVAL);
        return false;
    }
    if (strlen(line) >= (size_t)size) {
        (void)fprintf(r->faults, "%s:%u: expected a line of at most %d bytes\n", r->path, r->line,
                      size - 1);
        fault(r, -EINVAL);
        return false;
    }
    if (*line != '[' && !strpbrk(line, "=:")) {
        (void)fprintf(r->faults, "%s:%u: expected KEY = VALUE, [tcptimerd] or a # comment\n",
                      r->path, r->line);
        fault(r, -EINVAL);
        return false;
    }
    return true;
}

/* What C takes for the end of a line would hide the rest of it. */
static void check_bytes(struct reader *r, size_t len)
{
    if (strlen(r->text) == len)
        return;
    (void)fprintf(r->faults, "%s:%u: expected text, without bytes of value 0\n", r->path, r->line);
    fault(r, -EINVAL);
}

/* An indented line would be more of the value before it to inih; here every line is a pair. */
static char *next_line(char *buf, int size, void *stream)
{
    struct reader *r = stream;
    const char *line;
    ssize_t len;

    errno = 0;
    len = getline(&r->text, &r->text_size, r->file);
    if (len < 0) {
        if (!feof(r->file))
            r->read_error = errno;  /* a directory can be opened, and fails here */
        return NULL;
    }
    r->line++;
    check_bytes(r, (size_t)len);
    r->text[strcspn(r->text, "\r\n")] = '\0';
    line = r->text;
    if (r->line == 1 && strncmp(line, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
        line += strlen(BYTE_ORDER_MARK);
    line += strspn(line, " \t");
    (void)snprintf(buf, (size_t)size, "%s", check_line(r, line, size) ? line : "");
    return buf;
}

static int take_pair(void *user, const char *section, const char *key, const char *value)
{
    _cleanup_(freep) char *origin = NULL;
    struct reader *r = user;
    const char *expected;
    int result;

    (void)section;                  /* check_line() has seen to it */
    if (asprintf(&origin, "%s:%u: ", r->path, r->line) < 0)
        origin = NULL;              /* only what is wrong later would have been told with it */
    r->config->origin = origin;
    result = config_set(r->config, key, value, &expected);
    r->config->origin = NULL;
    if (result == -ENOENT)
        (void)fprintf(r->faults, "%s:%u: unknown key \"%s\": expected one of tcptimerd.conf(5)\n",
                      r->path, r->line, key);
    else if (result == -EINVAL)
        (void)fprintf(r->faults, "%s:%u: %s: expected %s, got \"%s\"\n", r->path, r->line, key,
                      expected, value);
    else if (result < 0)
        (void)fprintf(r->faults, "%s:%u: %s: %s\n", r->path, r->line, key, strerror(-result));
    fault(r, result == -ENOENT ? -EINVAL : result);
    return 1;                       /* go on: all faults are told */
}

int config_read_file(struct config *c, const char *path, FILE *faults)
{
    struct reader r = {.config = c, .path = path, .faults = faults};
    int bad_line;

    r.file = fopen(path, "re");
    if (!r.file) {
        int error = errno;

        (void)fprintf(faults, "%s: %s: expected a readable configuration file\n", path,
                      strerror(error));
        return -error;
    }

    bad_line = ini_parse_stream(next_line, &r, take_pair, &r);
    if (r.read_error != 0) {
        (void)fprintf(faults, "%s: %s: expected a readable configuration file\n", path,
                      strerror(r.read_error));
        fault(&r, -r.read_error);
    } else if (bad_line != 0) {
        (void)fprintf(faults, "%s:%d: expected KEY = VALUE, [tcptimerd] or a # comment\n", path,
                      bad_line);
        fault(&r, -EINVAL);
    }
    free(r.text);
    (void)fclose(r.file);           /* it was only read */
    return r.result;
}

/* ---- what cannot change at run time ---- */

static bool same_listen(const struct config *a, const struct config *b)
{
    if (a->n_listen != b->n_listen)
        return false;
    for (size_t i = 0; i < a->n_listen; i++)
        if (strcmp(a->listen[i], b->listen[i]) != 0)
            return false;
    return true;
}

static bool same(const struct config *a, const struct config *b, const struct key *k)
{
    if (k->kind == KIND_LISTEN)
        return same_listen(a, b);
    assert(k->kind != KIND_TEXT);   /* none of them is fixed: its bytes are not its value */
    return memcmp((const char *)a + k->offset, (const char *)b + k->offset, k->size) == 0;
}

static bool is_of_listeners(const struct key *k)
{
    return k->offset == offsetof(struct config, listen) ||
           k->offset == offsetof(struct config, port);
}

void config_name_fixed_changes(const struct config *old, const struct config *new, bool inherited,
                               FILE *names)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (keys[i].public.fixed && !(inherited && is_of_listeners(&keys[i])) &&
            !same(old, new, &keys[i]))
            (void)fprintf(names, " %s", keys[i].public.name);
}

static void exchange(void *a, void *b, size_t size)
{
    char *x = a, *y = b;

    for (size_t i = 0; i < size; i++) {
        char held = x[i];

        x[i] = y[i];
        y[i] = held;
    }
}

void config_keep_fixed(struct config *next, struct config *now)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (keys[i].public.fixed)
            exchange((char *)next + keys[i].offset, (char *)now + keys[i].offset, keys[i].size);

    /* What goes with `listen` and with `port`. */
    exchange(&next->listen_origins, &now->listen_origins, sizeof(next->listen_origins));
    exchange(&next->n_listen, &now->n_listen, sizeof(next->n_listen));
    exchange(&next->port_origin, &now->port_origin, sizeof(next->port_origin));
    exchange(&next->port_is_set, &now->port_is_set, sizeof(next->port_is_set));
}
