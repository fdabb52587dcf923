/* SPDX-License-Identifier: MIT */
/*
 * Log sink: the seam behind which log entries go somewhere - the journal, a file, standard error, a
 * test's memory.
 */
#pragma once

#include "daemon/log.h"

/* A record with its text made; all of it is borrowed for the call. */
struct log_entry {
    const struct log_record *record;
    const char *name;               /* of the event, lower case */
    const char *message_id;
    int priority;                   /* syslog(3) */
    const char *when;               /* RFC 3339 */
    const char *client;             /* its address, or NULL */
    const char *text;               /* one line, no line end */
    size_t text_len;
};

/**
 * struct log_sink_ops - the contract
 * @write:      puts one entry down
 *
 * Returns 0 or negative errno: the entry is lost, and the next one is tried again. Called on the
 * logger's thread alone. It may wait, but not without end: the stop waits for that thread.
 */
struct log_sink_ops {
    int (*write)(void *ctx, const struct log_entry *entry);
};

struct log_sink {
    const struct log_sink_ops *ops;
    void *ctx;                      /* borrowed */
};

/* The journal, with structured fields; ctx is not used. */
extern const struct log_sink_ops log_journal_ops;

/* Standard error, a line an entry; ctx is not used. */
extern const struct log_sink_ops log_stderr_ops;
