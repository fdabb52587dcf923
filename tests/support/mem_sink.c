/* SPDX-License-Identifier: MIT */
#include "tests/support/mem_sink.h"

#include <errno.h>
#include <string.h>

#include "tests/support/test.h"

#include "common/base.h"

static int mem_write(void *ctx, const struct log_entry *entry)
{
    struct mem_sink *m = ctx;
    const struct log_record *r = entry->record;
    struct mem_entry *e = &m->entries[m->n];
    size_t len = MIN(entry->text_len, sizeof(e->text) - 1);

    m->n_calls++;
    if (m->error < 0)
        return m->error;
    if (m->n == MEM_SINK_ENTRIES_MAX)
        return -ENOSPC;

    *e = (struct mem_entry){
        .event = r->site->event,
        .priority = entry->priority,
        .real = r->real,
        .worker = r->worker,
        .first_value = r->n_values > 0 ? r->values[0].value : 0,
    };
    memcpy(e->text, entry->text, len);
    m->n++;
    return 0;
}

static const struct log_sink_ops mem_ops = {.write = mem_write};

struct log_sink mem_sink(struct mem_sink *m)
{
    return (struct log_sink){.ops = &mem_ops, .ctx = m};
}

unsigned mem_sink_count(const struct mem_sink *m, enum log_event event)
{
    unsigned n = 0;

    for (unsigned i = 0; i < m->n; i++)
        n += m->entries[i].event == event;
    return n;
}

const struct mem_entry *mem_sink_find(const struct mem_sink *m, enum log_event event)
{
    for (unsigned i = 0; i < m->n; i++)
        if (m->entries[i].event == event)
            return &m->entries[i];
    fail_msg("no entry of event %u among %u", (unsigned)event, m->n);
    return NULL;
}
