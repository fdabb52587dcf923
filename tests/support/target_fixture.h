/* SPDX-License-Identifier: MIT */
/*
 * Target fixture: a target on a scripted stream and a clock that stands still.
 */
#pragma once

#include "client/target_rx.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_stream.h"

#define TARGET_FIXTURE_START ((nsec_t)1000000)

struct target_fixture {
    struct fake_clock clock;
    struct clock_src clock_src;
    struct fake_stream fake;
    struct stream stream;
    struct options options;
    struct target_config config;
    struct rng rng;
    struct target target;
    struct target_rx rx;
    struct target_event event;
    uint8_t tx[TARGET_TX_SIZE];
    uint8_t rx_buf[TARGET_RX_SIZE];
    uint64_t n_pushed;
    char texts[8][160];             /* replies, whose bytes the fake stream borrows */
    size_t n_texts;
};

/* What cmocka calls before a case, for a protocol and an open loop, or a closed one in text. */
int target_fixture_text(void **state);
int target_fixture_auto(void **state);
int target_fixture_native(void **state);
int target_fixture_closed(void **state);
/* And afterwards. */
int target_fixture_end(void **state);

/* A message is due, or several are. */
struct request *target_fixture_push(struct target_fixture *f, nsec_t due);
void target_fixture_push_many(struct target_fixture *f, size_t n);

/* Sends what may be sent; fails unless that is @n messages. */
void assert_flushed(struct target_fixture *f, ssize_t n);

/* Reads once. */
void target_fixture_receive(struct target_fixture *f);

/* The next event is in f->event; fails unless it is of this kind. */
void assert_next(struct target_fixture *f, enum target_event_kind kind);

/* Sends, and fails unless the hello is all that goes out, in one go. */
void assert_hello_sent(struct target_fixture *f);

/* The server's limits, and its answer to the hello. */
extern const struct proto_welcome target_fixture_welcome;
void target_fixture_greet(struct target_fixture *f);

/* The reply to the i-th of those sent, as text. */
const char *target_fixture_text_reply(struct target_fixture *f, size_t i);

/**
 * target_fixture_reply() - the native reply to the i-th of those sent
 * @padding:    bytes behind it
 * @ret:        gets it
 *
 * Return: its length.
 */
size_t target_fixture_reply(struct target_fixture *f, size_t i, uint32_t padding, uint8_t *ret);
