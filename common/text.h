/* SPDX-License-Identifier: MIT */
/*
 * Text: the protocol of the original programs, both directions, to the byte.
 *
 * A message is a UUID of 36 characters and nothing else; its reply is
 * "UUID: <the same 36> received after <seconds, 6 decimals> seconds" and nothing else. TCP keeps no
 * boundaries, so both are found by their form: the UUID by its length, the reply by its last word.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/clock.h"

#define TEXT_UUID_LEN 36

/* The longest reply: 20 digits of whole seconds. */
#define TEXT_REPLY_MAX (sizeof("UUID:  received after 18446744073709551615.000000 seconds") - 1 + \
                        TEXT_UUID_LEN)

/* What a reply begins with. */
#define TEXT_REPLY_PREFIX "UUID: "

/* What an error line begins with. */
#define TEXT_ERROR_PREFIX "ERROR: "

/* An error line contains it if the server stops, and only then: the client may connect again at
 * once. */
#define TEXT_STOPPING "stopping"

/**
 * text_uuid_match() - how far bytes go on as a UUID
 * @at:         how many characters of the UUID came before, < TEXT_UUID_LEN
 * @bytes:      what follows
 * @len:        their number
 *
 * Return: how many of @bytes can belong to the UUID that has @at characters already, at most
 * TEXT_UUID_LEN - @at; fewer than both that and @len means that the next byte cannot belong.
 */
size_t text_uuid_match(size_t at, const char *bytes, size_t len);

/**
 * text_reply_format() - write a reply
 * @ret_reply:  room for TEXT_REPLY_MAX bytes
 * @uuid:       the TEXT_UUID_LEN characters to give back, as they came
 * @delta_us:   time since the previous message [us]
 *
 * Return: the length; no NUL is written.
 */
size_t text_reply_format(char *ret_reply, const char uuid[static TEXT_UUID_LEN], uint64_t delta_us);

struct text_reply {
    const char *uuid;       /* TEXT_UUID_LEN characters, borrowed from the bytes parsed */
    nsec_t delta;           /* [ns], in whole microseconds; 0 for one that was negative */
};

enum {
    TEXT_NEED_MORE = 0,     /* all bytes so far can belong to a reply */
};

/**
 * text_reply_parse() - take one reply off the front of a stream
 * @bytes:      what has arrived and is not yet consumed
 * @len:        its length
 * @ret_reply:  the reply; points into @bytes
 *
 * Return: the reply's length (> 0), TEXT_NEED_MORE, or -EBADMSG if the first bytes cannot begin a
 * reply. A line end between replies is the caller's to skip.
 */
ssize_t text_reply_parse(const char *bytes, size_t len, struct text_reply *ret_reply);

/**
 * text_echo_parse() - take the reply to a message that is no UUID off the front of a stream
 * @bytes:      what has arrived and is not yet consumed
 * @message:    what was sent; an original server gives back whatever one read brought
 *
 * Return: the reply's length (> 0), TEXT_NEED_MORE, or -EBADMSG if it is no reply to @message.
 */
ssize_t text_echo_parse(const char *bytes, size_t len, const char *message, size_t message_len);
