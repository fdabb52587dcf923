/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "common/log_file.h"
#include "common/rng.h"

#define SEED 47945
#define N_OLD 120               /* as many old files as a test needs to see every line again */

/* What the kernel is made to refuse; each errno is in force until it is 0 again. */
static struct {
    int write_error;
    size_t write_room;              /* bytes that still get through before write_error */
    size_t write_most;              /* bytes that one call takes, 0 = all */
    bool write_interrupted;         /* EINTR once */
    int truncate_error, rename_error, open_error;
    int n_writes;
} kernel;

ssize_t __real_write(int fd, const void *buf, size_t len);
ssize_t __wrap_write(int fd, const void *buf, size_t len);
int __real_ftruncate(int fd, off_t len);
int __wrap_ftruncate(int fd, off_t len);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, mode_t mode);

static int refuse(int error)
{
    errno = error;
    return -1;
}

ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
    kernel.n_writes++;
    if (kernel.write_interrupted) {
        kernel.write_interrupted = false;
        return refuse(EINTR);
    }
    if (kernel.write_most > 0)
        len = MIN(len, kernel.write_most);
    if (kernel.write_error == 0)
        return __real_write(fd, buf, len);
    if (kernel.write_room == 0)
        return refuse(kernel.write_error);

    len = MIN(len, kernel.write_room);
    kernel.write_room -= len;
    return __real_write(fd, buf, len);
}

int __wrap_ftruncate(int fd, off_t len)
{
    return kernel.truncate_error ? refuse(kernel.truncate_error) : __real_ftruncate(fd, len);
}

int __wrap_rename(const char *from, const char *to)
{
    return kernel.rename_error ? refuse(kernel.rename_error) : __real_rename(from, to);
}

int __wrap_open(const char *path, int flags, mode_t mode)
{
    return kernel.open_error ? refuse(kernel.open_error) : __real_open(path, flags, mode);
}

/* Each test has a directory of its own and is in it, so that names are short. */
static int setup(void **state)
{
    char *dir = strdup("/tmp/tcptimer-log_file.XXXXXX");

    assert_non_null(dir);
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chdir(dir), 0);
    memset(&kernel, 0, sizeof(kernel));
    *state = dir;
    return 0;
}

static int teardown(void **state)
{
    char command[64];

    assert_int_equal(chdir("/"), 0);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", (char *)*state);
    assert_int_equal(system(command), 0);
    free(*state);
    return 0;
}

static struct log_file *make(uint64_t size_limit, unsigned n_old)
{
    struct log_file_options options = {.path = "log", .size_limit = size_limit, .n_old = n_old};
    struct log_file *f;

    assert_int_equal(log_file_new(&f, &options), 0);
    return f;
}

static int put(struct log_file *f, const char *lines, nsec_t now)
{
    return log_file_write(f, lines, strlen(lines), now);
}

/* The file's text; NULL if there is no such file. The caller frees it. */
static char *read_text(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;

    if (!file)
        return NULL;
    if (getdelim(&text, &size, '\0', file) < 0) {
        free(text);
        text = strdup("");
    }
    (void)fclose(file);
    return text;
}

/* The text of the n-th file from the newest, 0; NULL if there is none. */
static char *read_nth(int n)
{
    char name[16];

    (void)snprintf(name, sizeof(name), n > 0 ? "log.%d" : "log", n);
    return read_text(name);
}

static void assert_text(const char *path, const char *expected)
{
    _cleanup_(freep) char *text = read_text(path);

    if (!text)
        fail_msg("there is no %s", path);
    assert_string_equal(text, expected);
}

static void assert_no_file(const char *path)
{
    struct stat st;

    assert_int_equal(lstat(path, &st), -1);
    assert_int_equal(errno, ENOENT);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_write_appends_to_what_is_there(void **state)
{
    _cleanup_(log_file_freep) struct log_file *f = make(0, 0);
    (void)state;

    write_text("log", "old\n");
    assert_int_equal(put(f, "a\n", 0), LOG_FILE_OK);
    assert_int_equal(put(f, "b\nc\n", 0), LOG_FILE_OK);
    assert_text("log", "old\na\nb\nc\n");
}

static void test_new_file_is_not_for_everyone(void **state)
{
    _cleanup_(log_file_freep) struct log_file *f = make(0, 0);
    mode_t mask = umask(0);
    struct stat st;
    int r = put(f, "a\n", 0);

    (void)state;
    (void)umask(mask);
    assert_int_equal(r, LOG_FILE_OK);
    assert_int_equal(stat("log", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
}

static void test_batch_costs_one_write(void **state)
{
    _cleanup_(log_file_freep) struct log_file *f = make(1 << 20, 1);
    char batch[2000];

    (void)state;
    for (size_t i = 0; i < sizeof(batch); i++)
        batch[i] = i % 20 == 19 ? '\n' : 'x';
    for (int i = 0; i < 10; i++)
        assert_int_equal(log_file_write(f, batch, sizeof(batch), 0), LOG_FILE_OK);
    assert_int_equal(kernel.n_writes, 10);
}

static void test_missing_directory_is_an_error(void **state)
{
    struct log_file_options options = {.path = "a/b/log"};
    _cleanup_(log_file_freep) struct log_file *f = NULL;

    (void)state;
    assert_int_equal(log_file_new(&f, &options), 0);
    assert_int_equal(log_file_reopen(f, 0), -ENOENT);
    assert_no_file("a");
}

static void test_missing_directories_are_made_if_asked_for(void **state)
{
    struct log_file_options options = {.path = "a/b/c/log", .make_parents = true};
    _cleanup_(log_file_freep) struct log_file *f = NULL;
    struct stat st;

    (void)state;
    assert_int_equal(mkdir("a", 0755), 0);
    assert_int_equal(log_file_new(&f, &options), 0);
    assert_int_equal(log_file_reopen(f, 0), 0);
    assert_int_equal(put(f, "x\n", 0), LOG_FILE_OK);
    assert_text("a/b/c/log", "x\n");
    assert_int_equal(stat("a/b", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void test_a_file_in_the_way_of_a_directory_is_an_error(void **state)
{
    struct log_file_options options = {.path = "a/b/log", .make_parents = true};
    _cleanup_(log_file_freep) struct log_file *f = NULL;

    (void)state;
    write_text("a", "");
    assert_int_equal(log_file_new(&f, &options), 0);
    assert_int_equal(log_file_reopen(f, 0), -ENOTDIR);
}

static void test_only_a_regular_file_will_do(void **state)
{
    _cleanup_(log_file_freep) struct log_file *f = make(0, 0);
    int reader;

    (void)state;
    assert_int_equal(mkdir("log", 0700), 0);
    assert_int_equal(log_file_reopen(f, 0), -EISDIR);
    assert_int_equal(rmdir("log"), 0);

    assert_int_equal(symlink("elsewhere", "log"), 0);
    assert_int_equal(log_file_reopen(f, 0), -ELOOP);
    assert_no_file("elsewhere");
    assert_int_equal(unlink("log"), 0);

    assert_int_equal(mkfifo("log", 0600), 0);
    assert_int_equal(log_file_reopen(f, 0), -ENXIO);        /* and does not wait for a reader */
    reader = __real_open("log", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    assert_int_equal(log_file_reopen(f, 0), -EINVAL);
    (void)close(reader);
}

static void test_full_file_is_rotated_through_all_names(void **state)
{
    _cleanup_(log_file_freep) struct log_file *f = make(8, 2);

    (void)state;
    assert_int_equal(put(f, "aaa\nbbb\n", 0), LOG_FILE_OK);
    assert_no_file("log.1");
    assert_int_equal(put(f, "ccc\n", 0), LOG_FILE_OK);
    assert_text("log.1", "aaa\nbbb\n");
    assert_int_equal(put(f, "ddd\neee\n", 0), LOG_FILE_OK);
    assert_int_equal(put(f, "fff\nggg\n", 0), LOG_FILE_OK);
    assert_text("log", "ggg\n");
    assert_text("log.1", "eee\nfff\n");
    assert_text("log.2", "ccc\nddd\n");
    assert_no_file("log.3");
}

static void test_line_longer_than_the_limit_has_a_file_of_its_own(void **state)
{
    _cleanup_(log_file_freep) struct log_file *f = make(8, 3);

    (void)state;
    assert_int_equal(put(f, "a\nlonger than that\nb\n", 0), LOG_FILE_OK);
    assert_text("log.2", "a\n");
    assert_text("log.1", "longer than that\n");
    assert_text("log", "b\n");
}

static void test_without_old_files_it_starts_over_in_place(void **state)
{
    _cleanup_(log_file_freep) struct log_file *f = make(8, 0);

    (void)state;
    assert_int_equal(put(f, "aaa\nbbb\n", 0), LOG_FILE_OK);
    assert_int_equal(put(f, "ccc\nddd\n", 0), LOG_FILE_OK);
    assert_text("log", "ccc\nddd\n");
    assert_int_equal(put(f, "eee\n", 0), LOG_FILE_OK);
    assert_text("log", "eee\n");
    assert_no_file("log.1");
}

/* The size of a file that was there before counts too. */
static void test_full_file_of_before_is_rotated_at_once(void **state)
{
    _cleanup_(log_file_freep) struct log_file *f = make(8, 1);

    (void)state;
    write_text("log", "12345678\n");
    assert_int_equal(put(f, "a\n", 0), LOG_FILE_OK);
    assert_text("log.1", "12345678\n");
    assert_text("log", "a\n");
}

/* Lines of any length in batches of any size: read from the oldest file to the newest they are all
 * there, in order, and no file is too large. */
static void test_no_line_is_lost_or_cut_by_rotation(void **state)
{
    _cleanup_(log_file_freep) struct log_file *f = make(300, N_OLD);
    _cleanup_(freep) char *expected = calloc(1, 30000), *got = calloc(1, 30000);
    char *p = expected, *q = got;
    struct rng rng;
    int n_files = 0;

    (void)state;
    assert_non_null(expected);
    assert_non_null(got);
    rng_seed(&rng, SEED);
    while (p < expected + 20000) {
        char *batch = p;

        for (uint64_t n = rng_next_u64(&rng) % 30; n > 0; n--)
            p += sprintf(p, "%0*d\n", (int)(1 + rng_next_u64(&rng) % 90), (int)(p - expected));
        assert_int_equal(log_file_write(f, batch, (size_t)(p - batch), 0), LOG_FILE_OK);
    }

    for (int i = N_OLD; i >= 0; i--) {
        _cleanup_(freep) char *text = read_nth(i);

        if (!text)
            continue;
        n_files++;
        assert_in_range(strlen(text), 1, 300);
        assert_int_equal(text[strlen(text) - 1], '\n');
        q = stpcpy(q, text);
    }
    assert_in_range(n_files, 60, N_OLD);
    assert_string_equal(got, expected);
}

/* Each of the lines "0" to "n - 1" is in one of the files, once. */
static void assert_each_number_once(int n)
{
    _cleanup_(freep) int *seen = calloc((size_t)n, sizeof(*seen));

    assert_non_null(seen);
    for (int i = 0; i <= N_OLD; i++) {
        _cleanup_(freep) char *text = read_nth(i);

        for (char *line = text ? strtok(text, "\n") : NULL; line; line = strtok(NULL, "\n")) {
            assert_in_range(atoi(line), 0, n - 1);
            seen[atoi(line)]++;
        }
    }
    for (int i = 0; i < n; i++)
        assert_int_equal(seen[i], 1);
}

static int put_number(struct log_file *f, int number, nsec_t now)
{
    char line[16];

    (void)snprintf(line, sizeof(line), "%d\n", number);
    return put(f, line, now);
}

/* Locks belong to descriptions of open files, so that two objects are as two processes. */
static void test_two_writers_share_a_file(void **state)
{
    _cleanup_(log_file_freep) struct log_file *a = make(400, N_OLD);
    _cleanup_(log_file_freep) struct log_file *b = make(400, N_OLD);

    (void)state;
    for (int i = 0; i < 2000; i++)
        assert_int_equal(put_number(i % 3 == 0 ? a : b, i, (nsec_t)i * NSEC_PER_MSEC), LOG_FILE_OK);
    assert_each_number_once(2000);
}

/* All at the same time, whatever the order; what they write ends in a file each, once. */
static void test_processes_rotate_under_each_other(void **state)
{
    const int n_processes = 3, n_lines = 2000;
    pid_t child[3];

    (void)state;
    for (int i = 0; i < n_processes; i++) {
        child[i] = fork();
        assert_true(child[i] >= 0);
        if (child[i] == 0) {
            struct log_file *f = make(2000, N_OLD);
            int n_bad = 0;

            for (int k = 0; k < n_lines; k++)
                n_bad += put_number(f, i * n_lines + k, (nsec_t)k * NSEC_PER_MSEC) != LOG_FILE_OK;
            log_file_free(f);
            _exit(n_bad > 0);
        }
    }
    for (int i = 0; i < n_processes; i++) {
        int status;

        assert_int_equal(waitpid(child[i], &status, 0), child[i]);
        assert_int_equal(status, 0);
    }
    assert_each_number_once(n_processes * n_lines);
}

static void test_file_rotated_by_another_is_not_rotated_again(void **state)
{
    _cleanup_(log_file_freep) struct log_file *a = make(8, 3);
    _cleanup_(log_file_freep) struct log_file *b = make(8, 3);

    (void)state;
    assert_int_equal(put(a, "aaa\n", 0), LOG_FILE_OK);
    assert_int_equal(put(b, "bbb\n", 0), LOG_FILE_OK);
    assert_int_equal(put(a, "aa2\n", 0), LOG_FILE_OK);      /* a does not know of b's line */
    assert_text("log", "aaa\nbbb\naa2\n");
    assert_int_equal(put(a, "aa3\n", 0), LOG_FILE_OK);
    assert_int_equal(put(b, "bb2\n", 0), LOG_FILE_OK);
    assert_text("log", "aa3\nbb2\n");
    assert_text("log.1", "aaa\nbbb\naa2\n");
    assert_no_file("log.2");
}

static void test_file_started_over_by_another_is_not_emptied_again(void **state)
{
    _cleanup_(log_file_freep) struct log_file *a = make(8, 0);
    _cleanup_(log_file_freep) struct log_file *b = make(8, 0);

    (void)state;
    assert_int_equal(put(b, "bbb\n", 0), LOG_FILE_OK);
    assert_int_equal(put(b, "bb2\n", 0), LOG_FILE_OK);
    assert_int_equal(put(a, "aaa\n", 0), LOG_FILE_OK);
    assert_text("log", "aaa\n");
    assert_int_equal(put(b, "bb3\n", 0), LOG_FILE_OK);
    assert_text("log", "aaa\nbb3\n");
}

/* Who rotates may have been stopped in the middle; the others write on meanwhile. */
static void test_nobody_waits_for_another_that_rotates(void **state)
{
    _cleanup_(log_file_freep) struct log_file *f = make(8, 1);
    _cleanup_(fd_closep) int other = -1;

    (void)state;
    assert_int_equal(put(f, "aaa\nbbb\n", 0), LOG_FILE_OK);
    other = __real_open("log", O_RDONLY | O_CLOEXEC);
    assert_true(other >= 0);
    assert_int_equal(flock(other, LOCK_EX), 0);
    assert_int_equal(put(f, "ccc\n", 0), LOG_FILE_OK);
    assert_text("log", "aaa\nbbb\nccc\n");

    assert_int_equal(flock(other, LOCK_UN), 0);
    assert_int_equal(put(f, "ddd\n", 0), LOG_FILE_OK);
    assert_text("log", "ddd\n");
}

static void test_moved_file_is_noticed_within_a_second(void **state)
{
    _cleanup_(log_file_freep) struct log_file *f = make(0, 0);

    (void)state;
    assert_int_equal(put(f, "a\n", 0), LOG_FILE_OK);
    assert_int_equal(__real_rename("log", "moved"), 0);
    assert_int_equal(put(f, "b\n", NSEC_PER_SEC - 1), LOG_FILE_OK);
    assert_int_equal(put(f, "c\n", NSEC_PER_SEC), LOG_FILE_OK);
    assert_text("moved", "a\nb\n");
    assert_text("log", "c\n");
}

static void test_removed_file_is_made_again(void **state)
{
    _cleanup_(log_file_freep) struct log_file *f = make(0, 0);

    (void)state;
    assert_int_equal(put(f, "a\n", 0), LOG_FILE_OK);
    assert_int_equal(unlink("log"), 0);
    assert_int_equal(put(f, "b\n", NSEC_PER_SEC), LOG_FILE_OK);
    assert_text("log", "b\n");
}

static void test_reopen_takes_the_new_file_at_once(void **state)
{
    _cleanup_(log_file_freep) struct log_file *f = make(0, 0);

    (void)state;
    assert_int_equal(put(f, "a\n", 0), LOG_FILE_OK);
    assert_int_equal(__real_rename("log", "moved"), 0);
    assert_int_equal(log_file_reopen(f, 1), 0);
    assert_int_equal(put(f, "b\n", 1), LOG_FILE_OK);
    assert_text("moved", "a\n");
    assert_text("log", "b\n");
}

static void test_full_disk_keeps_whole_lines_and_counts_the_others(void **state)
{
    _cleanup_(log_file_freep) struct log_file *f = make(0, 0);

    (void)state;
    assert_int_equal(put(f, "a\n", 0), LOG_FILE_OK);
    kernel.write_error = ENOSPC;
    kernel.write_room = 6;
    assert_int_equal(put(f, "bbb\nccc\nddd\n", 0), -ENOSPC);
    assert_text("log", "a\nbbb\n");
    assert_int_equal(log_file_take_lost(f), 2);
    assert_int_equal(log_file_take_lost(f), 0);
}

static void test_failure_is_told_once_and_retried_each_second(void **state)
{
    _cleanup_(log_file_freep) struct log_file *f = make(0, 0);

    (void)state;
    kernel.write_error = ENOSPC;
    assert_int_equal(put(f, "a\n", 0), -ENOSPC);
    assert_int_equal(put(f, "b\n", NSEC_PER_SEC - 1), LOG_FILE_FAILING);
    assert_int_equal(kernel.n_writes, 1);
    assert_int_equal(put(f, "c\n", NSEC_PER_SEC), LOG_FILE_FAILING);
    assert_int_equal(kernel.n_writes, 2);

    kernel.write_error = EIO;
    assert_int_equal(put(f, "d\n", 2 * NSEC_PER_SEC), -EIO);

    kernel.write_error = 0;
    assert_int_equal(put(f, "e\n", 2 * NSEC_PER_SEC), LOG_FILE_FAILING);
    assert_int_equal(put(f, "f\n", 3 * NSEC_PER_SEC), LOG_FILE_RESUMED);
    assert_int_equal(put(f, "g\n", 3 * NSEC_PER_SEC), LOG_FILE_OK);
    assert_int_equal(log_file_take_lost(f), 5);
    assert_text("log", "f\ng\n");
}

/* Some file systems need space even for shrinking a file. */
static void test_half_line_that_cannot_be_cut_is_cut_before_the_next(void **state)
{
    _cleanup_(log_file_freep) struct log_file *f = make(0, 0);

    (void)state;
    kernel.write_error = ENOSPC;
    kernel.write_room = 5;
    kernel.truncate_error = ENOSPC;
    assert_int_equal(put(f, "aaa\nbbb\n", 0), -ENOSPC);
    assert_text("log", "aaa\nb");
    kernel.write_error = 0;
    assert_int_equal(put(f, "ccc\n", NSEC_PER_SEC), LOG_FILE_FAILING);
    kernel.truncate_error = 0;
    assert_int_equal(put(f, "ddd\n", 2 * NSEC_PER_SEC), LOG_FILE_RESUMED);
    assert_text("log", "aaa\nddd\n");
    assert_int_equal(log_file_take_lost(f), 2);
}

/* What another process wrote behind the half line is worth more than its end. */
static void test_half_line_is_left_where_another_wrote_behind_it(void **state)
{
    _cleanup_(log_file_freep) struct log_file *f = make(0, 0);
    _cleanup_(log_file_freep) struct log_file *other = make(0, 0);

    (void)state;
    kernel.write_error = ENOSPC;
    kernel.write_room = 5;
    kernel.truncate_error = ENOSPC;
    assert_int_equal(put(f, "aaa\nbbb\n", 0), -ENOSPC);
    kernel.write_error = kernel.truncate_error = 0;
    assert_int_equal(put(other, "ccc\n", 0), LOG_FILE_OK);
    assert_int_equal(put(f, "ddd\n", NSEC_PER_SEC), LOG_FILE_RESUMED);
    assert_text("log", "aaa\nbccc\nddd\n");
}

static void test_short_and_interrupted_writes_go_on(void **state)
{
    _cleanup_(log_file_freep) struct log_file *f = make(0, 0);

    (void)state;
    kernel.write_interrupted = true;
    assert_int_equal(put(f, "a\n", 0), LOG_FILE_OK);
    assert_int_equal(kernel.n_writes, 2);
    kernel.write_most = 3;
    assert_int_equal(put(f, "bbb\nccc\nd\n", 0), LOG_FILE_OK);
    assert_text("log", "a\nbbb\nccc\nd\n");
}

static void test_rotation_that_fails_is_an_error_and_recovers(void **state)
{
    _cleanup_(log_file_freep) struct log_file *f = make(4, 1);

    (void)state;
    assert_int_equal(put(f, "aaa\n", 0), LOG_FILE_OK);
    kernel.rename_error = EACCES;
    assert_int_equal(put(f, "bbb\n", 0), -EACCES);
    assert_text("log", "aaa\n");
    kernel.rename_error = 0;
    assert_int_equal(put(f, "ccc\n", NSEC_PER_SEC), LOG_FILE_RESUMED);
    assert_text("log.1", "aaa\n");
    assert_text("log", "ccc\n");
    assert_int_equal(log_file_take_lost(f), 1);
}

static void test_new_file_that_cannot_be_made_is_an_error_and_recovers(void **state)
{
    _cleanup_(log_file_freep) struct log_file *f = make(4, 1);

    (void)state;
    assert_int_equal(put(f, "aaa\n", 0), LOG_FILE_OK);
    kernel.open_error = ENOSPC;
    assert_int_equal(put(f, "bbb\n", 0), -ENOSPC);
    kernel.open_error = 0;
    assert_int_equal(put(f, "ccc\n", NSEC_PER_SEC), LOG_FILE_RESUMED);
    assert_text("log.1", "aaa\n");
    assert_text("log", "ccc\n");
}

static void test_removed_directory_is_an_error_until_it_is_back(void **state)
{
    struct log_file_options options = {.path = "dir/log"};
    _cleanup_(log_file_freep) struct log_file *f = NULL;

    (void)state;
    assert_int_equal(mkdir("dir", 0700), 0);
    assert_int_equal(log_file_new(&f, &options), 0);
    assert_int_equal(put(f, "a\n", 0), LOG_FILE_OK);
    assert_int_equal(unlink("dir/log"), 0);
    assert_int_equal(rmdir("dir"), 0);
    assert_int_equal(put(f, "b\n", NSEC_PER_SEC), -ENOENT);
    assert_int_equal(mkdir("dir", 0700), 0);
    assert_int_equal(put(f, "c\n", 2 * NSEC_PER_SEC), LOG_FILE_RESUMED);
    assert_text("dir/log", "c\n");
    assert_int_equal(log_file_take_lost(f), 1);
}

/* An order to reopen that fails is told by its own result; the writes that follow do not repeat it,
 * but say when it is over. */
static void test_failed_reopen_is_not_told_again_by_writes(void **state)
{
    _cleanup_(log_file_freep) struct log_file *f = make(0, 0);

    (void)state;
    assert_int_equal(put(f, "a\n", 0), LOG_FILE_OK);
    kernel.open_error = EROFS;
    assert_int_equal(log_file_reopen(f, 0), -EROFS);
    assert_int_equal(put(f, "b\n", 0), LOG_FILE_FAILING);
    assert_int_equal(put(f, "c\n", NSEC_PER_SEC), LOG_FILE_FAILING);
    kernel.open_error = 0;
    assert_int_equal(log_file_reopen(f, NSEC_PER_SEC), 0);
    assert_int_equal(put(f, "d\n", NSEC_PER_SEC), LOG_FILE_RESUMED);
    assert_text("log", "a\nd\n");
    assert_int_equal(log_file_take_lost(f), 2);
}

#define file_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        file_test(test_write_appends_to_what_is_there),
        file_test(test_new_file_is_not_for_everyone),
        file_test(test_batch_costs_one_write),
        file_test(test_missing_directory_is_an_error),
        file_test(test_missing_directories_are_made_if_asked_for),
        file_test(test_a_file_in_the_way_of_a_directory_is_an_error),
        file_test(test_only_a_regular_file_will_do),
        file_test(test_full_file_is_rotated_through_all_names),
        file_test(test_line_longer_than_the_limit_has_a_file_of_its_own),
        file_test(test_without_old_files_it_starts_over_in_place),
        file_test(test_full_file_of_before_is_rotated_at_once),
        file_test(test_no_line_is_lost_or_cut_by_rotation),
        file_test(test_two_writers_share_a_file),
        file_test(test_processes_rotate_under_each_other),
        file_test(test_file_rotated_by_another_is_not_rotated_again),
        file_test(test_file_started_over_by_another_is_not_emptied_again),
        file_test(test_nobody_waits_for_another_that_rotates),
        file_test(test_moved_file_is_noticed_within_a_second),
        file_test(test_removed_file_is_made_again),
        file_test(test_reopen_takes_the_new_file_at_once),
        file_test(test_full_disk_keeps_whole_lines_and_counts_the_others),
        file_test(test_failure_is_told_once_and_retried_each_second),
        file_test(test_half_line_that_cannot_be_cut_is_cut_before_the_next),
        file_test(test_half_line_is_left_where_another_wrote_behind_it),
        file_test(test_short_and_interrupted_writes_go_on),
        file_test(test_rotation_that_fails_is_an_error_and_recovers),
        file_test(test_new_file_that_cannot_be_made_is_an_error_and_recovers),
        file_test(test_removed_directory_is_an_error_until_it_is_back),
        file_test(test_failed_reopen_is_not_told_again_by_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
