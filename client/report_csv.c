/* SPDX-License-Identifier: MIT */
/*
 * The report for spreadsheets and plotting: a header, then a row for each reply, and nothing else.
 */
#include <inttypes.h>
#include <stdio.h>
#include <uuid.h>

#include "client/report.h"
#include "common/base.h"

static void csv_begin(struct report *r, _unused_ const char *protocol)
{
    (void)fputs("time_ns,seq,uuid,connection,service_rtt_ns,response_rtt_ns,delta_ns,late,resent,"
                "omitted\n", r->context.out);
}

static void csv_record(struct report *r, const struct record *record)
{
    char uuid[37];

    if (record->kind != RECORD_REPLY)
        return;
    uuid_unparse_lower(record->uuid, uuid);
    (void)fprintf(r->context.out,
                  "%" PRIu64 ",%" PRIu64 ",%s,%" PRIu32 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
                  ",%d,%d,%d\n",
                  report_real_time(r, record->at), record->seq, uuid, record->connection,
                  record->reply.service, record->reply.response, record->reply.delta,
                  record->is_late, record->is_resent, record->is_omitted);
}

static void csv_summary(_unused_ struct report *r, _unused_ const struct report_summary *s)
{
}

const struct report_ops report_csv_ops = {
    .begin = csv_begin,
    .record = csv_record,
    .interim = csv_summary,
    .end = csv_summary,
};
