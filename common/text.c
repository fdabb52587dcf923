/* SPDX-License-Identifier: MIT */
#include "common/text.h"

#include <errno.h>
#include <string.h>

#define PREFIX TEXT_REPLY_PREFIX
#define INFIX " received after "
#define SUFFIX " seconds"

#define PREFIX_LEN (sizeof(PREFIX) - 1)
#define INFIX_LEN (sizeof(INFIX) - 1)
#define SUFFIX_LEN (sizeof(SUFFIX) - 1)

#define USEC_PER_SEC 1000000
#define FRACTION_DIGITS 6

enum { OTHER, HEX, DASH };

static const uint8_t char_class[256] = {
    ['0' ... '9'] = HEX, ['a' ... 'f'] = HEX, ['A' ... 'F'] = HEX, ['-'] = DASH,
};

/* RFC 9562 section 4: 8-4-4-4-12 hexadecimal digits. */
static const uint8_t uuid_class[TEXT_UUID_LEN] = {
    [0 ... 7] = HEX, DASH, [9 ... 12] = HEX, DASH, [14 ... 17] = HEX, DASH,
    [19 ... 22] = HEX, DASH, [24 ... 35] = HEX,
};

/* Sixteen characters at a time; a comparison gives 0xff where it holds. */
typedef uint8_t chars __attribute__((vector_size(16)));

static const uint8_t is_dash[TEXT_UUID_LEN] = {[8] = 0xff, [13] = 0xff, [18] = 0xff, [23] = 0xff};

static inline chars match_chars(const char uuid[static TEXT_UUID_LEN], size_t at)
{
    chars c, dash, digit, letter;

    memcpy(&c, uuid + at, sizeof(c));
    memcpy(&dash, is_dash + at, sizeof(dash));
    digit = (chars)(c - '0' < 10);
    letter = (chars)((c | ('a' ^ 'A')) - 'a' < 6);

    return (dash & (chars)(c == '-')) | (~dash & (digit | letter));
}

/* A whole UUID, the usual case: one by one its characters would take longer than its reply. */
static bool is_uuid(const char bytes[static TEXT_UUID_LEN])
{
    chars good = match_chars(bytes, 0) & match_chars(bytes, 16) &
                 match_chars(bytes, TEXT_UUID_LEN - sizeof(chars));
    uint64_t halves[2];

    memcpy(halves, &good, sizeof(halves));
    return (halves[0] & halves[1]) == UINT64_MAX;
}

size_t text_uuid_match(size_t at, const char *bytes, size_t len)
{
    size_t most = TEXT_UUID_LEN - at;
    size_t n = 0;

    if (at == 0 && len >= TEXT_UUID_LEN && is_uuid(bytes))
        return TEXT_UUID_LEN;

    if (len < most)
        most = len;
    while (n < most && char_class[(uint8_t)bytes[n]] == uuid_class[at + n])
        n++;

    return n;
}

/* Two digits a step: with 64 messages in one read, printf() takes as long as all the rest. */
static char *put_two_digits(char *p, unsigned value)
{
    p[0] = (char)('0' + value / 10);
    p[1] = (char)('0' + value % 10);
    return p + 2;
}

static char *put_decimal(char *p, uint64_t value)
{
    char digits[20];
    size_t n = 0;

    do
        digits[sizeof(digits) - ++n] = (char)('0' + value % 10);
    while ((value /= 10) > 0);

    return mempcpy(p, digits + sizeof(digits) - n, n);
}

size_t text_reply_format(char *ret_reply, const char uuid[static TEXT_UUID_LEN], uint64_t delta_us)
{
    unsigned fraction = (unsigned)(delta_us % USEC_PER_SEC);
    char *p = ret_reply;

    p = mempcpy(p, PREFIX, PREFIX_LEN);
    p = mempcpy(p, uuid, TEXT_UUID_LEN);
    p = mempcpy(p, INFIX, INFIX_LEN);
    p = put_decimal(p, delta_us / USEC_PER_SEC);
    *p++ = '.';
    p = put_two_digits(p, fraction / 10000);
    p = put_two_digits(p, fraction / 100 % 100);
    p = put_two_digits(p, fraction % 100);
    p = mempcpy(p, SUFFIX, SUFFIX_LEN);

    return (size_t)(p - ret_reply);
}

/*
 * A cursor over the bytes that have arrived. Each step takes what it can and says whether it is
 * complete; a step at the end of the bytes leaves `status` at TEXT_NEED_MORE, one at a byte that
 * cannot belong makes it -EBADMSG, and all later steps do nothing.
 */
struct scan {
    const char *at;
    const char *end;
    int status;             /* 1 = going on */
};

static void scan_literal(struct scan *s, const char *literal, size_t len)
{
    size_t have;

    if (s->status <= 0)
        return;
    have = (size_t)(s->end - s->at);
    if (memcmp(s->at, literal, have < len ? have : len) != 0)
        s->status = -EBADMSG;
    else if (have < len)
        s->status = TEXT_NEED_MORE;
    else
        s->at += len;
}

static void scan_uuid(struct scan *s)
{
    size_t have, n;

    if (s->status <= 0)
        return;
    have = (size_t)(s->end - s->at);
    n = text_uuid_match(0, s->at, have);
    s->at += n;
    if (n < TEXT_UUID_LEN)
        s->status = n < have ? -EBADMSG : TEXT_NEED_MORE;
}

/* Digits up to the byte that is none, which must have arrived; from @min to @max of them. */
static uint64_t scan_digits(struct scan *s, size_t min, size_t max)
{
    uint64_t value = 0;
    size_t n = 0;

    if (s->status <= 0)
        return 0;
    for (; s->at < s->end && *s->at >= '0' && *s->at <= '9' && n < max; n++)
        value = value * 10 + (uint64_t)(*s->at++ - '0');
    if (s->at == s->end)
        s->status = TEXT_NEED_MORE;
    else if (n < min)
        s->status = -EBADMSG;

    return value;
}

/* Whether the next byte is this one, which is taken then; any other is left to the next step. */
static bool scan_optional(struct scan *s, char byte)
{
    if (s->status <= 0 || s->at == s->end || *s->at != byte)
        return false;
    s->at++;
    return true;
}

/*
 * What follows the message in a reply. The original takes its times from a clock that people and
 * NTP set: a step back between two messages makes a delta below 0, which says no more than that
 * nothing is known.
 */
static nsec_t scan_delta(struct scan *s)
{
    uint64_t seconds, micros;
    bool is_negative;

    scan_literal(s, INFIX, INFIX_LEN);
    is_negative = scan_optional(s, '-');
    seconds = scan_digits(s, 1, 9);         /* 31 years; 64 bits hold the nanoseconds */
    scan_literal(s, ".", 1);
    micros = scan_digits(s, FRACTION_DIGITS, FRACTION_DIGITS);
    scan_literal(s, SUFFIX, SUFFIX_LEN);

    return is_negative ? 0 : seconds * NSEC_PER_SEC + micros * NSEC_PER_USEC;
}

#define USUAL_DELTA_AT (PREFIX_LEN + TEXT_UUID_LEN + INFIX_LEN)
#define USUAL_LEN (USUAL_DELTA_AT + sizeof("0.000000") - 1 + SUFFIX_LEN)

/* A whole reply less than ten seconds after the message before: a cursor would take five times as
 * long. Return: whether it is one. */
static bool parse_usual(const char *bytes, size_t len, struct text_reply *ret_reply)
{
    const char *delta;
    uint64_t micros = 0;
    bool is_number = true;

    if (len < USUAL_LEN)
        return false;
    delta = bytes + USUAL_DELTA_AT;
    if (memcmp(bytes, PREFIX, PREFIX_LEN) != 0 || !is_uuid(bytes + PREFIX_LEN) ||
        memcmp(delta - INFIX_LEN, INFIX, INFIX_LEN) != 0 || delta[1] != '.' ||
        memcmp(bytes + USUAL_LEN - SUFFIX_LEN, SUFFIX, SUFFIX_LEN) != 0)
        return false;
    for (size_t i = 0; i < 2 + FRACTION_DIGITS; i++) {
        unsigned digit = (unsigned)(uint8_t)delta[i] - '0';

        if (i == 1)
            continue;
        is_number = is_number && digit < 10;
        micros = micros * 10 + digit;
    }
    if (is_number)
        *ret_reply = (struct text_reply){
            .uuid = bytes + PREFIX_LEN, .delta = micros * NSEC_PER_USEC};
    return is_number;
}

ssize_t text_reply_parse(const char *bytes, size_t len, struct text_reply *ret_reply)
{
    struct scan s = {.at = bytes, .end = bytes + len, .status = 1};
    nsec_t delta;

    if (parse_usual(bytes, len, ret_reply))
        return USUAL_LEN;

    scan_literal(&s, PREFIX, PREFIX_LEN);
    scan_uuid(&s);
    delta = scan_delta(&s);
    if (s.status <= 0)
        return s.status;

    *ret_reply = (struct text_reply){.uuid = bytes + PREFIX_LEN, .delta = delta};
    return s.at - bytes;
}

ssize_t text_echo_parse(const char *bytes, size_t len, const char *message, size_t message_len)
{
    struct scan s = {.at = bytes, .end = bytes + len, .status = 1};

    scan_literal(&s, PREFIX, PREFIX_LEN);
    scan_literal(&s, message, message_len);
    (void)scan_delta(&s);

    return s.status <= 0 ? s.status : s.at - bytes;
}
