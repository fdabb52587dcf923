/* SPDX-License-Identifier: MIT */
/*
 * Wire: bounded cursors that read and write big-endian numbers.
 *
 * An error sticks: after the first overrun every read yields zeros and every write does nothing, so
 * that a codec lists its fields without a check between them and asks once, at the end. Inline, and
 * with the room that is left as a number rather than as a pointer: where the caller knows the size,
 * the compiler drops every check.
 */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wire_reader {
    const uint8_t *at;      /* borrowed */
    size_t left;            /* bytes from `at` on */
    bool overrun;           /* more was read than there is */
};

struct wire_writer {
    uint8_t *at;            /* borrowed */
    size_t left;            /* room from `at` on */
    bool overrun;           /* more was written than there is room for */
};

#define WIRE_READER(bytes, len) ((struct wire_reader){.at = (bytes), .left = (len)})
#define WIRE_WRITER(room, size) ((struct wire_writer){.at = (room), .left = (size)})

/* Copies the next @len bytes to @ret_bytes, or zeros. */
static inline void wire_get_bytes(struct wire_reader *r, void *ret_bytes, size_t len)
{
    if (r->left < len) {
        r->overrun = true;
        r->left = 0;
        memset(ret_bytes, 0, len);
        return;
    }

    memcpy(ret_bytes, r->at, len);
    r->at += len;
    r->left -= len;
}

static inline uint8_t wire_get_u8(struct wire_reader *r)
{
    uint8_t value;

    wire_get_bytes(r, &value, sizeof(value));
    return value;
}

static inline uint16_t wire_get_u16(struct wire_reader *r)
{
    uint16_t value;

    wire_get_bytes(r, &value, sizeof(value));
    return be16toh(value);
}

static inline uint32_t wire_get_u32(struct wire_reader *r)
{
    uint32_t value;

    wire_get_bytes(r, &value, sizeof(value));
    return be32toh(value);
}

static inline uint64_t wire_get_u64(struct wire_reader *r)
{
    uint64_t value;

    wire_get_bytes(r, &value, sizeof(value));
    return be64toh(value);
}

/* Appends @len bytes, or nothing. */
static inline void wire_put_bytes(struct wire_writer *w, const void *bytes, size_t len)
{
    if (w->left < len) {
        w->overrun = true;
        w->left = 0;
        return;
    }

    memcpy(w->at, bytes, len);
    w->at += len;
    w->left -= len;
}

static inline void wire_put_u8(struct wire_writer *w, uint8_t value)
{
    wire_put_bytes(w, &value, sizeof(value));
}

static inline void wire_put_u16(struct wire_writer *w, uint16_t value)
{
    value = htobe16(value);
    wire_put_bytes(w, &value, sizeof(value));
}

static inline void wire_put_u32(struct wire_writer *w, uint32_t value)
{
    value = htobe32(value);
    wire_put_bytes(w, &value, sizeof(value));
}

static inline void wire_put_u64(struct wire_writer *w, uint64_t value)
{
    value = htobe64(value);
    wire_put_bytes(w, &value, sizeof(value));
}
