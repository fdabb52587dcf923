/* SPDX-License-Identifier: MIT */
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/test.h"

#include "client/evidence.h"
#include "common/base.h"
#include "common/rng.h"

static void look(struct tcp_evidence *e, const struct tcp_look *l)
{
    e->looks[e->n_looks++ % EVIDENCE_LOOKS] = *l;
}

static void test_note_is_the_rise_since_before_the_send(void **state)
{
    struct tcp_evidence tcp = {.n_looks = 0};
    struct sched_evidence sched = SCHED_EVIDENCE_INIT;
    struct cause_note note;

    (void)state;
    look(&tcp, &(struct tcp_look){.at = 100, .retransmits = 1, .rto = 200, .unacked = true});
    look(&tcp, &(struct tcp_look){.at = 300, .retransmits = 2, .timeouts = 1, .rto = 900});
    look(&tcp, &(struct tcp_look){.at = 500, .retransmits = 5, .timeouts = 3, .holes = 4});

    /* Sent at 200: the look at 300 already counts what happened to it. */
    note = evidence_note(&tcp, &sched, 200, true);
    assert_true(note.tcp_sampled);
    assert_int_equal(note.retransmits, 4);
    assert_int_equal(note.timeouts, 3);
    assert_int_equal(note.holes, 4);
    assert_int_equal(note.rto, 200);
    assert_true(note.unacked);
    assert_true(note.nagle);
    assert_false(note.sched_sampled);

    note = evidence_note(&tcp, &sched, 400, false);
    assert_int_equal(note.retransmits, 3);
    assert_int_equal(note.rto, 900);
    assert_false(note.unacked);
}

static void test_one_look_is_no_evidence(void **state)
{
    struct tcp_evidence tcp = {.n_looks = 0};
    struct sched_evidence sched = SCHED_EVIDENCE_INIT;

    (void)state;
    assert_false(evidence_note(&tcp, &sched, 200, false).tcp_sampled);
    look(&tcp, &(struct tcp_look){.at = 500, .retransmits = 5});
    assert_false(evidence_note(&tcp, &sched, 200, false).tcp_sampled);
}

/* Looks from before a message say nothing of it. */
static void test_a_message_that_nobody_looked_at_has_no_evidence(void **state)
{
    struct tcp_evidence tcp = {.n_looks = 0};
    struct sched_evidence sched = SCHED_EVIDENCE_INIT;

    (void)state;
    look(&tcp, &(struct tcp_look){.at = 100, .retransmits = 1});
    look(&tcp, &(struct tcp_look){.at = 300, .retransmits = 2});
    assert_true(evidence_note(&tcp, &sched, 299, false).tcp_sampled);
    assert_false(evidence_note(&tcp, &sched, 300, false).tcp_sampled);
}

static void test_note_tells_how_long_the_window_was_shut(void **state)
{
    struct tcp_evidence tcp = {.n_looks = 0};
    struct sched_evidence sched = SCHED_EVIDENCE_INIT;

    (void)state;
    look(&tcp, &(struct tcp_look){.at = 100, .shut_out = 5 * NSEC_PER_MSEC});
    look(&tcp, &(struct tcp_look){.at = 300, .shut_out = 7 * NSEC_PER_MSEC});
    assert_int_equal(evidence_note(&tcp, &sched, 200, false).shut_out, 2 * NSEC_PER_MSEC);
}

/* A burst that comes in over many reads is looked at again and again: what was before it stays. */
static void test_looks_that_are_close_replace_each_other(void **state)
{
    _cleanup_(fd_closep) int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct tcp_evidence tcp = {.n_looks = 0};

    (void)state;
    assert_true(fd >= 0);
    tcp_evidence_look(&tcp, fd, NSEC_PER_SEC);
    for (nsec_t i = 0; i < 100; i++)
        tcp_evidence_look(&tcp, fd, 2 * NSEC_PER_SEC + i * 100 * NSEC_PER_USEC);
    assert_int_equal(tcp.n_looks, 3);
    assert_int_equal(tcp.looks[0].at, NSEC_PER_SEC);
    assert_int_equal(tcp.looks[1].at, 2 * NSEC_PER_SEC);
    assert_int_equal(tcp.looks[2].at, 2 * NSEC_PER_SEC + 9900 * NSEC_PER_USEC);
}

/* Of a message older than all looks that are kept, the oldest has to do. */
static void test_the_oldest_look_stands_for_those_that_are_gone(void **state)
{
    struct tcp_evidence tcp = {.n_looks = 0};
    struct sched_evidence sched = SCHED_EVIDENCE_INIT;

    (void)state;
    for (uint32_t i = 1; i <= 3 * EVIDENCE_LOOKS; i++)
        look(&tcp, &(struct tcp_look){.at = i * 100, .retransmits = i});
    assert_int_equal(evidence_note(&tcp, &sched, 10, false).retransmits, EVIDENCE_LOOKS - 1);
}

static void test_a_look_reads_the_kernels_counters(void **state)
{
    _cleanup_(fd_closep) int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct tcp_evidence tcp = {.n_looks = 0};
    struct sched_evidence sched;

    (void)state;
    assert_true(fd >= 0);
    sched_evidence_init(&sched);
    tcp_evidence_look(&tcp, fd, 7);
    assert_int_equal(tcp.n_looks, 1);
    assert_int_equal(tcp.looks[0].at, 7);
    assert_true(tcp.looks[0].rto > 0);
    sched_evidence_look(&sched, 7);
    assert_int_equal(sched.n_looks, sched.fd >= 0);
    sched_evidence_deinit(&sched);
}

static void test_what_is_no_tcp_socket_gives_no_evidence(void **state)
{
    _cleanup_(fd_closep) int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sched_evidence sched = SCHED_EVIDENCE_INIT;
    struct tcp_evidence tcp = {.n_looks = 0};

    (void)state;
    assert_true(fd >= 0);
    tcp_evidence_look(&tcp, fd, 7);
    assert_int_equal(tcp.n_looks, 0);
    sched_evidence_look(&sched, 7);
    assert_int_equal(sched.n_looks, 0);
}

/* About one in a hundred, from the beginning on and wherever the values lie. */
static void test_threshold_finds_one_in_a_hundred(void **state)
{
    static const double means[] = {20e3, 5e6, 20e3};
    struct slow_threshold t = {.value = 0};
    struct rng rng;

    (void)state;
    rng_seed(&rng, 7);
    for (size_t m = 0; m < ARRAY_SIZE(means); m++) {
        int n_slow = 0;

        for (int i = 0; i < 20000; i++)     /* finds the new level */
            (void)slow_threshold_exceeds(&t, (nsec_t)(means[m] + rng_exponential(&rng, means[m])));
        for (int i = 0; i < 20000; i++)
            n_slow += slow_threshold_exceeds(&t,
                                             (nsec_t)(means[m] + rng_exponential(&rng, means[m])));
        assert_in_range(n_slow, 140, 260);
    }
}

/* A slow first message, as most runs have, is forgotten within some hundred others. */
static void test_threshold_forgets_the_start(void **state)
{
    struct slow_threshold t = {.value = 0};

    (void)state;
    (void)slow_threshold_exceeds(&t, 20 * NSEC_PER_MSEC);
    for (int i = 0; i < 300; i++)
        (void)slow_threshold_exceeds(&t, 50 * NSEC_PER_USEC);
    assert_true(slow_threshold_exceeds(&t, 500 * NSEC_PER_USEC));
}

static void test_threshold_stays_within_what_was_seen(void **state)
{
    struct slow_threshold t = {.value = 0};

    (void)state;
    (void)slow_threshold_exceeds(&t, 50 * NSEC_PER_USEC);
    for (int i = 0; i < 20; i++)
        assert_true(slow_threshold_exceeds(&t, (10 + (nsec_t)i) * NSEC_PER_MSEC));
    assert_true(slow_threshold_exceeds(&t, 40 * NSEC_PER_MSEC));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_note_is_the_rise_since_before_the_send),
        cmocka_unit_test(test_one_look_is_no_evidence),
        cmocka_unit_test(test_a_message_that_nobody_looked_at_has_no_evidence),
        cmocka_unit_test(test_note_tells_how_long_the_window_was_shut),
        cmocka_unit_test(test_looks_that_are_close_replace_each_other),
        cmocka_unit_test(test_the_oldest_look_stands_for_those_that_are_gone),
        cmocka_unit_test(test_a_look_reads_the_kernels_counters),
        cmocka_unit_test(test_what_is_no_tcp_socket_gives_no_evidence),
        cmocka_unit_test(test_threshold_finds_one_in_a_hundred),
        cmocka_unit_test(test_threshold_forgets_the_start),
        cmocka_unit_test(test_threshold_stays_within_what_was_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
