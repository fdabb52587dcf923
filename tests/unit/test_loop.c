/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "daemon/loop.h"
#include "daemon/wake.h"
#include "tests/support/fault.h"

struct probe {
    struct source source;
    uint32_t events;                /* of the last call */
    unsigned n_calls;
};

struct fixture {
    struct loop loop;
    struct probe probe;
    int peer_fd;
};

static struct fixture fixture;

static void note(struct source *s, uint32_t events)
{
    struct probe *p = container_of(s, struct probe, source);

    p->events = events;
    p->n_calls++;
}

static int setup(void **state)
{
    struct fixture *f = &fixture;
    int fds[2];

    *f = (struct fixture){.loop = LOOP_INIT};
    assert_int_equal(loop_init(&f->loop), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    f->probe.source = (struct source){.fd = fds[0], .ready = note};
    f->peer_fd = fds[1];
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    fd_closep(&f->probe.source.fd);
    fd_closep(&f->peer_fd);
    loop_deinit(&f->loop);
    return 0;
}

static int look(struct fixture *f)
{
    int n = loop_wait(&f->loop, 0, 0);

    loop_dispatch(&f->loop, n);
    return n;
}

static void test_ready_source_is_called_until_it_is_read(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(loop_add(&f->loop, &f->probe.source, EPOLLIN), 0);
    assert_int_equal(look(f), 0);
    assert_int_equal(write(f->peer_fd, "x", 1), 1);
    assert_int_equal(look(f), 1);
    assert_int_equal(look(f), 1);
    assert_int_equal(f->probe.n_calls, 2);
    assert_int_equal(f->probe.events, EPOLLIN);
    assert_int_equal(read(f->probe.source.fd, (char[1]){0}, 1), 1);
    assert_int_equal(look(f), 0);
}

static void test_source_waits_for_what_it_was_changed_to(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(loop_add(&f->loop, &f->probe.source, EPOLLIN), 0);
    assert_int_equal(loop_change(&f->loop, &f->probe.source, EPOLLOUT), 0);
    assert_int_equal(look(f), 1);
    assert_int_equal(f->probe.events, EPOLLOUT);
}

static void test_removed_source_is_not_called(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(loop_add(&f->loop, &f->probe.source, EPOLLOUT), 0);
    loop_remove(&f->loop, &f->probe.source);
    assert_int_equal(look(f), 0);
}

static void test_what_cannot_be_waited_for_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(loop_change(&f->loop, &f->probe.source, EPOLLIN), -ENOENT);
    assert_int_equal(loop_add(&f->loop, &f->probe.source, EPOLLIN), 0);
    assert_int_equal(loop_add(&f->loop, &f->probe.source, EPOLLIN), -EEXIST);
}

static void test_wait_ends_at_its_deadline(void **state)
{
    struct fixture *f = *state;
    nsec_t before = clock_now(&clock_system);
    nsec_t deadline = before + 5 * NSEC_PER_MSEC;
    int n = loop_wait(&f->loop, before, deadline);

    assert_int_equal(n, 1);         /* the timer */
    assert_true(clock_now(&clock_system) >= deadline);
    loop_dispatch(&f->loop, n);
    assert_int_equal(f->loop.timer.fires_at, NSEC_NEVER);
    assert_int_equal(look(f), 0);   /* it fires once */
}

static void test_deadline_that_is_over_only_looks(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(loop_wait(&f->loop, 10, 9), 0);
    assert_int_equal(loop_wait(&f->loop, 10, 10), 0);
}

/* Deadlines mostly move away: one timer serves them all, and may fire too early. */
static void test_later_deadline_leaves_the_timer_alone(void **state)
{
    struct fixture *f = *state;
    nsec_t now = clock_now(&clock_system);
    nsec_t first = now + 3600 * NSEC_PER_SEC;

    assert_int_equal(loop_add(&f->loop, &f->probe.source, EPOLLOUT), 0);
    assert_int_equal(loop_wait(&f->loop, now, first), 1);
    assert_int_equal(f->loop.timer.fires_at, first);
    assert_int_equal(loop_wait(&f->loop, now, first + 1), 1);
    assert_int_equal(f->loop.timer.fires_at, first);
    assert_int_equal(loop_wait(&f->loop, now, first - 1), 1);
    assert_int_equal(f->loop.timer.fires_at, first - 1);
}

static void test_wake_interrupts_once_however_often_it_was_given(void **state)
{
    struct fixture *f = *state;
    struct probe wake = {.source = {.fd = wake_open(), .ready = note}};

    assert_true(wake.source.fd >= 0);
    assert_int_equal(loop_add(&f->loop, &wake.source, EPOLLIN), 0);
    assert_int_equal(look(f), 0);
    for (unsigned i = 0; i < 3; i++)
        wake_signal(wake.source.fd);
    assert_int_equal(look(f), 1);
    wake_clear(wake.source.fd);
    assert_int_equal(look(f), 0);
    wake_clear(wake.source.fd);     /* nothing to clear: does not block */
    fd_closep(&wake.source.fd);
}

static void test_loop_that_cannot_be_made_leaves_nothing(void **state)
{
    (void)state;
    for (unsigned n = 0;; n++) {
        struct loop loop = LOOP_INIT;
        int r;

        fault_arm(n);
        r = loop_init(&loop);
        loop_deinit(&loop);
        if (!fault_disarm()) {
            assert_int_equal(r, 0);
            break;
        }
        assert_true(r < 0);
    }
}

static void test_wake_without_a_descriptor_is_an_error(void **state)
{
    (void)state;
    fault_arm(0);
    assert_int_equal(wake_open(), -EMFILE);
    assert_true(fault_disarm());
}

#define IN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_ready_source_is_called_until_it_is_read),
        IN(test_source_waits_for_what_it_was_changed_to),
        IN(test_removed_source_is_not_called),
        IN(test_what_cannot_be_waited_for_is_refused),
        IN(test_wait_ends_at_its_deadline),
        IN(test_deadline_that_is_over_only_looks),
        IN(test_later_deadline_leaves_the_timer_alone),
        IN(test_wake_interrupts_once_however_often_it_was_given),
        IN(test_loop_that_cannot_be_made_leaves_nothing),
        IN(test_wake_without_a_descriptor_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
