/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/test.h"

#include "client/json_writer.h"

struct fixture {
    struct json_writer w;
    char *text;
    size_t size;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->w.out = open_memstream(&f->text, &f->size);
    assert_non_null(f->w.out);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    (void)fclose(f->w.out);
    free(f->text);
    free(f);
    return 0;
}

static void assert_text(struct fixture *f, const char *expected)
{
    assert_int_equal(fflush(f->w.out), 0);
    assert_string_equal(f->text, expected);
}

static void test_commas_stand_between_values_only(void **state)
{
    struct fixture *f = *state;

    json_begin_object(&f->w, NULL);
    json_u64(&f->w, "a", 1);
    json_begin_array(&f->w, "b");
    json_end_array(&f->w);
    json_begin_array(&f->w, "c");
    json_i64(&f->w, NULL, -1);
    json_begin_object(&f->w, NULL);
    json_end_object(&f->w);
    json_null(&f->w, NULL);
    json_end_array(&f->w);
    json_bool(&f->w, "d", true);
    json_end_object(&f->w);
    assert_text(f, "{\"a\":1,\"b\":[],\"c\":[-1,{},null],\"d\":true}");
}

static void test_lines_are_documents_of_their_own(void **state)
{
    struct fixture *f = *state;

    for (uint64_t i = 0; i < 2; i++) {
        json_begin_object(&f->w, NULL);
        json_u64(&f->w, "n", i);
        json_end_object(&f->w);
        json_end_line(&f->w);
    }
    assert_text(f, "{\"n\":0}\n{\"n\":1}\n");
}

static void test_pretty_puts_each_value_on_its_line(void **state)
{
    struct fixture *f = *state;

    f->w.pretty = true;
    json_begin_object(&f->w, NULL);
    json_begin_object(&f->w, "a");
    json_u64(&f->w, "b", 1);
    json_u64(&f->w, "c", 2);
    json_end_object(&f->w);
    json_begin_object(&f->w, "d");
    json_end_object(&f->w);
    json_end_object(&f->w);
    assert_text(f, "{\n  \"a\": {\n    \"b\": 1,\n    \"c\": 2\n  },\n  \"d\": {}\n}");
}

static void test_numbers_keep_their_value(void **state)
{
    struct fixture *f = *state;

    json_begin_array(&f->w, NULL);
    json_u64(&f->w, NULL, UINT64_MAX);
    json_i64(&f->w, NULL, INT64_MIN);
    json_double(&f->w, NULL, 0.1);
    json_double(&f->w, NULL, 1.0 / 3);
    json_double(&f->w, NULL, 35);
    json_end_array(&f->w);
    assert_text(f, "[18446744073709551615,-9223372036854775808,0.1,0.3333333333333333,35]");
}

static void test_what_is_no_number_is_null(void **state)
{
    struct fixture *f = *state;

    json_begin_array(&f->w, NULL);
    json_double(&f->w, NULL, NAN);
    json_double(&f->w, NULL, INFINITY);
    json_string(&f->w, NULL, NULL);
    json_end_array(&f->w);
    assert_text(f, "[null,null,null]");
}

static void test_strings_are_escaped(void **state)
{
    struct fixture *f = *state;

    json_string(&f->w, NULL, "a\"b\\c\n\x01\x7f/");
    assert_text(f, "\"a\\\"b\\\\c\\u000a\\u0001\\u007f/\"");
}

static void test_utf8_stays_and_other_bytes_are_replaced(void **state)
{
    struct fixture *f = *state;

    json_begin_array(&f->w, NULL);
    json_string(&f->w, NULL, "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
    json_string(&f->w, NULL, "\xff" "a\xc3");               /* never valid; cut short by the end */
    json_string(&f->w, NULL, "\xc0\xaf");                   /* a longer form than needed */
    json_string(&f->w, NULL, "\xed\xa0\x80");               /* half of a surrogate pair */
    json_end_array(&f->w);
    assert_text(f, "[\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\",\"\\ufffda\\ufffd\","
                   "\"\\ufffd\\ufffd\",\"\\ufffd\\ufffd\\ufffd\"]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_commas_stand_between_values_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lines_are_documents_of_their_own, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pretty_puts_each_value_on_its_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_numbers_keep_their_value, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_no_number_is_null, setup, teardown),
        cmocka_unit_test_setup_teardown(test_strings_are_escaped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_utf8_stays_and_other_bytes_are_replaced, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
