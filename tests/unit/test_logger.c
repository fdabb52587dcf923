/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "daemon/logger.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fault.h"
#include "tests/support/mem_sink.h"

#define N_LOGS 3

struct fixture {
    struct fake_clock clock;
    struct clock_src clock_src;
    struct log_shared shared;
    struct log logs[N_LOGS];
    struct log *pointers[N_LOGS];
    struct mem_sink sink;
    struct logger *logger;
    char dir[32];
    char file[64];                  /* dir/log */
};

static struct fixture fixture;

/* A disk that hangs while it is armed: who opens a file says so, and waits until it may go on. */
static struct {
    _Atomic bool armed;
    int arrived[2], go[2];          /* pipes */
} disk;

int __real_open(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, mode_t mode);

int __wrap_open(const char *path, int flags, mode_t mode)
{
    char byte = 'x';

    if (atomic_load(&disk.armed) &&
        (write(disk.arrived[1], &byte, 1) != 1 || read(disk.go[0], &byte, 1) != 1)) {
        errno = EIO;
        return -1;
    }
    return __real_open(path, flags, mode);
}

/* Nobody waits for it for seconds; and its thread, which was left alone, is joined all the same. */
static struct {
    bool is_cut_short;
    bool is_left;
    pthread_t thread;
} patience;

int __real_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_pthread_detach(pthread_t thread);

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
    return __real_poll(fds, n, patience.is_cut_short && timeout > 2000 ? 1 : timeout);
}

int __wrap_pthread_detach(pthread_t thread)
{
    patience.is_left = true;
    patience.thread = thread;
    return 0;
}

static int setup(void **state)
{
    struct fixture *f = &fixture;

    memset(f, 0, sizeof(*f));
    f->clock = (struct fake_clock){.now = 1000 * NSEC_PER_SEC, .real = 1700000000 * NSEC_PER_SEC};
    f->clock_src = fake_clock_src(&f->clock);
    f->shared.level = LOG_DEBUG;
    f->shared.wake_fd = -1;
    for (uint16_t i = 0; i < N_LOGS; i++) {
        assert_int_equal(log_init(&f->logs[i], &f->shared, &f->clock_src, i), 0);
        f->pointers[i] = &f->logs[i];
    }
    strcpy(f->dir, "/tmp/tcptimer-logger.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)stpcpy(stpcpy(f->file, f->dir), "/log");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[192];

    f->logger = logger_free(f->logger);
    for (unsigned i = 0; i < N_LOGS; i++)
        log_deinit(&f->logs[i]);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
    assert_int_equal(system(command), 0);
    return 0;
}

static struct logger_settings settings(struct fixture *f, char *file)
{
    return (struct logger_settings){
        .sink = mem_sink(&f->sink), .file = file, .file_size = 1 << 20, .file_count = 1};
}

static void make(struct fixture *f, char *file)
{
    struct logger_settings s = settings(f, file);

    assert_int_equal(
        logger_new(&f->logger, f->pointers, N_LOGS, &f->shared, &f->clock_src, &s), 0);
}

static void say(struct fixture *f, unsigned log, unsigned number)
{
    log_text(&f->logs[log], STATISTICS,
             &((struct log_data){LOG_VALUES({LOG_FIELD_MESSAGES, number})}), "number %u", number);
}

/* What the file holds; valid until the next call. */
static const char *read_file(const char *path)
{
    static char text[1 << 20];
    FILE *file = fopen(path, "re");
    size_t n;

    assert_non_null(file);
    n = fread(text, 1, sizeof(text) - 1, file);
    text[n] = '\0';
    (void)fclose(file);
    return text;
}

/* ---- order and amount ---- */

static void test_entries_come_oldest_first(void **state)
{
    struct fixture *f = *state;

    make(f, NULL);
    for (unsigned i = 0; i < 100; i++) {
        say(f, (i * 7) % N_LOGS, i);
        fake_clock_advance(&f->clock, 1);
    }
    assert_int_equal(logger_turn(f->logger), 100);
    assert_int_equal(f->sink.n, 100);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(f->sink.entries[i].first_value, i);
        assert_int_equal(f->sink.entries[i].worker, (i * 7) % N_LOGS);
    }
    assert_string_equal(f->sink.entries[42].text, "number 42");
    assert_int_equal(logger_turn(f->logger), 0);
}

/* Who writes faster than it reads cannot keep it from new settings, drops and the order to stop. */
static void test_turn_comes_to_an_end_under_load(void **state)
{
    struct fixture *f = *state;
    unsigned n_first, n_said = 0;

    make(f, NULL);
    for (; ring_dropped(&f->logs[0].ring) == 0; n_said++)
        say(f, 0, n_said);
    n_said--;                       /* the last was dropped */
    n_first = logger_turn(f->logger);
    assert_true(n_first > 0 && n_first < n_said);
    assert_int_equal(logger_stop(f->logger), 0);
    assert_int_equal(mem_sink_count(&f->sink, LOG_EVENT_STATISTICS), n_said);
}

static void test_dropped_entries_are_counted_and_reported(void **state)
{
    struct fixture *f = *state;

    make(f, NULL);
    while (ring_dropped(&f->logs[0].ring) < 3)
        say(f, 0, 0);
    while (ring_dropped(&f->logs[1].ring) < 2)
        say(f, 1, 0);
    while (logger_turn(f->logger) > 0)
        ;
    assert_int_equal(mem_sink_count(&f->sink, LOG_EVENT_LOG_DROPPED), 1);
    assert_int_equal(mem_sink_find(&f->sink, LOG_EVENT_LOG_DROPPED)->first_value, 5);
    assert_string_equal(mem_sink_find(&f->sink, LOG_EVENT_LOG_DROPPED)->text,
                        "5 log entries were dropped: they came faster than they could be written");
}

static void test_drops_are_reported_once_a_second_and_at_the_end(void **state)
{
    struct fixture *f = *state;

    make(f, NULL);
    for (unsigned i = 0; i < 5; i++) {
        uint64_t before = ring_dropped(&f->logs[0].ring);

        f->sink.n = i == 0 ? 0 : f->sink.n;
        while (ring_dropped(&f->logs[0].ring) == before)
            say(f, 0, 0);
        while (logger_turn(f->logger) > 0)
            f->sink.n = 0;
        fake_clock_advance(&f->clock, 100 * NSEC_PER_MSEC);
    }
    assert_int_equal(logger_stop(f->logger), 0);
    assert_int_equal(mem_sink_count(&f->sink, LOG_EVENT_LOG_DROPPED), 1);
    assert_int_equal(mem_sink_find(&f->sink, LOG_EVENT_LOG_DROPPED)->first_value, 4);
}

/* ---- a sink that fails ---- */

static void test_failing_sink_is_reported_when_it_works_again(void **state)
{
    struct fixture *f = *state;

    make(f, NULL);
    f->sink.error = -ENOBUFS;
    for (unsigned i = 0; i < 3; i++)
        say(f, 0, i);
    assert_int_equal(logger_turn(f->logger), 3);
    assert_int_equal(f->sink.n_calls, 3);

    /* It does not talk to itself meanwhile. */
    for (unsigned i = 0; i < 10; i++) {
        fake_clock_advance(&f->clock, NSEC_PER_SEC);
        assert_int_equal(logger_turn(f->logger), 0);
    }

    f->sink.error = 0;
    say(f, 0, 4);
    while (logger_turn(f->logger) > 0)
        ;
    assert_int_equal(f->sink.n, 2);
    assert_int_equal(f->sink.entries[0].first_value, 4);
    assert_int_equal(f->sink.entries[1].event, LOG_EVENT_LOG_DROPPED);
    assert_int_equal(f->sink.entries[1].first_value, 3);
    assert_string_equal(f->sink.entries[1].text, "3 log entries were lost, as they could not be "
                                                 "written: No buffer space available");
}

static void test_file_learns_at_the_end_of_a_sink_that_failed(void **state)
{
    struct fixture *f = *state;
    const char *text;

    make(f, f->file);
    f->sink.error = -EPIPE;
    say(f, 0, 1);
    assert_int_equal(logger_stop(f->logger), 0);
    text = read_file(f->file);
    assert_non_null(strstr(text, " info number 1\n"));
    assert_non_null(strstr(text, " warning 1 log entries were lost"));
    assert_int_equal(f->sink.n, 0);
}

static void test_no_sink_at_all_takes_everything(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(logger_new(&f->logger, f->pointers, N_LOGS, &f->shared, &f->clock_src,
                                &((struct logger_settings){.file = NULL})), 0);
    say(f, 0, 1);
    assert_int_equal(logger_turn(f->logger), 1);
    assert_int_equal(logger_stop(f->logger), 0);
}

/* ---- the file ---- */

static void test_file_gets_a_line_an_entry(void **state)
{
    struct fixture *f = *state;
    const char *text, *at;
    unsigned n = 0;

    make(f, f->file);
    for (unsigned i = 0; i < 2000; i++)     /* more than its buffer holds */
        say(f, 0, i);
    while (logger_turn(f->logger) > 0)
        ;
    text = read_file(f->file);
    for (at = text; (at = strchr(at, '\n')); at++)
        n++;
    assert_int_equal(n, 2000);
    assert_non_null(strstr(text, " info number 1999\n"));
}

static void test_file_that_fails_is_reported_once_and_once_when_it_resumes(void **state)
{
    struct fixture *f = *state;

    make(f, f->file);
    assert_int_equal(rmdir(f->dir), 0);
    for (unsigned i = 0; i < 3; i++) {
        say(f, 0, i);
        while (logger_turn(f->logger) > 0)
            ;
        fake_clock_advance(&f->clock, 2 * NSEC_PER_SEC);
    }
    assert_int_equal(mem_sink_count(&f->sink, LOG_EVENT_LOG_FILE_FAILED), 1);
    assert_non_null(strstr(mem_sink_find(&f->sink, LOG_EVENT_LOG_FILE_FAILED)->text,
                           "No such file or directory: lines are lost; its directory is gone"));

    assert_int_equal(mkdir(f->dir, 0700), 0);
    say(f, 0, 3);
    while (logger_turn(f->logger) > 0)
        ;
    assert_int_equal(mem_sink_count(&f->sink, LOG_EVENT_LOG_FILE_FAILED), 1);
    assert_int_equal(mem_sink_count(&f->sink, LOG_EVENT_LOG_FILE_RESUMED), 1);
    assert_int_equal(mem_sink_find(&f->sink, LOG_EVENT_LOG_FILE_RESUMED)->first_value, 4);
    assert_non_null(strstr(read_file(f->file), "number 3"));
}

static void test_file_that_was_moved_is_opened_anew_on_request(void **state)
{
    struct fixture *f = *state;
    char moved[80];

    make(f, f->file);
    say(f, 0, 1);
    (void)logger_turn(f->logger);
    (void)snprintf(moved, sizeof(moved), "%s.moved", f->file);
    assert_int_equal(rename(f->file, moved), 0);
    logger_reopen(f->logger);
    say(f, 0, 2);
    (void)logger_turn(f->logger);
    assert_null(strstr(read_file(moved), "number 2"));
    assert_non_null(strstr(read_file(f->file), "number 2"));
}

/* Its directory is gone as well: the lines that are lost from now on are no secret. */
static void test_file_that_cannot_be_opened_anew_is_reported(void **state)
{
    struct fixture *f = *state;

    make(f, f->file);
    assert_int_equal(rmdir(f->dir), 0);
    logger_reopen(f->logger);
    for (unsigned i = 0; i < 3; i++) {
        say(f, 0, i);
        while (logger_turn(f->logger) > 0)
            ;
        fake_clock_advance(&f->clock, 2 * NSEC_PER_SEC);
    }
    assert_int_equal(mem_sink_count(&f->sink, LOG_EVENT_LOG_FILE_FAILED), 1);

    assert_int_equal(mkdir(f->dir, 0700), 0);
    say(f, 0, 3);
    while (logger_turn(f->logger) > 0)
        ;
    assert_int_equal(mem_sink_count(&f->sink, LOG_EVENT_LOG_FILE_RESUMED), 1);
}

static void lose_lines(struct fixture *f, unsigned n)
{
    assert_int_equal(rmdir(f->dir), 0);
    for (unsigned i = 0; i < n; i++)
        say(f, 0, i);
    while (logger_turn(f->logger) > 0)
        ;
}

static void test_lines_that_the_file_lost_are_told_at_the_end(void **state)
{
    struct fixture *f = *state;

    make(f, f->file);
    lose_lines(f, 3);
    assert_int_equal(logger_stop(f->logger), 0);
    assert_int_equal(mem_sink_count(&f->sink, LOG_EVENT_LOG_FILE_FAILED), 1);
    assert_int_equal(mem_sink_find(&f->sink, LOG_EVENT_LOG_DROPPED)->first_value, 4);
    assert_non_null(strstr(mem_sink_find(&f->sink, LOG_EVENT_LOG_DROPPED)->text,
                           "/log were lost: No such file or directory"));
}

/* A reload with the same file: that it fails is not said once more, and nothing is forgotten. */
static void test_reload_does_not_forget_lines_that_the_file_lost(void **state)
{
    struct fixture *f = *state;
    struct logger_settings same = settings(f, f->file);

    make(f, f->file);
    lose_lines(f, 3);
    assert_int_equal(logger_configure(f->logger, &same), 0);
    fake_clock_advance(&f->clock, 2 * NSEC_PER_SEC);
    say(f, 0, 3);
    while (logger_turn(f->logger) > 0)
        ;
    assert_int_equal(mem_sink_count(&f->sink, LOG_EVENT_LOG_FILE_FAILED), 1);

    assert_int_equal(mkdir(f->dir, 0700), 0);
    fake_clock_advance(&f->clock, 2 * NSEC_PER_SEC);
    say(f, 0, 4);
    while (logger_turn(f->logger) > 0)
        ;
    assert_int_equal(mem_sink_find(&f->sink, LOG_EVENT_LOG_FILE_RESUMED)->first_value, 5);
}

static void test_reload_without_the_file_tells_of_its_lost_lines(void **state)
{
    struct fixture *f = *state;
    struct logger_settings none = settings(f, NULL);

    make(f, f->file);
    lose_lines(f, 3);
    assert_int_equal(logger_configure(f->logger, &none), 0);
    while (logger_turn(f->logger) > 0)
        ;
    assert_int_equal(mem_sink_find(&f->sink, LOG_EVENT_LOG_DROPPED)->first_value, 4);
    assert_int_equal(mem_sink_count(&f->sink, LOG_EVENT_LOG_FILE_RESUMED), 0);
}

/* ---- settings ---- */

static void test_settings_are_swapped(void **state)
{
    static struct mem_sink other;
    struct fixture *f = *state;
    char other_file[80];
    struct logger_settings next;

    memset(&other, 0, sizeof(other));
    (void)snprintf(other_file, sizeof(other_file), "%s.other", f->file);
    make(f, f->file);
    say(f, 0, 1);
    (void)logger_turn(f->logger);

    next = settings(f, other_file);
    next.sink = mem_sink(&other);
    assert_int_equal(logger_configure(f->logger, &next), 0);
    say(f, 0, 2);
    (void)logger_turn(f->logger);
    assert_int_equal(f->sink.n, 1);
    assert_int_equal(other.n, 1);
    assert_null(strstr(read_file(f->file), "number 2"));
    assert_non_null(strstr(read_file(other_file), "number 2"));

    /* Two before it looks: the last holds, and nothing leaks. */
    assert_int_equal(logger_configure(f->logger, &next), 0);
    next = settings(f, NULL);
    assert_int_equal(logger_configure(f->logger, &next), 0);
    say(f, 0, 3);
    (void)logger_turn(f->logger);
    assert_int_equal(f->sink.n, 2);
    assert_null(strstr(read_file(other_file), "number 3"));
}

static void test_settings_that_were_never_looked_at_do_not_leak(void **state)
{
    struct fixture *f = *state;
    struct logger_settings next = settings(f, f->file);

    make(f, NULL);
    assert_int_equal(logger_configure(f->logger, &next), 0);
}

static void test_logger_that_cannot_be_made_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct logger_settings s = settings(f, f->file);

    for (unsigned n = 0;; n++) {
        struct logger *logger = NULL;
        int r;

        fault_arm(n);
        r = logger_new(&logger, f->pointers, N_LOGS, &f->shared, &f->clock_src, &s);
        if (!fault_disarm()) {
            assert_int_equal(r, 0);
            assert_true(n > 5);
            assert_null(logger_free(logger));
            break;
        }
        if (r == 0) {               /* without its file, and it says so */
            (void)logger_turn(logger);
            assert_int_equal(mem_sink_count(&f->sink, LOG_EVENT_LOG_FILE_FAILED), 1);
            f->sink.n = 0;
            assert_null(logger_free(logger));
        } else {
            assert_null(logger);
        }
    }
}

static void test_no_logger_is_freed_as_nothing(void **state)
{
    (void)state;
    assert_null(logger_free(NULL));
}

/* ---- the thread ---- */

/* A sink that tells the test of each entry through a pipe. */
static int pipe_write(void *ctx, const struct log_entry *entry)
{
    const int *fd = ctx;

    (void)entry;
    return write(*fd, "x", 1) == 1 ? 0 : -errno;
}

static const struct log_sink_ops pipe_ops = {.write = pipe_write};

static bool one_comes(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char byte;

    return poll(&p, 1, 10000) == 1 && read(fd, &byte, 1) == 1;
}

static void test_sleeping_thread_is_woken_by_an_entry(void **state)
{
    struct fixture *f = *state;
    int fds[2];

    f->clock_src = clock_system;            /* the fake one is for one thread */
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(logger_new(&f->logger, f->pointers, N_LOGS, &f->shared, &f->clock_src,
                                &((struct logger_settings){
                                    .sink = {.ops = &pipe_ops, .ctx = &fds[1]}})), 0);
    assert_int_equal(logger_start(f->logger), 0);
    for (unsigned i = 0; i < 20; i++) {
        say(f, i % N_LOGS, i);
        assert_true(one_comes(fds[0]));
        while (i % 2 == 0 && !atomic_load(&f->shared.logger_sleeps))
            (void)poll(NULL, 0, 1);
    }
    assert_int_equal(logger_stop(f->logger), 0);
    fd_closep(&fds[0]);
    fd_closep(&fds[1]);
}

/* As the control thread does at a reload and at SIGUSR2. */
static void *configure_and_reopen(void *arg)
{
    struct fixture *f = arg;
    struct logger_settings next = settings(f, f->file);

    logger_reopen(f->logger);
    if (logger_configure(f->logger, &next) < 0 || write(disk.arrived[1], "x", 1) != 1)
        return NULL;
    return f;
}

/* The logger is held up in opening its file again. */
static void begin_to_hang(struct fixture *f)
{
    assert_int_equal(pipe2(disk.arrived, O_CLOEXEC), 0);
    assert_int_equal(pipe2(disk.go, O_CLOEXEC), 0);
    f->clock_src = clock_system;            /* the fake one is for one thread */
    make(f, f->file);
    assert_int_equal(logger_start(f->logger), 0);
    atomic_store(&disk.armed, true);
    logger_reopen(f->logger);
    assert_true(one_comes(disk.arrived[0]));
}

/* Only the logger's thread waits: the control thread has a watchdog to feed. */
static void test_hung_disk_does_not_hold_up_the_control_thread(void **state)
{
    struct fixture *f = *state;
    pthread_t control;
    bool went_on;
    void *done;

    begin_to_hang(f);
    assert_int_equal(pthread_create(&control, NULL, configure_and_reopen, f), 0);
    went_on = one_comes(disk.arrived[0]);
    atomic_store(&disk.armed, false);
    assert_int_equal(write(disk.go[1], "x", 1), 1);
    assert_int_equal(pthread_join(control, &done), 0);
    assert_int_equal(logger_stop(f->logger), 0);
    assert_true(went_on);
    assert_ptr_equal(done, f);
    for (unsigned i = 0; i < 2; i++) {
        fd_closep(&disk.arrived[i]);
        fd_closep(&disk.go[i]);
    }
}

static void test_hung_disk_does_not_hold_up_the_stop(void **state)
{
    struct fixture *f = *state;

    begin_to_hang(f);
    log_text(&f->logs[0], STOPPED, &((struct log_data){0}), "the end");
    patience.is_cut_short = true;
    assert_int_equal(logger_stop(f->logger), -ETIMEDOUT);
    patience.is_cut_short = false;
    assert_true(patience.is_left);

    /* It comes back, and has all that it needs. */
    atomic_store(&disk.armed, false);
    assert_int_equal(write(disk.go[1], "x", 1), 1);
    assert_int_equal(pthread_join(patience.thread, NULL), 0);
    assert_int_equal(mem_sink_count(&f->sink, LOG_EVENT_STOPPED), 1);
    for (unsigned i = 0; i < 2; i++) {
        fd_closep(&disk.arrived[i]);
        fd_closep(&disk.go[i]);
    }
}

static void *say_many(void *arg)
{
    struct log *log = arg;

    for (unsigned i = 0; i < 1000; i++)
        log_text(log, STATISTICS, &((struct log_data){LOG_VALUES({LOG_FIELD_MESSAGES, i})}),
                 "number %u", i);
    return NULL;
}

static void test_threads_log_at_once_and_nothing_is_lost(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[N_LOGS];
    uint64_t next[N_LOGS] = {0};

    f->clock_src = clock_system;            /* the fake one is for one thread */
    make(f, f->file);
    assert_int_equal(logger_start(f->logger), 0);
    for (unsigned i = 0; i < N_LOGS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, say_many, &f->logs[i]), 0);
    logger_reopen(f->logger);
    for (unsigned i = 0; i < N_LOGS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(logger_stop(f->logger), 0);

    assert_int_equal(f->sink.n, N_LOGS * 1000);
    for (unsigned i = 0; i < f->sink.n; i++) {
        const struct mem_entry *e = &f->sink.entries[i];

        assert_int_equal(e->first_value, next[e->worker]++);
    }
}

#define IN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_entries_come_oldest_first),
        IN(test_turn_comes_to_an_end_under_load),
        IN(test_dropped_entries_are_counted_and_reported),
        IN(test_drops_are_reported_once_a_second_and_at_the_end),
        IN(test_failing_sink_is_reported_when_it_works_again),
        IN(test_file_learns_at_the_end_of_a_sink_that_failed),
        IN(test_no_sink_at_all_takes_everything),
        IN(test_file_gets_a_line_an_entry),
        IN(test_file_that_fails_is_reported_once_and_once_when_it_resumes),
        IN(test_file_that_was_moved_is_opened_anew_on_request),
        IN(test_file_that_cannot_be_opened_anew_is_reported),
        IN(test_lines_that_the_file_lost_are_told_at_the_end),
        IN(test_reload_does_not_forget_lines_that_the_file_lost),
        IN(test_reload_without_the_file_tells_of_its_lost_lines),
        IN(test_settings_are_swapped),
        IN(test_settings_that_were_never_looked_at_do_not_leak),
        IN(test_logger_that_cannot_be_made_leaves_nothing),
        IN(test_no_logger_is_freed_as_nothing),
        IN(test_sleeping_thread_is_woken_by_an_entry),
        IN(test_hung_disk_does_not_hold_up_the_control_thread),
        IN(test_hung_disk_does_not_hold_up_the_stop),
        IN(test_threads_log_at_once_and_nothing_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
