/* SPDX-License-Identifier: MIT */
#include "daemon/log_text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    const char *message_id;
} events[] = {
#define X(event, priority, id) [LOG_EVENT_##event] = {.name = #event, .message_id = id},
    LOG_EVENTS(X)
#undef X
};

void log_event_name(enum log_event event, char ret_name[static LOG_EVENT_NAME_SIZE])
{
    size_t n = 0;

    for (; events[event].name[n] && n < LOG_EVENT_NAME_SIZE - 1; n++)
        ret_name[n] = (char)tolower(events[event].name[n]);
    ret_name[n] = '\0';
}

const char *log_event_message_id(enum log_event event)
{
    return events[event].message_id;
}

static uint64_t value_of(const struct log_record *r, enum log_field field)
{
    for (unsigned i = 0; i < r->n_values; i++)
        if (r->values[i].field == field)
            return r->values[i].value;
    return 0;
}

/* The reply to a message, without what that begins with. Return: its length. */
static int put_message(const struct log_record *r, char *text, size_t size)
{
    char reply[TEXT_REPLY_MAX];
    size_t len = text_reply_format(reply, r->uuid, value_of(r, LOG_FIELD_DELTA) / NSEC_PER_USEC);
    size_t n = MIN(len - strlen(TEXT_REPLY_PREFIX), size - 1);

    memcpy(text, reply + strlen(TEXT_REPLY_PREFIX), n);
    text[n] = '\0';
    return (int)n;
}

/* Those that come from the request path, where no text is made. */
static int make_from_data(const struct log_record *r, char *text, size_t size)
{
    uint64_t threshold_us = value_of(r, LOG_FIELD_THRESHOLD) / NSEC_PER_USEC;
    int n;

    switch (r->site->event) {
    case LOG_EVENT_MESSAGE:
        return put_message(r, text, size);
    case LOG_EVENT_SLOW:
        n = put_message(r, text, size);
        return n + snprintf(text + n, size - (size_t)n,
                            ", more than slow_threshold = %" PRIu64 ".%06" PRIu64 " s",
                            threshold_us / 1000000, threshold_us % 1000000);
    case LOG_EVENT_CONNECTED:
        return snprintf(text, size, "connected");
    case LOG_EVENT_DISCONNECTED:
        return snprintf(text, size, "disconnected");
    default:
        return snprintf(text, size, "%s", events[r->site->event].name);
    }
}

size_t log_text_make(const struct log_record *r, const char *client,
                     char ret_text[static LOG_TEXT_SIZE])
{
    uint64_t suppressed = value_of(r, LOG_FIELD_SUPPRESSED);
    size_t len = 0;
    int n;

    if (client) {
        len = strlen(client);
        memcpy(ret_text, client, len);
        memcpy(ret_text + len, ": ", 2);
        len += 2;
    }
    if (r->text_len > 0)
        n = snprintf(ret_text + len, LOG_TEXT_SIZE - len, "%.*s", r->text_len,
                     (const char *)&r->values[r->n_values]);
    else
        n = make_from_data(r, ret_text + len, LOG_TEXT_SIZE - len);
    len += n > 0 ? (size_t)n : 0;
    if (suppressed > 0 && len < LOG_TEXT_SIZE) {
        n = snprintf(ret_text + len, LOG_TEXT_SIZE - len, " (%" PRIu64 " more like it not logged)",
                     suppressed);
        len += n > 0 ? (size_t)n : 0;
    }

    return MIN(len, (size_t)LOG_TEXT_SIZE - 1);
}

static const char *const priority_names[] = {
    [LOG_EMERG] = "emerg", [LOG_ALERT] = "alert",   [LOG_CRIT] = "crit", [LOG_ERR] = "err",
    [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice", [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
};

size_t log_line_format(const struct log_entry *entry, char ret_line[static LOG_LINE_MAX])
{
    const char *priority = priority_names[entry->priority];
    char *end = ret_line + LOG_LINE_MAX - 1, *p = ret_line;

    p = mempcpy(p, entry->when, strlen(entry->when));
    *p++ = ' ';
    p = mempcpy(p, priority, strlen(priority));
    *p++ = ' ';
    p = mempcpy(p, entry->text, MIN(entry->text_len, (size_t)(end - p)));   /* cut, but a line */
    *p++ = '\n';
    return (size_t)(p - ret_line);
}
