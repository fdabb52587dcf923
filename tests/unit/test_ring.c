/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "tests/support/test.h"

#include "common/ring.h"
#include "common/rng.h"
#include "tests/support/fault.h"

#define SEED 20260101

/* Record number @i: a length and bytes that follow from the number. */
static size_t length_of(uint64_t i)
{
    return (size_t)(rng_mix64(i) % 200);
}

static void fill(char *bytes, uint64_t i)
{
    memset(bytes, (int)(i % 251), length_of(i));
}

static bool is_filled(const char *bytes, uint64_t i)
{
    for (size_t at = 0; at < length_of(i); at++)
        if ((uint8_t)bytes[at] != i % 251)
            return false;
    return true;
}

static bool put(struct ring *r, uint64_t i)
{
    char *room = ring_claim(r, length_of(i) + 50);      /* more than it needs in the end */

    if (!room)
        return false;
    assert_int_equal((uintptr_t)room % 8, 0);
    fill(room, i);
    ring_commit(r, length_of(i));
    return true;
}

static void test_empty_ring_has_nothing(void **state)
{
    struct ring r;

    (void)state;
    assert_int_equal(ring_init(&r, 1024), 0);
    assert_null(ring_peek(&r));
    assert_int_equal(ring_dropped(&r), 0);
    ring_deinit(&r);
}

static void test_claim_shows_nothing_before_its_commit(void **state)
{
    struct ring r;
    char *room;

    (void)state;
    assert_int_equal(ring_init(&r, 1024), 0);
    room = ring_claim(&r, 3);
    assert_non_null(room);
    memcpy(room, "abc", 3);
    assert_null(ring_peek(&r));
    ring_commit(&r, 3);
    assert_memory_equal(ring_peek(&r), "abc", 3);
    ring_release(&r);
    assert_null(ring_peek(&r));
    ring_deinit(&r);
}

static void test_full_ring_drops_and_counts(void **state)
{
    struct ring r;
    unsigned n = 0;

    (void)state;
    assert_int_equal(ring_init(&r, 1024), 0);
    while (ring_claim(&r, 56)) {
        ring_commit(&r, 56);
        n++;
    }
    assert_int_equal(n, 1024 / 64);
    assert_int_equal(ring_dropped(&r), 1);

    ring_release(&r);
    assert_non_null(ring_claim(&r, 56));
    assert_int_equal(ring_dropped(&r), 1);
    ring_deinit(&r);
}

static void test_record_larger_than_the_ring_is_dropped(void **state)
{
    struct ring r;

    (void)state;
    assert_int_equal(ring_init(&r, 256), 0);
    assert_null(ring_claim(&r, 256));
    assert_int_equal(ring_dropped(&r), 1);
    ring_deinit(&r);
}

static void test_ring_without_memory_drops_everything(void **state)
{
    struct ring r;

    (void)state;
    fault_arm(0);
    assert_int_equal(ring_init(&r, 1024), -ENOMEM);
    assert_true(fault_disarm());
    assert_null(ring_claim(&r, 8));
    assert_int_equal(ring_dropped(&r), 1);
    assert_null(ring_peek(&r));
    ring_deinit(&r);
}

/* Whatever is put and taken in whatever order: what comes out is what went in, wrapped or not. */
static void test_records_come_out_as_they_went_in(void **state)
{
    struct ring r;
    struct rng rng;
    uint64_t n_in = 0, n_out = 0, n_dropped = 0;

    (void)state;
    rng_seed(&rng, SEED);
    assert_int_equal(ring_init(&r, 4096), 0);
    while (n_in < 200000) {
        unsigned n = (unsigned)(rng_next_u64(&rng) % 40);

        for (; n > 0; n--) {
            if (put(&r, n_in))
                n_in++;
            else
                n_dropped++;
        }
        for (n = (unsigned)(rng_next_u64(&rng) % 40); n > 0; n--) {
            const char *bytes = ring_peek(&r);

            if (!bytes)
                break;
            if (!is_filled(bytes, n_out))
                fail_msg("seed %d: record %llu differs", SEED, (unsigned long long)n_out);
            ring_release(&r);
            n_out++;
        }
    }
    for (; ring_peek(&r); n_out++)
        ring_release(&r);
    assert_int_equal(n_out, n_in);
    assert_int_equal(ring_dropped(&r), n_dropped);
    assert_true(n_dropped > 0);
    ring_deinit(&r);
}

enum { N_THREADED = 200000 };

static void *write_all(void *arg)
{
    struct ring *r = arg;

    for (uint64_t i = 0; i < N_THREADED;) {
        char *room = ring_claim(r, length_of(i));

        if (!room) {
            (void)sched_yield();
            continue;
        }
        fill(room, i);
        ring_commit(r, length_of(i));
        i++;
    }
    return NULL;
}

static void test_one_thread_writes_while_another_reads(void **state)
{
    struct ring r;
    pthread_t writer;
    uint64_t n = 0, n_wrong = 0;

    (void)state;
    assert_int_equal(ring_init(&r, 4096), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_all, &r), 0);
    while (n < N_THREADED) {
        const char *bytes = ring_peek(&r);

        if (!bytes) {
            (void)sched_yield();
            continue;
        }
        n_wrong += !is_filled(bytes, n);
        ring_release(&r);
        n++;
    }
    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_int_equal(n_wrong, 0);
    assert_null(ring_peek(&r));
    ring_deinit(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_ring_has_nothing),
        cmocka_unit_test(test_claim_shows_nothing_before_its_commit),
        cmocka_unit_test(test_full_ring_drops_and_counts),
        cmocka_unit_test(test_record_larger_than_the_ring_is_dropped),
        cmocka_unit_test(test_ring_without_memory_drops_everything),
        cmocka_unit_test(test_records_come_out_as_they_went_in),
        cmocka_unit_test(test_one_thread_writes_while_another_reads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
