/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/test.h"

#include "common/lookout.h"

#define MS NSEC_PER_MSEC
#define US NSEC_PER_USEC
#define START (1000 * NSEC_PER_SEC)

/* One that the program does not have. */
#define SCHEDSTAT_FD 9999

/* The way up from the call to user space that is allowed for. */
#define WAY_UP (100 * US)

static nsec_t run_delay;        /* as the kernel counts it; NSEC_NEVER = it does not */
static unsigned n_reads;

int __wrap_open(const char *path, int flags, ...);
ssize_t __wrap_pread(int fd, void *buf, size_t len, off_t offset);

int __wrap_open(const char *path, int flags, ...)
{
    assert_string_equal(path, "/proc/thread-self/schedstat");
    (void)flags;
    return SCHEDSTAT_FD;
}

ssize_t __wrap_pread(int fd, void *buf, size_t len, off_t offset)
{
    assert_int_equal(fd, SCHEDSTAT_FD);
    assert_int_equal(offset, 0);
    n_reads++;
    if (run_delay == NSEC_NEVER)
        return 0;
    return snprintf(buf, len, "123456 %llu 77\n", (unsigned long long)run_delay);
}

static struct lookout init(void)
{
    struct lookout l;

    run_delay = 5 * MS;
    n_reads = 0;
    lookout_init(&l);
    return l;
}

static void test_what_woke_a_sleeper_came_just_now(void **state)
{
    struct lookout l = init();

    (void)state;
    lookout_sleep(&l, START);
    lookout_wake(&l, START + 10 * MS);
    assert_int_equal(lookout_earliest(&l, START - MS), START + 10 * MS - WAY_UP);
}

static void test_waiting_for_a_cpu_counts(void **state)
{
    struct lookout l = init();

    (void)state;
    lookout_sleep(&l, START);
    run_delay += 3 * MS;
    lookout_wake(&l, START + 10 * MS);
    assert_int_equal(lookout_earliest(&l, START - MS), START + 7 * MS - WAY_UP);
}

/* It waited for a CPU for all that time: it may have been called at once. */
static void test_no_sleep_proves_nothing(void **state)
{
    struct lookout l = init();

    (void)state;
    lookout_sleep(&l, START);
    run_delay += 10 * MS;
    lookout_wake(&l, START + 10 * MS);
    assert_int_equal(lookout_earliest(&l, START - MS), START - MS);
}

static void test_interrupted_sleep_proves_nothing(void **state)
{
    struct lookout l = init();

    (void)state;
    lookout_sleep(&l, START);
    lookout_wake(&l, START + MS);
    lookout_sleep(&l, START + 2 * MS);
    assert_int_equal(lookout_earliest(&l, START), START);
}

static void test_without_schedstat_nothing_is_proved(void **state)
{
    struct lookout l = init();

    (void)state;
    run_delay = NSEC_NEVER;
    lookout_sleep(&l, START);
    lookout_wake(&l, START + 10 * MS);
    assert_int_equal(lookout_earliest(&l, START), START);
}

static void test_better_bound_is_kept(void **state)
{
    struct lookout l = init();
    nsec_t known = START + 10 * MS - 50 * US;

    (void)state;
    lookout_sleep(&l, START);
    lookout_wake(&l, START + 10 * MS);
    assert_int_equal(lookout_earliest(&l, known), known);
}

/* Reading costs a microsecond: once a millisecond, and once for a sleep that is asked about. */
static void test_reads_are_few(void **state)
{
    struct lookout l = init();

    (void)state;
    for (nsec_t t = START; t < START + MS; t += 10 * US) {
        lookout_sleep(&l, t);
        lookout_wake(&l, t + 5 * US);
        assert_int_equal(lookout_earliest(&l, t - 5 * US), t - 5 * US);
    }
    assert_int_equal(n_reads, 1);

    lookout_sleep(&l, START + MS);
    lookout_wake(&l, START + 2 * MS);
    (void)lookout_earliest(&l, START);
    (void)lookout_earliest(&l, START);
    assert_int_equal(n_reads, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_woke_a_sleeper_came_just_now),
        cmocka_unit_test(test_waiting_for_a_cpu_counts),
        cmocka_unit_test(test_no_sleep_proves_nothing),
        cmocka_unit_test(test_interrupted_sleep_proves_nothing),
        cmocka_unit_test(test_without_schedstat_nothing_is_proved),
        cmocka_unit_test(test_better_bound_is_kept),
        cmocka_unit_test(test_reads_are_few),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
