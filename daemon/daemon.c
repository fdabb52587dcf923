/* SPDX-License-Identifier: MIT */
#include "daemon/daemon.h"

#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "common/base.h"
#include "common/version.h"
#include "daemon/daemon_state.h"
#include "daemon/memo.h"
#include "daemon/notify.h"
#include "daemon/settings.h"

/* How often STATUS= is brought up to date; nothing is sent while nothing changes. */
#define STATUS_INTERVAL (5 * NSEC_PER_SEC)

/* Feeding is due at half of the watchdog's interval; looking twice as often allows for a miss. */
#define WATCHDOG_PARTS 4

/* What a stop may take beside drain_timeout: workers that end, and the last entries of the log. */
#define STOP_MARGIN (5 * NSEC_PER_SEC)

/* Left to itself, sd-event is up to 250 ms late. */
#define TIMER_ACCURACY (10 * NSEC_PER_MSEC)

/* ---- what it says ---- */

static void say_statistics(struct daemon *d)
{
    _cleanup_(memo_deinit) struct memo memo = MEMO_INIT;
    struct stats sum = crew_stats(&d->crew);
    const char *text;

    if (memo_open(&memo) < 0)
        return;
    stats_print(&sum, memo.to);
    text = memo_read(&memo);
    if (!text)
        return;
    log_text(&d->log, STATISTICS,
             &((struct log_data){LOG_VALUES({LOG_FIELD_CLIENTS, stats_clients(&sum)},
                                            {LOG_FIELD_ACCEPTED, sum.accepted},
                                            {LOG_FIELD_MESSAGES, sum.messages},
                                            {LOG_FIELD_REFUSED, stats_refused(&sum)},
                                            {LOG_FIELD_TIMED_OUT, stats_timed_out(&sum)},
                                            {LOG_FIELD_BAD_MESSAGES, sum.bad_messages},
                                            {LOG_FIELD_UPTIME, clock_now(&clock_system) -
                                                                   d->started})}),
             "%s", text);
}

static void tell_status(struct daemon *d)
{
    struct stats sum = crew_stats(&d->crew);
    nsec_t now = clock_now(&clock_system);
    nsec_t passed = now - d->status_at;
    uint64_t rate = (sum.messages - d->status.messages) * NSEC_PER_SEC / MAX(passed, (nsec_t)1);
    bool is_old = memcmp(&sum, &d->status, sizeof(sum)) == 0 && rate == d->status_rate;

    if (!is_old || d->status_at == 0)
        notify_status("%" PRIu64 " clients, %" PRIu64 " messages/s, %" PRIu64 " messages so far",
                      stats_clients(&sum), rate, sum.messages);
    d->status = sum;
    d->status_at = now;
    d->status_rate = rate;
}

/* ---- orders ---- */

static void stop(struct daemon *d, const char *why)
{
    struct stats sum = crew_stats(&d->crew);

    if (d->stopping) {              /* told twice: whoever says so does not want to wait */
        d->crew.orders.drain_timeout = 0;
        crew_order(&d->crew);
        return;
    }

    d->stopping = true;
    notify_stopping(nsec_add(d->config.drain_timeout, STOP_MARGIN));
    log_text(&d->log, STOPPING,
             &((struct log_data){.reason = why,
                                 LOG_VALUES({LOG_FIELD_CLIENTS, stats_clients(&sum)})}),
             "stopping (%s), clients are served on for up to %.1f s", why,
             (double)d->config.drain_timeout / 1e9);
    d->crew.orders.stop = true;
    d->crew.orders.closed = false;
    crew_order(&d->crew);
}

/* ---- signals and timers ---- */

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *user)
{
    struct daemon *d = user;

    (void)source;
    switch ((int)info->ssi_signo) {
    case SIGTERM:
        stop(d, "SIGTERM");
        break;
    case SIGINT:
        stop(d, "SIGINT");
        break;
    case SIGHUP:
        if (!d->stopping)
            settings_reload(d);
        break;
    case SIGUSR1:
        say_statistics(d);
        break;
    case SIGUSR2:
        logger_reopen(d->logger);
        break;
    }
    return 0;
}

static int on_worker_ended(sd_event_source *source, int fd, uint32_t events, void *user)
{
    struct daemon *d = user;

    (void)fd;
    (void)events;
    return crew_has_ended(&d->crew) ? sd_event_exit(sd_event_source_get_event(source), 0) : 0;
}

static int again_in(sd_event_source *source, nsec_t delay)
{
    int r = sd_event_source_set_time_relative(source, delay / NSEC_PER_USEC);

    return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_status_timer(sd_event_source *source, uint64_t usec, void *user)
{
    struct daemon *d = user;

    (void)usec;
    if (!d->stopping)
        tell_status(d);
    return again_in(source, STATUS_INTERVAL);
}

static int on_watchdog_timer(sd_event_source *source, uint64_t usec, void *user)
{
    struct daemon *d = user;
    unsigned stuck;

    (void)usec;
    if (watch_look(&d->watch, d->crew.workers, &stuck)) {
        notify_watchdog();
        d->said_stuck = false;
    } else if (!d->said_stuck) {
        log_text(&d->log, WORKER_STUCK,
                 &((struct log_data){LOG_VALUES({LOG_FIELD_WORKER, stuck})}),
                 "worker %u does not turn: the watchdog is not fed until it does", stuck);
        d->said_stuck = true;
    }
    return again_in(source, notify_watchdog_interval() / WATCHDOG_PARTS);
}

static int on_idle_timer(sd_event_source *source, uint64_t usec, void *user)
{
    struct daemon *d = user;
    /* First, so that who came in before the last worker obeyed is among those counted. */
    bool obeyed = crew_has_obeyed(&d->crew);
    struct stats sum = crew_stats(&d->crew);
    nsec_t limit = d->config.exit_on_idle;

    (void)usec;
    if (d->stopping)
        return 0;
    switch (idle_decide(&d->idle, &sum, limit, obeyed, clock_now(&clock_system))) {
    case IDLE_STAY:
        break;
    case IDLE_CLOSE:
    case IDLE_REOPEN:
        d->crew.orders.closed = d->idle.closing;
        crew_order(&d->crew);
        break;
    case IDLE_GO:
        stop(d, "exit_on_idle");
        return 0;
    }
    return again_in(source, idle_next_check(&d->idle, limit));
}

static int add_timer(struct daemon *d, nsec_t delay, sd_event_time_handler_t handler)
{
    return sd_event_add_time_relative(d->event, NULL, CLOCK_MONOTONIC, delay / NSEC_PER_USEC,
                                      TIMER_ACCURACY / NSEC_PER_USEC, handler, d);
}

static int add_sources(struct daemon *d)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
    nsec_t watchdog = notify_watchdog_interval();
    int r;

    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        r = sd_event_add_signal(d->event, NULL, signals[i], on_signal, d);
        if (r < 0)
            return r;
    }
    r = sd_event_add_io(d->event, NULL, d->crew.ended_fd, EPOLLIN, on_worker_ended, d);
    if (r < 0)
        return r;
    r = add_timer(d, 0, on_status_timer);
    if (r < 0)
        return r;
    if (watchdog > 0) {
        r = watch_init(&d->watch, d->crew.n_workers);
        if (r < 0)
            return r;
        r = add_timer(d, 0, on_watchdog_timer);
        if (r < 0)
            return r;
    }
    return d->listeners.inherited ? add_timer(d, 0, on_idle_timer) : 0;
}

/* ---- start ---- */

static unsigned count_cpus(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) < 0)
        return 1;                   /* more CPUs than the set holds: say how many in the file */
    return (unsigned)CPU_COUNT(&set);
}

static int open_listeners(struct daemon *d)
{
    _cleanup_(memo_deinit) struct memo faults = MEMO_INIT;
    int r = memo_open(&faults);

    if (r < 0)
        return r;
    r = listener_set_open(&d->listeners, &d->config, faults.to);
    settings_say_faults(d, memo_read(&faults),
                        r < 0 ? SETTINGS_NO_START : SETTINGS_START_WITHOUT);
    return r;
}

/* Everything but threads and READY=1. */
static int set_up(struct daemon *d)
{
    struct worker_orders orders;
    size_t n_workers;
    int r;

    r = log_init(&d->log, &d->log_shared, &clock_system, LOG_NO_WORKER);
    if (r < 0)
        return r;
    r = settings_load(d, &d->config, false);
    if (r < 0) {                    /* said by the defaults, and in no file: it may be unwanted */
        config_init(&d->config);
        d->config.log_file = strdup("");
        return r;
    }
    atomic_store(&d->log_shared.level, d->config.log_level);

    r = open_listeners(d);
    if (r < 0)
        return r;
    settings_warn_of_ignored(d, &d->config);
    n_workers = d->config.workers > 0 ? d->config.workers : count_cpus();
    settings_fit_max_clients(d, &d->config, n_workers);

    orders = settings_orders(&d->config);
    r = crew_init(&d->crew, n_workers, &d->listeners, &d->log_shared, &clock_system, &orders);
    if (r < 0)
        return r;
    r = sd_event_new(&d->event);
    if (r < 0)
        return r;
    r = settings_apply_to_log(d, &d->config);
    if (r < 0)
        return r;
    return add_sources(d);
}

static void say_started(struct daemon *d)
{
    for (size_t i = 0; i < d->listeners.n; i++) {
        const struct listener *l = &d->listeners.items[i];

        log_text(&d->log, LISTENING, &((struct log_data){.listener = l->address}),
                 "listening on %s%s%s%s", l->address, l->inherited ? " (inherited, " : "",
                 l->inherited ? l->name : "", l->inherited ? ")" : "");
    }
    log_text(&d->log, STARTED,
             &((struct log_data){LOG_VALUES({LOG_FIELD_WORKERS, d->crew.n_workers},
                                            {LOG_FIELD_LISTENERS, d->listeners.n})}),
             "tcptimerd %s started: %zu workers, %zu listeners", TT_VERSION, d->crew.n_workers,
             d->listeners.n);
}

static int start(struct daemon *d)
{
    int r = logger_start(d->logger);

    if (r == 0)
        r = crew_start(&d->crew);
    if (r < 0)
        return r;

    d->started = clock_now(&clock_system);
    d->idle.since = d->started;
    say_started(d);
    notify_ready();
    return 0;
}

/* ---- end ---- */

/* Where nobody reads standard error either, the stop is not held up by it. */
static void say_log_hangs(void)
{
    static const char text[] = "tcptimerd: the log hangs: its last entries are lost\n";
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

    if (poll(&p, 1, 0) <= 0 || write(STDERR_FILENO, text, strlen(text)) < 0)
        return;                     /* nobody is left to be told */
}

/* Also after a start that failed half-way: says what is left to say, and undoes all in reverse. */
static void tear_down(struct daemon *d, int result)
{
    struct stats sum;

    if (result < 0) {
        d->crew.orders.stop = true;
        d->crew.orders.drain_timeout = 0;
        crew_order(&d->crew);
    }
    crew_join(&d->crew);
    listener_set_shut(&d->listeners);
    if (d->crew.n_workers > 0)
        acceptor_end_listening(&d->crew.workers[0]->acceptor);

    if (result < 0) {
        if (!d->said_fault)
            log_text(&d->log, START_FAILED, &((struct log_data){.error = -result}),
                     "tcptimerd cannot start or go on: %s", strerror(-result));
        if (!d->logger) {           /* it got not so far, and has to say why all the same */
            if (d->config.log_target == LOG_TARGET_NONE)
                d->config.log_target = LOG_TARGET_STDERR;
            (void)settings_apply_to_log(d, &d->config);
        }
    } else {
        sum = crew_stats(&d->crew);
        log_text(&d->log, STOPPED,
                 &((struct log_data){LOG_VALUES({LOG_FIELD_ACCEPTED, sum.accepted},
                                                {LOG_FIELD_MESSAGES, sum.messages},
                                                {LOG_FIELD_LET_GO, sum.let_go})}),
                 "stopped after %" PRIu64 " messages of %" PRIu64 " clients, %" PRIu64
                 " of them let go after drain_timeout",
                 sum.messages, sum.accepted, sum.let_go);
    }
    if (d->logger && logger_stop(d->logger) < 0) {
        say_log_hangs();
        return;                     /* its thread may use all the rest, until the process ends */
    }

    d->logger = logger_free(d->logger);
    crew_deinit(&d->crew);
    d->event = sd_event_unref(d->event);
    watch_deinit(&d->watch);
    listener_set_deinit(&d->listeners);
    log_deinit(&d->log);
    config_deinit(&d->config);
}

/* For the event loop alone: no thread that is started later may take one. And who closes a pipe
 * that is logged to, or a connection, is not to end the daemon. */
static void block_signals(void)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE};
    sigset_t set;

    (void)sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        (void)sigaddset(&set, signals[i]);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);       /* fails only for a bad first argument */
}

int daemon_run(const struct options *options)
{
    static struct daemon d;         /* a logger that hangs may outlive this function */
    int r;

    d = (struct daemon){
        .options = options,
        .config = CONFIG_INIT,
        .log_shared = {.level = LOG_INFO, .wake_fd = -1},
        .log = LOG_INIT,
        .listeners = LISTENER_SET_INIT,
        .crew = CREW_INIT,
        .watch = WATCH_INIT,
    };

    block_signals();
    r = set_up(&d);
    if (r == 0)
        r = start(&d);
    if (r == 0)
        r = sd_event_loop(d.event);

    tear_down(&d, r);
    return r;
}
