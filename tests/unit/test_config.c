/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "daemon/config.h"
#include "tests/support/fault.h"

struct fixture {
    struct config config;
    char path[32];                  /* of a file to be read */
    char faults[8192];
};

static struct fixture fixture;

static int setup(void **state)
{
    struct fixture *f = &fixture;
    int fd;

    *f = (struct fixture){.path = "/tmp/tcptimer-config.XXXXXX"};
    config_init(&f->config);
    fd = mkstemp(f->path);
    assert_true(fd >= 0);
    fd_closep(&fd);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    config_deinit(&f->config);
    (void)unlink(f->path);
    return 0;
}

static int set(struct fixture *f, const char *key, const char *value)
{
    const char *expected = NULL;
    int r = config_set(&f->config, key, value, &expected);

    if (r == -EINVAL && (!expected || !*expected))
        fail_msg("%s = %s: nothing was expected", key, value);
    return r;
}

/* Reads a file of this text; f->faults has what was said, with the path left out. */
static int read_bytes(struct fixture *f, const char *bytes, size_t n)
{
    FILE *file = fopen(f->path, "we");
    FILE *to = fmemopen(f->faults, sizeof(f->faults), "w");
    size_t len = strlen(f->path);
    int r;

    assert_non_null(file);
    assert_non_null(to);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
    r = config_read_file(&f->config, f->path, to);
    assert_int_equal(fclose(to), 0);
    for (char *p = f->faults; (p = strstr(p, f->path));)
        memmove(p, p + len, strlen(p + len) + 1);
    return r;
}

static int read_text(struct fixture *f, const char *text)
{
    return read_bytes(f, text, strlen(text));
}

static void test_defaults_are_those_of_the_manual(void **state)
{
    struct fixture *f = *state;
    const struct config *c = &f->config;

    assert_int_equal(c->n_listen, 0);
    assert_int_equal(c->port, 47945);
    assert_int_equal(c->workers, 0);
    assert_int_equal(c->limits.max_clients, 10000);
    assert_int_equal(c->limits.max_clients_per_source, 0);
    assert_int_equal(c->limits.idle_timeout, 300 * NSEC_PER_SEC);
    assert_int_equal(c->limits.message_timeout, 10 * NSEC_PER_SEC);
    assert_int_equal(c->drain_timeout, 5 * NSEC_PER_SEC);
    assert_int_equal(c->exit_on_idle, 0);
    assert_int_equal(c->busy_poll, 0);
    assert_int_equal(c->log_level, LOG_INFO);
    assert_int_equal(c->log_target, LOG_TARGET_AUTO);
    assert_null(c->log_file);
    assert_int_equal(c->log_file_size, 2 << 20);
    assert_int_equal(c->log_file_count, 1);
    assert_false(c->limits.log_messages);
    assert_int_equal(c->limits.slow_threshold, 0);
}

static void test_every_key_can_be_set(void **state)
{
    struct fixture *f = *state;
    struct config *c = &f->config;

    assert_int_equal(set(f, "listen", "127.0.0.1:1"), 0);
    assert_int_equal(set(f, "listen", "unix:/run/x"), 0);
    assert_int_equal(c->n_listen, 2);
    assert_string_equal(c->listen[1], "unix:/run/x");
    assert_false(c->port_is_set);
    assert_int_equal(set(f, "port", "47946"), 0);
    assert_int_equal(c->port, 47946);
    assert_true(c->port_is_set);
    assert_int_equal(set(f, "workers", "8"), 0);
    assert_int_equal(c->workers, 8);
    assert_int_equal(set(f, "workers", "auto"), 0);
    assert_int_equal(c->workers, 0);
    assert_int_equal(set(f, "max_clients", "5"), 0);
    assert_int_equal(c->limits.max_clients, 5);
    assert_int_equal(set(f, "max_clients_per_source", "2"), 0);
    assert_int_equal(c->limits.max_clients_per_source, 2);
    assert_int_equal(set(f, "idle_timeout", "5m"), 0);
    assert_int_equal(c->limits.idle_timeout, 300 * NSEC_PER_SEC);
    assert_int_equal(set(f, "idle_timeout", "off"), 0);
    assert_int_equal(c->limits.idle_timeout, 0);
    assert_int_equal(set(f, "message_timeout", "1.5"), 0);
    assert_int_equal(c->limits.message_timeout, 1500 * NSEC_PER_MSEC);
    assert_int_equal(set(f, "drain_timeout", "100ms"), 0);
    assert_int_equal(c->drain_timeout, 100 * NSEC_PER_MSEC);
    assert_int_equal(set(f, "exit_on_idle", "1h"), 0);
    assert_int_equal(c->exit_on_idle, 3600 * NSEC_PER_SEC);
    assert_int_equal(set(f, "busy_poll", "on"), 0);
    assert_int_equal(c->busy_poll, 100 * NSEC_PER_USEC);
    assert_int_equal(set(f, "busy_poll", "50us"), 0);
    assert_int_equal(c->busy_poll, 50 * NSEC_PER_USEC);
    assert_int_equal(set(f, "busy_poll", "off"), 0);
    assert_int_equal(c->busy_poll, 0);
    assert_int_equal(set(f, "log_level", "debug"), 0);
    assert_int_equal(c->log_level, LOG_DEBUG);
    assert_int_equal(set(f, "log_target", "journal"), 0);
    assert_int_equal(c->log_target, LOG_TARGET_JOURNAL);
    assert_int_equal(set(f, "log_file", "/var/log/x"), 0);
    assert_int_equal(set(f, "log_file", "/var/log/y"), 0);
    assert_string_equal(c->log_file, "/var/log/y");
    assert_int_equal(set(f, "log_file_size", "64K"), 0);
    assert_int_equal(c->log_file_size, 65536);
    assert_int_equal(set(f, "log_file_count", "0"), 0);
    assert_int_equal(c->log_file_count, 0);
    assert_int_equal(set(f, "log_messages", "yes"), 0);
    assert_true(c->limits.log_messages);
    assert_int_equal(set(f, "slow_threshold", "20ms"), 0);
    assert_int_equal(c->limits.slow_threshold, 20 * NSEC_PER_MSEC);
}

/* Each key of the table takes its default back, and refuses an empty value and rubbish in words. */
static void test_every_key_refuses_rubbish(void **state)
{
    struct fixture *f = *state;
    const struct config_key *k;
    unsigned n = 0;

    for (; (k = config_key(n)); n++) {
        assert_non_null(k->argument);
        assert_non_null(k->help);
        if (strcmp(k->name, "log_file") == 0)
            continue;               /* any text is a path, and none is no file */
        assert_int_equal(set(f, k->name, ""), -EINVAL);
        assert_int_equal(set(f, k->name, "a rubbish"), -EINVAL);
        assert_int_equal(set(f, k->name, "-1"), -EINVAL);
    }
    assert_int_equal(n, 17);
}

static void test_values_have_bounds(void **state)
{
    static const char *const refused[][2] = {
        {"workers", "0"}, {"workers", "1025"}, {"max_clients", "0"}, {"max_clients", "10000001"},
        {"port", "65536"}, {"log_file_size", "4095"}, {"log_file_size", "1025G"},
        {"log_file_count", "1001"},
    };
    static const char *const taken[][2] = {
        {"workers", "1"}, {"workers", "1024"}, {"max_clients", "1"}, {"max_clients", "10000000"},
        {"port", "0"}, {"port", "65535"}, {"log_file_size", "4096"}, {"log_file_size", "1024G"},
        {"log_file_count", "1000"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        assert_int_equal(set(f, refused[i][0], refused[i][1]), -EINVAL);
    for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
        assert_int_equal(set(f, taken[i][0], taken[i][1]), 0);
}

static void test_option_spelling_is_the_same_key(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(set(f, "max-clients-per-source", "7"), 0);
    assert_int_equal(f->config.limits.max_clients_per_source, 7);
    assert_int_equal(set(f, "max-clients-per", "7"), -ENOENT);
    assert_int_equal(set(f, "max_clients_per_source_", "7"), -ENOENT);
    assert_int_equal(set(f, "", "7"), -ENOENT);
}

static void test_lack_of_memory_keeps_what_was_set(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(set(f, "log_file", "old"), 0);
    fault_arm(0);
    assert_int_equal(set(f, "log_file", "new"), -ENOMEM);
    assert_true(fault_disarm());
    assert_string_equal(f->config.log_file, "old");

    for (unsigned n = 0; n < 2; n++) {
        fault_arm(n);
        assert_int_equal(set(f, "listen", "127.0.0.1:1"), -ENOMEM);
        assert_true(fault_disarm());
        assert_int_equal(f->config.n_listen, 0);
    }
}

/* ---- the file ---- */

static void test_file_is_read_over_what_is_set(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(set(f, "max_clients", "5"), 0);
    assert_int_equal(read_text(f, "# a comment\n\n[tcptimerd]\n  workers = 3 \r\n"
                                  "idle_timeout=1s ; why\nlisten = [::1]:1"), 0);
    assert_string_equal(f->faults, "");
    assert_int_equal(f->config.workers, 3);
    assert_int_equal(f->config.limits.idle_timeout, NSEC_PER_SEC);
    assert_int_equal(f->config.limits.max_clients, 5);
    assert_string_equal(f->config.listen[0], "[::1]:1");
}

static void test_every_fault_is_told_with_its_line(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(read_text(f, "max_cleints = 5\n"
                                  "workers = many\n"
                                  "words\n"
                                  "port = 1\n"
                                  "[other]\n"
                                  "port = 2\n"), -EINVAL);
    assert_string_equal(f->faults,
                        ":1: unknown key \"max_cleints\": expected one of tcptimerd.conf(5)\n"
                        ":2: workers: expected auto or a number from 1 to 1024, got \"many\"\n"
                        ":3: expected KEY = VALUE, [tcptimerd] or a # comment\n"
                        ":5: section [other]: expected none, or [tcptimerd]\n");
}

static void test_section_without_an_end_is_a_fault(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(read_text(f, "[tcptimerd\nport = 1\n"), -EINVAL);
    assert_string_equal(f->faults, ":1: section [tcptimerd: expected none, or [tcptimerd]\n");
}

static void test_section_of_another_name_is_a_fault_also_without_keys(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(read_text(f, "port = 1\n[foo]\n"), -EINVAL);
    assert_string_equal(f->faults, ":2: section [foo]: expected none, or [tcptimerd]\n");
    assert_int_equal(read_text(f, "[tcptimerd] \nport = 1\n"), 0);
    assert_int_equal(read_text(f, "\t[tcptimerd] ; ours\nport = 1\n"), 0);
}

static void test_comment_may_follow_a_value(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(read_text(f, "port = 7 ; not 8\nlog_file = /var/log/x;y\n"), 0);
    assert_int_equal(f->config.port, 7);
    assert_string_equal(f->config.log_file, "/var/log/x;y");
    assert_int_equal(read_text(f, "port = 7 # not 8\n"), -EINVAL);
}

static void test_byte_order_mark_is_no_text(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(read_text(f, "\xef\xbb\xbf# a comment\nport = 1\n"), 0);
    assert_int_equal(read_text(f, "\xef\xbb\xbf" "port = 2\n"), 0);
    assert_int_equal(f->config.port, 2);
    assert_int_equal(read_text(f, "port = 3\n\xef\xbb\xbf# a comment\n"), -EINVAL);
}

static void test_byte_of_value_0_hides_nothing(void **state)
{
    static const char text[] = "port = 1\n# x\0y\nport = 2\0port = 3\n";
    struct fixture *f = *state;

    assert_int_equal(read_bytes(f, text, sizeof(text) - 1), -EINVAL);
    assert_string_equal(f->faults, ":2: expected text, without bytes of value 0\n"
                                   ":3: expected text, without bytes of value 0\n");
}

static void test_file_that_is_not_there_is_named(void **state)
{
    struct fixture *f = *state;
    char faults[256] = "";
    FILE *to = fmemopen(faults, sizeof(faults), "w");

    assert_int_equal(config_read_file(&f->config, "/nowhere/tcptimerd.conf", to), -ENOENT);
    assert_int_equal(fclose(to), 0);
    assert_string_equal(faults, "/nowhere/tcptimerd.conf: No such file or directory: expected a "
                                "readable configuration file\n");
}

static void test_directory_is_no_file(void **state)
{
    struct fixture *f = *state;
    char faults[256] = "";
    FILE *to = fmemopen(faults, sizeof(faults), "w");

    assert_int_equal(config_read_file(&f->config, "/tmp", to), -EISDIR);
    assert_int_equal(fclose(to), 0);
    assert_non_null(strstr(faults, "/tmp: Is a directory"));
}

static void test_lack_of_memory_is_told_with_its_line(void **state)
{
    struct fixture *f = *state;

    fault_arm(0);
    assert_int_equal(read_text(f, "\nlog_file = x\n"), -ENOMEM);
    assert_true(fault_disarm());
    assert_string_equal(f->faults, ":2: log_file: Cannot allocate memory\n");
}

/* ---- changes at run time ---- */

static void assert_changes_if(bool inherited, const struct config *old, const struct config *new,
                              const char *expected)
{
    char names[64] = "";
    FILE *to = fmemopen(names, sizeof(names), "w");

    config_name_fixed_changes(old, new, inherited, to);
    assert_int_equal(fclose(to), 0);
    assert_string_equal(names, expected);
}

static void assert_changes(const struct config *old, const struct config *new,
                           const char *expected)
{
    assert_changes_if(false, old, new, expected);
}

static void test_changes_that_need_a_restart_are_named(void **state)
{
    struct fixture *f = *state;
    struct config next;
    const char *expected;

    config_init(&next);
    assert_changes(&f->config, &next, "");
    assert_int_equal(config_set(&next, "max_clients", "1", &expected), 0);
    assert_changes(&f->config, &next, "");
    assert_int_equal(config_set(&next, "workers", "3", &expected), 0);
    assert_int_equal(config_set(&next, "port", "3", &expected), 0);
    assert_int_equal(config_set(&next, "listen", "127.0.0.1:1", &expected), 0);
    assert_changes(&f->config, &next, " listen port workers");
    assert_int_equal(set(f, "listen", "127.0.0.1:1"), 0);
    assert_changes(&f->config, &next, " port workers");
    assert_int_equal(set(f, "listen", "127.0.0.1:2"), 0);
    assert_int_equal(config_set(&next, "listen", "127.0.0.1:3", &expected), 0);
    assert_changes(&f->config, &next, " listen port workers");
    assert_changes_if(true, &f->config, &next, " workers");
    config_deinit(&next);
    config_deinit(&next);           /* once more does no harm */
}

static void test_fixed_keys_keep_their_values_and_no_others_do(void **state)
{
    struct fixture *f = *state;
    struct config next;
    const char *expected;

    config_init(&next);
    assert_int_equal(set(f, "listen", "127.0.0.1:1"), 0);
    assert_int_equal(set(f, "listen", "127.0.0.1:2"), 0);
    assert_int_equal(set(f, "port", "5"), 0);
    assert_int_equal(set(f, "workers", "3"), 0);
    assert_int_equal(config_set(&next, "listen", "127.0.0.1:3", &expected), 0);
    assert_int_equal(config_set(&next, "workers", "4", &expected), 0);
    assert_int_equal(config_set(&next, "max_clients", "1", &expected), 0);
    assert_int_equal(config_set(&next, "log_file", "next.log", &expected), 0);

    config_keep_fixed(&next, &f->config);
    assert_int_equal(next.n_listen, 2);
    assert_string_equal(next.listen[1], "127.0.0.1:2");
    assert_int_equal(next.port, 5);
    assert_true(next.port_is_set);
    assert_int_equal(next.workers, 3);
    assert_int_equal(next.limits.max_clients, 1);
    assert_string_equal(next.log_file, "next.log");
    config_deinit(&next);
}

#define IN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_defaults_are_those_of_the_manual),
        IN(test_every_key_can_be_set),
        IN(test_every_key_refuses_rubbish),
        IN(test_values_have_bounds),
        IN(test_option_spelling_is_the_same_key),
        IN(test_lack_of_memory_keeps_what_was_set),
        IN(test_file_is_read_over_what_is_set),
        IN(test_every_fault_is_told_with_its_line),
        IN(test_section_without_an_end_is_a_fault),
        IN(test_section_of_another_name_is_a_fault_also_without_keys),
        IN(test_comment_may_follow_a_value),
        IN(test_byte_order_mark_is_no_text),
        IN(test_byte_of_value_0_hides_nothing),
        IN(test_file_that_is_not_there_is_named),
        IN(test_directory_is_no_file),
        IN(test_lack_of_memory_is_told_with_its_line),
        IN(test_changes_that_need_a_restart_are_named),
        IN(test_fixed_keys_keep_their_values_and_no_others_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
