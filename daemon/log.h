/* SPDX-License-Identifier: MIT */
/*
 * Log: what a thread says, as a record in its own ring; text, fields and files are the logger's.
 *
 * Emitting copies some bytes and does no system call, unless the logger sleeps and has to be woken.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

#include "common/addr.h"
#include "common/base.h"
#include "common/clock.h"
#include "common/ring.h"
#include "common/text.h"
#include "daemon/log_event.h"

/* Where in the source a record comes from; the journal's CODE_* fields. */
struct log_site {
    const char *file;
    const char *func;
    int line;
    enum log_event event;
};

struct log_value {
    enum log_field field;
    uint64_t value;                 /* or an int64_t, as LOG_FIELDS has it */
};

#define LOG_VALUES_MAX 10
#define LOG_TEXT_MAX 1024

/* What an event carries beside its text; all optional. */
struct log_data {
    const struct addr_key *client;
    const char *uuid;               /* TEXT_UUID_LEN characters */
    const char *listener;           /* its address; must live as long as the daemon */
    const char *reason;             /* one word for filters; must live as long as the daemon */
    int error;                      /* positive errno, 0 = none */
    struct log_value values[LOG_VALUES_MAX];
    unsigned n_values;
};

#define LOG_VALUES(...)                                                                            \
    .values = {__VA_ARGS__},                                                                       \
    .n_values = sizeof((struct log_value[]){__VA_ARGS__}) / sizeof(struct log_value)

/* As it stands in a ring. */
struct log_record {
    const struct log_site *site;
    nsec_t real;                    /* [ns, real time] */
    const char *listener;
    const char *reason;
    struct addr_key client;
    int error;
    uint16_t worker;                /* LOG_NO_WORKER = none */
    uint16_t text_len;              /* 0 = the logger makes the text */
    uint8_t n_values;
    bool has_client;
    bool has_uuid;
    char uuid[TEXT_UUID_LEN];
    /* n_values struct log_value, then text_len characters */
    struct log_value values[];
};

#define LOG_NO_WORKER UINT16_MAX

/* What all threads' logs share. */
struct log_shared {
    _Atomic int level;              /* least urgent priority that is emitted, syslog(3) */
    _Atomic bool logger_sleeps;     /* it wants to be woken; exchanged on both sides, so that
                                     * either it sees a record or its writer sees it sleep */
    int wake_fd;                    /* to wake it; borrowed */
};

/* One thread's log; only that thread emits through it. */
struct log {
    struct ring ring;
    struct log_shared *shared;      /* borrowed */
    const struct clock_src *clock;  /* borrowed */
    uint16_t worker;
    bool announces_later;           /* the thread calls log_announce() now and then */
    bool is_announced;              /* no record is in the ring since that the logger was not told
                                     * of */
};

#define LOG_INIT ((struct log){.ring = RING_INIT})

/* Return: 0 or -ENOMEM. */
int log_init(struct log *l, struct log_shared *shared, const struct clock_src *clock,
             uint16_t worker);
void log_deinit(struct log *l);

/* The priority of an event, syslog(3). */
int log_event_priority(enum log_event event);

static inline bool log_is_on(const struct log *l, enum log_event event)
{
    return log_event_priority(event) <=
           atomic_load_explicit(&l->shared->level, memory_order_relaxed);
}

/**
 * log_emit_() - put a record into the ring
 * @l:          the calling thread's log
 * @site:       static
 * @data:       copied
 * @format:     text, cut at LOG_TEXT_MAX; NULL = made by the logger from the data
 *
 * Never waits: a full ring drops the record and counts it. Wakes the logger if it sleeps, unless
 * @l->announces_later.
 */
void log_emit_(struct log *l, const struct log_site *site, const struct log_data *data,
               const char *format, ...) _printf_(4, 5);

/* Wakes the logger if it sleeps and there is something new for it. A locked instruction, which waits
 * for all that was written before: that is too much for each message. */
void log_announce(struct log *l);

#define log_with_(l, name, data, ...)                                                              \
    do {                                                                                           \
        static const struct log_site _site = {.file = __FILE_NAME__, .func = __func__,             \
                                              .line = __LINE__, .event = LOG_EVENT_##name};        \
        if (log_is_on(l, LOG_EVENT_##name))                                                        \
            log_emit_(l, &_site, data, __VA_ARGS__);                                               \
    } while (0)

/* log_event(log, NAME, .client = ..., LOG_VALUES({LOG_FIELD_DELTA, delta})): text by the logger. */
#define log_event(l, name, ...) log_with_(l, name, &((struct log_data){__VA_ARGS__}), NULL)

/* log_text(log, NAME, &(struct log_data){...}, "format", ...): with a text of its own. */
#define log_text(l, name, data, ...) log_with_(l, name, data, __VA_ARGS__)
