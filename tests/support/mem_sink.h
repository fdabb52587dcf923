/* SPDX-License-Identifier: MIT */
/*
 * Mem sink: a log sink that keeps entries for a test to look at, and fails when it is told to.
 */
#pragma once

#include "daemon/log_sink.h"

#define MEM_SINK_ENTRIES_MAX 32768

struct mem_entry {
    enum log_event event;
    int priority;
    nsec_t real;
    uint16_t worker;
    uint64_t first_value;           /* of its values; 0 where it has none */
    char text[192];                 /* cut */
};

struct mem_sink {
    struct mem_entry entries[MEM_SINK_ENTRIES_MAX];
    unsigned n;
    unsigned n_calls;
    int error;                      /* negative errno that writing fails with; 0 = it works */
};

/* A sink on @m, which it borrows; zeroed is empty. One thread at a time, as the seam says. */
struct log_sink mem_sink(struct mem_sink *m);

/* How many entries it has of this event. */
unsigned mem_sink_count(const struct mem_sink *m, enum log_event event);

/* The first entry of this event; asserts that there is one. */
const struct mem_entry *mem_sink_find(const struct mem_sink *m, enum log_event event);
