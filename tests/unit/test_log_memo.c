/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "daemon/log_memo.h"

#define SECOND (1700000000 * NSEC_PER_SEC)

static void test_time_is_written_as_if_there_were_no_memo(void **state)
{
    static const nsec_t times[] = {
        SECOND + 123456789, SECOND + 7000, SECOND + 999999999, SECOND, SECOND + NSEC_PER_SEC + 1000,
        SECOND, 0, 999, UINT64_MAX, UINT64_MAX - NSEC_PER_SEC,
    };
    struct log_memo *m = calloc(1, sizeof(*m));

    (void)state;
    assert_non_null(m);
    assert_int_equal(setenv("TZ", "XXX3:30", 1), 0);
    for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
        char anew[CLOCK_RFC3339_SIZE];

        clock_format_rfc3339(times[i], anew);
        assert_string_equal(log_memo_time(m, times[i]), anew);
    }
    free(m);
}

static struct addr_key client(uint16_t family, unsigned i)
{
    struct addr_key key = {.family = family, .port = (uint16_t)(40000 + i)};

    if (family == AF_UNIX)
        return (struct addr_key){.family = family};
    key.ip[10] = key.ip[11] = family == AF_INET ? 0xff : 0x20;
    key.ip[12] = 127;
    key.ip[15] = (uint8_t)(i % 7);
    return key;
}

/* More clients than there is room for, with the same ports at several addresses. */
static void test_clients_are_told_apart(void **state)
{
    static const uint16_t families[] = {AF_INET, AF_INET6, AF_UNIX};
    struct log_memo *m = calloc(1, sizeof(*m));

    (void)state;
    assert_non_null(m);
    for (unsigned i = 0; i < 8 * LOG_MEMO_CLIENTS; i++) {
        struct addr_key key = client(families[i % 3], i / 2 % (3 * LOG_MEMO_CLIENTS));
        char anew[ADDR_TEXT_SIZE];

        addr_key_format(&key, anew);
        assert_string_equal(log_memo_client(m, &key), anew);
        assert_string_equal(log_memo_client(m, &key), anew);
    }
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_is_written_as_if_there_were_no_memo),
        cmocka_unit_test(test_clients_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
