/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"

#include "daemon/memo.h"

static void test_text_is_what_was_printed(void **state)
{
    struct memo m = MEMO_INIT;

    (void)state;
    assert_int_equal(memo_open(&m), 0);
    (void)fprintf(m.to, "one %d", 1);
    (void)fputs(", two", m.to);
    assert_string_equal(memo_read(&m), "one 1, two");
    memo_deinit(&m);
    memo_deinit(&m);                /* once more does no harm */
}

static void test_nothing_printed_is_an_empty_text(void **state)
{
    struct memo m = MEMO_INIT;

    (void)state;
    assert_int_equal(memo_open(&m), 0);
    assert_string_equal(memo_read(&m), "");
    memo_deinit(&m);
}

/* The sanitizers see what leaks. */
static void test_memo_that_nobody_reads_frees_itself(void **state)
{
    struct memo m = MEMO_INIT, never = MEMO_INIT;

    (void)state;
    assert_int_equal(memo_open(&m), 0);
    (void)fputs("in vain", m.to);
    memo_deinit(&m);
    memo_deinit(&never);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_what_was_printed),
        cmocka_unit_test(test_nothing_printed_is_an_empty_text),
        cmocka_unit_test(test_memo_that_nobody_reads_frees_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
