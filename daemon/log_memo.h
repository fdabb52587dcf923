/* SPDX-License-Identifier: MIT */
/*
 * Log memo: what line after line says again - the second, and the addresses of clients - as the
 * text that it was made into before.
 *
 * Where every message is logged, making those anew is nine tenths of the work.
 */
#pragma once

#include "common/addr.h"
#include "common/clock.h"

/* Clients that send at the same time; a power of two. */
#define LOG_MEMO_CLIENTS 128

struct log_memo {
    nsec_t second;                  /* [s since the epoch] that is in `when` */
    size_t micros_at;               /* where its microseconds are; 0 = there is none yet */
    char when[CLOCK_RFC3339_SIZE];
    struct log_memo_client {
        struct addr_key key;        /* zeroed = none, as no address is */
        char text[ADDR_TEXT_SIZE];
    } clients[LOG_MEMO_CLIENTS];
};

/* As clock_format_rfc3339(). Return: the text, good until the next call. */
const char *log_memo_time(struct log_memo *m, nsec_t real);

/* As addr_key_format(). Return: the text, good until the next call. */
const char *log_memo_client(struct log_memo *m, const struct addr_key *key);
