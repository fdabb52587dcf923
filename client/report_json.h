/* SPDX-License-Identifier: MIT */
/*
 * The report for programs, as one document; and what the stream of events has in common with it.
 *
 * All fixed keys are there whatever happened, null where a value could not be had. Times are
 * integer nanoseconds, with _ns in the key.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "client/json_writer.h"
#include "client/report.h"
#include "common/clock.h"
#include "common/hist.h"

#define REPORT_JSON_SCHEMA "tcptimer/1"

/* Null if there is nothing in it, or if it is NULL itself. */
void report_json_hist(struct json_writer *w, const char *key, const struct hist *h,
                      const struct options *o);

/* Null if it is empty. */
void report_json_text(struct json_writer *w, const char *key, const char *text);

/* Null if it is not known. */
void report_json_known(struct json_writer *w, const char *key, bool is_known, uint64_t value);

/* A message by its number and its UUID. */
void report_json_uuid(struct json_writer *w, uint64_t seq,
                      const uint8_t uuid[static PROTO_UUID_LEN]);

/* Wall time of a moment on the monotonic clock; null if that is 0. */
void report_json_time(struct json_writer *w, const char *key, const struct report *r, nsec_t at);

/* An item of an array of changes. */
void report_json_change(struct json_writer *w, const struct report *r,
                        const struct where_change *c);

/* The load that was asked for. */
void report_json_load(struct json_writer *w, const struct options *o);

/* All keys of the document, into an object that was begun. */
void report_json_document(struct json_writer *w, struct report *r, const struct report_summary *s);
