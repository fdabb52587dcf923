/* SPDX-License-Identifier: MIT */
/*
 * Log text: the names of events, and the line that a person reads of each.
 */
#pragma once

#include <stddef.h>

#include "daemon/log.h"

/* Longest line: a record's own text, or one made from its data, with client and UUID. */
#define LOG_TEXT_SIZE (LOG_TEXT_MAX + 512)

#define LOG_EVENT_NAME_SIZE 32

/* The event's name in lower case, and its MESSAGE_ID. */
void log_event_name(enum log_event event, char ret_name[static LOG_EVENT_NAME_SIZE]);
const char *log_event_message_id(enum log_event event);

/* Makes the line of a record, without a line end. Return: its length. */
size_t log_text_make(const struct log_record *r, char ret_text[static LOG_TEXT_SIZE]);
