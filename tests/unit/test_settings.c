/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "daemon/daemon.h"
#include "tests/support/daemon_run.h"
#include "tests/support/fault.h"

/* Runs a daemon that is told to reload and to stop before it begins; returns what it says. */
static const char *run_and_reload(const struct options *options, int *ret_result)
{
    static char said[65536];
    FILE *file = tmpfile();
    int kept = dup(STDERR_FILENO);
    size_t n;

    assert_non_null(file);
    assert_int_equal(dup2(fileno(file), STDERR_FILENO), STDERR_FILENO);
    (void)kill(getpid(), SIGHUP);   /* the lower number is taken first */
    (void)kill(getpid(), SIGTERM);
    *ret_result = daemon_run(options);
    (void)dup2(kept, STDERR_FILENO);
    fd_closep(&kept);

    rewind(file);
    n = fread(said, 1, sizeof(said) - 1, file);
    said[n] = '\0';
    (void)fclose(file);
    return said;
}

/* Whatever it lacks: it has reloaded, or it has not, and does not say both. */
static void test_reload_that_fails_is_not_said_to_have_worked(void **state)
{
    struct options options;
    unsigned n_failed = 0, n_reloaded = 0;
    bool failed = true;

    (void)state;
    daemon_run_options(&options, "--log-target=stderr", "--log-file=/dev/null");
    for (unsigned n = 0; failed; n++) {
        const char *said;
        bool has_failed, has_reloaded;
        int r;

        fault_arm(n);
        said = run_and_reload(&options, &r);
        failed = fault_disarm();
        has_failed = strstr(said, " reload: ");
        has_reloaded = strstr(said, "configuration reloaded");
        if (r == 0 && has_failed == has_reloaded)
            fail_msg("call %u failed, and it said:\n%s", n, said);
        n_failed += has_failed;
        n_reloaded += has_reloaded;
        daemon_run_take_signals();
    }
    assert_true(n_failed > 0 && n_reloaded > 0);
    options_deinit(&options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reload_that_fails_is_not_said_to_have_worked),
    };

    return cmocka_run_group_tests(tests, daemon_run_block_signals, NULL);
}
