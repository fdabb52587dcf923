/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "daemon/check.h"
#include "tests/support/daemon_run.h"
#include "tests/support/fault.h"

/* What the journal got, a field a line. */
static struct {
    char fields[16384];
    unsigned n;
} journal;

/* Which call of the check fails. */
static struct {
    bool armed, has_failed;
    unsigned at;
} lack;

int __wrap_sd_journal_sendv(const struct iovec *iov, int n);

int __wrap_sd_journal_sendv(const struct iovec *iov, int n)
{
    size_t at = strlen(journal.fields);

    for (int i = 0; i < n; i++)
        at += (size_t)snprintf(journal.fields + at, sizeof(journal.fields) - at, "%.*s\n",
                               (int)iov[i].iov_len, (const char *)iov[i].iov_base);
    journal.n++;
    return 0;
}

/* Checks with standard error in a file; returns what it says there. */
static const char *check(const char *option, const char *another, bool is_journal, int *ret_result)
{
    static char said[4096];
    struct options options;
    FILE *file = tmpfile();
    int kept = dup(STDERR_FILENO);
    char stream[64];
    struct stat st;
    size_t n;

    memset(&journal, 0, sizeof(journal));
    daemon_run_options(&options, option, another);
    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &st), 0);
    (void)snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
                   (unsigned long long)st.st_ino);
    (void)(is_journal ? setenv("JOURNAL_STREAM", stream, 1) : unsetenv("JOURNAL_STREAM"));
    (void)dup2(fileno(file), STDERR_FILENO);
    if (lack.armed)
        fault_arm(lack.at);
    *ret_result = check_config(&options);
    lack.has_failed = fault_disarm();
    (void)dup2(kept, STDERR_FILENO);
    fd_closep(&kept);
    options_deinit(&options);

    rewind(file);
    n = fread(said, 1, sizeof(said) - 1, file);
    said[n] = '\0';
    (void)fclose(file);
    return said;
}

static void test_good_configuration_says_nothing(void **state)
{
    int r;

    (void)state;
    assert_string_equal(check(NULL, NULL, true, &r), "");
    assert_int_equal(r, 0);
    assert_int_equal(journal.n, 0);
}

static void test_faults_are_lines_for_people(void **state)
{
    const char *said;
    int r;

    (void)state;
    said = check("--max-clients=0", "--log-level=loud", false, &r);
    assert_int_equal(r, -EINVAL);
    assert_non_null(strstr(said, "option max_clients: expected a number"));
    assert_non_null(strstr(said, "option log_level: expected one of"));
    assert_int_equal(journal.n, 0);
}

/* As ExecReload= of the unit does it: what a reload found is there to be searched for. */
static void test_faults_are_events_of_a_reload_in_the_journal(void **state)
{
    int r;

    (void)state;
    assert_string_equal(check("--max-clients=0", "--log-level=loud", true, &r), "");
    assert_int_equal(r, -EINVAL);
    assert_int_equal(journal.n, 2);
    assert_non_null(strstr(journal.fields, "MESSAGE=option max_clients: expected a number"));
    assert_non_null(strstr(journal.fields, "TCPTIMER_EVENT=reload_failed\n"));
    assert_non_null(strstr(journal.fields, "PRIORITY=3\n"));
}

/* There is no memory for a logger: they are said all the same. */
static void test_faults_are_said_whatever_it_lacks(void **state)
{
    int r;

    (void)state;
    lack.armed = true;
    do {
        const char *said = check("--max-clients=0", NULL, true, &r);

        assert_true(r < 0);
        if (!strstr(said, "option max_clients") && journal.n == 0)
            fail_msg("call %u failed, and nothing was said", lack.at);
        lack.at++;
    } while (lack.has_failed);
    assert_true(lack.at > 5);
    lack.armed = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_configuration_says_nothing),
        cmocka_unit_test(test_faults_are_lines_for_people),
        cmocka_unit_test(test_faults_are_events_of_a_reload_in_the_journal),
        cmocka_unit_test(test_faults_are_said_whatever_it_lacks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
