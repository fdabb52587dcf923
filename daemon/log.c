/* SPDX-License-Identifier: MIT */
#include "daemon/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/wake.h"

#define RING_SIZE ((size_t)1 << 20)

static const int priorities[] = {
#define X(name, priority, id) [LOG_EVENT_##name] = priority,
    LOG_EVENTS(X)
#undef X
};

int log_event_priority(enum log_event event)
{
    return priorities[event];
}

int log_init(struct log *l, struct log_shared *shared, const struct clock_src *clock,
             uint16_t worker)
{
    *l = (struct log){.shared = shared, .clock = clock, .worker = worker, .is_announced = true};
    return ring_init(&l->ring, RING_SIZE);
}

void log_deinit(struct log *l)
{
    ring_deinit(&l->ring);
}

static size_t record_size(unsigned n_values, size_t text_len)
{
    return sizeof(struct log_record) + n_values * sizeof(struct log_value) + text_len;
}

void log_emit_(struct log *l, const struct log_site *site, const struct log_data *data,
               const char *format, ...)
{
    struct log_record *r =
        ring_claim(&l->ring, record_size(data->n_values, format ? LOG_TEXT_MAX + 1 : 0));

    if (!r)
        return;

    *r = (struct log_record){
        .site = site,
        .real = clock_real(l->clock),
        .listener = data->listener,
        .reason = data->reason,
        .error = data->error,
        .worker = l->worker,
        .n_values = (uint8_t)data->n_values,
        .has_client = data->client,
        .has_uuid = data->uuid,
    };
    if (data->client)
        r->client = *data->client;
    if (data->uuid)
        memcpy(r->uuid, data->uuid, TEXT_UUID_LEN);
    memcpy(r->values, data->values, data->n_values * sizeof(r->values[0]));
    if (format) {
        char *text = (char *)&r->values[data->n_values];
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(text, LOG_TEXT_MAX + 1, format, args);
        va_end(args);
        r->text_len = (uint16_t)MIN((size_t)MAX(n, 0), (size_t)LOG_TEXT_MAX);
    }
    ring_commit(&l->ring, record_size(data->n_values, r->text_len));

    l->is_announced = false;
    if (!l->announces_later)
        log_announce(l);
}

void log_announce(struct log *l)
{
    if (l->is_announced)
        return;
    l->is_announced = true;
    if (atomic_exchange_explicit(&l->shared->logger_sleeps, false, memory_order_acq_rel))
        wake_signal(l->shared->wake_fd);
}
