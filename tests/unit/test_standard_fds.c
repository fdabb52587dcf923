/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "common/standard_fds.h"

struct found {
    int result;
    struct stat stats[3];
    int modes[3];
};

/* What is there after the call, where these descriptors were closed before it.
 * @most: what the number of a new one stays below */
static struct found open_below(rlim_t most, unsigned closed)
{
    struct found found = {.result = 0};
    struct rlimit limit;
    int kept[3];

    for (int fd = 0; fd < 3; fd++) {
        kept[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 10);
        if (closed & 1U << fd)
            (void)close(fd);
    }
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    (void)setrlimit(RLIMIT_NOFILE, &(struct rlimit){most, limit.rlim_max});
    found.result = standard_fds_open();
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    for (int fd = 0; fd < 3; fd++) {
        (void)fstat(fd, &found.stats[fd]);
        found.modes[fd] = fcntl(fd, F_GETFL);
        if (kept[fd] >= 0)
            (void)dup2(kept[fd], fd);
        else
            (void)close(fd);
        fd_closep(&kept[fd]);
    }
    return found;
}

static struct found open_without(unsigned closed)
{
    return open_below(64, closed);
}

static bool is_null(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

static void test_missing_ones_become_dev_null(void **state)
{
    (void)state;
    for (unsigned closed = 0; closed < 8; closed++) {
        struct found found = open_without(closed);

        assert_int_equal(found.result, 0);
        for (int fd = 0; fd < 3; fd++)
            if (closed & 1U << fd)
                assert_true(is_null(&found.stats[fd]));
    }
}

static void test_output_that_is_missing_cannot_be_written(void **state)
{
    struct found found = open_without(7);

    (void)state;
    assert_int_equal(found.modes[1] & O_ACCMODE, O_RDONLY);
    assert_int_equal(found.modes[2] & O_ACCMODE, O_WRONLY);
}

static void test_others_stay_as_they_are(void **state)
{
    struct stat before;
    struct found found;
    int fds[2];
    int kept = fcntl(0, F_DUPFD_CLOEXEC, 10);

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(dup2(fds[0], 0), 0);
    assert_int_equal(fstat(0, &before), 0);
    found = open_without(6);
    assert_int_equal(found.stats[0].st_ino, before.st_ino);
    if (kept >= 0)
        assert_int_equal(dup2(kept, 0), 0);
    fd_closep(&kept);
    fd_closep(&fds[0]);
    fd_closep(&fds[1]);
}

static void test_failure_is_told(void **state)
{
    (void)state;
    assert_int_equal(open_below(0, 1).result, -EMFILE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing_ones_become_dev_null),
        cmocka_unit_test(test_output_that_is_missing_cannot_be_written),
        cmocka_unit_test(test_others_stay_as_they_are),
        cmocka_unit_test(test_failure_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
