/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "tests/support/test.h"

#include "client/inflight.h"

/* The request numbered @seq has a UUID that begins with that number. */
static void push(struct inflight *f, uint64_t seq)
{
    struct request *q;

    assert_int_equal(inflight_push(f, &q), 0);
    q->seq = seq;
    q->due = seq * 100;
    q->uuid[0] = (uint8_t)seq;
}

static void push_and_send(struct inflight *f, uint64_t seq)
{
    push(f, seq);
    inflight_waiting(f)->sent = seq * 100 + 1;
    inflight_advance(f);
}

static ssize_t find(const struct inflight *f, uint8_t first)
{
    const uint8_t uuid[UUID_SIZE] = {first};

    return inflight_find(f, uuid);
}

static void test_a_request_waits_until_it_is_sent(void **state)
{
    struct inflight f = INFLIGHT_INIT;

    (void)state;
    push(&f, 1);
    push(&f, 2);
    assert_int_equal(inflight_n_sent(&f), 0);
    assert_int_equal(inflight_n_waiting(&f), 2);
    assert_int_equal(inflight_waiting(&f)->seq, 1);
    assert_int_equal(find(&f, 1), -ENOENT);     /* no reply can belong to what was not sent */

    inflight_advance(&f);
    assert_int_equal(inflight_n_sent(&f), 1);
    assert_int_equal(inflight_waiting(&f)->seq, 2);
    assert_int_equal(find(&f, 1), 0);
    inflight_deinit(&f);
}

static void test_newest_can_be_taken_back(void **state)
{
    struct inflight f = INFLIGHT_INIT;

    (void)state;
    push_and_send(&f, 1);
    push(&f, 2);
    push(&f, 3);
    assert_int_equal(inflight_drop_newest(&f)->seq, 3);
    assert_int_equal(inflight_n_waiting(&f), 1);
    assert_int_equal(inflight_waiting(&f)->seq, 2);
    assert_int_equal(inflight_drop_newest(&f)->seq, 2);
    assert_int_equal(inflight_n_waiting(&f), 0);
    assert_int_equal(inflight_n_sent(&f), 1);
    inflight_deinit(&f);
}

static void test_find_says_how_many_are_older(void **state)
{
    struct inflight f = INFLIGHT_INIT;

    (void)state;
    for (uint64_t seq = 1; seq <= 5; seq++)
        push_and_send(&f, seq);
    assert_int_equal(find(&f, 1), 0);
    assert_int_equal(find(&f, 4), 3);
    assert_int_equal(find(&f, 9), -ENOENT);

    inflight_pop(&f, 4);
    assert_int_equal(inflight_n_sent(&f), 1);
    assert_int_equal(find(&f, 5), 0);
    assert_int_equal(find(&f, 4), -ENOENT);
    inflight_deinit(&f);
}

/* The ring wraps and grows many times over with both kinds in it; the order must stay. */
static void test_order_survives_wrapping_and_growing(void **state)
{
    struct inflight f = INFLIGHT_INIT;
    uint64_t pushed = 0, popped = 0;

    (void)state;
    for (size_t round = 1; round < 60; round++) {
        for (size_t i = 0; i < round; i++) {
            push(&f, ++pushed);
            if (i % 3 != 0) {
                inflight_waiting(&f)->sent = 1;
                inflight_advance(&f);
            }
        }
        while (inflight_n_waiting(&f) > round / 2)
            inflight_advance(&f);
        while (inflight_n_sent(&f) > round / 3) {
            assert_int_equal(inflight_at(&f, 0)->seq, ++popped);
            assert_int_equal(inflight_at(&f, 0)->due, popped * 100);
            inflight_pop(&f, 1);
        }
        assert_int_equal(inflight_n_sent(&f) + inflight_n_waiting(&f), pushed - popped);
    }
    inflight_deinit(&f);
}

static void test_a_new_request_is_empty(void **state)
{
    struct inflight f = INFLIGHT_INIT;

    (void)state;
    for (uint64_t seq = 1; seq < 20; seq++) {
        push_and_send(&f, seq);
        inflight_at(&f, 0)->overdue = true;
        inflight_pop(&f, 1);
    }
    push(&f, 20);
    assert_false(inflight_waiting(&f)->overdue);
    assert_int_equal(inflight_waiting(&f)->sent, 0);
    inflight_deinit(&f);
}

static void test_rewind_makes_the_unanswered_wait_again_in_order(void **state)
{
    struct inflight f = INFLIGHT_INIT;

    (void)state;
    push_and_send(&f, 1);
    push_and_send(&f, 2);
    push(&f, 3);
    inflight_rewind(&f);
    assert_int_equal(inflight_n_sent(&f), 0);
    assert_int_equal(inflight_n_waiting(&f), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(inflight_at(&f, i)->seq, i + 1);
        assert_int_equal(inflight_at(&f, i)->due, (i + 1) * 100);
        assert_int_equal(inflight_at(&f, i)->sent, 0);
        assert_int_equal(inflight_at(&f, i)->resent, i < 2);
    }
    inflight_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_waits_until_it_is_sent),
        cmocka_unit_test(test_newest_can_be_taken_back),
        cmocka_unit_test(test_find_says_how_many_are_older),
        cmocka_unit_test(test_order_survives_wrapping_and_growing),
        cmocka_unit_test(test_a_new_request_is_empty),
        cmocka_unit_test(test_rewind_makes_the_unanswered_wait_again_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
