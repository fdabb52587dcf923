/* SPDX-License-Identifier: MIT */
#include "common/parse.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base.h"

#define DIGITS "0123456789"

struct unit {
    const char *name;
    uint64_t scale;
};

/* Largest first, as format_duration() looks for the first that fits. */
static const struct unit duration_units[] = {
    {"h", 3600 * NSEC_PER_SEC}, {"m", 60 * NSEC_PER_SEC}, {"s", NSEC_PER_SEC},
    {"ms", NSEC_PER_MSEC},      {"us", NSEC_PER_USEC},    {"ns", 1},
    {"", NSEC_PER_SEC},
};

static const struct unit size_units[] = {
    {"", 1},
    {"K", UINT64_C(1) << 10}, {"KiB", UINT64_C(1) << 10},
    {"M", UINT64_C(1) << 20}, {"MiB", UINT64_C(1) << 20},
    {"G", UINT64_C(1) << 30}, {"GiB", UINT64_C(1) << 30},
};

/* The scale of the unit called @name; 0 if there is none. */
static uint64_t unit_scale(const struct unit *units, size_t n_units, const char *name)
{
    for (size_t i = 0; i < n_units; i++)
        if (strcmp(units[i].name, name) == 0)
            return units[i].scale;

    return 0;
}

/* The value of @n digits. */
static int digits_value(const char *digits, size_t n, uint64_t *ret)
{
    uint64_t value = 0;

    for (size_t i = 0; i < n; i++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(digits[i] - '0'), &value))
            return -ERANGE;

    *ret = value;
    return 0;
}

int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
    size_t n = strspn(text, DIGITS);
    uint64_t value;
    int r;

    if (n == 0 || text[n] != '\0')
        return -EINVAL;

    r = digits_value(text, n, &value);
    if (r < 0)
        return r;
    if (value < min || value > max)
        return -ERANGE;

    *ret = value;
    return 0;
}

int parse_double(const char *text, double min, double max, double *ret)
{
    locale_t c_locale;
    double value;
    char *end;

    /* strtod() would also take spaces, hexadecimal, "inf" and "nan" */
    if (text[0] == '\0' || text[strspn(text, DIGITS "+-.eE")] != '\0')
        return -EINVAL;

    c_locale = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    if (!c_locale)
        return -errno;
    value = strtod_l(text, &end, c_locale);
    freelocale(c_locale);

    if (end == text || *end != '\0')
        return -EINVAL;
    if (!isfinite(value) || value < min || value > max)
        return -ERANGE;

    *ret = value;
    return 0;
}

/* The part behind the point: @n digits of @scale, rounded down. */
static uint64_t fraction_value(const char *digits, size_t n, uint64_t scale)
{
    unsigned __int128 numerator = 0, denominator = 1;

    /* 18 digits of an hour are far below a nanosecond, and 128 bits hold the product */
    for (size_t i = 0; i < MIN(n, (size_t)18); i++) {
        numerator = numerator * 10 + (unsigned)(digits[i] - '0');
        denominator *= 10;
    }

    return (uint64_t)(numerator * scale / denominator);
}

int parse_duration(const char *text, nsec_t *ret)
{
    size_t n_whole = strspn(text, DIGITS);
    const char *fraction = text + n_whole;
    size_t n_fraction = 0;
    const char *unit;
    uint64_t scale, value;
    int r;

    if (*fraction == '.') {
        n_fraction = strspn(++fraction, DIGITS);
        if (n_fraction == 0)
            return -EINVAL;
    } else if (n_whole == 0) {
        return -EINVAL;
    }

    unit = fraction + n_fraction;
    scale = unit_scale(duration_units, ARRAY_SIZE(duration_units), unit);
    if (scale == 0)
        return -EINVAL;

    r = digits_value(text, n_whole, &value);
    if (r < 0)
        return r;
    if (__builtin_mul_overflow(value, scale, &value) ||
        __builtin_add_overflow(value, fraction_value(fraction, n_fraction, scale), &value) ||
        value > INT64_MAX)
        return -ERANGE;
    if (value == 0 && strpbrk(text, "123456789"))
        return -ERANGE;

    *ret = value;
    return 0;
}

int parse_size(const char *text, uint64_t *ret_bytes)
{
    size_t n = strspn(text, DIGITS);
    uint64_t scale = unit_scale(size_units, ARRAY_SIZE(size_units), text + n);
    uint64_t value;
    int r;

    if (n == 0 || scale == 0)
        return -EINVAL;

    r = digits_value(text, n, &value);
    if (r < 0)
        return r;
    if (__builtin_mul_overflow(value, scale, &value))
        return -ERANGE;

    *ret_bytes = value;
    return 0;
}

int parse_bool(const char *text, bool *ret)
{
    static const char *const words[][2] = {
        {"no", "yes"}, {"false", "true"}, {"off", "on"}, {"0", "1"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        for (size_t value = 0; value < 2; value++)
            if (strcmp(text, words[i][value]) == 0) {
                *ret = value == 1;
                return 0;
            }

    return -EINVAL;
}

int parse_port(const char *text, uint16_t min, uint16_t *ret)
{
    uint64_t port;
    int r;

    r = parse_u64(text, min, UINT16_MAX, &port);
    if (r < 0)
        return r;

    *ret = (uint16_t)port;
    return 0;
}

void format_duration(nsec_t duration, char ret_text[static FORMAT_DURATION_SIZE])
{
    const struct unit *u = duration_units;
    uint64_t rest, digit;
    int n;

    if (duration == 0) {
        (void)snprintf(ret_text, FORMAT_DURATION_SIZE, "0s");
        return;
    }

    while (duration < u->scale || (u->scale > NSEC_PER_SEC && duration % u->scale != 0))
        u++;

    n = snprintf(ret_text, FORMAT_DURATION_SIZE, "%" PRIu64, duration / u->scale);
    rest = duration % u->scale;
    if (rest > 0)
        ret_text[n++] = '.';
    for (uint64_t place = u->scale / 10; rest > 0; place /= 10) {
        digit = rest / place;
        ret_text[n++] = (char)('0' + digit);
        rest -= digit * place;
    }
    (void)snprintf(ret_text + n, FORMAT_DURATION_SIZE - (size_t)n, "%s", u->name);
}
