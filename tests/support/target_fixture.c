/* SPDX-License-Identifier: MIT */
#include "tests/support/target_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid.h>

#include "tests/support/test.h"

static int make(void **state, const struct options *options)
{
    struct target_fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->clock.now = TARGET_FIXTURE_START;
    f->clock_src = fake_clock_src(&f->clock);
    f->stream = fake_stream_start(&f->fake);
    f->options = *options;
    target_config_init(&f->config, &f->clock_src, &f->options);
    rng_seed(&f->rng, 1);
    target_init(&f->target, &f->config, &f->rng);
    target_start(&f->target, &f->stream);
    *state = f;
    return 0;
}

int target_fixture_text(void **state)
{
    return make(state, &(struct options){.protocol = PROTOCOL_TEXT, .arrivals = ARRIVALS_FIXED,
                                         .in_flight = 3});
}

int target_fixture_auto(void **state)
{
    return make(state, &(struct options){.protocol = PROTOCOL_AUTO, .arrivals = ARRIVALS_FIXED});
}

int target_fixture_native(void **state)
{
    return make(state, &(struct options){.protocol = PROTOCOL_NATIVE, .arrivals = ARRIVALS_FIXED,
                                         .reply_size = 100});
}

int target_fixture_closed(void **state)
{
    return make(state, &(struct options){.protocol = PROTOCOL_TEXT, .arrivals = ARRIVALS_CLOSED});
}

int target_fixture_end(void **state)
{
    struct target_fixture *f = *state;

    target_deinit(&f->target);
    free(f);
    return 0;
}

struct request *target_fixture_push(struct target_fixture *f, nsec_t due)
{
    struct request *q;

    assert_int_equal(target_push(&f->target, due, ++f->n_pushed, &q), 0);
    return q;
}

void target_fixture_push_many(struct target_fixture *f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)target_fixture_push(f, TARGET_FIXTURE_START);
}

void assert_flushed(struct target_fixture *f, ssize_t n)
{
    assert_int_equal(target_flush(&f->target, f->tx), n);
}

void target_fixture_receive(struct target_fixture *f)
{
    assert_int_equal(target_receive(&f->target, f->rx_buf, 0, &f->rx), 0);
}

void assert_next(struct target_fixture *f, enum target_event_kind kind)
{
    assert_int_equal(target_next(&f->target, &f->rx, &f->event), kind);
    assert_int_equal(f->event.kind, kind);
}

const char *target_fixture_text_reply(struct target_fixture *f, size_t i)
{
    char *text = f->texts[f->n_texts++];
    char uuid[37];

    uuid_unparse_lower(inflight_at(&f->target.inflight, i)->uuid, uuid);
    (void)snprintf(text, sizeof(f->texts[0]), "UUID: %s received after 1.500000 seconds", uuid);
    return text;
}

void assert_hello_sent(struct target_fixture *f)
{
    assert_flushed(f, 0);
    assert_int_equal(f->fake.n_calls, 1);
    assert_int_equal(f->fake.n_sent, f->config.hello_len);
    assert_memory_equal(f->fake.sent, f->config.hello, f->config.hello_len);
    fake_stream_clear_sent(&f->fake);
}

const struct proto_welcome target_fixture_welcome = {
    .version = 1, .max_request_padding = 65536, .max_reply_padding = 65536, .rx_buffer = 65536,
    .tx_buffer = 65536, .idle_timeout_ms = 300000, .message_timeout_ms = 10000,
};

void target_fixture_greet(struct target_fixture *f)
{
    static char line[PROTO_WELCOME_MAX];
    size_t len = proto_welcome_encode(line, &target_fixture_welcome);

    assert_hello_sent(f);
    fake_stream_will_read(&f->fake, line, len / 2);
    fake_stream_will_read(&f->fake, line + len / 2, len - len / 2);
    target_fixture_receive(f);
    assert_next(f, TARGET_NOTHING);
    target_fixture_receive(f);
    assert_next(f, TARGET_GREETED);
    assert_next(f, TARGET_NOTHING);
    assert_true(f->target.native);
}

size_t target_fixture_reply(struct target_fixture *f, size_t i, uint32_t padding, uint8_t *ret)
{
    const struct request *q = inflight_at(&f->target.inflight, i);
    struct proto_reply reply = {.seq = q->seq, .padding = padding, .delta = 77, .arrival = 1000,
                                .arrival_real = 5000, .residence = 12};

    memcpy(reply.uuid, q->uuid, UUID_SIZE);
    proto_reply_encode(ret, &reply);
    memset(ret + PROTO_REPLY_LEN, 0, padding);
    return PROTO_REPLY_LEN + padding;
}
