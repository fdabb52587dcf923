/* SPDX-License-Identifier: MIT */
#include "daemon/logger.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "common/log_file.h"
#include "daemon/log_memo.h"
#include "daemon/log_text.h"
#include "daemon/wake.h"

/* After a batch it rests this long, so that the next batch is worth its system calls and nobody has
 * to wake it meanwhile. */
#define NAP_MS 5

/* How long the stop waits for a journal or a disk that hangs. Less than what the service manager is
 * asked to allow. */
#define PATIENCE_MS 3000

/* How often at most it says that records were dropped. */
#define DROP_REPORT_INTERVAL NSEC_PER_SEC

/* After so many entries it looks up: new settings, drops and the order to stop must not starve. */
#define BATCH 1024

/* Lines for the file are collected up to this. */
#define FILE_BUFFER_SIZE ((size_t)65536)

struct logger {
    struct log **logs;              /* all threads', this one's last */
    size_t n_logs;
    struct log own;
    struct log_shared *shared;      /* borrowed */
    const struct clock_src *clock;  /* borrowed */
    struct log_memo memo;
    int wake_fd;
    int ended_fd;                   /* readable when the thread has nothing left to do */
    pthread_t thread;
    bool running;

    struct log_sink sink;
    struct log_file *file;
    char *file_path;
    char *file_buffer;
    size_t file_used;
    int file_error;                 /* it fails, and that was said: negative errno; or 0 */
    uint64_t n_lost;                /* its lines that were lost before the last settings */
    uint64_t n_refused;             /* entries that the sink has not taken since it last took one */
    int refusal;                    /* and why it did not take the last of them */
    uint64_t n_dropped_said;
    nsec_t dropped_said_at;

    /* crossing threads */
    _Atomic bool stop;
    pthread_mutex_t lock;
    struct logger_settings next;
    bool has_next;
    bool reopen;
};

void logger_settings_deinit(struct logger_settings *s)
{
    free(take_ptr(s->file));
}

static const char *remedy(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        return "it resumes by itself when there is room again";
    case ENOENT:
        return "its directory is gone; under systemd restart the service, which makes it anew";
    case EACCES:
    case EPERM:
    case EROFS:
        return "make it writable for this user";
    default:
        return "it is tried again with each new line";
    }
}

static void say_file_failed(struct logger *l, int error)
{
    if (l->file_error == error)
        return;
    l->file_error = error;
    log_text(&l->own, LOG_FILE_FAILED, &((struct log_data){.error = -error}),
             "log file %s: %s: lines are lost; %s", l->file_path, strerror(-error),
             remedy(-error));
}

/* How many lines the file has lost since this was last asked. */
static uint64_t take_lost(struct logger *l)
{
    uint64_t n = l->n_lost + (l->file ? log_file_take_lost(l->file) : 0);

    l->n_lost = 0;
    return n;
}

/* What would be said when the file is back, where it will not be. */
static void report_lost(struct logger *l)
{
    uint64_t n = take_lost(l);

    if (n == 0)
        return;
    log_text(&l->own, LOG_DROPPED,
             &((struct log_data){.error = -l->file_error, LOG_VALUES({LOG_FIELD_DROPPED, n})}),
             "%" PRIu64 " lines of the log file %s were lost: %s", n, l->file_path,
             strerror(-l->file_error));
}

static void flush_file(struct logger *l)
{
    size_t len = l->file_used;
    int r;

    l->file_used = 0;
    if (len == 0 || !l->file)
        return;

    r = log_file_write(l->file, l->file_buffer, len, clock_now(l->clock));
    if (r < 0) {
        say_file_failed(l, r);
    } else if (r != LOG_FILE_FAILING && l->file_error < 0) {
        uint64_t n_lost = take_lost(l);

        l->file_error = 0;
        log_text(&l->own, LOG_FILE_RESUMED,
                 &((struct log_data){LOG_VALUES({LOG_FIELD_DROPPED, n_lost})}),
                 "log file %s is written again, %" PRIu64 " lines were lost", l->file_path, n_lost);
    }
}

static void write_file(struct logger *l, const struct log_entry *entry)
{
    if (!l->file)
        return;
    if (FILE_BUFFER_SIZE - l->file_used < LOG_LINE_MAX)
        flush_file(l);
    l->file_used += log_line_format(entry, l->file_buffer + l->file_used);
}

static void report_refused(struct logger *l)
{
    if (l->n_refused == 0)
        return;

    log_text(&l->own, LOG_DROPPED,
             &((struct log_data){.error = -l->refusal,
                                 LOG_VALUES({LOG_FIELD_DROPPED, l->n_refused})}),
             "%" PRIu64 " log entries were lost, as they could not be written: %s", l->n_refused,
             strerror(-l->refusal));
    l->n_refused = 0;
}

static void write_sink(struct logger *l, const struct log_entry *entry)
{
    int r;

    if (!l->sink.ops)
        return;
    r = l->sink.ops->write(l->sink.ctx, entry);
    if (r < 0) {
        l->n_refused++;
        l->refusal = r;
    } else {
        report_refused(l);          /* only now, as saying it takes a sink that works */
    }
}

static void put(struct logger *l, const struct log_record *r)
{
    const char *client = r->has_client ? log_memo_client(&l->memo, &r->client) : NULL;
    char name[LOG_EVENT_NAME_SIZE];
    char text[LOG_TEXT_SIZE];
    struct log_entry entry = {
        .record = r,
        .name = name,
        .message_id = log_event_message_id(r->site->event),
        .priority = log_event_priority(r->site->event),
        .when = log_memo_time(&l->memo, r->real),
        .client = client,
        .text = text,
        .text_len = log_text_make(r, client, text),
    };

    log_event_name(r->site->event, name);
    write_sink(l, &entry);
    write_file(l, &entry);
}

/* The log with the oldest record, or NULL. O(logs) a record: one log for each worker. */
static struct log *oldest(struct logger *l)
{
    struct log *found = NULL;
    nsec_t when = 0;

    for (size_t i = 0; i < l->n_logs; i++) {
        const struct log_record *r = ring_peek(&l->logs[i]->ring);

        if (r && (!found || r->real < when)) {
            found = l->logs[i];
            when = r->real;
        }
    }
    return found;
}

static uint64_t count_dropped(struct logger *l)
{
    uint64_t n = 0;

    for (size_t i = 0; i < l->n_logs; i++)
        n += ring_dropped(&l->logs[i]->ring);
    return n;
}

static void report_drops(struct logger *l, bool at_once)
{
    uint64_t n = count_dropped(l);
    nsec_t now = clock_now(l->clock);

    if (n == l->n_dropped_said || (!at_once && now - l->dropped_said_at < DROP_REPORT_INTERVAL))
        return;

    log_text(&l->own, LOG_DROPPED,
             &((struct log_data){LOG_VALUES({LOG_FIELD_DROPPED, n - l->n_dropped_said})}),
             "%" PRIu64 " log entries were dropped: they came faster than they could be written",
             n - l->n_dropped_said);
    l->n_dropped_said = n;
    l->dropped_said_at = now;
}

/* Return: how many entries; at most BATCH. */
static unsigned put_batch(struct logger *l)
{
    unsigned n = 0;

    for (struct log *log; n < BATCH && (log = oldest(l)); n++) {
        put(l, ring_peek(&log->ring));
        ring_release(&log->ring);
    }
    flush_file(l);
    return n;
}

static void put_all(struct logger *l)
{
    while (put_batch(l) == BATCH)
        ;
}

static void apply(struct logger *l, const struct logger_settings *s)
{
    struct log_file_options options = {
        .path = s->file, .size_limit = s->file_size, .n_old = s->file_count};

    l->sink = s->sink;
    if (l->file && s->file && strcmp(s->file, l->file_path) == 0) {
        l->n_lost = take_lost(l);   /* the same file: it may fail on, and be back */
    } else {
        report_lost(l);
        l->file_error = 0;
    }
    l->file = log_file_free(l->file);
    free(take_ptr(l->file_path));
    if (!s->file)
        return;

    l->file_path = strdup(s->file);
    if (!l->file_path || log_file_new(&l->file, &options) < 0) {
        log_text(&l->own, LOG_FILE_FAILED, &((struct log_data){.error = ENOMEM}),
                 "log file %s: %s: there is none until the next reload", s->file, strerror(ENOMEM));
    }
}

/* The control thread takes the lock too, and must not wait for a disk: what opens and closes files
 * comes after it. */
static void take_settings(struct logger *l)
{
    struct logger_settings next;
    bool has_next, reopen;

    pthread_mutex_lock(&l->lock);
    next = l->next;
    has_next = l->has_next;
    reopen = l->reopen;
    l->has_next = false;
    l->reopen = false;
    pthread_mutex_unlock(&l->lock);

    if (has_next) {
        apply(l, &next);
        logger_settings_deinit(&next);
    } else if (reopen && l->file) {
        int r = log_file_reopen(l->file, clock_now(l->clock));

        if (r < 0)
            say_file_failed(l, r);
    }
}

unsigned logger_turn(struct logger *l)
{
    take_settings(l);
    report_drops(l, false);
    return put_batch(l);
}

static void wait_for_records(struct logger *l, bool busy)
{
    struct pollfd p = {.fd = l->wake_fd, .events = POLLIN};
    int timeout = NAP_MS;

    if (!busy) {
        /* Who announces a record after this wakes us; what was announced before, oldest() sees. */
        (void)atomic_exchange_explicit(&l->shared->logger_sleeps, true, memory_order_acq_rel);
        if (oldest(l))
            timeout = 0;
        else if (count_dropped(l) > l->n_dropped_said)
            timeout = (int)(DROP_REPORT_INTERVAL / NSEC_PER_MSEC);
        else
            timeout = -1;
    }
    if (poll(&p, 1, timeout) > 0)
        wake_clear(l->wake_fd);
    atomic_store(&l->shared->logger_sleeps, false);
}

static void finish(struct logger *l)
{
    put_all(l);
    report_refused(l);
    report_drops(l, true);
    report_lost(l);
    put_all(l);
}

static void *run(void *arg)
{
    struct logger *l = arg;

    while (!atomic_load(&l->stop)) {
        unsigned n = logger_turn(l);

        if (n < BATCH)
            wait_for_records(l, n > 0);
    }
    finish(l);
    wake_signal(l->ended_fd);
    return NULL;
}

int logger_configure(struct logger *l, const struct logger_settings *settings)
{
    struct logger_settings next = *settings;

    if (settings->file) {
        next.file = strdup(settings->file);
        if (!next.file)
            return -ENOMEM;
    }

    pthread_mutex_lock(&l->lock);
    if (l->has_next)
        logger_settings_deinit(&l->next);
    l->next = next;
    l->has_next = true;
    pthread_mutex_unlock(&l->lock);
    wake_signal(l->wake_fd);
    return 0;
}

void logger_reopen(struct logger *l)
{
    pthread_mutex_lock(&l->lock);
    l->reopen = true;
    pthread_mutex_unlock(&l->lock);
    wake_signal(l->wake_fd);
}

int logger_new(struct logger **ret_logger, struct log **logs, size_t n_logs,
               struct log_shared *shared, const struct clock_src *clock,
               const struct logger_settings *settings)
{
    _cleanup_(logger_freep) struct logger *l = aligned_alloc(_Alignof(struct logger), sizeof(*l));
    int r;

    if (!l)
        return -ENOMEM;
    *l = (struct logger){
        .own = LOG_INIT,
        .shared = shared,
        .clock = clock,
        .wake_fd = -1,
        .ended_fd = -1,
        .lock = PTHREAD_MUTEX_INITIALIZER,
    };

    r = log_init(&l->own, shared, clock, LOG_NO_WORKER);
    if (r < 0)
        return r;
    l->logs = calloc(n_logs + 1, sizeof(struct log *));
    l->file_buffer = malloc(FILE_BUFFER_SIZE);
    if (!l->logs || !l->file_buffer)
        return -ENOMEM;
    memcpy(l->logs, logs, n_logs * sizeof(struct log *));
    l->logs[n_logs] = &l->own;
    l->n_logs = n_logs + 1;

    l->wake_fd = wake_open();
    if (l->wake_fd < 0)
        return l->wake_fd;
    shared->wake_fd = l->wake_fd;
    l->ended_fd = wake_open();
    if (l->ended_fd < 0)
        return l->ended_fd;
    r = logger_configure(l, settings);
    if (r < 0)
        return r;
    take_settings(l);

    *ret_logger = take_ptr(l);
    return 0;
}

int logger_start(struct logger *l)
{
    int r = pthread_create(&l->thread, NULL, run, l);

    l->running = r == 0;
    return -r;
}

int logger_stop(struct logger *l)
{
    struct pollfd p = {.fd = l->ended_fd, .events = POLLIN};

    if (!l->running) {
        finish(l);
        return 0;
    }
    l->running = false;
    atomic_store(&l->stop, true);
    wake_signal(l->wake_fd);
    if (poll(&p, 1, PATIENCE_MS) == 0) {
        (void)pthread_detach(l->thread);    /* nobody will join it */
        return -ETIMEDOUT;
    }
    (void)pthread_join(l->thread, NULL);    /* fails only for a thread that is not ours */
    return 0;
}

struct logger *logger_free(struct logger *l)
{
    if (!l)
        return NULL;

    if (l->has_next)
        logger_settings_deinit(&l->next);
    (void)log_file_free(l->file);
    free(l->file_path);
    free(l->file_buffer);
    free(l->logs);
    fd_closep(&l->wake_fd);
    fd_closep(&l->ended_fd);
    log_deinit(&l->own);
    (void)pthread_mutex_destroy(&l->lock);
    free(l);
    return NULL;
}
