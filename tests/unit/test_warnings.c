/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"

#include "client/warnings.h"

#define START (5 * NSEC_PER_SEC)

/* What goes to stderr meanwhile; nothing may fail while it does, or nobody would see why. */
struct capture {
    FILE *real;
    char *text;
    size_t size;
};

static void capture_begin(struct capture *c)
{
    *c = (struct capture){.real = stderr};
    stderr = open_memstream(&c->text, &c->size);
}

static void capture_end(struct capture *c)
{
    (void)fclose(stderr);
    stderr = c->real;
}

static size_t count_lines(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void test_line_says_who_speaks(void **state)
{
    struct capture c;

    (void)state;
    capture_begin(&c);
    warnings_say("%d of %s", 3, "them");
    capture_end(&c);
    assert_string_equal(c.text, "tcptimer: 3 of them\n");
    free(c.text);
}

static void test_too_many_in_a_second_are_counted(void **state)
{
    struct warnings w = {.since = 0};
    struct capture c;

    (void)state;
    capture_begin(&c);
    for (nsec_t i = 0; i < 1000; i++)
        warnings_limited(&w, START + i, "lost");
    capture_end(&c);
    assert_int_equal(count_lines(c.text), 10);
    assert_null(strstr(c.text, "more lines"));
    free(c.text);

    capture_begin(&c);
    warnings_flush(&w);
    warnings_flush(&w);             /* nothing is told twice */
    capture_end(&c);
    assert_string_equal(c.text, "tcptimer: 990 more lines like these\n");
    free(c.text);
}

static void test_next_second_begins_with_what_was_held_back(void **state)
{
    struct warnings w = {.since = 0};
    struct capture c;

    (void)state;
    capture_begin(&c);
    for (nsec_t i = 0; i < 12; i++)
        warnings_limited(&w, START, "lost");
    warnings_limited(&w, START + NSEC_PER_SEC - 1, "lost");
    warnings_limited(&w, START + NSEC_PER_SEC, "again");
    capture_end(&c);
    assert_int_equal(count_lines(c.text), 12);
    assert_non_null(strstr(c.text, "lost\ntcptimer: 3 more lines like these\ntcptimer: again\n"));
    free(c.text);
}

static void test_few_lines_are_all_shown(void **state)
{
    struct warnings w = {.since = 0};
    struct capture c;

    (void)state;
    capture_begin(&c);
    for (nsec_t i = 0; i < 100; i++)
        warnings_limited(&w, START + i * NSEC_PER_SEC / 5, "100% lost");
    warnings_flush(&w);
    capture_end(&c);
    assert_int_equal(count_lines(c.text), 100);
    assert_null(strstr(c.text, "more lines"));
    assert_non_null(strstr(c.text, "tcptimer: 100% lost\n"));   /* no format */
    free(c.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_says_who_speaks),
        cmocka_unit_test(test_too_many_in_a_second_are_counted),
        cmocka_unit_test(test_next_second_begins_with_what_was_held_back),
        cmocka_unit_test(test_few_lines_are_all_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
