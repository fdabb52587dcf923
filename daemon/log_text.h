/* SPDX-License-Identifier: MIT */
/*
 * Log text: the names of events, and what a person reads of each: its text, and a line with that.
 */
#pragma once

#include <stddef.h>

#include "daemon/log.h"
#include "daemon/log_sink.h"

/* Longest text: a record's own text, or one made from its data, with client and UUID. */
#define LOG_TEXT_SIZE (LOG_TEXT_MAX + 512)

#define LOG_EVENT_NAME_SIZE 32

/* The event's name in lower case, and its MESSAGE_ID. */
void log_event_name(enum log_event event, char ret_name[static LOG_EVENT_NAME_SIZE]);
const char *log_event_message_id(enum log_event event);

/* Makes the text of a record, without a line end; @client is NULL or the address of its client.
 * Return: its length. */
size_t log_text_make(const struct log_record *r, const char *client,
                     char ret_text[static LOG_TEXT_SIZE]);

/* Room for a line of log_line_format(): time, priority, a record's longest text, UUID, client. */
#define LOG_LINE_MAX (LOG_TEXT_MAX + ADDR_TEXT_SIZE + 128)

/* Writes an entry as a line for a file or a terminal, with its end. Return: its length. */
size_t log_line_format(const struct log_entry *entry, char ret_line[static LOG_LINE_MAX]);
