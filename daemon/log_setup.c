/* SPDX-License-Identifier: MIT */
#include "daemon/log_setup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DEFAULT_FILE "tcptimerd.log"

bool log_setup_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long dev, ino;
    struct stat st;

    return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

static struct log_sink sink_of(const struct config *c)
{
    switch (c->log_target) {
    case LOG_TARGET_AUTO:
        return (struct log_sink){
            .ops = log_setup_is_journal() ? &log_journal_ops : &log_stderr_ops};
    case LOG_TARGET_JOURNAL:
        return (struct log_sink){.ops = &log_journal_ops};
    case LOG_TARGET_STDERR:
        return (struct log_sink){.ops = &log_stderr_ops};
    case LOG_TARGET_NONE:
        break;
    }
    return (struct log_sink){0};
}

/* A relative path, as the default is one, lies in the (first) directory that the unit made; without
 * such a directory there is no default file. */
static int resolve_file(const struct config *c, char **ret_file)
{
    const char *directory = getenv("LOGS_DIRECTORY");
    const char *name = c->log_file ? c->log_file : directory ? DEFAULT_FILE : "";
    char *path;

    *ret_file = NULL;
    if (!*name)
        return 0;
    if (*name == '/' || !directory)
        path = strdup(name);
    else if (asprintf(&path, "%.*s/%s", (int)strcspn(directory, ":"), directory, name) < 0)
        path = NULL;

    *ret_file = path;
    return path ? 0 : -ENOMEM;
}

int log_setup_resolve(const struct config *c, struct logger_settings *ret_settings)
{
    char *file;
    int r = resolve_file(c, &file);

    if (r < 0)
        return r;
    *ret_settings = (struct logger_settings){
        .sink = sink_of(c),
        .file = file,
        .file_size = c->log_file_size,
        .file_count = c->log_file_count,
    };
    return 0;
}
