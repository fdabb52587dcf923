/* SPDX-License-Identifier: MIT */
/*
 * Parse: values from command lines and configuration files, strictly.
 *
 * Each function takes the whole text or refuses it: no leading or trailing space, no sign where
 * none makes sense, no locale, nothing silently cut short. What is refused leaves the result alone.
 *
 * All return 0, -EINVAL if the text does not have the form, or -ERANGE if it has but the value does
 * not fit.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"

/* Decimal digits; from @min to @max. */
int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret);

/* A decimal number with an optional sign, point and exponent; finite, from @min to @max. The point
 * is a point in every locale. */
int parse_double(const char *text, double min, double max, double *ret);

/**
 * parse_duration() - "10ms", "1.5s", "100us", "250ns", "2m", "1h"; a bare number is seconds
 * @text:       digits, with or without a decimal point, then a unit or nothing
 * @ret:        the duration [ns], at most INT64_MAX, so that a time plus a duration does not wrap
 *
 * What is finer than a nanosecond is dropped, but a duration that is not zero never becomes zero:
 * that is -ERANGE, as zero often means "off" or "without end".
 */
int parse_duration(const char *text, nsec_t *ret);

/* "2MiB", "2M", "512K", "1G": powers of 1024; a bare number is bytes. */
int parse_size(const char *text, uint64_t *ret_bytes);

/* yes, true, on, 1; no, false, off, 0. */
int parse_bool(const char *text, bool *ret);

/* A port number, at least @min: 1, or 0 where 0 lets the kernel choose. */
int parse_port(const char *text, uint16_t min, uint16_t *ret);

/* "18446744073.709551615s" and its NUL. */
#define FORMAT_DURATION_SIZE 24

/**
 * format_duration() - the opposite of parse_duration(), for messages and --help
 * @duration:   [ns]
 * @ret_text:   a text that parse_duration() turns into the same value, in the largest unit that
 *              needs no leading zero ("500ms"); minutes and hours only where they are whole
 */
void format_duration(nsec_t duration, char ret_text[static FORMAT_DURATION_SIZE]);
