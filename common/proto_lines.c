/* SPDX-License-Identifier: MIT */
#include "common/proto_lines.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base.h"
#include "common/parse.h"
#include "common/text.h"

#define LINE_END ';'

/* What differs between the two lines. */
struct line_kind {
    const char *name;       /* the first word */
    size_t max;             /* longest line, its end included [bytes] */
    /* Takes a complete word, which it may change; ignores one that it does not know. */
    enum proto_fault (*take_word)(void *values, char *word);
    /* Judges what the whole line said. */
    enum proto_fault (*check)(const void *values);
};

/* Takes one byte. *ret_word says that a word but the first is complete, in line->word. */
static enum proto_fault line_take(struct proto_line *line, const struct line_kind *kind, char c,
                                  bool *ret_word)
{
    bool ends_word = c == ' ' || c == LINE_END;

    *ret_word = false;
    if (c < ' ' || c > '~')
        return PROTO_FAULT_LINE;
    if (!line->named && (ends_word ? '\0' : c) != kind->name[line->n_word])
        return PROTO_FAULT_LINE;
    if (++line->n_bytes == kind->max && c != LINE_END)
        return PROTO_FAULT_LINE_LENGTH;

    if (ends_word) {
        if (line->n_word <= PROTO_WORD_MAX) {
            line->word[line->n_word] = '\0';
            *ret_word = line->named && line->n_word > 0;
        }
        line->named = true;
        line->n_word = 0;
    } else if (line->n_word < PROTO_WORD_MAX) {
        line->word[line->n_word++] = c;
    } else {
        line->n_word = PROTO_WORD_MAX + 1;
    }

    return PROTO_FAULT_NONE;
}

static ssize_t line_feed(struct proto_line *line, const struct line_kind *kind, const char *bytes,
                         size_t len, void *values, enum proto_fault *ret_fault)
{
    for (size_t i = 0; i < len; i++) {
        bool word;
        enum proto_fault fault = line_take(line, kind, bytes[i], &word);

        if (!fault && word)
            fault = kind->take_word(values, line->word);
        if (!fault && bytes[i] == LINE_END)
            fault = kind->check(values);
        if (fault) {
            *ret_fault = fault;
            return -EPROTO;
        }
        if (bytes[i] == LINE_END)
            return (ssize_t)i + 1;
    }

    return PROTO_NEED_MORE;
}

/* What stands behind "<key>=" in @word; NULL if it is another word. */
static char *word_value(char *word, const char *key)
{
    size_t n = strlen(key);

    return strncmp(word, key, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

static enum proto_fault take_u32(const char *value, uint32_t *ret)
{
    uint64_t wide;

    if (parse_u64(value, 0, UINT32_MAX, &wide) < 0)
        return PROTO_FAULT_WORD;

    *ret = (uint32_t)wide;
    return PROTO_FAULT_NONE;
}

static enum proto_fault take_version(const char *value, uint16_t *ret)
{
    uint64_t wide;

    if (parse_u64(value, 1, UINT16_MAX, &wide) < 0)
        return PROTO_FAULT_WORD;

    *ret = (uint16_t)wide;
    return PROTO_FAULT_NONE;
}

/* "1-3", or "2" for "2-2". */
static enum proto_fault take_version_range(char *value, uint16_t *ret_min, uint16_t *ret_max)
{
    char *dash = strchr(value, '-');
    enum proto_fault fault;

    if (dash)
        *dash = '\0';
    fault = take_version(value, ret_min);
    if (!fault)
        fault = take_version(dash ? dash + 1 : value, ret_max);

    return fault || *ret_min <= *ret_max ? fault : PROTO_FAULT_WORD;
}

static enum proto_fault hello_take_word(void *values, char *word)
{
    struct proto_hello *hello = values;
    char *value;

    if ((value = word_value(word, "version")))
        return take_version_range(value, &hello->version_min, &hello->version_max);
    if ((value = word_value(word, "max-reply-padding")))
        return take_u32(value, &hello->max_reply_padding);

    return PROTO_FAULT_NONE;
}

static enum proto_fault hello_check(const void *values)
{
    const struct proto_hello *hello = values;

    return hello->version_max > 0 ? PROTO_FAULT_NONE : PROTO_FAULT_WORD;
}

static const struct line_kind hello_kind = {
    .name = "tcptimer-hello",
    .max = PROTO_HELLO_MAX,
    .take_word = hello_take_word,
    .check = hello_check,
};

size_t proto_hello_encode(char ret_line[static PROTO_HELLO_MAX], const struct proto_hello *hello)
{
    char line[PROTO_HELLO_MAX + 1];
    int n = snprintf(line, sizeof(line), "%s version=%u-%u max-reply-padding=%" PRIu32 "%c",
                     hello_kind.name, hello->version_min, hello->version_max,
                     hello->max_reply_padding, LINE_END);

    memcpy(ret_line, line, (size_t)n);
    return (size_t)n;
}

ssize_t proto_hello_feed(struct proto_line *line, const char *bytes, size_t len,
                         struct proto_hello *hello, enum proto_fault *ret_fault)
{
    return line_feed(line, &hello_kind, bytes, len, hello, ret_fault);
}

/* The welcome's plain numbers; an older client ignores those that it does not know. */
static const struct {
    const char *key;
    size_t offset;          /* in struct proto_welcome, of a uint32_t */
} welcome_numbers[] = {
    {"max-request-padding", offsetof(struct proto_welcome, max_request_padding)},
    {"max-reply-padding", offsetof(struct proto_welcome, max_reply_padding)},
    {"rx-buffer", offsetof(struct proto_welcome, rx_buffer)},
    {"tx-buffer", offsetof(struct proto_welcome, tx_buffer)},
    {"idle-timeout-ms", offsetof(struct proto_welcome, idle_timeout_ms)},
    {"message-timeout-ms", offsetof(struct proto_welcome, message_timeout_ms)},
    {"kernel-stamps", offsetof(struct proto_welcome, kernel_stamps)},
};

static enum proto_fault welcome_take_word(void *values, char *word)
{
    struct proto_welcome *welcome = values;
    char *value = word_value(word, "version");

    if (value)
        return take_version(value, &welcome->version);

    for (size_t i = 0; i < ARRAY_SIZE(welcome_numbers); i++) {
        uint32_t number;
        enum proto_fault fault;

        value = word_value(word, welcome_numbers[i].key);
        if (!value)
            continue;
        fault = take_u32(value, &number);
        if (!fault)
            memcpy((char *)welcome + welcome_numbers[i].offset, &number, sizeof(number));
        return fault;
    }

    return PROTO_FAULT_NONE;
}

static enum proto_fault welcome_check(const void *values)
{
    const struct proto_welcome *welcome = values;

    if (welcome->version == 0)
        return PROTO_FAULT_WORD;
    if (welcome->version < PROTO_VERSION_MIN || welcome->version > PROTO_VERSION_MAX)
        return PROTO_FAULT_VERSION;

    return PROTO_FAULT_NONE;
}

static const struct line_kind welcome_kind = {
    .name = "tcptimer-welcome",
    .max = PROTO_WELCOME_MAX,
    .take_word = welcome_take_word,
    .check = welcome_check,
};

size_t proto_welcome_encode(char ret_line[static PROTO_WELCOME_MAX],
                            const struct proto_welcome *welcome)
{
    char line[PROTO_WELCOME_MAX + 1];
    int n = snprintf(line, sizeof(line), "%s version=%u", welcome_kind.name, welcome->version);

    for (size_t i = 0; i < ARRAY_SIZE(welcome_numbers); i++) {
        uint32_t number;

        memcpy(&number, (const char *)welcome + welcome_numbers[i].offset, sizeof(number));
        n += snprintf(line + n, sizeof(line) - (size_t)n, " %s=%" PRIu32, welcome_numbers[i].key,
                      number);
    }
    line[n++] = LINE_END;

    memcpy(ret_line, line, (size_t)n);
    return (size_t)n;
}

ssize_t proto_welcome_feed(struct proto_line *line, const char *bytes, size_t len,
                           struct proto_welcome *welcome, enum proto_fault *ret_fault)
{
    return line_feed(line, &welcome_kind, bytes, len, welcome, ret_fault);
}

uint16_t proto_version_choose(const struct proto_hello *hello, uint16_t min, uint16_t max)
{
    uint16_t chosen = hello->version_max < max ? hello->version_max : max;

    return chosen >= min && chosen >= hello->version_min ? chosen : 0;
}

int proto_negotiate(const struct proto_hello *hello, struct proto_welcome *welcome)
{
    uint16_t version = proto_version_choose(hello, PROTO_VERSION_MIN, PROTO_VERSION_MAX);

    if (version == 0)
        return -EPROTO;

    welcome->version = version;
    welcome->max_reply_padding = MIN(welcome->max_reply_padding, hello->max_reply_padding);
    return 0;
}

ssize_t proto_hello_is_echo(const char *bytes, size_t len, const char *hello, size_t hello_len)
{
    return text_echo_parse(bytes, len, hello, hello_len);
}

uint32_t proto_in_flight(const struct proto_welcome *welcome, uint32_t padding,
                         uint32_t reply_padding)
{
    uint64_t requests = welcome->rx_buffer / ((uint64_t)PROTO_REQUEST_LEN + padding);
    uint64_t replies = welcome->tx_buffer / ((uint64_t)PROTO_REPLY_LEN + reply_padding);

    return (uint32_t)MAX(MIN(requests, replies), UINT64_C(1));
}
