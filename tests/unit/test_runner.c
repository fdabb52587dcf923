/* SPDX-License-Identifier: MIT */
/*
 * A runner in its thread, against a server that the test plays on a Unix socket. Whatever is waited
 * for is an event: bytes on a socket, or the eventfd by which a runner reports.
 */
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/test.h"

#include "client/runner.h"
#include "common/base.h"

#define DEADLINE_MS 20000

struct fixture {
    struct options options;
    struct addr addr;
    struct runner_config config;
    struct runner *runner;
    int listen_fd;
    int peer_fd;                    /* of the first connection */
    int second_fd;
    nsec_t late;                    /* the word to start comes so long after the start [ns] */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    *f = (struct fixture){.listen_fd = -1, .peer_fd = -1, .second_fd = -1};
    f->options = (struct options){.protocol = PROTOCOL_TEXT, .timeout = 10 * NSEC_PER_SEC,
                                  .connections = 1, .threads = 1};
    f->addr = (struct addr){.un = {.sun_family = AF_UNIX}};
    f->addr.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                              (size_t)snprintf(f->addr.un.sun_path + 1,
                                               sizeof(f->addr.un.sun_path) - 1,
                                               "tcptimer-test-runner-%d", getpid()));
    f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(f->listen_fd >= 0);
    assert_int_equal(bind(f->listen_fd, &f->addr.sa, f->addr.len), 0);
    assert_int_equal(listen(f->listen_fd, 4), 0);

    f->config = (struct runner_config){.options = &f->options, .clock = &clock_system};
    f->config.report_fd = eventfd(0, EFD_CLOEXEC);
    assert_true(f->config.report_fd >= 0);
    f->config.link = (struct link_config){.addrs = &f->addr, .n_addrs = 1, .dial = {.dscp = -1},
                                          .timeout = f->options.timeout};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    runner_free(f->runner);
    fd_closep(&f->config.report_fd);
    fd_closep(&f->listen_fd);
    fd_closep(&f->peer_fd);
    fd_closep(&f->second_fd);
    free(f);
    return 0;
}

/* ---- Steps ---- */

/* Until the runner has something to tell. */
static void await_report(const struct fixture *f)
{
    struct pollfd p = {.fd = f->config.report_fd, .events = POLLIN};
    uint64_t count;

    assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
    assert_int_equal(read(f->config.report_fd, &count, sizeof(count)), sizeof(count));
}

static void wait_for_phase(struct fixture *f, enum runner_phase phase)
{
    while (runner_phase(f->runner) < phase)
        await_report(f);
}

static int accept_one(const struct fixture *f)
{
    int fd = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

/* Up to the word to start. */
static void start_share(struct fixture *f, const struct share *share)
{
    target_config_init(&f->config.link.target, f->config.clock, &f->options);
    assert_int_equal(runner_new(&f->runner, &f->config, share), 0);
    assert_int_equal(runner_start(f->runner), 0);
    f->peer_fd = accept_one(f);
    if (share->n_links > 1)
        f->second_fd = accept_one(f);
    wait_for_phase(f, RUNNER_STANDBY);
    f->config.start = clock_now(&clock_system) - f->late;
    runner_command(f->runner, RUNNER_GO);
}

static void start(struct fixture *f, uint64_t n_messages, double interval)
{
    const struct share share = {
        .step = 1, .n_links = 1, .n_messages = n_messages, .interval = interval};

    start_share(f, &share);
}

static void await_message(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
}

/* Answers one message on this connection; false at the end of the stream. */
static bool serve_fd(int fd)
{
    char uuid[TEXT_UUID_LEN], reply[TEXT_REPLY_MAX];
    size_t have = 0, len;

    while (have < sizeof(uuid)) {
        ssize_t n;

        await_message(fd);
        n = read(fd, uuid + have, sizeof(uuid) - have);
        if (n <= 0)
            return false;
        have += (size_t)n;
    }
    len = text_reply_format(reply, uuid, 1);
    assert_int_equal(write(fd, reply, len), len);
    return true;
}

static bool serve(struct fixture *f)
{
    return serve_fd(f->peer_fd);
}

/* Whether there is one of that kind among what the thread has told; those before it are gone. */
static bool find_record(struct fixture *f, enum record_kind kind)
{
    struct ring *ring = &f->runner->tally.ring;
    const struct record *record;

    while ((record = ring_peek(ring)) != NULL && record->kind != kind)
        ring_release(ring);
    if (record)
        ring_release(ring);
    return record != NULL;
}

static void await_record(struct fixture *f, enum record_kind kind)
{
    while (!find_record(f, kind))
        await_report(f);
}

static void take_snapshot(struct fixture *f, struct result *ret)
{
    runner_ask_snapshot(f->runner, ret);
    while (!runner_has_snapshot(f->runner))
        await_report(f);
}

/* Has the runner take a turn. */
static void have_it_look(struct fixture *f)
{
    struct result ignored;

    assert_int_equal(result_init(&ignored), 0);
    take_snapshot(f, &ignored);
    result_deinit(&ignored);
}

static const struct result *finish(struct fixture *f)
{
    wait_for_phase(f, RUNNER_OVER);
    runner_join(f->runner);
    return &f->runner->tally.result;
}

static int count_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    assert_non_null(d);
    while (readdir(d))
        n++;
    assert_int_equal(closedir(d), 0);
    return n;
}

/* ---- Cases ---- */

/* The limit of descriptors is raised by this number before anything runs. */
static void test_descriptors_are_as_many_as_announced(void **state)
{
    struct fixture *f = *state;
    int before = count_fds();
    bool has_schedstat = access("/proc/thread-self/schedstat", R_OK) == 0;

    start(f, 1, 0);
    /* Both ends of the connection are ours here. */
    assert_int_equal(count_fds() - before, (has_schedstat ? RUNNER_FDS : RUNNER_FDS - 2) + 2);
    assert_true(serve(f));
    (void)finish(f);
}

static void test_closed_loop_ends_with_its_share(void **state)
{
    struct fixture *f = *state;
    const struct result *r;

    f->options.count = 20;
    start(f, 20, 0);
    for (int i = 0; i < 20; i++)
        assert_true(serve(f));
    assert_false(serve(f));
    r = finish(f);
    assert_int_equal(r->sent, 20);
    assert_int_equal(r->received, 20);
    assert_int_equal(r->lost, 0);
    assert_true(r->ended >= r->began);
}

/* The messages of a millisecond's grid are all sent, however late the server answers. */
static void test_open_loop_sends_what_was_due_meanwhile(void **state)
{
    struct fixture *f = *state;
    const struct result *r;

    f->options.count = 10;
    f->options.arrivals = ARRIVALS_FIXED;
    start(f, 10, 1e6);
    for (int i = 0; i < 10; i++)
        assert_true(serve(f));
    assert_false(serve(f));
    r = finish(f);
    assert_int_equal(r->received, 10);
    assert_int_equal(hist_count(r->lateness), 10);
    assert_true(hist_min(r->response) > 0);
}

/* Its load ends after the sweep that finds the message overdue. */
static void test_open_loop_ends_though_the_server_says_nothing(void **state)
{
    struct fixture *f = *state;
    const struct result *r;

    f->options.count = 20;
    f->options.arrivals = ARRIVALS_FIXED;
    f->options.timeout = 10 * NSEC_PER_MSEC;
    start(f, 20, 2e6);
    r = finish(f);
    assert_int_equal(r->sent, 1);
    assert_int_equal(r->lost, 1);
    assert_int_equal(r->not_sent, 19);
}

static atomic_ullong clock_ahead;

static nsec_t now_ahead(void *ctx)
{
    (void)ctx;
    return clock_now(&clock_system) + atomic_load(&clock_ahead);
}

/* Moves the runner's clock on. */
static void jump(struct fixture *f, nsec_t by)
{
    atomic_fetch_add(&clock_ahead, by);
    have_it_look(f);
}

/* The first connection's message gets no reply; that of the second is under way when this is found,
 * and is waited for. */
static void test_closed_loop_waits_for_those_that_are_not_overdue(void **state)
{
    const struct clock_ops ops = {.now = now_ahead, .real = clock_system.ops->real};
    const struct clock_src clock = {.ops = &ops, .ctx = clock_system.ctx};
    const struct share share = {.step = 1, .n_links = 2, .n_messages = 1000};
    struct fixture *f = *state;
    const struct result *r;

    atomic_store(&clock_ahead, 0);
    f->config.clock = &clock;
    f->options.count = 1000;
    f->options.timeout = 1000 * NSEC_PER_SEC;
    start_share(f, &share);
    await_message(f->second_fd);    /* and that of the first is out, too */
    jump(f, 600 * NSEC_PER_SEC);
    assert_true(serve_fd(f->second_fd));
    await_message(f->second_fd);
    jump(f, 401 * NSEC_PER_SEC);
    await_record(f, RECORD_NOTICE);
    assert_true(serve_fd(f->second_fd));
    assert_false(serve_fd(f->second_fd));
    r = finish(f);
    assert_int_equal(r->sent, 3);
    assert_int_equal(r->received, 2);
    assert_int_equal(r->lost, 1);
}

static atomic_int n_clock_readings;

static nsec_t count_reading(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&n_clock_readings, 1);
    return clock_now(&clock_system);
}

/* Each turn of the thread reads the clock, so one that spins reads it 10^5 times meanwhile. */
static void test_closed_loop_sleeps_until_the_last_reply(void **state)
{
    const struct clock_ops ops = {.now = count_reading, .real = clock_system.ops->real};
    const struct clock_src clock = {.ops = &ops, .ctx = clock_system.ctx};
    struct fixture *f = *state;

    atomic_store(&n_clock_readings, 0);
    f->config.clock = &clock;
    f->options.duration = 200 * NSEC_PER_MSEC;
    f->options.timeout = 400 * NSEC_PER_MSEC;
    start(f, UINT64_MAX, 0);
    assert_int_equal(finish(f)->lost, 1);
    assert_true(atomic_load(&n_clock_readings) < 1000);
}

/* A thousand million messages a second are due, and the schedule holds back what the connection
 * does not take. */
static void test_drain_counts_all_that_was_due(void **state)
{
    const struct share share = {
        .step = 1, .n_links = 1, .n_messages = UINT64_MAX, .n_omit = 100000, .interval = 1};
    struct fixture *f = *state;
    const struct result *r;

    f->options.arrivals = ARRIVALS_FIXED;
    f->options.timeout = NSEC_PER_MSEC;
    f->late = NSEC_PER_SEC;
    start_share(f, &share);
    wait_for_phase(f, RUNNER_RUNNING);
    runner_command(f->runner, RUNNER_DRAIN);
    r = finish(f);
    assert_int_equal(r->omitted, share.n_omit);
    assert_true(r->not_sent >= f->late - share.n_omit);
}

/* Nothing of what is due can be sent, and to count it one by one takes an hour. */
static void test_drain_is_heard_in_an_outage_whatever_the_rate(void **state)
{
    struct fixture *f = *state;

    f->options.arrivals = ARRIVALS_FIXED;
    f->late = 100 * NSEC_PER_SEC;
    start(f, UINT64_MAX, 1);
    wait_for_phase(f, RUNNER_RUNNING);
    fd_closep(&f->listen_fd);
    fd_closep(&f->peer_fd);
    await_record(f, RECORD_OUTAGE);
    have_it_look(f);                /* and begin to count */
    runner_command(f->runner, RUNNER_DRAIN);
    assert_true(finish(f)->not_sent >= f->late);
}

static void test_drain_waits_for_the_reply(void **state)
{
    struct fixture *f = *state;
    const struct result *r;

    start(f, UINT64_MAX, 0);
    for (int i = 0; i < 5; i++)
        assert_true(serve(f));
    runner_command(f->runner, RUNNER_DRAIN);
    while (serve(f))
        continue;
    r = finish(f);
    assert_true(r->sent >= 5);
    assert_int_equal(r->received, r->sent);
    assert_int_equal(r->lost, 0);
}

/* The last reply is from the beginning; what follows is time without a message being due. */
static void test_run_lasts_until_it_is_told_to_end(void **state)
{
    struct fixture *f = *state;
    const struct result *r;
    nsec_t told;

    f->options.arrivals = ARRIVALS_FIXED;
    start(f, UINT64_MAX, 1e15);
    assert_true(serve(f));
    while (!find_record(f, RECORD_REPLY))
        have_it_look(f);
    told = clock_now(&clock_system);
    runner_command(f->runner, RUNNER_DRAIN);
    r = finish(f);
    assert_int_equal(r->received, 1);
    assert_true(r->ended >= told);
}

static void test_run_lasts_as_long_as_its_outage(void **state)
{
    struct fixture *f = *state;
    const struct result *r;

    start(f, UINT64_MAX, 0);
    assert_true(serve(f));
    fd_closep(&f->listen_fd);
    fd_closep(&f->peer_fd);
    await_record(f, RECORD_OUTAGE);
    runner_command(f->runner, RUNNER_DRAIN);
    r = finish(f);
    assert_int_equal(r->n_outages, 1);
    assert_true(r->ended >= r->outages[0].began + r->outages[0].length);
}

static void test_abort_does_not_wait(void **state)
{
    struct fixture *f = *state;
    const struct result *r;

    start(f, UINT64_MAX, 0);
    assert_true(serve(f));
    wait_for_phase(f, RUNNER_RUNNING);
    runner_command(f->runner, RUNNER_ABORT);
    r = finish(f);
    assert_int_equal(r->sent, r->received + r->lost);
    assert_int_equal(r->error, RUN_ERROR_NONE);
}

/* As when Ctrl-C is pressed twice, and a runner that failed meanwhile takes the others with it. */
static void test_weaker_command_does_not_take_back_an_abort(void **state)
{
    struct fixture *f = *state;
    const struct result *r;

    start(f, UINT64_MAX, 0);
    assert_true(serve(f));
    wait_for_phase(f, RUNNER_RUNNING);
    runner_command(f->runner, RUNNER_ABORT);
    runner_command(f->runner, RUNNER_DRAIN);
    /* Whether the thread has looked in between is chance; this is not. */
    assert_int_equal(atomic_load(&f->runner->command), RUNNER_ABORT);
    r = finish(f);
    assert_true(r->ended - r->began < f->options.timeout);
}

static void test_snapshot_is_a_copy_of_what_there_is(void **state)
{
    struct fixture *f = *state;
    struct result sum;

    assert_int_equal(result_init(&sum), 0);
    start(f, UINT64_MAX, 0);
    for (int i = 0; i < 5; i++)
        assert_true(serve(f));
    take_snapshot(f, &sum);
    assert_in_range(sum.received, 4, 5);
    assert_int_equal(hist_count(sum.response), sum.received);
    runner_command(f->runner, RUNNER_ABORT);
    (void)finish(f);
    result_deinit(&sum);
}

#define IN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_descriptors_are_as_many_as_announced),
        IN(test_closed_loop_ends_with_its_share),
        IN(test_open_loop_sends_what_was_due_meanwhile),
        IN(test_open_loop_ends_though_the_server_says_nothing),
        IN(test_closed_loop_waits_for_those_that_are_not_overdue),
        IN(test_closed_loop_sleeps_until_the_last_reply),
        IN(test_drain_counts_all_that_was_due),
        IN(test_drain_is_heard_in_an_outage_whatever_the_rate),
        IN(test_drain_waits_for_the_reply),
        IN(test_run_lasts_until_it_is_told_to_end),
        IN(test_run_lasts_as_long_as_its_outage),
        IN(test_abort_does_not_wait),
        IN(test_weaker_command_does_not_take_back_an_abort),
        IN(test_snapshot_is_a_copy_of_what_there_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
