/* SPDX-License-Identifier: MIT */
#include "tests/support/fake_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static ssize_t fake_send(void *ctx, const void *buf, size_t len)
{
    struct fake_stream *fake = ctx;
    size_t n = len;

    fake->n_calls++;
    if (fake->next_send < fake->n_sends) {
        ssize_t most = fake->sends[fake->next_send++];

        if (most < 0)
            return most;
        n = n < (size_t)most ? n : (size_t)most;
    }
    if (fake->n_sent + n > sizeof(fake->sent))
        abort();                    /* the test sends more than it ought to */
    memcpy(fake->sent + fake->n_sent, buf, n);
    fake->n_sent += n;
    return (ssize_t)n;
}

static ssize_t fake_recv(void *ctx, void *buf, size_t len, struct stream_rx *ret_rx)
{
    struct fake_stream *fake = ctx;
    struct fake_read *read;
    size_t n;

    fake->n_recvs++;
    if (fake->next_read == fake->n_reads)
        return -EAGAIN;
    read = &fake->reads[fake->next_read];
    if (read->error < 0) {
        fake->next_read++;
        return read->error;
    }
    if (read->len == 0)
        return 0;                   /* an end stays one */

    n = read->len < len ? read->len : len;
    memcpy(buf, read->bytes, n);
    *ret_rx = read->info;
    read->bytes = (const char *)read->bytes + n;
    read->len -= n;
    ret_rx->n_queued += (uint32_t)read->len;
    if (read->len == 0)
        fake->next_read++;
    return (ssize_t)n;
}

static const struct stream_ops fake_ops = {.send = fake_send, .recv = fake_recv};

struct stream fake_stream_start(struct fake_stream *fake)
{
    return (struct stream){.ops = &fake_ops, .ctx = fake};
}

static struct fake_read *add_read(struct fake_stream *fake)
{
    if (fake->n_reads == FAKE_STREAM_STEPS_MAX)
        abort();
    fake->reads[fake->n_reads] = (struct fake_read){0};
    return &fake->reads[fake->n_reads++];
}

void fake_stream_will_read(struct fake_stream *fake, const void *bytes, size_t len)
{
    struct fake_read *read = add_read(fake);

    read->bytes = bytes;
    read->len = len;
}

void fake_stream_will_read_text(struct fake_stream *fake, const char *text)
{
    fake_stream_will_read(fake, text, strlen(text));
}

void fake_stream_will_end(struct fake_stream *fake)
{
    (void)add_read(fake);
}

void fake_stream_will_fail(struct fake_stream *fake, int error)
{
    add_read(fake)->error = error;
}

void fake_stream_will_take(struct fake_stream *fake, ssize_t n)
{
    if (fake->n_sends == FAKE_STREAM_STEPS_MAX)
        abort();
    fake->sends[fake->n_sends++] = n;
}

void fake_stream_clear_sent(struct fake_stream *fake)
{
    fake->n_sent = 0;
    fake->n_calls = 0;
}
