/* SPDX-License-Identifier: MIT */
/*
 * Session fixture: a session that a test feeds read by read, and all that came out of it so far.
 */
#pragma once

#include "daemon/session.h"

#define ACCEPTED (1000 * NSEC_PER_SEC)

#define UUID_A "f47ac10b-58cc-4372-a567-0e02b2c3d479"
#define UUID_B "6F1ED002-AB55-4F1F-9A3C-27414B5E6077"
#define REPLY_A "UUID: " UUID_A " received after 0.000000 seconds"
#define REPLY_B "UUID: " UUID_B " received after 0.000000 seconds"

#define OUT_MAX ((size_t)1 << 20)

struct session_fixture {
    struct session session;
    struct session_terms terms;
    struct session_input in;        /* what the next read says beside the bytes */
    enum session_result result;     /* of the last one */
    char fault[SESSION_FAULT_SIZE]; /* "" = none */
    size_t room;                    /* for one output */
    char *buf;
    uint32_t heads[SESSION_MESSAGES];
    struct session_message messages[SESSION_MESSAGES];
    bool wants_messages;
    size_t n_messages;
    size_t n_full;                  /* outputs that were full */
    char *out;                      /* all outputs */
    size_t n_out;
    nsec_t departure;               /* 0 = replies keep what the encoder wrote */
};

/* For cmocka: make and free a fixture with a new session. */
int session_fixture_set_up(void **state);
int session_fixture_tear_down(void **state);

/* A new session, and nothing came out of it. */
void session_fixture_begin(struct session_fixture *f);

/* Feeds one read, in as many outputs as it takes. */
enum session_result session_fixture_feed(struct session_fixture *f, const void *bytes, size_t len);
enum session_result session_fixture_feed_text(struct session_fixture *f, const char *text);

/* Parts, and keeps alone what comes out of that. Return: its length. */
size_t session_fixture_part(struct session_fixture *f, enum proto_reason reason, const char *text);
