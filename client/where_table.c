/* SPDX-License-Identifier: MIT */
#include "client/where_table.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* Each power of two of RTT is cut into 128 classes; above 2^42 ns (73 min) all is in the last. */
#define CLASS_BITS 7
#define TOP_BITS 42
#define N_CLASSES ((TOP_BITS - CLASS_BITS + 1) << CLASS_BITS)

/* Of a normal distribution 95 % lie within so many standard deviations. */
#define NORMAL_95 1.96

struct rtt_class {
    uint64_t n;
    nsec_t sums[PART_COUNT];        /* room for 584 years */
};

struct where_table {
    uint64_t n;
    struct rtt_class classes[N_CLASSES];
};

int where_table_new(struct where_table **ret_table)
{
    struct where_table *t = calloc(1, sizeof(*t));

    if (!t)
        return -ENOMEM;

    *ret_table = t;
    return 0;
}

struct where_table *where_table_free(struct where_table *t)
{
    free(t);
    return NULL;
}

static size_t class_of(nsec_t rtt)
{
    int bits;

    if (rtt >> TOP_BITS)
        return N_CLASSES - 1;

    bits = 64 - __builtin_clzll(rtt | 1);
    if (bits <= CLASS_BITS + 1)
        return (size_t)rtt;
    return ((size_t)(bits - CLASS_BITS - 1) << CLASS_BITS) +
           (size_t)(rtt >> (bits - CLASS_BITS - 1));
}

void where_table_add(struct where_table *t, const struct where_parts *parts)
{
    nsec_t rtt = 0;
    struct rtt_class *c;

    for (int i = 0; i < PART_COUNT; i++)
        rtt += parts->ns[i];
    c = &t->classes[class_of(rtt)];
    c->n++;
    for (int i = 0; i < PART_COUNT; i++)
        c->sums[i] += parts->ns[i];
    t->n++;
}

static void class_merge(struct rtt_class *c, const struct rtt_class *from)
{
    c->n += from->n;
    for (int i = 0; i < PART_COUNT; i++)
        c->sums[i] += from->sums[i];
}

/* The mean base as it is, and all other sums scaled, to integers that add up to @rtt; what rounding
 * leaves over goes to the largest. */
static void scale(const struct rtt_class *c, nsec_t rtt, nsec_t ret_ns[static PART_COUNT])
{
    nsec_t base = MIN(c->sums[PART_BASE] / c->n, rtt), sum = 0;
    double others = 0;
    int most = 0;

    for (int i = 0; i < PART_COUNT; i++)
        others += i == PART_BASE ? 0 : (double)c->sums[i];
    for (int i = 0; i < PART_COUNT; i++) {
        double share = others > 0 ? (double)c->sums[i] / others : 0;

        ret_ns[i] = i == PART_BASE ? base : (nsec_t)((double)(rtt - base) * share);
        sum += ret_ns[i];
        if (ret_ns[i] > ret_ns[most])
            most = i;
    }
    ret_ns[most] += rtt - sum;
}

int where_table_row(const struct where_table *t, double percentile, nsec_t rtt,
                    struct where_row *ret_row)
{
    double n = (double)t->n, share = percentile / 100, rank, spread;
    struct rtt_class near = {0};
    uint64_t seen = 0;

    if (t->n == 0)
        return -ENODATA;

    /* The number of messages below a percentile is binomial. */
    rank = MIN(MAX(ceil(n * share), 1), n);
    spread = NORMAL_95 * sqrt(n * share * (1 - share));
    for (size_t i = 0; i < N_CLASSES && (double)seen < rank + spread; i++) {
        const struct rtt_class *c = &t->classes[i];

        seen += c->n;
        if (c->n > 0 && (double)seen >= rank - spread)
            class_merge(&near, c);
    }

    *ret_row = (struct where_row){.rtt = rtt, .n_messages = near.n};
    scale(&near, rtt, ret_row->ns);
    return 0;
}
