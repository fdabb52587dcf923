/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "daemon/acceptor.h"
#include "daemon/conn_end.h"
#include "tests/support/conn_fixture.h"
#include "tests/support/fault.h"

/* What accept4() does: errno of each call, 0 = the real one; behind the last, the real one. */
static struct {
    int errors[4];
    unsigned n, next;
} script;

int __real_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);

int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    if (script.next < script.n && script.errors[script.next++] != 0) {
        errno = script.errors[script.next - 1];
        return -1;
    }
    return __real_accept4(fd, addr, len, flags);
}

static void will_fail(int error)
{
    script.errors[script.n++] = error;
}

struct fixture {
    struct conn_fixture *conns;
    struct listener listener;
    struct sockaddr_in address;
    struct acceptor acceptor;
    int clients[100];
    unsigned n_clients;
};

static struct fixture fixture;

static int setup(void **state)
{
    struct fixture *f = &fixture;
    socklen_t len = sizeof(f->address);
    const char *reason;

    memset(&script, 0, sizeof(script));
    memset(f, 0, sizeof(*f));
    f->conns = conn_fixture_new();
    f->conns->shared.limits.max_clients = 1000;
    f->acceptor = ACCEPTOR_INIT;
    assert_int_equal(listener_bind(&f->listener, "127.0.0.1:0", &reason), 0);
    assert_int_equal(getsockname(f->listener.fd, (struct sockaddr *)&f->address, &len), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < f->n_clients; i++)
        fd_closep(&f->clients[i]);
    acceptor_deinit(&f->acceptor);
    listener_deinit(&f->listener);
    conn_fixture_free(f->conns);
    return 0;
}

static void start(struct fixture *f, bool alone)
{
    assert_int_equal(acceptor_init(&f->acceptor, &f->conns->shared, &f->listener, 1, alone), 0);
}

static int dial(struct fixture *f)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&f->address, sizeof(f->address)), 0);
    f->clients[f->n_clients++] = fd;
    return fd;
}

/* One turn of the loop, as a worker does it. Return: how many events there were. */
static int turn(struct fixture *f)
{
    int n = loop_wait(&f->conns->loop, f->conns->shared.now, f->conns->shared.now);

    assert_true(n >= 0);
    loop_dispatch(&f->conns->loop, n);
    acceptor_tick(&f->acceptor);
    return n;
}

static void assert_gets(int fd, const char *expected)
{
    char text[256];
    ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

    assert_true(n > 0);
    text[n] = '\0';
    assert_string_equal(text, expected);
    assert_int_equal(recv(fd, text, sizeof(text), 0), 0);
}

static bool has_event(struct fixture *f, enum log_event wanted)
{
    enum log_event event;

    while ((event = conn_fixture_take_event(f->conns)) != N_LOG_EVENTS)
        if (event == wanted)
            return true;
    return false;
}

/* ---- sharing ---- */

static void test_worker_alone_takes_all_that_wait(void **state)
{
    struct fixture *f = *state;

    start(f, true);
    for (unsigned i = 0; i < 10; i++)
        (void)dial(f);
    (void)turn(f);
    assert_int_equal(f->conns->stats.accepted, 10);
    assert_int_equal(turn(f), 0);
}

/* Of several, each takes one and goes to the end of the queue. */
static void test_one_of_several_takes_one_at_a_time(void **state)
{
    struct fixture *f = *state;

    start(f, false);
    for (unsigned i = 0; i < 3; i++)
        (void)dial(f);
    for (unsigned i = 1; i <= 3; i++) {
        (void)turn(f);
        assert_int_equal(f->conns->stats.accepted, i);
    }
    assert_int_equal(turn(f), 0);
}

static void test_two_share_a_listener(void **state)
{
    struct fixture *f = *state;
    struct conn_fixture *other = conn_fixture_new();
    struct acceptor acceptor = ACCEPTOR_INIT;

    other->shared.limits.max_clients = 1000;
    start(f, false);
    assert_int_equal(acceptor_init(&acceptor, &other->shared, &f->listener, 1, false), 0);
    for (unsigned i = 0; i < 10; i++)
        (void)dial(f);
    for (unsigned i = 0; i < 5; i++) {
        int n;

        (void)turn(f);
        n = loop_wait(&other->loop, other->shared.now, other->shared.now);
        assert_true(n >= 0);
        loop_dispatch(&other->loop, n);
    }
    assert_int_equal(f->conns->stats.accepted, 5);
    assert_int_equal(other->stats.accepted, 5);
    acceptor_deinit(&acceptor);
    conn_fixture_free(other);
}

/* ---- limits ---- */

static void test_full_server_refuses_in_words(void **state)
{
    struct fixture *f = *state;

    f->conns->shared.limits.max_clients = 1;
    start(f, true);
    (void)dial(f);
    (void)turn(f);
    (void)dial(f);
    (void)turn(f);
    assert_gets(f->clients[1], "ERROR: the server is full: 1 clients (max_clients)\n");
    assert_int_equal(f->conns->stats.accepted, 1);
    assert_int_equal(f->conns->stats.refused_full, 1);
    assert_true(has_event(f, LOG_EVENT_REFUSED));
}

static void test_source_with_too_many_clients_is_refused_in_words(void **state)
{
    struct fixture *f = *state;

    f->conns->shared.limits.max_clients_per_source = 2;
    start(f, true);
    for (unsigned i = 0; i < 3; i++)
        (void)dial(f);
    (void)turn(f);
    assert_gets(f->clients[2],
                "ERROR: too many clients from one address: 2 (max_clients_per_source)\n");
    assert_int_equal(f->conns->stats.refused_source, 1);
}

static void test_refusals_are_logged_at_a_limited_rate(void **state)
{
    struct fixture *f = *state;
    unsigned n = 0;

    f->conns->shared.limits.max_clients = 1;
    start(f, true);
    for (unsigned i = 0; i < 51; i++)
        (void)dial(f);
    (void)turn(f);
    while (has_event(f, LOG_EVENT_REFUSED))
        n++;
    assert_int_equal(n, RATELIMIT_BURST);
    assert_int_equal(f->conns->stats.refused_full, 50);
}

static void test_client_without_memory_is_refused_and_leaves_no_trace(void **state)
{
    struct fixture *f = *state;

    start(f, true);
    for (unsigned n = 0; n < 3; n++) {      /* the origin, the connection, its place in the loop */
        int fd = dial(f);

        fault_arm(n);
        (void)turn(f);
        assert_true(fault_disarm());
        assert_gets(fd, "ERROR: the server is out of memory\n");
        assert_int_equal(f->conns->stats.refused_fds, n + 1);
        assert_int_equal(f->conns->admission.n_clients, 0);
    }
}

/* ---- what accept(2) can say ---- */

static void test_aborted_client_is_passed_over(void **state)
{
    struct fixture *f = *state;

    start(f, true);
    (void)dial(f);
    will_fail(ECONNABORTED);
    (void)turn(f);
    assert_int_equal(f->conns->stats.accepted, 1);
    assert_int_equal(f->conns->stats.accept_errors, 1);
    assert_int_equal(acceptor_deadline(&f->acceptor), NSEC_NEVER);
}

static void test_client_that_has_left_is_no_error(void **state)
{
    struct fixture *f = *state;

    start(f, false);
    (void)dial(f);
    will_fail(EAGAIN);
    (void)turn(f);
    assert_int_equal(f->conns->stats.accepted, 0);
    assert_int_equal(f->conns->stats.accept_errors, 0);
    (void)turn(f);
    assert_int_equal(f->conns->stats.accepted, 1);
}

static void test_no_descriptors_are_told_to_the_client(void **state)
{
    struct fixture *f = *state;

    start(f, true);
    (void)dial(f);
    will_fail(EMFILE);
    (void)turn(f);
    assert_gets(f->clients[0], "ERROR: the server has no file descriptors left\n");
    assert_int_equal(f->conns->stats.refused_fds, 1);
    assert_true(f->acceptor.spare_fd >= 0);
    assert_int_equal(acceptor_deadline(&f->acceptor), NSEC_NEVER);

    (void)dial(f);
    (void)turn(f);
    assert_int_equal(f->conns->stats.accepted, 1);
}

static void check_that_it_rests(struct fixture *f, int error)
{
    start(f, true);
    (void)dial(f);
    will_fail(error);
    will_fail(error);
    (void)turn(f);
    assert_int_equal(f->conns->stats.accepted, 0);
    assert_int_equal(acceptor_deadline(&f->acceptor), f->conns->shared.now + 200 * NSEC_PER_MSEC);
    assert_true(has_event(f, LOG_EVENT_ACCEPT_PAUSED));
    assert_int_equal(turn(f), 0);

    script.n = 0;
    conn_fixture_advance(f->conns, 200 * NSEC_PER_MSEC);
    (void)turn(f);                  /* joins the queue again */
    (void)turn(f);
    assert_int_equal(f->conns->stats.accepted, 1);
    assert_int_equal(acceptor_deadline(&f->acceptor), NSEC_NEVER);
    assert_true(f->acceptor.spare_fd >= 0);
    assert_true(has_event(f, LOG_EVENT_ACCEPT_RESUMED));
}

/* Not even the spare helps: it rests instead of spinning, says so, and says when it goes on. */
static void test_nothing_to_spare_rests(void **state)
{
    static const int errors[] = {EMFILE, ENFILE, ENOMEM, ENOBUFS, EINVAL};

    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        check_that_it_rests(*state, errors[i]);
        (void)teardown(state);
        (void)setup(state);
    }
}

static void test_without_a_spare_it_rests_at_once(void **state)
{
    struct fixture *f = *state;

    start(f, true);
    fd_closep(&f->acceptor.spare_fd);
    (void)dial(f);
    will_fail(ENFILE);
    (void)turn(f);
    assert_int_equal(script.next, 1);
    assert_true(acceptor_deadline(&f->acceptor) != NSEC_NEVER);

    conn_fixture_advance(f->conns, 200 * NSEC_PER_MSEC);
    (void)turn(f);
    assert_true(f->acceptor.spare_fd >= 0);
}

static void test_place_in_the_queue_that_cannot_be_had_is_tried_again(void **state)
{
    struct fixture *f = *state;

    start(f, false);
    acceptor_set_closed(&f->acceptor, true);
    fault_arm(0);
    acceptor_set_closed(&f->acceptor, false);
    assert_true(fault_disarm());
    (void)dial(f);
    assert_int_equal(turn(f), 0);
    conn_fixture_advance(f->conns, 200 * NSEC_PER_MSEC);
    (void)turn(f);
    (void)turn(f);
    assert_int_equal(f->conns->stats.accepted, 1);
}

/* ---- closing and stopping ---- */

static void test_closed_leaves_clients_in_the_queue(void **state)
{
    struct fixture *f = *state;

    start(f, true);
    acceptor_set_closed(&f->acceptor, true);
    (void)dial(f);
    assert_int_equal(turn(f), 0);
    acceptor_set_closed(&f->acceptor, false);
    (void)turn(f);
    assert_int_equal(f->conns->stats.accepted, 1);
}

static void test_closed_stays_closed_after_a_rest(void **state)
{
    struct fixture *f = *state;

    start(f, true);
    (void)dial(f);
    will_fail(ENOMEM);
    (void)turn(f);
    acceptor_set_closed(&f->acceptor, true);
    conn_fixture_advance(f->conns, NSEC_PER_SEC);
    (void)turn(f);
    assert_int_equal(turn(f), 0);
}

static void test_stopping_tells_the_clients_of_its_own_listener(void **state)
{
    struct fixture *f = *state;

    start(f, true);
    conn_stop_all(&f->conns->shared);
    acceptor_set_closed(&f->acceptor, false);
    (void)dial(f);
    (void)turn(f);
    assert_gets(f->clients[0], "ERROR: the server is stopping\n");
    assert_int_equal(f->conns->stats.refused_stopping, 1);
}

static void test_stopping_leaves_the_clients_of_an_inherited_listener_to_the_next(void **state)
{
    struct fixture *f = *state;

    f->listener.inherited = true;
    start(f, true);
    conn_stop_all(&f->conns->shared);
    acceptor_set_closed(&f->acceptor, false);
    (void)dial(f);
    assert_int_equal(turn(f), 0);
}

/* The workers have ended, and these waited: to close the listener over them would reset them. */
static void test_clients_that_wait_at_the_end_are_told(void **state)
{
    struct fixture *f = *state;
    int late;

    start(f, true);
    acceptor_set_closed(&f->acceptor, true);
    (void)dial(f);
    (void)dial(f);
    acceptor_end_listening(&f->acceptor);
    for (unsigned i = 0; i < 2; i++)
        assert_gets(f->clients[i], "ERROR: the server is stopping\n");
    assert_int_equal(f->conns->stats.refused_stopping, 2);

    late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(late, (struct sockaddr *)&f->address, sizeof(f->address)), -1);
    assert_int_equal(errno, ECONNREFUSED);
    fd_closep(&late);
}

static void test_clients_that_wait_in_an_inherited_listener_wait_on(void **state)
{
    struct fixture *f = *state;

    f->listener.inherited = true;
    start(f, true);
    acceptor_set_closed(&f->acceptor, true);
    (void)dial(f);
    acceptor_end_listening(&f->acceptor);
    acceptor_set_closed(&f->acceptor, false);
    (void)turn(f);
    assert_int_equal(f->conns->stats.accepted, 1);
}

/* Who came before an inherited listener was adopted did not inherit what was set on it then. */
static void test_client_from_before_the_adoption_gets_the_options(void **state)
{
    struct fixture *f = *state;
    struct list *clients = &f->conns->shared.phases[CONN_OPEN];
    int off = 0, on = 0;
    socklen_t len = sizeof(on);

    f->listener.inherited = true;
    assert_int_equal(
        setsockopt(f->listener.fd, IPPROTO_TCP, TCP_NODELAY, &off, sizeof(off)), 0);
    (void)dial(f);
    start(f, true);
    (void)turn(f);
    assert_false(list_is_empty(clients));
    assert_int_equal(getsockopt(list_first(clients, struct conn, link)->source.fd, IPPROTO_TCP,
                                TCP_NODELAY, &on, &len), 0);
    assert_int_equal(on, 1);
}

static void test_acceptor_that_cannot_be_made_leaves_nothing(void **state)
{
    struct fixture *f = *state;

    for (unsigned n = 0;; n++) {
        int r;

        fault_arm(n);
        r = acceptor_init(&f->acceptor, &f->conns->shared, &f->listener, 1, true);
        if (!fault_disarm()) {
            assert_int_equal(r, 0);
            break;
        }
        assert_true(r < 0);
        acceptor_deinit(&f->acceptor);
    }
}

#define IN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_worker_alone_takes_all_that_wait),
        IN(test_one_of_several_takes_one_at_a_time),
        IN(test_two_share_a_listener),
        IN(test_full_server_refuses_in_words),
        IN(test_source_with_too_many_clients_is_refused_in_words),
        IN(test_refusals_are_logged_at_a_limited_rate),
        IN(test_client_without_memory_is_refused_and_leaves_no_trace),
        IN(test_aborted_client_is_passed_over),
        IN(test_client_that_has_left_is_no_error),
        IN(test_no_descriptors_are_told_to_the_client),
        IN(test_nothing_to_spare_rests),
        IN(test_without_a_spare_it_rests_at_once),
        IN(test_place_in_the_queue_that_cannot_be_had_is_tried_again),
        IN(test_closed_leaves_clients_in_the_queue),
        IN(test_closed_stays_closed_after_a_rest),
        IN(test_stopping_tells_the_clients_of_its_own_listener),
        IN(test_clients_that_wait_at_the_end_are_told),
        IN(test_clients_that_wait_in_an_inherited_listener_wait_on),
        IN(test_stopping_leaves_the_clients_of_an_inherited_listener_to_the_next),
        IN(test_client_from_before_the_adoption_gets_the_options),
        IN(test_acceptor_that_cannot_be_made_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
