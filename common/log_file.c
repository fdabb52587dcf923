/* SPDX-License-Identifier: MIT */
#include "common/log_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define CHECK_INTERVAL NSEC_PER_SEC         /* between looks at what became of the name */
#define RETRY_INTERVAL NSEC_PER_SEC         /* between attempts while it fails */

struct log_file {
    char *path;
    uint64_t size_limit;
    unsigned n_old;
    bool make_parents;
    int fd;                                 /* -1 = not open */
    dev_t dev;                              /* of fd */
    ino_t ino;
    uint64_t size;                          /* when last looked at, and what was written since */
    size_t n_torn;                          /* bytes of a half line at the end, to be cut off */
    nsec_t check_at;
    nsec_t retry_at;
    int error;                              /* how the last attempt failed, 0 = it did not */
    uint64_t n_lost;
};

int log_file_new(struct log_file **ret, const struct log_file_options *options)
{
    _cleanup_(log_file_freep) struct log_file *f = malloc(sizeof(*f));

    if (!f)
        return -ENOMEM;

    *f = (struct log_file){
        .path = strdup(options->path),
        .size_limit = options->size_limit > 0 ? options->size_limit : UINT64_MAX,
        .n_old = options->n_old,
        .make_parents = options->make_parents,
        .fd = -1,
    };
    if (!f->path)
        return -ENOMEM;

    *ret = take_ptr(f);
    return 0;
}

struct log_file *log_file_free(struct log_file *f)
{
    if (!f)
        return NULL;

    fd_closep(&f->fd);
    free(f->path);
    free(f);
    return NULL;
}

/* O_NONBLOCK: a FIFO without a reader must not hang us. */
static int open_for_append(const char *path)
{
    int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
    int fd = open(path, flags, 0640);

    return fd < 0 ? -errno : fd;
}

static int make_parents_of(const char *path)
{
    _cleanup_(freep) char *copy = strdup(path);

    if (!copy)
        return -ENOMEM;

    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0700) < 0 && errno != EEXIST)
            return -errno;
        *slash = '/';
    }

    return 0;
}

static int open_file(struct log_file *f)
{
    _cleanup_(fd_closep) int fd = -1;
    struct stat st;
    int r;

    fd_closep(&f->fd);
    f->n_torn = 0;

    fd = open_for_append(f->path);
    if (fd == -ENOENT && f->make_parents) {
        r = make_parents_of(f->path);
        if (r < 0)
            return r;
        fd = open_for_append(f->path);
    }
    if (fd < 0)
        return fd;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;

    f->dev = st.st_dev;
    f->ino = st.st_ino;
    f->size = (uint64_t)st.st_size;
    f->fd = take_fd(&fd);
    return 0;
}

/* Whether the name still stands for the open file, and how long it has grown if so. While it is
 * open its inode is not given away again: a removed file cannot be mistaken for a new one. */
static bool still_there(struct log_file *f)
{
    struct stat st;

    if (lstat(f->path, &st) < 0 || st.st_dev != f->dev || st.st_ino != f->ino)
        return false;

    f->size = (uint64_t)st.st_size;
    return true;
}

/* Makes PATH into PATH.1, PATH.1 into PATH.2, and so on; what was PATH.N is no more. */
static int shift_names(const struct log_file *f)
{
    size_t size = strlen(f->path) + sizeof(".4294967295");
    _cleanup_(freep) char *from = malloc(size);
    _cleanup_(freep) char *to = malloc(size);

    if (!from || !to)
        return -ENOMEM;

    for (unsigned i = f->n_old; i > 0; i--) {
        (void)snprintf(to, size, "%s.%u", f->path, i);
        (void)snprintf(from, size, i > 1 ? "%s.%u" : "%s", f->path, i - 1);
        if (rename(from, to) < 0 && errno != ENOENT)
            return -errno;
    }

    return 0;
}

static int start_over(struct log_file *f)
{
    if (ftruncate(f->fd, 0) < 0)
        return -errno;

    f->size = 0;
    return 0;
}

static int rotate_locked(struct log_file *f)
{
    uint64_t size_before = f->size;
    int r;

    if (!still_there(f))
        return open_file(f);                /* another process was first */

    if (f->n_old == 0)
        return f->size < size_before ? 0 : start_over(f);

    r = shift_names(f);
    return r < 0 ? r : open_file(f);
}

enum {
    ROTATED = 0,
    ROTATE_BUSY,                            /* another process is at it */
};

/*
 * The lock is on the file that all processes see as full. Whoever gets it first renames it, and all
 * names are final before anyone can open, fill and lock the new file; the others then find another
 * file under the name, or a shorter one. Nobody waits: who holds the lock may have been stopped.
 */
static int rotate(struct log_file *f)
{
    int r;

    if (flock(f->fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return ROTATE_BUSY;

    r = rotate_locked(f);
    if (f->fd >= 0)
        (void)flock(f->fd, LOCK_UN);        /* of no effect on a new file */
    return r < 0 ? r : ROTATED;
}

/* Takes off the half line of a write that failed, unless another process has written behind it: a
 * write at the end of a file leaves the position behind what it wrote. */
static int cut_torn(struct log_file *f)
{
    off_t end;
    struct stat st;

    if (f->n_torn == 0)
        return 0;

    end = lseek(f->fd, 0, SEEK_CUR);
    if (end < 0 || fstat(f->fd, &st) < 0)
        return -errno;
    if (st.st_size == end && ftruncate(f->fd, end - (off_t)f->n_torn) < 0)
        return -errno;

    f->size -= MIN(f->size, (uint64_t)f->n_torn);
    f->n_torn = 0;
    return 0;
}

/* How much can go into the file now, up to a line's end; 0 if it must be rotated before. */
static size_t fitting(const struct log_file *f, const char *lines, size_t len)
{
    uint64_t room = f->size_limit - MIN(f->size, f->size_limit);
    const char *end;

    if (len <= room)
        return len;

    end = memrchr(lines, '\n', (size_t)room);
    if (!end && f->size == 0)               /* longer than the limit: it gets a file of its own */
        end = memchr(lines, '\n', len);

    return end ? (size_t)(end - lines) + 1 : 0;
}

/* @ret_done counts whole lines only, also on failure. */
static int append(struct log_file *f, const char *lines, size_t len, size_t *ret_done)
{
    size_t done = 0;
    const char *end;
    int r = 0;

    while (done < len) {
        ssize_t n = write(f->fd, lines + done, len - done);

        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR) {
            r = -errno;
            break;
        }
    }

    f->size += done;
    if (r < 0) {
        end = memrchr(lines, '\n', done);
        *ret_done = end ? (size_t)(end - lines) + 1 : 0;
        f->n_torn = done - *ret_done;
        (void)cut_torn(f);                  /* if this fails too, no write comes before it works */
        return r;
    }

    *ret_done = done;
    return 0;
}

static int make_ready(struct log_file *f, nsec_t now)
{
    int r;

    if (f->fd < 0 || (now >= f->check_at && !still_there(f))) {
        r = open_file(f);
        if (r < 0)
            return r;
    }
    if (now >= f->check_at)
        f->check_at = now + CHECK_INTERVAL;

    return cut_torn(f);
}

static int write_lines(struct log_file *f, const char *lines, size_t len, nsec_t now,
                       size_t *ret_done)
{
    size_t chunk, n;
    int r;

    *ret_done = 0;
    r = make_ready(f, now);
    if (r < 0)
        return r;

    while (*ret_done < len) {
        chunk = fitting(f, lines + *ret_done, len - *ret_done);
        if (chunk == 0) {
            r = rotate(f);
            if (r < 0)
                return r;
            if (r != ROTATE_BUSY)
                continue;
            chunk = len - *ret_done;
        }

        r = append(f, lines + *ret_done, chunk, &n);
        *ret_done += n;
        if (r < 0)
            return r;
    }

    return 0;
}

static uint64_t count_lines(const char *lines, size_t len)
{
    const char *end = lines + len;
    uint64_t n = 0;

    for (; (lines = memchr(lines, '\n', (size_t)(end - lines))); lines++)
        n++;

    return n;
}

int log_file_reopen(struct log_file *f, nsec_t now)
{
    int r;

    r = open_file(f);
    if (r < 0) {
        f->error = r;
        f->retry_at = now + RETRY_INTERVAL;
        return r;
    }

    f->check_at = now + CHECK_INTERVAL;
    f->retry_at = now;
    return 0;
}

int log_file_write(struct log_file *f, const char *lines, size_t len, nsec_t now)
{
    int error_before = f->error;
    size_t done;
    int r;

    assert(len == 0 || lines[len - 1] == '\n');

    if (f->error < 0 && now < f->retry_at) {
        f->n_lost += count_lines(lines, len);
        return LOG_FILE_FAILING;
    }

    r = write_lines(f, lines, len, now, &done);
    f->error = r;
    if (r < 0) {
        f->n_lost += count_lines(lines + done, len - done);
        f->retry_at = now + RETRY_INTERVAL;
        return r == error_before ? LOG_FILE_FAILING : r;
    }

    return error_before < 0 ? LOG_FILE_RESUMED : LOG_FILE_OK;
}

uint64_t log_file_take_lost(struct log_file *f)
{
    uint64_t n = f->n_lost;

    f->n_lost = 0;
    return n;
}
