/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"

#include "client/options.h"
#include "common/base.h"

#define ARGS_MAX 64

static char why[OPTIONS_ERROR_SIZE];

/* @line is cut at its spaces; the parts have to outlive the options. */
static int parse(struct options *ret, const char *line)
{
    static char copy[1024];
    char *argv[ARGS_MAX] = {copy};
    int argc = 1;

    (void)snprintf(copy, sizeof(copy), "tcptimer %s", line);
    copy[strlen("tcptimer")] = '\0';
    for (char *part = strtok(copy + strlen("tcptimer") + 1, " "); part; part = strtok(NULL, " "))
        argv[argc++] = part;
    why[0] = '\0';
    return options_parse(argc, argv, ret, why);
}

static struct options parse_good(const char *line)
{
    struct options o;

    if (parse(&o, line) != 0)
        fail_msg("'%s' was refused: %s", line, why);
    return o;
}

static void assert_refused(const char *line, const char *words)
{
    struct options o;

    assert_int_equal(parse(&o, line), -EINVAL);
    if (!strstr(why, words))
        fail_msg("'%s' was refused with \"%s\", without \"%s\"", line, why, words);
}

static void test_no_options_is_ping(void **state)
{
    struct options o = parse_good("");

    (void)state;
    assert_string_equal(o.host, "127.0.0.1");
    assert_int_equal(o.port, 47945);
    assert_true(options_endless(&o));
    assert_int_equal(o.arrivals, ARRIVALS_FIXED);
    assert_true(o.interval == 1e9);
    assert_int_equal(o.timeout, 5 * NSEC_PER_SEC);
    assert_int_equal(o.connections, 1);
    assert_int_equal(o.threads, 1);
    assert_int_equal(o.output, OUTPUT_TEXT);
    assert_int_equal(o.worst, 10);
    assert_int_equal(o.n_percentiles, 5);
    assert_string_equal(o.percentiles[4].name, "99.9");
}

static void test_count_alone_is_a_closed_loop(void **state)
{
    static const char *const lines[] = {"-c 10", "--count 10", "--num-msgs 10", "--num_msgs=10",
                                        "-c 10 -i 0"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        struct options o = parse_good(lines[i]);

        assert_int_equal(o.count, 10);
        assert_int_equal(o.arrivals, ARRIVALS_CLOSED);
        assert_false(options_endless(&o));
    }
}

static void test_interval_and_rate_make_an_open_loop(void **state)
{
    struct options o = parse_good("-c 10 -i 10ms");

    (void)state;
    assert_int_equal(o.arrivals, ARRIVALS_FIXED);
    assert_true(o.interval == 1e7);
    o = parse_good("-r 30000 --arrivals poisson");
    assert_int_equal(o.arrivals, ARRIVALS_POISSON);
    assert_true(o.interval == 1e9 / 30000);
    o = parse_good("-i 0");
    assert_int_equal(o.arrivals, ARRIVALS_CLOSED);
    assert_true(options_endless(&o));
    o = parse_good("-w 2");
    assert_int_equal(o.arrivals, ARRIVALS_FIXED);
    assert_int_equal(o.duration, 2 * NSEC_PER_SEC);
    assert_false(options_endless(&o));
}

static void test_host_may_stand_anywhere_or_be_an_option(void **state)
{
    (void)state;
    assert_string_equal(parse_good("example.org:80 -c 1").host, "example.org:80");
    assert_string_equal(parse_good("-c 1 [::1]:80").host, "[::1]:80");
    assert_string_equal(parse_good("--host ::1 -p 80").host, "::1");
    assert_int_equal(parse_good("--host ::1 -p 80").port, 80);
}

/* A server of the original kind cannot do what was asked for, and must not seem to. */
static void test_a_payload_asks_for_the_native_protocol(void **state)
{
    (void)state;
    assert_int_equal(parse_good("-c 1").protocol, PROTOCOL_AUTO);
    assert_int_equal(parse_good("-c 1 -s 10").protocol, PROTOCOL_NATIVE);
    assert_int_equal(parse_good("-c 1 --reply-size 10").protocol, PROTOCOL_NATIVE);
}

static void test_a_connection_for_each_message_carries_one_at_once(void **state)
{
    (void)state;
    assert_int_equal(parse_good("--connect -r 100").in_flight, 1);
    assert_int_equal(parse_good("--connect -r 100").protocol, PROTOCOL_TEXT);
    assert_int_equal(parse_good("--connect -r 100 -s 10").protocol, PROTOCOL_NATIVE);
    assert_int_equal(parse_good("--connect --protocol native").protocol, PROTOCOL_NATIVE);
}

static void test_values_are_taken_as_given(void **state)
{
    struct options o = parse_good(
        "-c 100 -r 5 -W 250ms -P 8 --threads 2 --in-flight 16 -s 1K --reply-size 64K -O 10 "
        "--busy-poll -4 -I 127.0.0.2 --cport 5000 --dscp ef --nagle --protocol native "
        "--percentiles 50,99.99 --worst 3 -q --hgrm out.hgrm --log-file=log --fail-if p99>5ms");

    (void)state;
    assert_int_equal(o.timeout, 250 * NSEC_PER_MSEC);
    assert_int_equal(o.connections, 8);
    assert_int_equal(o.threads, 2);
    assert_int_equal(o.in_flight, 16);
    assert_int_equal(o.size, 1024);
    assert_int_equal(o.reply_size, 65536);
    assert_int_equal(o.omit_count, 10);
    assert_int_equal(o.omit_duration, 0);
    assert_int_equal(o.busy_poll, 100 * NSEC_PER_USEC);
    assert_int_equal(o.family, AF_INET);
    assert_string_equal(o.source, "127.0.0.2");
    assert_int_equal(o.source_port, 5000);
    assert_int_equal(o.dscp, 46);
    assert_true(o.nagle);
    assert_int_equal(o.protocol, PROTOCOL_NATIVE);
    assert_int_equal(o.n_percentiles, 2);
    assert_string_equal(o.percentiles[1].name, "99.99");
    assert_int_equal(o.worst, 3);
    assert_true(o.quiet);
    assert_string_equal(o.hgrm_path, "out.hgrm");
    assert_true(o.log);
    assert_string_equal(o.log_path, "log");
    assert_int_equal(o.slo.n_conditions, 1);
    assert_string_equal(o.slo.conditions[0].text, "p99>5ms");
}

static void test_optional_values_have_defaults(void **state)
{
    struct options o = parse_good("--busy-poll=20us --log-file -O 2s -w 5");

    (void)state;
    assert_int_equal(o.busy_poll, 20 * NSEC_PER_USEC);
    assert_true(o.log);
    assert_null(o.log_path);
    assert_int_equal(o.omit_duration, 2 * NSEC_PER_SEC);
}

static void test_outputs_are_chosen_by_name(void **state)
{
    (void)state;
    assert_int_equal(parse_good("-J").output, OUTPUT_JSON);
    assert_int_equal(parse_good("--json").output, OUTPUT_JSON);
    assert_int_equal(parse_good("--json-stream").output, OUTPUT_JSON_STREAM);
    assert_int_equal(parse_good("--csv").output, OUTPUT_CSV);
}

static void test_help_and_version_end_the_reading(void **state)
{
    struct options o;

    (void)state;
    assert_int_equal(parse(&o, "-h --nonsense"), OPTIONS_HELP);
    assert_int_equal(parse(&o, "--version"), OPTIONS_VERSION);
}

static void test_bad_values_are_named_with_what_was_expected(void **state)
{
    (void)state;
    assert_refused("-c 0", "--count '0': expected a number of messages, at least 1");
    assert_refused("--in-flight 1000001", "1 to 1000000");
    assert_refused("--percentiles 100", "below 100");
    assert_refused("-c ten", "--count 'ten'");
    assert_refused("--num_msgs -1", "--num_msgs '-1'");
    assert_refused("-i 10xs", "--interval '10xs': expected a duration");
    assert_refused("-w 0", "--duration '0'");
    assert_refused("-r 0", "--rate '0'");
    assert_refused("-W 0", "--timeout '0'");
    assert_refused("--in-flight 0", "--in-flight '0'");
    assert_refused("-P 0", "--connections '0'");
    assert_refused("-p 65536", "--port '65536': expected a port");
    assert_refused("-s 65537", "--size '65537': expected a size, at most 64K");
    assert_refused("--dscp 64", "--dscp '64'");
    assert_refused("--dscp xx", "--dscp 'xx'");
    assert_refused("--protocol http", "--protocol 'http': expected auto, native or text");
    assert_refused("--arrivals never -r 1", "--arrivals 'never'");
    assert_refused("--percentiles 50,,99", "--percentiles '50,,99'");
    assert_refused("--percentiles 50,50.0", "each once");
    assert_refused("--omit 5x", "--omit '5x'");
    assert_refused("--fail-if p99", "--fail-if 'p99': 'p99': expected");
}

static void test_unknown_options_are_named(void **state)
{
    (void)state;
    assert_refused("--nonsense", "--nonsense: no such option");
    assert_refused("-Z", "-Z: no such option");
    assert_refused("-c", "--count: expected a number of messages");
    assert_refused("--json=1", "--json: expected no argument");
    assert_refused("--co 5", "--co: no such option, or not clear which");
}

static void test_contradictions_are_refused(void **state)
{
    (void)state;
    assert_refused("-i 1 -r 1", "--interval and --rate say the same");
    assert_refused("-J --csv", "one output only");
    assert_refused("--json-stream --json", "one output only");
    assert_refused("-4 -6", "not together");
    assert_refused("-q -v", "--quiet and --verbose");
    assert_refused("-c 1 --arrivals poisson", "--arrivals: expected a --rate or an --interval");
    assert_refused("-i 0 --arrivals poisson", "--arrivals: expected a --rate or an --interval");
    assert_refused("--threads 2", "at most as many as --connections (1)");
    assert_refused("--protocol text -s 10", "--size: the text protocol has no payload");
    assert_refused("--protocol text --reply-size 10", "--reply-size: the text protocol");
    assert_refused("--connect --in-flight 2", "expected 1 with --connect");
    assert_refused("-c 10 -O 10", "--omit '10': expected fewer than --count (10)");
    assert_refused("-w 1 -O 1s", "--omit: expected less than --duration");
    assert_refused("--cport 65530 -P 10", "--cport '65530': expected room for 10 ports");
    assert_refused("a b", "'b': expected one HOST");
    assert_refused("--host a b", "'b': expected one HOST");
}

/* The output that was asked for has to be known to report the error in it. */
static void test_output_is_known_after_an_error(void **state)
{
    struct options o;

    (void)state;
    assert_int_equal(parse(&o, "-J -c 0"), -EINVAL);
    assert_int_equal(o.output, OUTPUT_JSON);
    assert_string_equal(o.host, "127.0.0.1");
}

static void test_help_names_every_option_and_fits_the_width(void **state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    struct option_info info;
    size_t n_lines = 0;

    (void)state;
    assert_non_null(f);
    options_print_help(f);
    assert_int_equal(fclose(f), 0);
    for (size_t i = 0; options_describe(i, &info); i++) {
        char name[64];

        (void)snprintf(name, sizeof(name), "--%s", info.name);
        if (info.help && !strstr(text, name))
            fail_msg("--help does not name %s", name);
    }
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        n_lines++;
        if (strlen(line) > 80)
            fail_msg("more than 80 columns: %s", line);
    }
    assert_true(n_lines < 45);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_options_is_ping),
        cmocka_unit_test(test_count_alone_is_a_closed_loop),
        cmocka_unit_test(test_interval_and_rate_make_an_open_loop),
        cmocka_unit_test(test_host_may_stand_anywhere_or_be_an_option),
        cmocka_unit_test(test_a_payload_asks_for_the_native_protocol),
        cmocka_unit_test(test_a_connection_for_each_message_carries_one_at_once),
        cmocka_unit_test(test_values_are_taken_as_given),
        cmocka_unit_test(test_optional_values_have_defaults),
        cmocka_unit_test(test_outputs_are_chosen_by_name),
        cmocka_unit_test(test_help_and_version_end_the_reading),
        cmocka_unit_test(test_bad_values_are_named_with_what_was_expected),
        cmocka_unit_test(test_unknown_options_are_named),
        cmocka_unit_test(test_contradictions_are_refused),
        cmocka_unit_test(test_output_is_known_after_an_error),
        cmocka_unit_test(test_help_names_every_option_and_fits_the_width),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
