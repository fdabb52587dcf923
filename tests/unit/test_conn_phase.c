/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"

#include "common/base.h"
#include "daemon/conn_end.h"
#include "daemon/conn_phase.h"
#include "tests/support/conn_fixture.h"

#define UUID "f47ac10b-58cc-4372-a567-0e02b2c3d479"

static int setup(void **state)
{
    struct conn_fixture *f = conn_fixture_new();

    conn_fixture_accept(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    conn_fixture_free(*state);
    return 0;
}

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
                     CONN_FIXTURE_START + 300 * NSEC_PER_SEC / 16 * 17);
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

    f->shared.limits.idle_timeout = 160 * NSEC_PER_SEC;
    conn_fixture_advance(f, 10 * NSEC_PER_SEC);
    assert_false(conn_wants_renewal(f->conn));
    conn_fixture_advance(f, NSEC_PER_SEC);
    assert_true(conn_wants_renewal(f->conn));
    conn_enter_phase(f->conn, CONN_OPEN);
    assert_false(conn_wants_renewal(f->conn));
}

#define IN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_active_client_is_never_idle),
        IN(test_timeouts_that_are_off_never_end_anything),
        IN(test_next_deadline_is_that_of_the_first),
        IN(test_each_of_a_phase_may_be_ended_on_the_way),
        IN(test_place_is_renewed_after_a_part_of_the_timeout_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
