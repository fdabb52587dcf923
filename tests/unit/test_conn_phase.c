/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"

#include "common/base.h"
#include "daemon/conn_end.h"
#include "daemon/conn_phase.h"
#include "tests/support/conn_fixture.h"

#define UUID "f47ac10b-58cc-4372-a567-0e02b2c3d479"

static void test_active_client_is_never_idle(void **state)
{
    struct conn_fixture *f = *state;

    for (unsigned i = 0; i < 20; i++) {
        f->fake.n_reads = f->fake.next_read = 0;
        conn_fixture_feed(f, UUID);
        conn_fixture_advance(f, 299 * NSEC_PER_SEC);
        conn_expire(&f->shared);
        assert_int_equal(f->conn->phase, CONN_OPEN);
    }
    assert_int_equal(f->stats.idle_timeouts, 0);
}

static void test_timeouts_that_are_off_never_end_anything(void **state)
{
    struct conn_fixture *f = *state;

    f->shared.limits.idle_timeout = f->shared.limits.message_timeout = 0;
    assert_int_equal(conn_next_deadline(&f->shared), NSEC_NEVER);
    conn_fixture_feed(f, "f47ac10b");
    assert_int_equal(conn_next_deadline(&f->shared), NSEC_NEVER);
}

static void test_next_deadline_is_that_of_the_first(void **state)
{
    struct conn_fixture *f = *state;

    assert_int_equal(conn_next_deadline(&f->shared),
                     CONN_FIXTURE_START + 301 * NSEC_PER_SEC);
    conn_fixture_advance(f, NSEC_PER_SEC);
    conn_fixture_feed(f, "f47ac10b");
    assert_int_equal(conn_next_deadline(&f->shared), CONN_FIXTURE_START + 11 * NSEC_PER_SEC);
}

static unsigned n_met;

static void meet_and_end(struct conn *c)
{
    n_met++;
    (void)conn_free(c);
}

static void test_each_of_a_phase_may_be_ended_on_the_way(void **state)
{
    struct conn_fixture *f = *state;

    for (unsigned i = 0; i < 3; i++) {
        fd_closep(&f->peer_fd);
        conn_fixture_accept(f);
    }
    n_met = 0;
    conn_for_each(&f->shared, CONN_WAITING, meet_and_end);
    assert_int_equal(n_met, 0);
    conn_for_each(&f->shared, CONN_OPEN, meet_and_end);
    assert_int_equal(n_met, 4);
    assert_int_equal(f->shared.n_conns, 0);
}

static void test_place_is_renewed_after_a_part_of_the_timeout_only(void **state)
{
    struct conn_fixture *f = *state;

    f->shared.limits.idle_timeout = 160 * NSEC_PER_MSEC;
    conn_fixture_advance(f, 10 * NSEC_PER_MSEC - 1);
    assert_false(conn_wants_renewal(f->conn));
    conn_fixture_advance(f, 1);
    assert_true(conn_wants_renewal(f->conn));
    conn_enter_phase(f->conn, CONN_OPEN);
    assert_false(conn_wants_renewal(f->conn));
}

/* The last message may come just before its place would be renewed. */
static void test_idle_timeout_is_never_early(void **state)
{
    struct conn_fixture *f = *state;

    f->shared.limits.idle_timeout = 16 * NSEC_PER_SEC;
    conn_fixture_advance(f, NSEC_PER_SEC - 1);
    conn_fixture_feed(f, UUID);
    conn_fixture_advance(f, 16 * NSEC_PER_SEC);
    conn_expire(&f->shared);
    assert_int_equal(f->conn->phase, CONN_OPEN);
    conn_fixture_advance(f, 1);
    conn_expire(&f->shared);
    assert_int_equal(f->conn->phase, CONN_LINGERING);

    conn_fixture_free(f);
    *state = f = conn_fixture_new();
    conn_fixture_accept(f);
    f->shared.limits.idle_timeout = 16 * NSEC_PER_SEC;
    conn_fixture_advance(f, 17 * NSEC_PER_SEC / 16);
    conn_fixture_feed(f, UUID);
    conn_fixture_advance(f, 16 * NSEC_PER_SEC);
    conn_expire(&f->shared);
    assert_int_equal(f->conn->phase, CONN_OPEN);
}

/* Its place would be as old as the timeout that it had. */
static void test_active_client_survives_a_reload_with_a_shorter_timeout(void **state)
{
    struct conn_fixture *f = *state;

    f->shared.limits.idle_timeout = 0;
    for (unsigned i = 0; i < 20; i++) {
        conn_fixture_advance(f, NSEC_PER_SEC);
        conn_fixture_feed(f, UUID);
    }
    f->shared.limits.idle_timeout = 5 * NSEC_PER_SEC;
    conn_expire(&f->shared);
    assert_int_equal(f->conn->phase, CONN_OPEN);
}

/* Each message gives a text client the whole moment of quiet. */
static void test_place_is_always_renewed_during_the_stop(void **state)
{
    struct conn_fixture *f = *state;

    conn_stop_all(&f->shared);
    conn_fixture_advance(f, 1);
    assert_true(conn_wants_renewal(f->conn));
}

#define IN(test) cmocka_unit_test_setup_teardown(test, conn_fixture_set_up, conn_fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_active_client_is_never_idle),
        IN(test_timeouts_that_are_off_never_end_anything),
        IN(test_next_deadline_is_that_of_the_first),
        IN(test_each_of_a_phase_may_be_ended_on_the_way),
        IN(test_place_is_renewed_after_a_part_of_the_timeout_only),
        IN(test_idle_timeout_is_never_early),
        IN(test_active_client_survives_a_reload_with_a_shorter_timeout),
        IN(test_place_is_always_renewed_during_the_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
