/* SPDX-License-Identifier: MIT */
/*
 * Report fixture: a run with a result of its own making, and a report of it into memory.
 */
#pragma once

#include <stddef.h>

#include "client/report.h"
#include "tests/support/fake_clock.h"

struct report_fixture {
    struct fake_clock clock;
    struct clock_src clock_src;
    struct options options;
    struct result result;
    struct where_stats *where;
    struct machine machine;
    struct report_summary summary;
    struct report report;
    char *text;
    size_t size;
};

/* For cmocka: *state is the fixture. */
int report_fixture_setup(void **state);
int report_fixture_teardown(void **state);

/* The first connection stands: the report begins, with this writer. */
void report_fixture_begin(struct report_fixture *f, const struct report_ops *ops);

/* Ten replies of 1 to 10 ms, and a lost one. */
void report_fixture_measure(struct report_fixture *f);

/* The way out gets 1.5 ms shorter, then the server's clock steps by 7 ms. */
void report_fixture_change(struct report_fixture *f);

/* One reply: 1 ms from the send, 2 ms from the due time. */
void report_fixture_reply(struct report_fixture *f);

/* What was written so far. */
const char *report_fixture_text(struct report_fixture *f);

void assert_has(struct report_fixture *f, const char *words);
void assert_has_not(struct report_fixture *f, const char *words);

/* All keys that a document has whatever happened. */
void assert_fixed_keys(struct report_fixture *f);
