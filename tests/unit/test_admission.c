/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "tests/support/test.h"

#include "common/rng.h"
#include "daemon/admission.h"
#include "tests/support/fault.h"

#define SEED 47945

static struct admission admission;

static int setup(void **state)
{
    admission_init(&admission, SEED);
    *state = &admission;
    return 0;
}

static int teardown(void **state)
{
    admission_deinit(*state);       /* asserts that nobody is left */
    return 0;
}

static struct addr_key v4(uint8_t last, uint16_t port)
{
    return (struct addr_key){.ip = {[10] = 0xff, [11] = 0xff, 192, 0, 2, last}, .port = port,
                             .family = AF_INET};
}

static void test_limit_in_all_holds_and_is_given_back(void **state)
{
    struct admission *a = *state;
    struct origin *first, *second, *third;
    struct addr_key one = v4(1, 1), two = v4(2, 1);

    assert_int_equal(admission_enter(a, &one, 2, 0, &first), 0);
    assert_int_equal(admission_enter(a, &two, 2, 0, &second), 0);
    assert_int_equal(admission_enter(a, &one, 2, 0, &third), ADMISSION_FULL);
    admission_leave(a, second);
    assert_int_equal(admission_enter(a, &one, 2, 0, &third), 0);
    admission_leave(a, first);
    admission_leave(a, third);
}

static void test_limit_for_a_source_counts_all_its_ports(void **state)
{
    struct admission *a = *state;
    struct origin *first, *second, *other;
    struct addr_key keys[] = {v4(1, 1), v4(1, 2), v4(1, 3), v4(2, 1)};

    assert_int_equal(admission_enter(a, &keys[0], 100, 2, &first), 0);
    assert_int_equal(admission_enter(a, &keys[1], 100, 2, &second), 0);
    assert_ptr_equal(first, second);
    assert_int_equal(admission_enter(a, &keys[2], 100, 2, &other), ADMISSION_SOURCE_FULL);
    assert_int_equal(admission_enter(a, &keys[3], 100, 2, &other), 0);
    admission_leave(a, other);
    admission_leave(a, first);
    assert_int_equal(admission_enter(a, &keys[2], 100, 2, &first), 0);
    admission_leave(a, first);
    admission_leave(a, second);
}

/* The same host through an IPv6 socket and an IPv4 one. */
static void test_mapped_address_is_the_ipv4_one(void **state)
{
    struct admission *a = *state;
    struct addr mapped = {.in6 = {.sin6_family = AF_INET6, .sin6_port = 5}};
    struct addr plain = {.in = {.sin_family = AF_INET, .sin_port = 6}};
    struct addr_key keys[2];
    struct origin *first, *second;
    const uint8_t ip[] = {192, 0, 2, 1};

    mapped.in6.sin6_addr.s6_addr[10] = mapped.in6.sin6_addr.s6_addr[11] = 0xff;
    memcpy(mapped.in6.sin6_addr.s6_addr + 12, ip, 4);
    memcpy(&plain.in.sin_addr, ip, 4);
    keys[0] = addr_key_from(&mapped);
    keys[1] = addr_key_from(&plain);
    assert_int_equal(admission_enter(a, &keys[0], 100, 1, &first), 0);
    assert_int_equal(admission_enter(a, &keys[1], 100, 1, &second), ADMISSION_SOURCE_FULL);
    admission_leave(a, first);
}

static void test_limit_that_was_lowered_sends_nobody_away(void **state)
{
    struct admission *a = *state;
    struct addr_key key = v4(1, 1);
    struct origin *origins[3], *one_more;

    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(admission_enter(a, &key, 3, 0, &origins[i]), 0);
    assert_int_equal(admission_enter(a, &key, 1, 1, &one_more), ADMISSION_FULL);
    for (unsigned i = 0; i < 3; i++)
        admission_leave(a, origins[i]);
    assert_int_equal(admission_enter(a, &key, 1, 1, &one_more), 0);
    admission_leave(a, one_more);
}

static void test_lack_of_memory_is_an_error_and_counts_nobody(void **state)
{
    struct admission *a = *state;
    struct addr_key key = v4(1, 1);
    struct origin *origin;

    fault_arm(0);
    assert_int_equal(admission_enter(a, &key, 3, 0, &origin), -ENOMEM);
    assert_true(fault_disarm());
    assert_int_equal(a->n_clients, 0);
    assert_int_equal(admission_enter(a, &key, 1, 1, &origin), 0);
    admission_leave(a, origin);
}

/* Random comings and goings of many sources, with chains in the buckets. */
static void test_counts_stay_right(void **state)
{
    enum { N_SOURCES = 3000, LIMIT = 3 };
    static struct origin *inside[N_SOURCES][LIMIT];
    static unsigned n_inside[N_SOURCES];
    struct admission *a = *state;
    struct rng rng;
    unsigned n = 0;

    rng_seed(&rng, SEED);
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t random = rng_next_u64(&rng);
        unsigned source = (unsigned)(random % N_SOURCES);
        struct addr_key key = {.family = AF_INET6, .ip = {0x20, 0x01, [14] = (uint8_t)(source >> 8),
                                                          [15] = (uint8_t)source}};

        if (random >> 40 & 1) {
            struct origin *origin;
            int r = admission_enter(a, &key, UINT32_MAX, LIMIT, &origin);

            if (r != (n_inside[source] == LIMIT ? ADMISSION_SOURCE_FULL : 0))
                fail_msg("seed %d, step %u: %d with %u inside", SEED, i, r, n_inside[source]);
            if (r == 0) {
                inside[source][n_inside[source]++] = origin;
                n++;
            }
        } else if (n_inside[source] > 0) {
            admission_leave(a, inside[source][--n_inside[source]]);
            n--;
        }
        assert_int_equal(a->n_clients, n);
    }
    for (unsigned source = 0; source < N_SOURCES; source++)
        while (n_inside[source] > 0)
            admission_leave(a, inside[source][--n_inside[source]]);
}

static void *come_and_go(void *arg)
{
    struct admission *a = arg;

    for (unsigned i = 0; i < 2000; i++) {
        struct addr_key key = v4((uint8_t)(i % 4), 1);
        struct origin *origin;

        if (admission_enter(a, &key, 3, 2, &origin) == 0)
            admission_leave(a, origin);
    }
    return NULL;
}

static void test_threads_come_and_go(void **state)
{
    struct admission *a = *state;
    pthread_t threads[4];

    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, a), 0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(a->n_clients, 0);
}

#define IN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_limit_in_all_holds_and_is_given_back),
        IN(test_limit_for_a_source_counts_all_its_ports),
        IN(test_mapped_address_is_the_ipv4_one),
        IN(test_limit_that_was_lowered_sends_nobody_away),
        IN(test_lack_of_memory_is_an_error_and_counts_nobody),
        IN(test_counts_stay_right),
        IN(test_threads_come_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
