/* SPDX-License-Identifier: MIT */
/*
 * The report for spreadsheets and plotting: a header, then a row for each message, nothing else.
 *
 * A row says where the message's time went, which takes its neighbours to know: rows come in
 * batches, some seconds after their messages. One without a reply has no times, and its row comes
 * when it is given up.
 */
#include <inttypes.h>
#include <stdio.h>
#include <uuid.h>

#include "client/report.h"
#include "common/base.h"

static void csv_begin(struct report *r, _unused_ const char *protocol)
{
    (void)fputs("time_ns,seq,uuid,connection,service_rtt_ns,response_rtt_ns,queued_ns,base_ns,"
                "forward_pdv_ns,residence_ns,return_pdv_ns,wakeup_ns,unsplit_ns,delta_ns,cause,"
                "late,resent,omitted\n", r->context.out);
}

static void csv_record(struct report *r, const struct record *record)
{
    char uuid[UUID_STR_LEN];

    if (record->kind != RECORD_MISSING && record->kind != RECORD_LOST)
        return;
    uuid_unparse_lower(record->message.uuid, uuid);
    (void)fprintf(r->context.out, ",%" PRIu64 ",%s,%" PRIu32 ",,,,,,,,,,,,,,%d\n",
                  record->message.seq, uuid, record->connection, record->message.omitted);
}

/* What is not known is an empty field. */
static void put_part(FILE *out, const struct where_parts *parts, enum where_part part)
{
    if (where_parts_told(parts, part))
        (void)fprintf(out, "%" PRIu64, parts->ns[part]);
    (void)fputc(',', out);
}

static void csv_row(void *ctx, const struct where_sample *s, const struct where_parts *parts,
                    _unused_ const struct where_fit *fit, const struct cause_note *note)
{
    struct report *r = ctx;
    FILE *out = r->context.out;
    nsec_t service = s->read - s->send;
    char uuid[UUID_STR_LEN];

    uuid_unparse_lower(s->uuid, uuid);
    (void)fprintf(out,
                  "%" PRIu64 ",%" PRIu64 ",%s,%" PRIu32 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",",
                  report_real_time(r, s->send), s->seq, uuid, s->conn, service, s->read - s->due,
                  parts->ns[PART_QUEUED]);
    put_part(out, parts, PART_BASE);
    put_part(out, parts, PART_FORWARD);
    put_part(out, parts, PART_RESIDENCE);
    put_part(out, parts, PART_RETURN);
    put_part(out, parts, PART_WAKEUP);
    (void)fprintf(out, "%" PRIu64 ",%" PRIu64 ",%s,%d,%d,%d\n", parts->ns[PART_UNSPLIT], s->delta,
                  cause_name(cause_of(parts, s->flags, note)),
                  service > r->context.options->timeout, (s->flags & SAMPLE_RESENT) != 0,
                  (s->flags & SAMPLE_OMIT) != 0);
}

static void csv_end(_unused_ struct report *r, _unused_ const struct report_summary *s)
{
}

const struct report_ops report_csv_ops = {
    .begin = csv_begin,
    .record = csv_record,
    .row = csv_row,
    .end = csv_end,
};
