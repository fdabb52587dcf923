/* SPDX-License-Identifier: MIT */
/*
 * Proto lines: how a native connection begins - two lines of words, the client's hello and the
 * server's welcome, each ended by ';'; PROTOCOL.md has the bytes.
 *
 * Pure: nothing is allocated, nothing is sent.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/proto.h"

/* Longest lines, their ';' included. */
#define PROTO_HELLO_MAX 255
#define PROTO_WELCOME_MAX 511

/* A word that is longer is none that we know, and ignored as such. */
#define PROTO_WORD_MAX 31

struct proto_hello {
    uint16_t version_min;
    uint16_t version_max;           /* 0 = not stated (yet) */
    uint32_t max_reply_padding;     /* the client takes no longer one [bytes] */
};

/* As a client of this version says it, and what a server assumes until it is told otherwise. */
#define PROTO_HELLO_OURS                                                                           \
    ((struct proto_hello){.version_min = PROTO_VERSION_MIN,                                        \
                          .version_max = PROTO_VERSION_MAX,                                        \
                          .max_reply_padding = PROTO_PADDING_MAX})
#define PROTO_HELLO_INIT ((struct proto_hello){.max_reply_padding = PROTO_PADDING_MAX})

struct proto_welcome {
    uint16_t version;               /* the chosen one; 0 = not stated (yet) */
    uint32_t max_request_padding;   /* [bytes] */
    uint32_t max_reply_padding;     /* [bytes] */
    uint32_t rx_buffer;             /* what the server takes in one read [bytes] */
    uint32_t tx_buffer;             /* what it holds of replies not yet taken [bytes] */
    uint32_t idle_timeout_ms;       /* 0 = none */
    uint32_t message_timeout_ms;    /* 0 = none */
    uint32_t kernel_stamps;         /* 1 = arrivals are the kernel's, where it gives any */
};

/* What a client assumes of words that a welcome leaves out. */
#define PROTO_WELCOME_INIT ((struct proto_welcome){0})

/* A hello or a welcome that arrives, however it is cut; zeroed = nothing yet. Small enough (36
 * bytes) to share its place with a partial frame head. */
struct proto_line {
    uint16_t n_bytes;               /* of the line so far */
    bool named;                     /* the first word, the line's name, is complete */
    uint8_t n_word;                 /* bytes of the word under way, PROTO_WORD_MAX + 1 = too long */
    char word[PROTO_WORD_MAX + 1];
};

/**
 * proto_hello_encode() - write a client's hello
 * @ret_line:   no NUL is written
 *
 * Return: its length.
 */
size_t proto_hello_encode(char ret_line[static PROTO_HELLO_MAX], const struct proto_hello *hello);

/**
 * proto_hello_feed() - take bytes of a client's hello off the front of a stream
 * @line:       zeroed at the start of the connection
 * @bytes:      what has arrived since the last call
 * @hello:      PROTO_HELLO_INIT at the start; complete when the line is
 * @ret_fault:  what is wrong, on -EPROTO only
 *
 * Return: how many of @bytes end the hello (> 0), PROTO_NEED_MORE when all were taken and it goes
 * on, -EPROTO at the first byte that cannot belong.
 */
ssize_t proto_hello_feed(struct proto_line *line, const char *bytes, size_t len,
                         struct proto_hello *hello, enum proto_fault *ret_fault);

/* As their twins above, for the server's answer; PROTO_WELCOME_MAX bytes, PROTO_WELCOME_INIT. A
 * version that this code does not speak is PROTO_FAULT_VERSION. */
size_t proto_welcome_encode(char ret_line[static PROTO_WELCOME_MAX],
                            const struct proto_welcome *welcome);
ssize_t proto_welcome_feed(struct proto_line *line, const char *bytes, size_t len,
                           struct proto_welcome *welcome, enum proto_fault *ret_fault);

/**
 * proto_version_choose() - the highest version that both sides speak
 * @hello:      what the client speaks
 * @min, @max:  what we speak
 *
 * Return: it, or 0 if there is none.
 */
uint16_t proto_version_choose(const struct proto_hello *hello, uint16_t min, uint16_t max);

/**
 * proto_negotiate() - turn what the server offers to all into its answer to one client
 * @hello:      what the client said
 * @welcome:    the server's limits; gets the version, and the client's limit where that is lower
 *
 * Return: 0, or -EPROTO if there is no common version (PROTO_FAULT_VERSION).
 */
int proto_negotiate(const struct proto_hello *hello, struct proto_welcome *welcome);

/**
 * proto_hello_is_echo() - see if an original server took the hello for a message
 * @bytes:      all that has arrived since the hello was sent
 * @hello:      the hello that was sent, as encoded
 *
 * The first byte of an answer tells the three kinds apart already: 'U' an echo, 'E' an error line,
 * 't' a welcome.
 *
 * Return: the echo's length (> 0), PROTO_NEED_MORE, or -EBADMSG if it is none.
 */
ssize_t proto_hello_is_echo(const char *bytes, size_t len, const char *hello, size_t hello_len);

/**
 * proto_in_flight() - how many unanswered messages the server's stated buffers hold
 * @padding:        of each request [bytes]
 * @reply_padding:  of each reply [bytes]
 *
 * Return: at least 1.
 */
uint32_t proto_in_flight(const struct proto_welcome *welcome, uint32_t padding,
                         uint32_t reply_padding);
