/* SPDX-License-Identifier: MIT */
/*
 * Log file: whole lines in a file of limited size, with a number of old files beside it.
 *
 * A batch of lines costs one write(2). What goes wrong (a full disk, a directory that is gone) is
 * told once, the lines that did not make it are counted, and each later call tries again, at most
 * once a second, until it can be told that the file is back. No line is ever cut: not by rotation,
 * nor by a write that stopped in the middle.
 *
 * Several processes may write to one file. Each notices within a second that another has rotated
 * it, or that somebody has moved or removed it; what they write meanwhile is in the old file.
 *
 * Not thread-safe: one thread owns a log file. Only local file systems keep the promises above.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base.h"
#include "common/clock.h"

struct log_file;

struct log_file_options {
    const char *path;           /* copied; the last component may not be a symbolic link */
    uint64_t size_limit;        /* [bytes], 0 = none; only a single longer line may exceed it */
    unsigned n_old;             /* PATH.1, the newest, to PATH.N; 0 = start over in place */
    bool make_parents;          /* make missing directories, with mode 0700 as the XDG base
                                   directory specification has it */
};

/* What log_file_write() tells beside errors. */
enum {
    LOG_FILE_OK = 0,            /* all is written */
    LOG_FILE_RESUMED,           /* all is written, for the first time since it failed */
    LOG_FILE_FAILING,           /* it still fails as it did, or is not tried yet again */
};

/**
 * log_file_new() - a log file that is not open yet
 *
 * Return: 0 or -ENOMEM.
 */
int log_file_new(struct log_file **ret, const struct log_file_options *options);
struct log_file *log_file_free(struct log_file *f);
DEFINE_CLEANUP(struct log_file *, log_file_free)

/**
 * log_file_reopen() - open the file by its name, now
 * @f:      log file; open or not
 * @now:    time [ns, monotonic]
 *
 * For a program that should not start without its log, and for those that rename the file and then
 * ask for a new one. log_file_write() needs it in neither case.
 *
 * Return: 0, -EINVAL if it is not a regular file, or the negative errno of open(2).
 */
int log_file_reopen(struct log_file *f, nsec_t now);

/**
 * log_file_write() - append lines, rotating where the limit requires it
 * @f:      log file
 * @lines:  any number of whole lines: each ends with a newline
 * @len:    their length
 * @now:    time [ns, monotonic]
 *
 * Return: LOG_FILE_OK, LOG_FILE_RESUMED or LOG_FILE_FAILING; or a negative errno, if it fails for
 * the first time or in another way than before. Where it fails, the lines from the first that is
 * not written are lost, and log_file_take_lost() has their number.
 */
int log_file_write(struct log_file *f, const char *lines, size_t len, nsec_t now);

/* The number of lines lost since this was last asked. */
uint64_t log_file_take_lost(struct log_file *f);
