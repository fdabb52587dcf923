/* SPDX-License-Identifier: MIT */
#include "tests/support/session_fixture.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/test.h"

void session_fixture_begin(struct session_fixture *f)
{
    session_init(&f->session, ACCEPTED);
    f->n_out = f->n_messages = f->n_full = 0;
    f->out[0] = '\0';
}

int session_fixture_set_up(void **state)
{
    struct session_fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->terms = (struct session_terms){
        .welcome = {.max_request_padding = PROTO_PADDING_MAX,
                    .max_reply_padding = PROTO_PADDING_MAX},
        .limits = {.role = PROTO_SERVER, .max_request_padding = PROTO_PADDING_MAX,
                   .max_reply_padding = PROTO_PADDING_MAX},
    };
    f->in.arrival = ACCEPTED;
    f->room = 65536;
    f->buf = malloc(OUT_MAX);
    f->out = malloc(OUT_MAX);
    assert_non_null(f->buf);
    assert_non_null(f->out);
    session_fixture_begin(f);
    *state = f;
    return 0;
}

int session_fixture_tear_down(void **state)
{
    struct session_fixture *f = *state;

    free(f->buf);
    free(f->out);
    free(f);
    return 0;
}

enum session_result session_fixture_feed(struct session_fixture *f, const void *bytes, size_t len)
{
    struct session_input in = f->in;

    in.bytes = bytes;
    in.len = len;
    do {
        struct session_output out = {
            .buf = f->buf, .size = f->room, .heads = f->heads,
            .messages = f->wants_messages ? f->messages : NULL,
        };

        f->result = session_feed(&f->session, &f->terms, &in, &out);
        assert_true(out.len <= f->room);
        assert_true(f->n_out + out.len < OUT_MAX);
        if (f->departure > 0)
            session_depart(&out, f->departure);
        memcpy(f->out + f->n_out, out.buf, out.len);
        f->n_out += out.len;
        f->out[f->n_out] = '\0';
        f->n_messages += out.n_messages;
        f->n_full += f->result == SESSION_FULL;
        (void)snprintf(f->fault, sizeof(f->fault), "%s", out.fault ? out.fault : "");
    } while (f->result == SESSION_FULL);

    if (f->result == SESSION_OK)
        assert_int_equal(in.len, 0);
    return f->result;
}

enum session_result session_fixture_feed_text(struct session_fixture *f, const char *text)
{
    return session_fixture_feed(f, text, strlen(text));
}

size_t session_fixture_part(struct session_fixture *f, enum proto_reason reason, const char *text)
{
    struct session_output out = {.buf = f->buf, .size = f->room, .heads = f->heads};

    session_part(&f->session, reason, text, &out);
    memcpy(f->out, out.buf, out.len);
    f->n_out = out.len;
    f->out[f->n_out] = '\0';
    return out.len;
}
