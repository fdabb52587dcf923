/* SPDX-License-Identifier: MIT */
#include "daemon/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>

#include "common/base.h"
#include "daemon/daemon_state.h"
#include "daemon/log_setup.h"
#include "daemon/memo.h"
#include "daemon/notify.h"

/* Descriptors that are neither clients nor a worker's: standard ones, the event loop's, logs. */
#define FDS_APART 32

/* How long a reload waits for its workers [ms]. */
#define OBEY_MS 200

void settings_say_faults(struct daemon *d, char *lines, enum settings_result result)
{
    char *line;

    while ((line = strsep(&lines, "\n"))) {
        if (!*line)
            continue;
        switch (result) {
        case SETTINGS_NO_START:
            log_text(&d->log, START_FAILED, &((struct log_data){0}), "%s", line);
            d->said_fault = true;
            break;
        case SETTINGS_START_WITHOUT:
            log_text(&d->log, CONFIG_WARNING, &((struct log_data){.reason = "listen"}), "%s", line);
            break;
        case SETTINGS_NO_RELOAD:
            log_text(&d->log, RELOAD_FAILED, &((struct log_data){0}), "%s", line);
            break;
        }
    }
}

void settings_fit_max_clients(struct daemon *d, struct config *c, size_t n_workers)
{
    struct rlimit limit;
    uint64_t most;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        (void)getrlimit(RLIMIT_NOFILE, &limit);     /* a container may forbid it: keep what is */

    most = FDS_APART + WORKER_FDS * n_workers + d->listeners.n;
    most = limit.rlim_cur > most ? limit.rlim_cur - most : 1;
    if (c->limits.max_clients <= most)
        return;
    log_text(&d->log, CONFIG_WARNING, &((struct log_data){.reason = "max_clients"}),
             "max_clients = %" PRIu32 ": lowered to %" PRIu64 ", as this process may open %" PRIu64
             " files (LimitNOFILE=)",
             c->limits.max_clients, most, (uint64_t)limit.rlim_cur);
    c->limits.max_clients = (uint32_t)most;
}

void settings_warn_of_ignored(struct daemon *d, const struct config *c)
{
    if (d->listeners.inherited && (c->n_listen > 0 || c->port_is_set))
        log_text(&d->log, CONFIG_WARNING, &((struct log_data){.reason = "listen"}),
                 "listen and port are not used, as the socket unit hands over the listeners: "
                 "change them with \"systemctl edit tcptimer.socket\"");
    if (!d->listeners.inherited && c->exit_on_idle > 0)
        log_text(&d->log, CONFIG_WARNING, &((struct log_data){.reason = "exit_on_idle"}),
                 "exit_on_idle is not used, as nobody would start the daemon again: it needs "
                 "socket activation");
}

struct worker_orders settings_orders(const struct config *c)
{
    return (struct worker_orders){
        .limits = c->limits,
        .drain_timeout = c->drain_timeout,
        .busy_poll = c->busy_poll,
    };
}

int settings_load(struct daemon *d, struct config *ret_config, bool reloading)
{
    _cleanup_(memo_deinit) struct memo faults = MEMO_INIT;
    int r = memo_open(&faults);

    if (r < 0)
        return r;
    r = options_load(d->options, ret_config, faults.to);
    settings_say_faults(d, memo_read(&faults), reloading ? SETTINGS_NO_RELOAD : SETTINGS_NO_START);
    return r;
}

static void say_fixed_changes(struct daemon *d, const struct config *next)
{
    _cleanup_(memo_deinit) struct memo memo = MEMO_INIT;
    const char *names;

    if (memo_open(&memo) < 0)
        return;
    config_name_fixed_changes(&d->config, next, d->listeners.inherited, memo.to);
    names = memo_read(&memo);
    if (names && *names)
        log_text(&d->log, CONFIG_WARNING, &((struct log_data){.reason = "restart"}),
                 "changed, but fixed while the daemon runs:%s; restart it for them", names);
}

int settings_apply_to_log(struct daemon *d, const struct config *c)
{
    struct logger_settings settings;
    struct log *logs[CONFIG_WORKERS_MAX + 1];
    int r = log_setup_resolve(c, &settings);

    if (r < 0)
        return r;
    if (d->logger) {
        r = logger_configure(d->logger, &settings);
    } else {
        for (size_t i = 0; i < d->crew.n_workers; i++)
            logs[i] = &d->crew.workers[i]->log;
        logs[d->crew.n_workers] = &d->log;
        r = logger_new(&d->logger, logs, d->crew.n_workers + 1, &d->log_shared, &clock_system,
                       &settings);
    }
    logger_settings_deinit(&settings);
    if (r == 0)
        atomic_store(&d->log_shared.level, c->log_level);
    return r;
}

/* Until then a client could still meet the old limits; a worker that is stuck is not waited for. */
static void wait_for_workers(struct daemon *d)
{
    for (int ms = 0; ms < OBEY_MS && !crew_has_obeyed(&d->crew); ms++)
        (void)poll(NULL, 0, 1);
}

void settings_reload(struct daemon *d)
{
    _cleanup_(config_deinit) struct config next = CONFIG_INIT;

    notify_reloading(clock_now(&clock_system));
    if (settings_load(d, &next, true) < 0) {
        log_text(&d->log, RELOAD_FAILED, &((struct log_data){0}),
                 "reload: the configuration has faults, the old one stays");
        notify_ready();
        return;
    }

    /* First, as it is all that can fail: a reload is done as a whole or not at all. */
    if (settings_apply_to_log(d, &next) < 0) {
        log_text(&d->log, RELOAD_FAILED, &((struct log_data){.error = ENOMEM}),
                 "reload: no memory for the log's new settings, the old configuration stays");
        notify_ready();
        return;
    }

    settings_warn_of_ignored(d, &next);
    say_fixed_changes(d, &next);
    settings_fit_max_clients(d, &next, d->crew.n_workers);
    config_keep_fixed(&next, &d->config);   /* also for the next comparison */
    config_deinit(&d->config);
    d->config = next;
    next = CONFIG_INIT;

    d->crew.orders = settings_orders(&d->config);
    d->crew.orders.closed = d->idle.closing;
    crew_order(&d->crew);
    wait_for_workers(d);
    log_text(&d->log, RELOADED, &((struct log_data){0}), "configuration reloaded");
    notify_ready();
}
