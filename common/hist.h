/* SPDX-License-Identifier: MIT */
/*
 * Hist: a histogram of times, with a relative error below 0.1 % from a nanosecond to 73 minutes.
 *
 * The layout is that of HdrHistogram(1, 1 hour, 3 digits), https://hdrhistogram.org/: values below
 * 2048 have a cell each; from there on, each power of two is cut into 1024 cells of equal width, so
 * that a cell is at most 1/1024 = 0.098 % of its value wide. All memory (270 KB) is there from the
 * start: recording is a shift, a few additions and no allocation.
 *
 * Count, min and max are exact, and so are the sums behind mean and standard deviation. Values
 * above HIST_TOP count as HIST_TOP in all else, and are counted in hist_n_clamped().
 * Not thread-safe: a histogram for each thread, merged in the end.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base.h"
#include "common/clock.h"

struct hist;

/* The largest value that has a cell [ns]. */
#define HIST_TOP ((UINT64_C(1) << 42) - 1)

int hist_new(struct hist **ret);
struct hist *hist_free(struct hist *h);
DEFINE_CLEANUP(struct hist *, hist_free)

void hist_record(struct hist *h, nsec_t value);

/* As if all that @from holds had been recorded in @h too. */
void hist_merge(struct hist *h, const struct hist *from);

/* Empty again. */
void hist_reset(struct hist *h);

uint64_t hist_count(const struct hist *h);
uint64_t hist_n_clamped(const struct hist *h);

/* All 0 where nothing was recorded. The standard deviation is that of the values themselves
 * (divided by n, not n - 1), as HdrHistogram and ping have it. */
nsec_t hist_min(const struct hist *h);
nsec_t hist_max(const struct hist *h);
double hist_mean(const struct hist *h);
double hist_stddev(const struct hist *h);

/**
 * hist_value_at_percentile() - the value that this share of the values does not exceed
 * @h:              histogram
 * @percentile:     from 0 to 100
 *
 * As HdrHistogram has it: the upper end of the cell of the value whose rank is @percentile of the
 * count, rounded up (the nearest-rank method). Unlike there, the result never exceeds hist_max(),
 * and 0 gives hist_min().
 *
 * Return: [ns]; 0 where nothing was recorded.
 */
nsec_t hist_value_at_percentile(const struct hist *h, double percentile);

/**
 * hist_percentile_bounds() - 95 % confidence interval of a percentile
 * @h:              histogram of a sample
 * @percentile:     from 0 to 100
 * @ret_low:        lower end [ns]
 * @ret_high:       upper end [ns]
 *
 * Whatever the distribution is, the number of values below its true percentile is binomial, which
 * tells the two ranks that enclose it with at most 2.5 % outside at either end (David and Nagaraja,
 * Order Statistics, section 7.1). The ends include the width of the cells. Values that depend on
 * their neighbours, as those within one stall do, carry less information than this assumes.
 *
 * Return: false, leaving the ends alone, if the sample is too small to enclose the percentile: the
 * 99th takes 368 values, the 99.9th 3688.
 */
bool hist_percentile_bounds(const struct hist *h, double percentile, nsec_t *ret_low,
                            nsec_t *ret_high);

/**
 * hist_write_hgrm() - the percentile distribution, as HdrHistogram's outputPercentileDistribution()
 * @h:              histogram
 * @unit:           what one stands for in the output [ns]; plotters expect NSEC_PER_MSEC, and three
 *                  decimals are written
 * @out:            where to
 *
 * Return: 0, or the negative errno of writing; -EIO if @out had failed before.
 */
int hist_write_hgrm(const struct hist *h, nsec_t unit, FILE *out);
