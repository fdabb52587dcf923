/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "common/rng.h"
#include "common/text.h"

#define SEED 47945

#define UUID "6ba7b810-9dad-11D1-80b4-00C04fd430c8"
#define REPLY "UUID: " UUID " received after 12.345678 seconds"

/* In memory of exactly that size, so that the sanitizer sees a read behind the end. */
static ssize_t parse_exact(const char *bytes, size_t len, struct text_reply *ret_reply)
{
    char *copy = malloc(len > 0 ? len : 1);
    ssize_t r;

    assert_non_null(copy);
    memcpy(copy, bytes, len);
    r = text_reply_parse(copy, len, ret_reply);
    if (r > 0)
        ret_reply->uuid = bytes + (ret_reply->uuid - copy);
    free(copy);
    return r;
}

static void test_uuid_is_matched_in_any_pieces(void **state)
{
    (void)state;
    for (size_t at = 0; at < TEXT_UUID_LEN; at++)
        for (size_t len = 0; at + len <= TEXT_UUID_LEN; len++)
            assert_int_equal(text_uuid_match(at, &UUID[at], len), len);
}

static void test_uuid_ends_after_36_characters(void **state)
{
    (void)state;
    assert_int_equal(text_uuid_match(0, UUID UUID, 2 * TEXT_UUID_LEN), TEXT_UUID_LEN);
    assert_int_equal(text_uuid_match(30, UUID UUID, TEXT_UUID_LEN), 6);
}

/* Each place takes either the dash or the 22 hexadecimal digits, and says where it stopped. */
static void test_uuid_stops_at_the_first_byte_that_cannot_belong(void **state)
{
    (void)state;
    for (size_t at = 0; at < TEXT_UUID_LEN; at++)
        for (int byte = 0; byte < 256; byte++) {
            bool dash = at == 8 || at == 13 || at == 18 || at == 23;
            bool fits = dash ? byte == '-' : byte != 0 && strchr("0123456789abcdefABCDEF", byte);
            char text[TEXT_UUID_LEN];
            size_t n;

            memcpy(text, UUID, sizeof(text));
            text[at] = (char)byte;
            n = text_uuid_match(0, text, sizeof(text));
            if (n != (fits ? TEXT_UUID_LEN : at))
                fail_msg("byte %d at %zu: %zu", byte, at, n);
        }
}

static void assert_formatted(uint64_t delta_us, const char *seconds)
{
    char got[TEXT_REPLY_MAX + 1], expected[128];

    (void)snprintf(expected, sizeof(expected), "UUID: " UUID " received after %s seconds", seconds);
    got[text_reply_format(got, UUID, delta_us)] = '\0';
    assert_string_equal(got, expected);
}

static void test_reply_has_six_decimals(void **state)
{
    (void)state;
    assert_formatted(0, "0.000000");
    assert_formatted(1, "0.000001");
    assert_formatted(999999, "0.999999");
    assert_formatted(1000000, "1.000000");
    assert_formatted(12345678, "12.345678");
    assert_formatted(UINT64_MAX, "18446744073709.551615");
}

static void test_reply_is_as_printf_would_write_it(void **state)
{
    char seconds[32];
    struct rng rng;

    (void)state;
    rng_seed(&rng, SEED);
    for (int i = 0; i < 10000; i++) {
        uint64_t delta = rng_next_u64(&rng) >> (rng_next_u64(&rng) % 64);

        (void)snprintf(seconds, sizeof(seconds), "%" PRIu64 ".%06" PRIu64, delta / 1000000,
                       delta % 1000000);
        assert_formatted(delta, seconds);
    }
}

/* A reply as short as most is taken in at once; with one more zero in front it says the same, and is
 * read step by step. Whatever byte is wrong, both ways see it. */
static void test_usual_reply_is_read_like_any_other(void **state)
{
    static const char usual[] = "UUID: " UUID " received after 9.345678 seconds";
    const size_t len = strlen(usual), delta_at = strlen("UUID: " UUID " received after ");

    (void)state;
    for (size_t at = 0; at < len; at++)
        for (int byte = 0; byte < 256; byte++) {
            struct text_reply reply = {.delta = 0}, longer_reply = {.delta = 0};
            char text[sizeof(usual)], longer[sizeof(usual) + 1];
            ssize_t r, longer_r;

            memcpy(text, usual, sizeof(text));
            text[at] = (char)byte;
            memcpy(longer, text, delta_at);
            longer[delta_at] = '0';
            memcpy(longer + delta_at + 1, text + delta_at, sizeof(text) - delta_at);

            r = parse_exact(text, len, &reply);
            longer_r = parse_exact(longer, len + 1, &longer_reply);
            if (r > 0)
                assert_int_equal(reply.delta, longer_reply.delta);
            if (longer_r != (r > 0 ? r + 1 : r) && !(at == delta_at && byte == '-'))
                fail_msg("byte %d at %zu: %zd, but %zd", byte, at, r, longer_r);
        }
}

static void test_reply_is_read_back(void **state)
{
    char text[TEXT_REPLY_MAX];
    struct rng rng;

    (void)state;
    rng_seed(&rng, SEED);
    for (int i = 0; i < 10000; i++) {
        uint64_t delta = (rng_next_u64(&rng) >> (rng_next_u64(&rng) % 64)) % 1000000000000000;
        size_t len = text_reply_format(text, UUID, delta);
        struct text_reply reply;

        assert_int_equal(parse_exact(text, len, &reply), len);
        assert_int_equal(reply.delta, delta * NSEC_PER_USEC);
        assert_ptr_equal(reply.uuid, text + strlen("UUID: "));
    }
}

static void test_reply_cut_anywhere_needs_more(void **state)
{
    struct text_reply reply;

    (void)state;
    for (size_t len = 0; len < strlen(REPLY); len++)
        if (parse_exact(REPLY, len, &reply) != TEXT_NEED_MORE)
            fail_msg("%zu bytes", len);
    assert_int_equal(parse_exact(REPLY, strlen(REPLY), &reply), strlen(REPLY));
}

static void test_reply_ends_where_the_next_begins(void **state)
{
    const char *both = REPLY REPLY;
    struct text_reply reply;

    (void)state;
    for (size_t len = strlen(REPLY); len <= strlen(both); len++)
        assert_int_equal(parse_exact(both, len, &reply), strlen(REPLY));
}

/* Every byte at every place: a digit for a digit is another reply, and so is a minus for the first
 * of the delta; a hexadecimal digit for one is another UUID, all else is none; and no part of it is
 * taken for a whole. */
static void test_reply_with_any_byte_changed(void **state)
{
    static const char form[] = "UUID: xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx received after sd.dddddd"
                               " seconds";
    struct text_reply reply;
    char text[sizeof(form)];

    (void)state;
    assert_int_equal(strlen(form), strlen(REPLY));
    for (size_t at = 0; at < strlen(REPLY); at++) {
        const char *class = form[at] == 'x'   ? "0123456789abcdefABCDEF"
                            : form[at] == 's' ? "-0123456789"
                                              : "0123456789";
        bool literal = REPLY[at] == form[at];

        for (int byte = 0; byte < 256; byte++) {
            bool fits = literal ? (char)byte == form[at] : byte != 0 && strchr(class, byte);
            ssize_t expected = fits ? (ssize_t)strlen(REPLY) : -EBADMSG;

            memcpy(text, REPLY, sizeof(text));
            text[at] = (char)byte;
            if (parse_exact(text, strlen(REPLY), &reply) != expected)
                fail_msg("byte %d at %zu", byte, at);
            for (size_t len = 0; len < strlen(REPLY); len++)
                if (parse_exact(text, len, &reply) > 0)
                    fail_msg("byte %d at %zu, cut to %zu", byte, at, len);
        }
    }
}

/* The client shows such a line as soon as it can tell, and does not wait for 36 characters. */
static void test_reply_that_cannot_be_one_is_refused_at_its_first_byte(void **state)
{
    struct text_reply reply;

    (void)state;
    assert_int_equal(parse_exact("E", 1, &reply), -EBADMSG);
    assert_int_equal(parse_exact("UUIE", 4, &reply), -EBADMSG);
    assert_int_equal(parse_exact("UUID: g", 7, &reply), -EBADMSG);
    assert_int_equal(parse_exact("\n", 1, &reply), -EBADMSG);
}

static void assert_delta(const char *seconds, ssize_t status, nsec_t delta)
{
    struct text_reply reply = {.delta = 7};
    char text[128];
    int len = snprintf(text, sizeof(text), "UUID: " UUID " received after %s seconds", seconds);

    assert_int_equal(parse_exact(text, (size_t)len, &reply), status < 0 ? status : len);
    assert_int_equal(reply.delta, status < 0 ? 7 : delta);
}

static void test_delta_has_one_form(void **state)
{
    (void)state;
    assert_delta("0.000001", 0, NSEC_PER_USEC);
    assert_delta("999999999.999999", 0, UINT64_C(999999999999999000));
    assert_delta("1000000000.000000", -EBADMSG, 0);
    assert_delta("18446744073709551616.000000", -EBADMSG, 0);
    assert_delta(".000001", -EBADMSG, 0);
    assert_delta("1.", -EBADMSG, 0);
    assert_delta("1.00000", -EBADMSG, 0);
    assert_delta("1.0000000", -EBADMSG, 0);
    assert_delta("1e-06", -EBADMSG, 0);
    assert_delta("nan", -EBADMSG, 0);
}

/* The clock of the original can be set back. */
static void test_delta_below_nothing_is_nothing(void **state)
{
    (void)state;
    assert_delta("-0.000001", 0, 0);
    assert_delta("-3599.999999", 0, 0);
    assert_delta("-", -EBADMSG, 0);
    assert_delta("--0.000001", -EBADMSG, 0);
    assert_delta("-.000001", -EBADMSG, 0);
    assert_delta("+0.000001", -EBADMSG, 0);
}

/* An original server gives a hello back as it would a UUID. */
static void test_echo_is_found_at_its_exact_length(void **state)
{
    static const char hello[] = "TCPTIMER hello\n";
    static const char echo[] = "UUID: TCPTIMER hello\n received after 0.000123 seconds";
    size_t len = sizeof(echo) - 1;

    (void)state;
    for (size_t n = 0; n < len; n++)
        assert_int_equal(text_echo_parse(echo, n, hello, sizeof(hello) - 1), TEXT_NEED_MORE);
    assert_int_equal(text_echo_parse(echo, len, hello, sizeof(hello) - 1), len);
    assert_int_equal(text_echo_parse(echo, len, hello, sizeof(hello) - 2), -EBADMSG);
    assert_int_equal(text_echo_parse(REPLY, strlen(REPLY), hello, sizeof(hello) - 1), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uuid_is_matched_in_any_pieces),
        cmocka_unit_test(test_uuid_ends_after_36_characters),
        cmocka_unit_test(test_uuid_stops_at_the_first_byte_that_cannot_belong),
        cmocka_unit_test(test_reply_has_six_decimals),
        cmocka_unit_test(test_reply_is_as_printf_would_write_it),
        cmocka_unit_test(test_usual_reply_is_read_like_any_other),
        cmocka_unit_test(test_reply_is_read_back),
        cmocka_unit_test(test_reply_cut_anywhere_needs_more),
        cmocka_unit_test(test_reply_ends_where_the_next_begins),
        cmocka_unit_test(test_reply_with_any_byte_changed),
        cmocka_unit_test(test_reply_that_cannot_be_one_is_refused_at_its_first_byte),
        cmocka_unit_test(test_delta_has_one_form),
        cmocka_unit_test(test_delta_below_nothing_is_nothing),
        cmocka_unit_test(test_echo_is_found_at_its_exact_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
