/* SPDX-License-Identifier: MIT */
#include "common/hist.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define SUB_BUCKETS 2048
#define HALF_BITS 10                        /* 2^10 cells in all buckets but the first */
#define HALF (1 << HALF_BITS)
#define N_BUCKETS 32
#define N_CELLS ((N_BUCKETS + 1) * HALF)

_Static_assert(HIST_TOP == ((uint64_t)SUB_BUCKETS << (N_BUCKETS - 1)) - 1, "the last cell's end");

typedef unsigned __int128 u128;

struct hist {
    uint64_t count;
    uint64_t n_clamped;
    nsec_t min;                             /* NSEC_NEVER while empty */
    nsec_t max;
    u128 sum;
    u128 sum_of_squares;                    /* HIST_TOP squared fits 2^44 times */
    uint64_t cells[N_CELLS];
};

int hist_new(struct hist **ret)
{
    struct hist *h = malloc(sizeof(*h));

    if (!h)
        return -ENOMEM;

    hist_reset(h);
    *ret = h;
    return 0;
}

struct hist *hist_free(struct hist *h)
{
    free(h);
    return NULL;
}

void hist_reset(struct hist *h)
{
    memset(h, 0, sizeof(*h));               /* an initialiser would be built on the stack */
    h->min = NSEC_NEVER;
}

/* How far the values of a cell are shifted: its bucket, 0 for all below 2048. */
static unsigned shift_of_value(nsec_t value)
{
    return (unsigned)(63 - __builtin_clzll(value | (SUB_BUCKETS - 1))) - HALF_BITS;
}

static size_t cell_of_value(nsec_t value)
{
    unsigned shift = shift_of_value(value);

    return ((size_t)shift << HALF_BITS) + (size_t)(value >> shift);
}

static nsec_t cell_start(size_t cell)
{
    size_t shift = cell < SUB_BUCKETS ? 0 : (cell >> HALF_BITS) - 1;

    return (nsec_t)(cell - (shift << HALF_BITS)) << shift;
}

static nsec_t cell_end(size_t cell)
{
    return cell_start(cell + 1) - 1;
}

void hist_record(struct hist *h, nsec_t value)
{
    h->min = MIN(h->min, value);
    h->max = MAX(h->max, value);
    if (unlikely(value > HIST_TOP)) {
        h->n_clamped++;
        value = HIST_TOP;
    }

    h->count++;
    h->sum += value;
    h->sum_of_squares += (u128)value * value;
    h->cells[cell_of_value(value)]++;
}

void hist_merge(struct hist *h, const struct hist *from)
{
    h->min = MIN(h->min, from->min);
    h->max = MAX(h->max, from->max);
    h->n_clamped += from->n_clamped;
    h->count += from->count;
    h->sum += from->sum;
    h->sum_of_squares += from->sum_of_squares;
    for (size_t i = 0; i < N_CELLS; i++)
        h->cells[i] += from->cells[i];
}

uint64_t hist_count(const struct hist *h)
{
    return h->count;
}

uint64_t hist_n_clamped(const struct hist *h)
{
    return h->n_clamped;
}

nsec_t hist_min(const struct hist *h)
{
    return h->count > 0 ? h->min : 0;
}

nsec_t hist_max(const struct hist *h)
{
    return h->max;
}

double hist_mean(const struct hist *h)
{
    return h->count > 0 ? (double)h->sum / (double)h->count : 0;
}

/* In integers, around the whole part of the mean: the difference of two large sums would lose the
 * small deviation of large values. The terms may wrap, their sum is exact and does not. */
double hist_stddev(const struct hist *h)
{
    u128 whole, deviations;
    double rest;

    if (h->count == 0)
        return 0;

    whole = h->sum / h->count;
    rest = (double)(h->sum % h->count) / (double)h->count;
    deviations = h->sum_of_squares - 2 * whole * h->sum + whole * whole * h->count;
    return sqrt(fmax((double)deviations / (double)h->count - rest * rest, 0));
}

/* The cell that holds the value of this rank: 1 is the smallest, h->count the largest. */
static size_t cell_at_rank(const struct hist *h, uint64_t rank)
{
    uint64_t n_below = 0;
    size_t cell = 0;

    while (cell < N_CELLS - 1 && (n_below += h->cells[cell]) < rank)
        cell++;

    return cell;
}

nsec_t hist_value_at_percentile(const struct hist *h, double percentile)
{
    double rank;

    if (h->count == 0 || percentile <= 0)
        return hist_min(h);

    /* a step down, so that 99.9 % of 1000 is rank 999 even where 99.9 has no exact double */
    rank = ceil(nextafter(percentile, 0) / 100 * (double)h->count);
    rank = fmin(fmax(rank, 1), (double)h->count);
    return MIN(cell_end(cell_at_rank(h, (uint64_t)rank)), h->max);
}

/* From here on a normal approximation is good, and adding up the binomial terms takes long. */
#define EXACT_MAX 700

/* A binomial variable of @n trials with probability @p <= 1/2: finds the largest k that it does not
 * exceed with at most 2.5 %, and the smallest that it does not exceed with at least 97.5 %. False
 * if even 0 has more than 2.5 %, as it has without trials or with a probability of 0. Otherwise
 * both are below @n, which has a probability that is no larger than that of 0. */
static bool binomial_tails(uint64_t n, double p, uint64_t *ret_low, uint64_t *ret_high)
{
    const double tail = 0.025, z = 1.959963984540054;   /* the normal quantile of 1 - tail */
    long double all_fail = -(long double)n * log1pl(-(long double)p);
    double mean = (double)n * p;
    double deviation = sqrt(mean * (1 - p));
    long double term, sum;
    uint64_t k = 0;

    if (all_fail > EXACT_MAX) {
        *ret_low = (uint64_t)floor(mean - z * deviation - .5);  /* .5: continuity correction */
        *ret_high = (uint64_t)ceil(mean + z * deviation - .5);
        return true;
    }

    term = sum = expl(-all_fail);           /* a double's range holds exp(-EXACT_MAX) */
    if (sum > tail)
        return false;
    for (; sum <= tail; sum += term, k++)
        term *= (long double)(n - k) / (long double)(k + 1) * p / (1 - p);
    *ret_low = k - 1;
    for (; sum < 1 - tail; sum += term, k++)
        term *= (long double)(n - k) / (long double)(k + 1) * p / (1 - p);
    *ret_high = k;
    return true;
}

bool hist_percentile_bounds(const struct hist *h, double percentile, nsec_t *ret_low,
                            nsec_t *ret_high)
{
    uint64_t n = h->count, low, high;

    /* counted from the nearer end, where the terms are few: ranks from 1, or from n downwards */
    if (percentile < 50) {
        if (!binomial_tails(n, percentile / 100, &low, &high))
            return false;
        low++;
        high++;
    } else {
        uint64_t few, many;

        if (!binomial_tails(n, (100 - percentile) / 100, &few, &many))
            return false;
        low = n - many;
        high = n - few;
    }

    *ret_low = MAX(cell_start(cell_at_rank(h, low)), h->min);
    *ret_high = MIN(cell_end(cell_at_rank(h, high)), h->max);
    return true;
}

/* Reporting steps for each halving of the distance to 100 %, as HdrHistogram's tools have them. */
#define HGRM_TICKS 5

/* The next percentile to report, as HdrHistogram's PercentileIterator computes it. */
static double next_level(double level)
{
    double n_halvings = floor(log2(100 / (100 - level))) + 1;

    return level + 100 / (HGRM_TICKS * exp2(n_halvings));
}

int hist_write_hgrm(const struct hist *h, nsec_t unit, FILE *out)
{
    double scale = (double)unit;
    double level = 0;
    uint64_t n = 0;

    errno = 0;
    fprintf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
            "1/(1-Percentile)");

    for (size_t cell = 0; n < h->count; cell++) {
        double value = (double)MIN(cell_end(cell), h->max) / scale;
        double reached;

        if (h->cells[cell] == 0)
            continue;
        n += h->cells[cell];
        reached = 100 * (double)n / (double)h->count;
        while (level <= reached) {
            fprintf(out, "%12.3f %2.12f %10" PRIu64 " %14.2f\n", value, level / 100, n,
                    1 / (1 - level / 100));
            level = next_level(level);
            if (n == h->count)              /* one line, and then that of 100 % */
                break;
        }
        if (n == h->count)
            fprintf(out, "%12.3f %2.12f %10" PRIu64 "\n", value, 1.0, n);
    }

    fprintf(out, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", hist_mean(h) / scale,
            hist_stddev(h) / scale);
    fprintf(out, "#[Max     = %12.3f, Total count    = %12" PRIu64 "]\n", (double)h->max / scale,
            h->count);
    fprintf(out, "#[Buckets = %12d, SubBuckets     = %12d]\n", N_BUCKETS, SUB_BUCKETS);

    if (fflush(out) == 0 && !ferror(out))
        return 0;
    return errno > 0 ? -errno : -EIO;       /* as the last line that failed has left it */
}
