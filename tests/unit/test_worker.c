/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "daemon/crew.h"
#include "daemon/wake.h"
#include "tests/support/fault.h"

#define UUID "f47ac10b-58cc-4372-a567-0e02b2c3d479"
#define REPLY_LEN (sizeof("UUID: " UUID " received after 0.000000 seconds") - 1)

/* Real workers on a real port, without a logger. */
struct fixture {
    struct log_shared log;
    struct listener_set listeners;
    struct addr address;
    struct worker_orders orders;
    struct crew crew;
};

static struct fixture fixture;

static int setup(void **state)
{
    struct fixture *f = &fixture;
    struct config config;
    const char *expected;

    memset(f, 0, sizeof(*f));
    f->log = (struct log_shared){.level = LOG_ERR, .wake_fd = -1};
    f->crew = CREW_INIT;
    f->orders = (struct worker_orders){
        .limits = {.max_clients = 100, .idle_timeout = 60 * NSEC_PER_SEC,
                   .message_timeout = 60 * NSEC_PER_SEC},
        .drain_timeout = 60 * NSEC_PER_SEC,
    };
    config_init(&config);
    assert_int_equal(config_set(&config, "listen", "127.0.0.1:0", &expected), 0);
    assert_int_equal(listener_set_open(&f->listeners, &config, stderr), 0);
    config_deinit(&config);
    f->address = ADDR_INIT;
    assert_int_equal(
        getsockname(f->listeners.items[0].fd, &f->address.sa, &f->address.len), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    f->crew.orders.stop = true;
    f->crew.orders.drain_timeout = 0;
    crew_order(&f->crew);
    crew_join(&f->crew);
    crew_deinit(&f->crew);
    listener_set_deinit(&f->listeners);
    return 0;
}

static void start(struct fixture *f, size_t n)
{
    assert_int_equal(crew_init(&f->crew, n, &f->listeners, &f->log, &clock_system, &f->orders), 0);
    assert_int_equal(crew_start(&f->crew), 0);
}

static int dial(struct fixture *f)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &f->address.sa, f->address.len), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Waits for exactly this many bytes. */
static void hear(int fd, char *ret_text, size_t len)
{
    assert_int_equal(recv(fd, ret_text, len, MSG_WAITALL), len);
    ret_text[len] = '\0';
}

static void exchange(int fd)
{
    char text[REPLY_LEN + 1];

    say(fd, UUID);
    hear(fd, text, REPLY_LEN);
    assert_memory_equal(text, "UUID: " UUID " received after ", 58);
}

static void assert_end(int fd)
{
    assert_int_equal(recv(fd, (char[1]){0}, 1, 0), 0);
}

static void order_stop(struct fixture *f, nsec_t drain_timeout)
{
    f->crew.orders.stop = true;
    f->crew.orders.drain_timeout = drain_timeout;
    crew_order(&f->crew);
}

static void wait_for_end(struct fixture *f)
{
    struct pollfd p = {.fd = f->crew.ended_fd, .events = POLLIN};

    do
        assert_int_equal(poll(&p, 1, 20000), 1);
    while (!crew_has_ended(&f->crew));
    crew_join(&f->crew);
}

static unsigned count_idle(const struct fixture *f)
{
    unsigned n = 0;

    for (size_t i = 0; i < 4; i++)
        n += atomic_load(&f->crew.workers[i]->stats.accepted) == 0;
    return n;
}

/* Whose turn it is was told to one, but another who is awake may be first: on a busy machine it can
 * take a while until all had a turn. */
static void test_clients_are_served_by_all(void **state)
{
    struct fixture *f = *state;
    unsigned n = 0;

    start(f, 4);
    do {
        int fd = dial(f);

        exchange(fd);
        fd_closep(&fd);
        n++;
    } while (n < 40 || (n < 4000 && count_idle(f) > 0));
    order_stop(f, 60 * NSEC_PER_SEC);
    wait_for_end(f);                /* a message is counted after it was answered */
    assert_int_equal(crew_stats(&f->crew).accepted, n);
    assert_int_equal(crew_stats(&f->crew).closed, n);
    assert_int_equal(crew_stats(&f->crew).messages, n);
    assert_int_equal(count_idle(f), 0);
}

static void test_orders_are_obeyed(void **state)
{
    struct fixture *f = *state;
    char text[64];
    int first, second;

    start(f, 2);
    assert_true(crew_has_obeyed(&f->crew));
    first = dial(f);
    exchange(first);

    f->crew.orders.limits.max_clients = 1;
    crew_order(&f->crew);
    while (!crew_has_obeyed(&f->crew))
        (void)poll(NULL, 0, 1);
    second = dial(f);
    hear(second, text, strlen("ERROR: the server is full"));
    assert_string_equal(text, "ERROR: the server is full");
    exchange(first);
    fd_closep(&first);
    fd_closep(&second);
}

static void test_idle_workers_end_at_once(void **state)
{
    struct fixture *f = *state;

    start(f, 3);
    order_stop(f, 60 * NSEC_PER_SEC);
    wait_for_end(f);
}

/* Everything complete is answered, the client sees the end, and closes itself: nothing is reset. */
static void test_stop_answers_everything_and_half_closes(void **state)
{
    struct fixture *f = *state;
    char text[100 * REPLY_LEN + 1];
    int fd;

    start(f, 2);
    fd = dial(f);
    exchange(fd);
    for (unsigned i = 0; i < 100; i++)
        say(fd, UUID);
    order_stop(f, 60 * NSEC_PER_SEC);
    hear(fd, text, 100 * REPLY_LEN);
    assert_end(fd);
    fd_closep(&fd);
    wait_for_end(f);
    assert_int_equal(crew_stats(&f->crew).messages, 101);
    assert_int_equal(crew_stats(&f->crew).let_go, 0);
    assert_int_equal(crew_stats(&f->crew).resets, 0);
}

/* It neither leaves nor falls silent: the stop ends all the same. */
static void test_stop_ends_with_its_timeout(void **state)
{
    struct fixture *f = *state;
    int fd;

    start(f, 1);
    fd = dial(f);
    exchange(fd);
    order_stop(f, 300 * NSEC_PER_MSEC);
    wait_for_end(f);
    assert_end(fd);
    assert_int_equal(crew_stats(&f->crew).let_go, 1);
    fd_closep(&fd);
}

static void test_stop_is_hurried_by_a_second_order(void **state)
{
    struct fixture *f = *state;
    int fd;

    start(f, 1);
    fd = dial(f);
    say(fd, "tcptimer-hello version=1;");
    hear(fd, (char[32]){0}, 16);
    order_stop(f, 3600 * NSEC_PER_SEC);
    order_stop(f, 0);
    wait_for_end(f);
    fd_closep(&fd);
}

/* The system's clock, which keeps the worker in one turn of its loop while it is armed. */
static struct {
    _Atomic bool armed;
    int arrived[2], go[2];          /* pipes */
} gate;

static void wait_at_gate(void)
{
    char byte = 'x';

    if (atomic_exchange(&gate.armed, false) && write(gate.arrived[1], &byte, 1) == 1)
        (void)!read(gate.go[0], &byte, 1);
}

static nsec_t gate_now(void *ctx)
{
    (void)ctx;
    wait_at_gate();
    return clock_now(&clock_system);
}

static nsec_t gate_real(void *ctx)
{
    (void)ctx;
    return clock_real(&clock_system);
}

static const struct clock_ops gate_ops = {.now = gate_now, .real = gate_real};
static const struct clock_src gate_clock = {.ops = &gate_ops};

/* The goodbye to a client that is gone ends its connection, whose event waits in the same batch. */
static void test_order_to_stop_comes_in_one_batch_with_a_reset(void **state)
{
    static const struct linger at_once = {.l_onoff = 1};
    struct fixture *f = *state;
    char byte;
    int native, text;

    assert_int_equal(pipe2(gate.arrived, O_CLOEXEC), 0);
    assert_int_equal(pipe2(gate.go, O_CLOEXEC), 0);
    assert_int_equal(crew_init(&f->crew, 1, &f->listeners, &f->log, &gate_clock, &f->orders), 0);
    assert_int_equal(crew_start(&f->crew), 0);
    native = dial(f);
    say(native, "tcptimer-hello version=1;");
    hear(native, (char[32]){0}, 16);
    text = dial(f);
    exchange(text);

    atomic_store(&gate.armed, true);
    say(text, UUID);
    assert_int_equal(read(gate.arrived[0], &byte, 1), 1);
    order_stop(f, 0);
    assert_int_equal(setsockopt(native, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    fd_closep(&native);
    assert_int_equal(write(gate.go[1], "x", 1), 1);

    wait_for_end(f);
    assert_int_equal(crew_stats(&f->crew).resets, 1);
    fd_closep(&text);
    for (unsigned i = 0; i < 2; i++) {
        fd_closep(&gate.arrived[i]);
        fd_closep(&gate.go[i]);
    }
}

static void test_worker_that_waits_takes_no_time(void **state)
{
    struct fixture *f = *state;
    struct timespec before, after = {0};
    clockid_t clock;
    unsigned n = 0;

    start(f, 1);
    assert_int_equal(pthread_getcpuclockid(f->crew.workers[0]->thread, &clock), 0);
    do {                            /* until it sleeps */
        before = after;
        (void)poll(NULL, 0, 50);
        (void)clock_gettime(clock, &after);
    } while (nsec_from_timespec(&before) != nsec_from_timespec(&after) && n++ < 100);
    assert_true(n < 100);

    worker_poke(f->crew.workers[0]);
    while (worker_turns(f->crew.workers[0]) == 0)
        (void)poll(NULL, 0, 1);
}

static void assert_told(struct fixture *f, nsec_t timeout, uint32_t expected_ms)
{
    const struct proto_welcome *welcome;

    f->orders.limits.idle_timeout = timeout;
    f->orders.limits.message_timeout = timeout;
    assert_int_equal(crew_init(&f->crew, 1, &f->listeners, &f->log, &clock_system, &f->orders), 0);
    welcome = &f->crew.workers[0]->conns.terms.welcome;
    assert_int_equal(welcome->idle_timeout_ms, expected_ms);
    assert_int_equal(welcome->message_timeout_ms, expected_ms);
    crew_deinit(&f->crew);
}

/* To a client, 0 is no timeout: it would not keep itself alive, and be cut. */
static void test_timeouts_are_told_as_zero_only_if_they_are_off(void **state)
{
    struct fixture *f = *state;

    assert_told(f, 0, 0);
    assert_told(f, 1, 1);
    assert_told(f, 500 * NSEC_PER_USEC, 1);
    assert_told(f, NSEC_PER_MSEC, 1);
    assert_told(f, 300 * NSEC_PER_SEC, 300000);
    assert_told(f, ((nsec_t)UINT32_MAX - 1) * NSEC_PER_MSEC, UINT32_MAX - 1);
    assert_told(f, ((nsec_t)UINT32_MAX + 1) * NSEC_PER_MSEC, UINT32_MAX);
    assert_told(f, NSEC_NEVER, UINT32_MAX);
}

static unsigned count_descriptors(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* What the daemon leaves for them when it fits max_clients into its limit of descriptors. */
static void test_workers_hold_no_more_descriptors_than_they_say(void **state)
{
    enum { N = 8 };
    struct fixture *f = *state;
    unsigned before = count_descriptors();

    start(f, N);
    crew_order(&f->crew);
    while (!crew_has_obeyed(&f->crew))      /* by then each has begun its loop */
        (void)poll(NULL, 0, 1);
    assert_in_range(count_descriptors() - before, N, N * WORKER_FDS + 1);   /* 1: the crew's */
}

static void test_crew_that_cannot_be_made_leaves_nothing(void **state)
{
    struct fixture *f = *state;

    for (unsigned n = 0;; n++) {
        int r;

        fault_arm(n);
        r = crew_init(&f->crew, 2, &f->listeners, &f->log, &clock_system, &f->orders);
        if (r == 0)
            r = crew_start(&f->crew);
        if (!fault_disarm()) {
            assert_int_equal(r, 0);
            assert_true(n > 20);
            break;
        }
        assert_true(r < 0);
        (void)teardown(state);
        (void)setup(state);
    }
}

static void test_no_worker_is_freed_as_nothing(void **state)
{
    (void)state;
    assert_null(worker_free(NULL));
}

#define IN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_clients_are_served_by_all),
        IN(test_orders_are_obeyed),
        IN(test_idle_workers_end_at_once),
        IN(test_stop_answers_everything_and_half_closes),
        IN(test_stop_ends_with_its_timeout),
        IN(test_stop_is_hurried_by_a_second_order),
        IN(test_order_to_stop_comes_in_one_batch_with_a_reset),
        IN(test_worker_that_waits_takes_no_time),
        IN(test_timeouts_are_told_as_zero_only_if_they_are_off),
        IN(test_workers_hold_no_more_descriptors_than_they_say),
        IN(test_crew_that_cannot_be_made_leaves_nothing),
        IN(test_no_worker_is_freed_as_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
