/* SPDX-License-Identifier: MIT */
#include "client/record_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <uuid.h>

#include "common/base.h"
#include "common/parse.h"

static void print(char ret_line[static RECORD_LINE_SIZE], const char *format, ...) _printf_(2, 3);

static void print(char ret_line[static RECORD_LINE_SIZE], const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(ret_line, RECORD_LINE_SIZE, format, args);
    va_end(args);
}

static void print_reply(const struct record *record, nsec_t timeout,
                        char ret_line[static RECORD_LINE_SIZE])
{
    const struct where_sample *s = &record->reply.sample;
    const double ms = (double)NSEC_PER_MSEC;
    char uuid[UUID_STR_LEN];

    uuid_unparse_lower(s->uuid, uuid);
    print(ret_line, "reply to message %" PRIu64 " (%s): service RTT %.6f ms, response RTT %.6f ms, "
          "delta %.6f ms%s%s", s->seq, uuid, (double)record_service(record) / ms,
          (double)record_response(record) / ms, (double)s->delta / ms,
          record_service(record) > timeout ? ", late" : "",
          s->flags & SAMPLE_RESENT ? ", sent again" : "");
}

static void print_missing(const struct record *record, const char *why,
                          char ret_line[static RECORD_LINE_SIZE])
{
    char uuid[UUID_STR_LEN];

    uuid_unparse_lower(record->message.uuid, uuid);
    print(ret_line, "no reply to message %" PRIu64 " (%s)%s", record->message.seq, uuid, why);
}

void record_text_format(const struct record *record, nsec_t timeout,
                        char ret_line[static RECORD_LINE_SIZE])
{
    char duration[FORMAT_DURATION_SIZE], why[64];

    switch ((enum record_kind)record->kind) {
    case RECORD_CONNECTED:
        print(ret_line, "connected: %s protocol", record->connected.is_native ? "native" : "text");
        return;
    case RECORD_REPLY:
        print_reply(record, timeout, ret_line);
        return;
    case RECORD_OVERDUE:
        format_duration(timeout, duration);
        (void)snprintf(why, sizeof(why), " within %s", duration);
        print_missing(record, why, ret_line);
        return;
    case RECORD_MISSING:
        print_missing(record, ", a later one was answered", ret_line);
        return;
    case RECORD_LOST:
        print_missing(record, ", its connection ended", ret_line);
        return;
    case RECORD_WRONG:
        print(ret_line, "wrong reply: no message waits for the UUID %s", record->text);
        return;
    case RECORD_OUTAGE:
        print(ret_line, "connection lost: %s; connecting again", record->text);
        return;
    case RECORD_RESTORED:
        format_duration(record->outage.length / NSEC_PER_USEC * NSEC_PER_USEC, duration);
        print(ret_line, "connected again after %s: %" PRIu64 " lost, %" PRIu64 " sent again, %"
              PRIu64 " not sent", duration, record->outage.n_lost, record->outage.n_resent,
              record->outage.n_not_sent);
        return;
    case RECORD_NOTICE:
        print(ret_line, "%s", record->text);
        return;
    }
}
