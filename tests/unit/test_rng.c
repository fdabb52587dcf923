/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "common/rng.h"

/* The kernel's answer: will_return() an errno, or 0 to go on to the real one. */
ssize_t __real_getrandom(void *buf, size_t len, unsigned flags);
ssize_t __wrap_getrandom(void *buf, size_t len, unsigned flags);

ssize_t __wrap_getrandom(void *buf, size_t len, unsigned flags)
{
    int error = mock_type(int);

    if (error == 0)
        return __real_getrandom(buf, len, flags);
    errno = error;
    return -1;
}

/* The numbers that the authors' xoshiro256starstar.c gives for the state 1, 2, 3, 4. */
static void test_next_gives_the_numbers_of_the_reference(void **state)
{
    static const uint64_t expected[] = {
        UINT64_C(11520), UINT64_C(0), UINT64_C(1509978240), UINT64_C(1215971899390074240),
        UINT64_C(1216172134540287360), UINT64_C(607988272756665600),
        UINT64_C(16172922978634559625), UINT64_C(8476171486693032832),
        UINT64_C(10595114339597558777), UINT64_C(2904607092377533576),
    };
    struct rng rng = {.s = {1, 2, 3, 4}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        assert_int_equal(rng_next_u64(&rng), expected[i]);
}

/* The numbers that the author's splitmix64.c gives for the seed 1234567. */
static void test_seed_gives_the_numbers_of_the_reference(void **state)
{
    static const uint64_t expected[] = {
        UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
        UINT64_C(9817491932198370423), UINT64_C(4593380528125082431),
    };
    struct rng rng;

    (void)state;
    rng_seed(&rng, 1234567);
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        assert_int_equal(rng.s[i], expected[i]);
}

static void test_kernel_seeds_differ(void **state)
{
    struct rng a, b;

    (void)state;
    will_return(__wrap_getrandom, EINTR);
    will_return_count(__wrap_getrandom, 0, 2);
    assert_int_equal(rng_seed_from_kernel(&a), 0);
    assert_int_equal(rng_seed_from_kernel(&b), 0);
    assert_memory_not_equal(&a, &b, sizeof(a));
}

static void test_kernel_failure_is_returned(void **state)
{
    struct rng rng = {.s = {1, 2, 3, 4}}, before = rng;

    (void)state;
    will_return(__wrap_getrandom, ENOSYS);
    assert_int_equal(rng_seed_from_kernel(&rng), -ENOSYS);
    assert_memory_equal(&rng, &before, sizeof(rng));
}

static int compare_uuids(const void *a, const void *b)
{
    return memcmp(a, b, 16);
}

static void test_uuids_have_their_version_and_variant_and_never_repeat(void **state)
{
    const size_t n = 1000000;
    uint8_t (*uuids)[16] = malloc(n * sizeof(*uuids));
    uint8_t ones[16] = {0}, zeros[16] = {0};
    struct rng rng;
    size_t n_bad = 0, n_same = 0;

    (void)state;
    assert_non_null(uuids);
    rng_seed(&rng, 1);
    for (size_t i = 0; i < n; i++) {
        rng_uuid4(&rng, uuids[i]);
        n_bad += uuids[i][6] >> 4 != 4 || uuids[i][8] >> 6 != 2;
        for (size_t k = 0; k < 16; k++) {
            ones[k] |= uuids[i][k];
            zeros[k] |= (uint8_t)~uuids[i][k];
        }
    }
    assert_int_equal(n_bad, 0);

    /* every other bit was both 0 and 1 */
    for (size_t k = 0; k < 16; k++)
        assert_int_equal(ones[k] & zeros[k], k == 6 ? 0x0f : k == 8 ? 0x3f : 0xff);

    qsort(uuids, n, sizeof(*uuids), compare_uuids);
    for (size_t i = 1; i < n; i++)
        n_same += compare_uuids(uuids[i - 1], uuids[i]) == 0;
    assert_int_equal(n_same, 0);
    free(uuids);
}

/* Mean and standard deviation of the distribution are both @mean, and exp(-1) of it is above; the
 * limits are five standard errors of 10^6 samples. */
static void test_exponential_has_its_mean_and_shape(void **state)
{
    const size_t n = 1000000;
    const double mean = 1e6;
    double sum = 0, squares = 0;
    size_t n_above = 0;
    struct rng rng;

    (void)state;
    rng_seed(&rng, 2);
    for (size_t i = 0; i < n; i++) {
        double x = rng_exponential(&rng, mean);

        assert_true(isfinite(x) && x >= 0);
        sum += x;
        squares += x * x;
        n_above += x > mean;
    }
    assert_true(fabs(sum / (double)n / mean - 1) < .005);
    assert_true(fabs(squares / (double)n / (2 * mean * mean) - 1) < .012);
    assert_true(fabs((double)n_above / (double)n - exp(-1)) < .0025);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_next_gives_the_numbers_of_the_reference),
        cmocka_unit_test(test_seed_gives_the_numbers_of_the_reference),
        cmocka_unit_test(test_kernel_seeds_differ),
        cmocka_unit_test(test_kernel_failure_is_returned),
        cmocka_unit_test(test_uuids_have_their_version_and_variant_and_never_repeat),
        cmocka_unit_test(test_exponential_has_its_mean_and_shape),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
