/* SPDX-License-Identifier: MIT */
/*
 * Where window: collects samples, and when it closes fits the clocks and takes every one apart.
 *
 * Samples are kept in a buffer that is there from the start. A window closes when that is full,
 * when it has been open long enough, or whenever its owner likes: what a fit needs of the past (the
 * lower hulls, a few dozen points) is carried over, so that a window of a fraction of a second
 * still stands on the last two minutes. Memory is bounded however long the run.
 *
 * One window belongs to one thread. All its connections must lead to one server, whose clock they
 * share.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/cause.h"
#include "client/where.h"
#include "common/base.h"
#include "common/clock.h"

struct where_window_config {
    uint32_t n_conns;       /* slots of connections, >= 1 */
    uint32_t n_samples;     /* the buffer, 0 = 16384 (104 bytes each) */
    nsec_t duration;        /* closes after this if it has 32 samples, 0 = 10 s */
    nsec_t horizon;         /* closes after this anyway; and so far back reach the minima of the
                             * next ones, 0 = 120 s */
    bool merge;             /* one pair of minima for all, as with a connection for each message */
};

struct where_window;

/**
 * where_window_new() - make a window
 * @ret_window: the window; where_window_free() it
 * @config:     copied
 *
 * All memory is taken here, none later.
 *
 * Return: 0, -EINVAL without connections, -ENOMEM.
 */
int where_window_new(struct where_window **ret_window, const struct where_window_config *config);
struct where_window *where_window_free(struct where_window *w);
DEFINE_CLEANUP(struct where_window *, where_window_free)

/**
 * where_window_add() - add an answered message
 * @sample:     copied; its note is ignored
 *
 * Return: the window's copy, valid until it closes (to give it a note); NULL if it is full.
 */
struct where_sample *where_window_add(struct where_window *w, const struct where_sample *sample);

/**
 * where_window_note() - keep what was seen around a message
 * @sample:     as where_window_add() returned it
 * @note:       copied
 *
 * There is room for one sample in sixteen; beyond that a note is lost, and a cause that hangs on it
 * is told as its place only.
 */
void where_window_note(struct where_window *w, struct where_sample *sample,
                       const struct cause_note *note);

/* True when it should be closed: no room is left, or its time is over. */
bool where_window_due(const struct where_window *w, nsec_t now);

/**
 * typedef where_visit_fn - gets every sample of a closing window, in the order they were added
 * @fit:        of the stretch that the sample is in
 * @note:       its note, or NULL
 */
typedef void (*where_visit_fn)(void *ctx, const struct where_sample *sample,
                               const struct where_parts *parts, const struct where_fit *fit,
                               const struct cause_note *note);

/**
 * where_window_close() - fit, take apart, and begin anew
 * @visit:      called for each sample, NULL = none
 * @ctx:        for @visit
 *
 * Takes some 100 ns a sample: not for a thread that measures. An empty window stays as it is.
 */
void where_window_close(struct where_window *w, where_visit_fn visit, void *ctx);

/**
 * where_window_fits() - what the last close found
 * @ret_n:      how many stretches; more than one if a clock stepped or changed its rate
 *
 * Return: them, in order of time; valid until the next close.
 */
const struct where_fit *where_window_fits(const struct where_window *w, size_t *ret_n);
