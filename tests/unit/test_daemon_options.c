/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "daemon/options.h"
#include "tests/support/fault.h"

struct fixture {
    struct options options;
    struct config config;
    char path[32];                  /* of a configuration file, empty at first */
    char faults[1024];
};

static struct fixture fixture;

static int setup(void **state)
{
    struct fixture *f = &fixture;
    int fd;

    *f = (struct fixture){.options = OPTIONS_INIT, .config = CONFIG_INIT,
                          .path = "/tmp/tcptimer-options.XXXXXX"};
    fd = mkstemp(f->path);
    assert_true(fd >= 0);
    fd_closep(&fd);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    options_deinit(&f->options);
    config_deinit(&f->config);
    (void)unlink(f->path);
    return 0;
}

#define ARGS_MAX 32

static int parse(struct fixture *f, const char **argv)
{
    FILE *to = fmemopen(f->faults, sizeof(f->faults), "w");
    char *args[ARGS_MAX];           /* of main()'s type; nobody writes to what they point to */
    int argc = 0, r;

    while (argv[argc])
        argc++;
    assert_in_range(argc, 1, ARGS_MAX - 1);
    memcpy(args, argv, ((size_t)argc + 1) * sizeof(*args));
    options_deinit(&f->options);
    f->options = OPTIONS_INIT;
    r = options_parse(&f->options, argc, args, to);
    assert_int_equal(fclose(to), 0);
    return r;
}

#define PARSE(f, ...) parse(f, (const char *[]){"tcptimerd", __VA_ARGS__, NULL})

static int load(struct fixture *f)
{
    FILE *to = fmemopen(f->faults, sizeof(f->faults), "w");
    int r;

    config_deinit(&f->config);
    f->config = CONFIG_INIT;
    r = options_load(&f->options, &f->config, to);
    assert_int_equal(fclose(to), 0);
    return r;
}

static void write_file(struct fixture *f, const char *text)
{
    FILE *file = fopen(f->path, "we");

    assert_non_null(file);
    (void)fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void test_nothing_means_run_with_the_defaults(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(parse(f, (const char *[]){"tcptimerd", NULL}), 0);
    assert_int_equal(f->options.action, OPTIONS_RUN);
    assert_false(f->options.path_is_given);
    assert_non_null(f->options.path);
}

/* A name that is too long stands for all that cannot be looked at, also as root. */
static void test_default_file_that_cannot_be_looked_at_is_a_fault(void **state)
{
    struct fixture *f = *state;
    char path[512];

    memset(path, 'x', sizeof(path) - 1);
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(PARSE(f, "--workers=1"), 0);
    f->options.path = path;
    assert_int_equal(load(f), -ENAMETOOLONG);
    assert_non_null(strstr(f->faults, "File name too long"));

    f->options.path = "/dev/null/x";
    assert_int_equal(load(f), 0);
}

static void test_every_key_is_an_option(void **state)
{
    struct fixture *f = *state;
    const struct config_key *k;

    for (size_t n = 0; (k = config_key(n)); n++) {
        char option[64];

        (void)snprintf(option, sizeof(option), "--%s=x", k->name);
        for (char *p = option; (p = strchr(p, '_'));)
            *p = '-';
        assert_int_equal(PARSE(f, option), 0);
        assert_int_equal(f->options.n_settings, 1);
        assert_string_equal(f->options.settings[0].key, k->name);
        assert_string_equal(f->options.settings[0].value, "x");
    }
}

static void test_option_wins_over_the_file(void **state)
{
    struct fixture *f = *state;

    write_file(f, "max_clients = 1\nworkers = 2\nlisten = 127.0.0.1:1\nlisten = 127.0.0.1:2\n");
    assert_int_equal(PARSE(f, "--config", f->path, "--max-clients=3", "--listen", "127.0.0.1:4",
                           "--listen=127.0.0.1:5", "--log-level=err", "--log-level=debug"), 0);
    assert_int_equal(load(f), 0);
    assert_int_equal(f->config.limits.max_clients, 3);
    assert_int_equal(f->config.workers, 2);
    assert_int_equal(f->config.n_listen, 2);        /* the file's do not count */
    assert_string_equal(f->config.listen[0], "127.0.0.1:4");
    assert_int_equal(f->config.log_level, 7);       /* the last one */
    assert_int_equal(f->config.limits.message_timeout, 10 * NSEC_PER_SEC);
}

static void test_check_takes_its_file_in_two_ways(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(PARSE(f, "--check-config"), 0);
    assert_int_equal(f->options.action, OPTIONS_CHECK_CONFIG);
    assert_false(f->options.path_is_given);
    assert_int_equal(PARSE(f, "--check-config=/x"), 0);
    assert_string_equal(f->options.path, "/x");
    assert_int_equal(PARSE(f, "--check-config", "/y"), 0);
    assert_string_equal(f->options.path, "/y");
    assert_true(f->options.path_is_given);
    assert_int_equal(PARSE(f, "--check-config", "/x", "/y"), -EINVAL);
    assert_int_equal(PARSE(f, "--check-config=/x", "/y"), -EINVAL);
}

static void test_help_and_version_are_asked_for(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(PARSE(f, "--help"), 0);
    assert_int_equal(f->options.action, OPTIONS_HELP);
    assert_int_equal(PARSE(f, "-h"), 0);
    assert_int_equal(f->options.action, OPTIONS_HELP);
    assert_int_equal(PARSE(f, "--version"), 0);
    assert_int_equal(f->options.action, OPTIONS_VERSION);
    assert_int_equal(PARSE(f, "-V"), 0);
    assert_int_equal(f->options.action, OPTIONS_VERSION);
}

static void test_wrong_command_line_is_told(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(PARSE(f, "--max-cleints=5"), -EINVAL);
    assert_string_equal(f->faults, "--max-cleints=5: expected an option of tcptimerd --help\n");
    assert_int_equal(PARSE(f, "--workers=1", "--max-clients"), -EINVAL);
    assert_string_equal(f->faults, "--max-clients: expected a value\n");
    assert_int_equal(PARSE(f, "serve"), -EINVAL);
    assert_string_equal(f->faults, "serve: expected no argument, only options\n");
    assert_int_equal(f->options.n_settings, 0);
}

static void test_bad_values_are_all_told(void **state)
{
    struct fixture *f = *state;

    write_file(f, "workers = 0\n");
    assert_int_equal(PARSE(f, "--config", f->path, "--max-clients=0", "--port=x"), 0);
    assert_int_equal(load(f), -EINVAL);
    assert_non_null(strstr(f->faults, ":1: workers: expected "));
    assert_non_null(strstr(f->faults, "option max_clients: expected a number from 1 to 10000000, "
                                      "got \"0\"\n"));
    assert_non_null(strstr(f->faults, "option port: expected "));
}

static void test_file_that_was_named_has_to_exist(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(PARSE(f, "--config=/nowhere/tcptimerd.conf"), 0);
    assert_int_equal(load(f), -ENOENT);
    f->options.path_is_given = false;       /* as the default path would be */
    assert_int_equal(load(f), 0);
}

static void test_help_has_every_key_and_fits_a_screen(void **state)
{
    const struct config_key *k;
    int n_lines = 0;
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    (void)state;
    options_print_help(to);
    assert_int_equal(fclose(to), 0);
    for (size_t n = 0; (k = config_key(n)); n++)
        assert_non_null(strstr(text, k->help));
    assert_non_null(strstr(text, "--max-clients-per-source=N"));
    for (const char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        assert_in_range(end - line, 1, 80);
        n_lines++;
    }
    assert_in_range(n_lines, 20, 23);       /* the prompt is the 24th */
    free(text);
}

static void test_lack_of_memory_leaves_nothing(void **state)
{
    struct fixture *f = *state;

    for (unsigned n = 0; n < 2; n++) {
        fault_arm(n);
        assert_int_equal(PARSE(f, "--workers=1", "--port=2"), -ENOMEM);
        assert_true(fault_disarm());
        assert_null(f->options.settings);
    }
    assert_int_equal(PARSE(f, "--listen=127.0.0.1:1", "--log-file=x"), 0);
    for (unsigned n = 0;; n++) {
        int r;

        fault_arm(n);
        r = load(f);
        if (!fault_disarm()) {
            assert_int_equal(r, 0);
            assert_int_equal(n, 5);
            break;
        }
        assert_int_equal(r, -ENOMEM);
    }
}

#define IN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_nothing_means_run_with_the_defaults),
        IN(test_default_file_that_cannot_be_looked_at_is_a_fault),
        IN(test_every_key_is_an_option),
        IN(test_option_wins_over_the_file),
        IN(test_check_takes_its_file_in_two_ways),
        IN(test_help_and_version_are_asked_for),
        IN(test_wrong_command_line_is_told),
        IN(test_bad_values_are_all_told),
        IN(test_file_that_was_named_has_to_exist),
        IN(test_help_has_every_key_and_fits_a_screen),
        IN(test_lack_of_memory_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
