/* SPDX-License-Identifier: MIT */
/*
 * Record text: what happened, as one line for people: on stderr and in the log file.
 */
#pragma once

#include <stddef.h>

#include "client/record.h"

#define RECORD_LINE_SIZE 512

/**
 * record_text_format() - one line, without its end
 * @timeout:    what a reply is given [ns]
 */
void record_text_format(const struct record *record, nsec_t timeout,
                        char ret_line[static RECORD_LINE_SIZE]);
