/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"

#include "client/worst.h"
#include "common/rng.h"

static void add(struct worst *w, uint64_t seq, nsec_t response)
{
    worst_add(w, &(struct worst_message){.seq = seq, .send = seq, .response = response});
}

static void test_list_has_the_largest_first(void **state)
{
    const struct worst_message *list;
    struct worst w;
    size_t n;

    (void)state;
    assert_int_equal(worst_init(&w, 5), 0);
    for (uint64_t i = 0; i < 1000; i++)
        add(&w, i, rng_mix64(i) % 1000000);
    add(&w, 1000, 2000000);

    list = worst_list(&w, &n);
    assert_int_equal(n, 5);
    assert_int_equal(list[0].seq, 1000);
    for (size_t i = 1; i < n; i++)
        assert_true(list[i - 1].response >= list[i].response);
    for (uint64_t i = 0; i < 1000; i++) {
        bool listed = false;

        for (size_t k = 0; k < n; k++)
            listed = listed || list[k].seq == i;
        assert_int_equal(listed, rng_mix64(i) % 1000000 >= list[4].response);
    }
    worst_deinit(&w);
}

static void test_list_does_not_disturb_what_follows(void **state)
{
    const struct worst_message *list;
    struct worst w;
    size_t n;

    (void)state;
    assert_int_equal(worst_init(&w, 3), 0);
    for (uint64_t i = 1; i <= 10; i++) {
        add(&w, i, i * 10);
        list = worst_list(&w, &n);
        assert_int_equal(list[0].response, i * 10);
    }
    assert_int_equal(n, 3);
    assert_int_equal(list[2].response, 80);
    worst_deinit(&w);
}

static void test_add_keeps_the_earlier_of_equals(void **state)
{
    const struct worst_message *list;
    struct worst w;
    size_t n;

    (void)state;
    assert_int_equal(worst_init(&w, 2), 0);
    for (uint64_t i = 1; i <= 5; i++)
        add(&w, i, 100);
    list = worst_list(&w, &n);
    assert_int_equal(n, 2);
    assert_int_equal(list[0].seq, 1);
    assert_int_equal(list[1].seq, 2);
    worst_deinit(&w);
}

static void test_none_are_kept_where_none_are_wanted(void **state)
{
    struct worst w;
    size_t n;

    (void)state;
    assert_int_equal(worst_init(&w, 0), 0);
    assert_false(worst_wants(&w, NSEC_PER_SEC));
    add(&w, 1, NSEC_PER_SEC);
    assert_null(worst_list(&w, &n));
    assert_int_equal(n, 0);
    worst_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_has_the_largest_first),
        cmocka_unit_test(test_list_does_not_disturb_what_follows),
        cmocka_unit_test(test_add_keeps_the_earlier_of_equals),
        cmocka_unit_test(test_none_are_kept_where_none_are_wanted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
