/* SPDX-License-Identifier: MIT */
/* Else the journal would be told that every entry comes from this file. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include "daemon/log_sink.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

static const struct {
    const char *name;
    enum log_number_type type;
} number_fields[] = {
#define X(field, journal, number) [LOG_FIELD_##field] = {.name = journal, .type = number},
    LOG_FIELDS(X)
#undef X
};

#define MAX_FIELDS (16 + LOG_VALUES_MAX)

/* The fields of one entry, one behind the other in one buffer. */
struct fields {
    struct iovec iov[MAX_FIELDS];
    int n;
    size_t used;
    char bytes[LOG_TEXT_MAX + 4096];
};

_Static_assert(ADDR_TEXT_SIZE < 256, "a client and a listener fit beside the text");

static void add(struct fields *f, const char *format, ...) _printf_(2, 3);

static void add(struct fields *f, const char *format, ...)
{
    size_t left = sizeof(f->bytes) - f->used;
    char *at = f->bytes + f->used;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(at, left, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= left || f->n == MAX_FIELDS)
        return;                     /* cannot be: the buffer is larger than all fields together */
    f->iov[f->n++] = (struct iovec){.iov_base = at, .iov_len = (size_t)n};
    f->used += (size_t)n;
}

static void add_number(struct fields *f, const struct log_value *v)
{
    const char *name = number_fields[v->field].name;

    if (number_fields[v->field].type == LOG_SIGNED)
        add(f, "%s=%" PRId64, name, (int64_t)v->value);
    else
        add(f, "%s=%" PRIu64, name, v->value);
}

static int journal_write(void *ctx, const struct log_entry *entry)
{
    const struct log_record *r = entry->record;
    struct fields f;

    (void)ctx;
    f.n = 0;
    f.used = 0;
    add(&f, "MESSAGE=%.*s", (int)entry->text_len, entry->text);
    add(&f, "MESSAGE_ID=%s", entry->message_id);
    add(&f, "PRIORITY=%d", entry->priority);
    add(&f, "SYSLOG_IDENTIFIER=tcptimerd");
    add(&f, "CODE_FILE=%s", r->site->file);
    add(&f, "CODE_LINE=%d", r->site->line);
    add(&f, "CODE_FUNC=%s", r->site->func);
    add(&f, "TCPTIMER_EVENT=%s", entry->name);
    if (r->worker != LOG_NO_WORKER)
        add(&f, "TCPTIMER_WORKER=%u", r->worker);
    if (entry->client)
        add(&f, "TCPTIMER_CLIENT=%s", entry->client);
    if (r->listener)
        add(&f, "TCPTIMER_LISTENER=%s", r->listener);
    if (r->has_uuid)
        add(&f, "TCPTIMER_UUID=%.*s", TEXT_UUID_LEN, r->uuid);
    if (r->reason)
        add(&f, "TCPTIMER_REASON=%s", r->reason);
    if (r->error > 0)
        add(&f, "ERRNO=%d", r->error);
    for (unsigned i = 0; i < r->n_values; i++)
        add_number(&f, &r->values[i]);

    return sd_journal_sendv(f.iov, f.n);
}

const struct log_sink_ops log_journal_ops = {.write = journal_write};
