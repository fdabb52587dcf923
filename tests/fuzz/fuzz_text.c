/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the text protocol's codec.
 *
 * The input's first byte chooses the function, its second how the bytes are cut. Checked beside
 * memory safety: a cut changes nothing, no answer is taken back when more arrives, and a reply that
 * was understood comes back from being formatted.
 */
#include <errno.h>

#include "common/base.h"
#include "common/text.h"
#include "tests/fuzz/fuzz.h"

#define USEC_PER_SEC 1000000

static void fuzz_uuid(const uint8_t *data, size_t size, size_t piece)
{
    size_t whole = text_uuid_match(0, (const char *)data, size);
    size_t at = 0;

    fuzz_check(whole <= MIN(size, (size_t)TEXT_UUID_LEN));
    while (at < TEXT_UUID_LEN && at < size) {
        size_t len = MIN(piece, size - at);
        char *bytes = fuzz_copy(data + at, len);
        size_t n = text_uuid_match(at, bytes, len);

        free(bytes);
        at += n;
        if (n < len)
            break;
    }
    fuzz_check(at == whole);
}

/* What a parser says of the first @len bytes; they are the parser's alone. */
static ssize_t parse(const uint8_t *data, size_t len, const char *message, size_t message_len,
                     struct text_reply *ret_reply)
{
    char *bytes = fuzz_copy(data, len);
    ssize_t n = message ? text_echo_parse(bytes, len, message, message_len)
                        : text_reply_parse(bytes, len, ret_reply);

    fuzz_check(n == -EBADMSG || (n >= 0 && n <= (ssize_t)len));
    free(bytes);
    return n;
}

/* A reply, or the echo of @message. */
static void fuzz_reply(const uint8_t *data, size_t size, const char *message, size_t message_len)
{
    struct text_reply reply;
    ssize_t last = TEXT_NEED_MORE;

    for (size_t len = 0; len <= MIN(size, (size_t)2 * TEXT_REPLY_MAX); len++) {
        ssize_t n = parse(data, len, message, message_len, &reply);

        fuzz_check(last == TEXT_NEED_MORE || n == last);
        last = n;
    }
    if (message || last <= 0)
        return;

    /* Leading zeros of the seconds are taken but not written. */
    {
        char again[TEXT_REPLY_MAX];
        struct text_reply back;
        nsec_t delta = reply.delta;
        size_t n = text_reply_format(again, (const char *)data + strlen("UUID: "),
                                     delta / NSEC_PER_USEC);

        fuzz_check(n <= (size_t)last);
        fuzz_check(text_reply_parse(again, n, &back) == (ssize_t)n);
        fuzz_check(back.delta == delta);
    }
}

static void fuzz_format(const uint8_t *data, size_t size)
{
    char reply[TEXT_REPLY_MAX];
    uint64_t delta_us;
    struct text_reply back;
    size_t n;

    if (size < TEXT_UUID_LEN + sizeof(delta_us))
        return;
    memcpy(&delta_us, data + TEXT_UUID_LEN, sizeof(delta_us));
    n = text_reply_format(reply, (const char *)data, delta_us);
    fuzz_check(n <= TEXT_REPLY_MAX);
    if (text_uuid_match(0, (const char *)data, TEXT_UUID_LEN) == TEXT_UUID_LEN &&
        delta_us / USEC_PER_SEC <= 999999999) {
        fuzz_check(text_reply_parse(reply, n, &back) == (ssize_t)n);
        fuzz_check(back.delta == delta_us * NSEC_PER_USEC);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t function;
    size_t piece;

    if (size < 2)
        return 0;
    function = data[0] % 4;
    piece = (size_t)data[1] % 16 + 1;
    data += 2;
    size -= 2;

    if (function == 0)
        fuzz_uuid(data, size, piece);
    else if (function == 1)
        fuzz_reply(data, size, NULL, 0);
    else if (function == 2)
        fuzz_reply(data, size, "tcptimer-hello version=1;", strlen("tcptimer-hello version=1;"));
    else
        fuzz_format(data, size);
    return 0;
}
