/* SPDX-License-Identifier: MIT */
/*
 * Target: the protocol on one connection to a server, seen from the client: its state, and what
 * goes out. What comes in is told by target_rx.h.
 *
 * Nothing here opens a socket, waits, or counts: whoever owns the connection does.
 *
 * A request that did not fit into the socket is not kept as bytes: it waits in the ring like any
 * other, with the number of its bytes that are gone, and is encoded again when there is room.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/inflight.h"
#include "client/options.h"
#include "common/clock.h"
#include "common/proto.h"
#include "common/proto_lines.h"
#include "common/rng.h"
#include "common/stream.h"
#include "common/text.h"

/* What all connections of a run have in common; constant while they live. */
struct target_config {
    const struct clock_src *clock;
    enum protocol protocol;
    bool is_closed_loop;
    uint32_t in_flight;             /* most unanswered, 0 = as the peer can */
    uint32_t size;                  /* padding of a request [bytes] */
    uint32_t reply_size;            /* padding of a reply [bytes] */
    /* What is the same on all of them, encoded. */
    char hello[PROTO_HELLO_MAX];
    size_t hello_len;
    uint8_t goodbye[PROTO_NOTICE_MAX];
    size_t goodbye_len;
    uint8_t keep_alive[PROTO_HEADER_LEN];
    uint8_t keep_alive_ack[PROTO_HEADER_LEN];
};

void target_config_init(struct target_config *c, const struct clock_src *clock,
                        const struct options *o);

enum target_state {
    TARGET_IDLE,                    /* no connection */
    TARGET_GREETING,                /* the hello is out, the answer is not in */
    TARGET_READY,
    TARGET_LEAVING,                 /* the server said goodbye: nothing more is sent */
};

/* What is carried from one read to the next: the head of a frame, a reply or an error line. */
#define TARGET_CARRY_SIZE PROTO_NOTICE_MAX

struct target {
    /* For every message. */
    const struct target_config *config;     /* borrowed */
    struct stream stream;
    enum target_state state;
    uint32_t limit;                 /* most unanswered */
    struct inflight inflight;
    struct rng *rng;                /* of the UUIDs; borrowed */
    nsec_t last_tx;                 /* when anything was last sent [ns] */
    size_t tx_offset;               /* how much of the first that waits is sent [bytes] */
    const uint8_t *control;         /* what is to be sent between two requests, or NULL */
    uint32_t skip;                  /* what still comes of a frame and is of no interest [bytes] */
    uint16_t carry_len;
    bool native;
    bool has_pending;               /* a reply whose padding is still coming */

    /* Now and then. */
    bool text_only;                 /* say no hello (again) */
    size_t control_len;
    uint32_t n_acks;                /* more that are owed, behind `control` */
    struct proto_welcome welcome;   /* what the server can; native */
    struct proto_line line;         /* the welcome, while it comes in */
    struct proto_reply pending;
    uint8_t carry[TARGET_CARRY_SIZE];
};

/* @config and @rng are borrowed. */
void target_init(struct target *t, const struct target_config *config, struct rng *rng);
void target_deinit(struct target *t);

/**
 * target_start() - a connection stands
 * @stream:     to the server; copied, its ctx is borrowed until target_stop()
 *
 * Without a hello the target is ready at once; else it is after TARGET_GREETED. What waits in the
 * ring stays there.
 */
void target_start(struct target *t, const struct stream *stream);

/* The connection is gone. What is in the ring stays. */
void target_stop(struct target *t);

/**
 * target_push() - a request is due
 * @ret:        the request in the ring, for more to be noted; good until the next push
 *
 * Return: 0 or -ENOMEM.
 */
int target_push(struct target *t, nsec_t due, uint64_t seq, struct request **ret);

/* How many of those that wait may be sent now. */
size_t target_n_sendable(const struct target *t);

/* Whether there is anything to send now. */
static inline bool target_wants_send(const struct target *t)
{
    return t->control || target_n_sendable(t) > 0;
}

/* Room for the longest request in the buffer for target_flush(). */
#define TARGET_TX_SIZE (2 * PROTO_PADDING_MAX)

/**
 * target_flush() - send what may be sent
 * @tx:         TARGET_TX_SIZE bytes to encode into; what is in them goes out as padding
 *
 * Return: how many requests left (>= 0): those are now the youngest of the sent ones in the ring.
 * If target_wants_send() is still true the socket takes no more for now. Negative errno if the
 * connection is lost.
 */
ssize_t target_flush(struct target *t, uint8_t *tx);

/* A keep-alive shall be sent; false if the protocol has none. */
bool target_keep_alive(struct target *t);

/* Says goodbye, as far as the protocol has one and the socket takes it. */
void target_say_goodbye(struct target *t);

/* The server speaks text only. */
void target_become_text(struct target *t);

/* The server has sent a keep-alive: each is answered, in its turn. */
void target_owe_ack(struct target *t);
