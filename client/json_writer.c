/* SPDX-License-Identifier: MIT */
#include "client/json_writer.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REPLACEMENT "\\ufffd"       /* U+FFFD, in the place of what is not UTF-8 */

static void indent(struct json_writer *w)
{
    if (w->pretty && w->depth > 0)
        (void)fprintf(w->out, "\n%*s", (int)w->depth * 2, "");
}

/* All before a value: the comma, the line, the key. */
static void begin_value(struct json_writer *w, const char *key)
{
    if (w->has_sibling)
        (void)fputc(',', w->out);
    indent(w);
    if (key)
        (void)fprintf(w->out, w->pretty ? "\"%s\": " : "\"%s\":", key);
    w->has_sibling = true;
}

static void begin_container(struct json_writer *w, const char *key, char bracket)
{
    begin_value(w, key);
    (void)fputc(bracket, w->out);
    w->depth++;
    w->has_sibling = false;
}

static void end_container(struct json_writer *w, char bracket)
{
    bool empty = !w->has_sibling;

    w->depth--;
    if (!empty && w->pretty)
        (void)fprintf(w->out, "\n%*s", (int)w->depth * 2, "");
    (void)fputc(bracket, w->out);
    w->has_sibling = true;
}

void json_begin_object(struct json_writer *w, const char *key)
{
    begin_container(w, key, '{');
}

void json_end_object(struct json_writer *w)
{
    end_container(w, '}');
}

void json_begin_array(struct json_writer *w, const char *key)
{
    begin_container(w, key, '[');
}

void json_end_array(struct json_writer *w)
{
    end_container(w, ']');
}

void json_u64(struct json_writer *w, const char *key, uint64_t value)
{
    begin_value(w, key);
    (void)fprintf(w->out, "%" PRIu64, value);
}

void json_i64(struct json_writer *w, const char *key, int64_t value)
{
    begin_value(w, key);
    (void)fprintf(w->out, "%" PRId64, value);
}

void json_double(struct json_writer *w, const char *key, double value)
{
    char text[32];

    if (!isfinite(value)) {
        json_null(w, key);
        return;
    }

    for (int digits = 6; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    begin_value(w, key);
    (void)fputs(text, w->out);
}

/* The length of the UTF-8 sequence at @p (RFC 3629 section 4), 0 if there is none. */
static size_t utf8_length(const uint8_t *p)
{
    size_t n;
    uint8_t low = 0x80, high = 0xbf;

    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        n = 2;
    else if (p[0] >= 0xe0 && p[0] <= 0xef)
        n = 3;
    else if (p[0] >= 0xf0 && p[0] <= 0xf4)
        n = 4;
    else
        return 0;

    if (p[0] == 0xe0)
        low = 0xa0;                 /* shorter forms exist */
    else if (p[0] == 0xed)
        high = 0x9f;                /* surrogates */
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;                /* above U+10FFFF */

    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return n;
}

static void put_escaped(FILE *out, const char *text)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t n;

    while (*p) {
        if (*p == '"' || *p == '\\') {
            (void)fprintf(out, "\\%c", *p++);
        } else if (*p < 0x20 || *p == 0x7f) {
            (void)fprintf(out, "\\u%04x", *p++);
        } else if (*p < 0x80) {
            (void)fputc(*p++, out);
        } else if ((n = utf8_length(p)) > 0) {
            (void)fwrite(p, 1, n, out);
            p += n;
        } else {
            (void)fputs(REPLACEMENT, out);
            p++;
        }
    }
}

void json_string(struct json_writer *w, const char *key, const char *value)
{
    if (!value) {
        json_null(w, key);
        return;
    }
    begin_value(w, key);
    (void)fputc('"', w->out);
    put_escaped(w->out, value);
    (void)fputc('"', w->out);
}

void json_bool(struct json_writer *w, const char *key, bool value)
{
    begin_value(w, key);
    (void)fputs(value ? "true" : "false", w->out);
}

void json_null(struct json_writer *w, const char *key)
{
    begin_value(w, key);
    (void)fputs("null", w->out);
}

void json_end_line(struct json_writer *w)
{
    (void)fputc('\n', w->out);
    w->has_sibling = false;
}
