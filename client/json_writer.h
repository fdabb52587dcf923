/* SPDX-License-Identifier: MIT */
/*
 * JSON writer: typed values in, text that is always valid JSON (RFC 8259) out.
 *
 * The writer knows where it stands, so that commas, nesting and escapes cannot go wrong, and a
 * value has a type: numbers are never quoted, what is not a number (NaN, infinity) is null, bytes
 * that are not UTF-8 become U+FFFD. Errors of the stream are the stream's: ask ferror() at the end.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json_writer {
    FILE *out;                      /* borrowed */
    bool pretty;                    /* a line for each value; else all on one */
    unsigned depth;
    bool has_sibling;               /* a value stands before the next one in its container */
};

/*
 * @key is the name in an object, and NULL in an array and at the top. Keys are ours: plain ASCII.
 */
void json_begin_object(struct json_writer *w, const char *key);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w, const char *key);
void json_end_array(struct json_writer *w);

void json_u64(struct json_writer *w, const char *key, uint64_t value);
void json_i64(struct json_writer *w, const char *key, int64_t value);
/* As few digits as give the same double when read. */
void json_double(struct json_writer *w, const char *key, double value);
/* NULL is null. */
void json_string(struct json_writer *w, const char *key, const char *value);
void json_bool(struct json_writer *w, const char *key, bool value);
void json_null(struct json_writer *w, const char *key);

/* Ends a document or an NDJSON line. */
void json_end_line(struct json_writer *w);
