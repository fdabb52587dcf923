/* SPDX-License-Identifier: MIT */
#include "client/skew.h"

/* Halvings of 2 * SKEW_LIMIT: leaves 2e-15, a nanosecond in five days. */
#define HALVINGS 40

/* An error need not be known so closely. */
#define HALVINGS_BAND 28

/* The height, and how it rises with the slope: ever less. */
static double height(const struct skew_aim *aim, double slope, double *ret_rise)
{
    double sum = 0, rise = 0, weight = 0;

    for (size_t i = 0; i < aim->n; i++) {
        const struct skew_pair *p = &aim->pairs[i];
        int64_t x;

        if (p->weight == 0)
            continue;
        weight += p->weight;
        if (aim->side & SKEW_OUT) {
            sum += p->weight * hull_touch(&p->out, slope, &x);
            rise += p->weight * (double)(aim->x_mid - x);
        }
        if (aim->side & SKEW_BACK) {
            sum += p->weight * hull_touch(&p->back, -slope, &x);
            rise += p->weight * (double)(x - aim->x_mid);
        }
    }
    if (aim->side == SKEW_OUT)
        sum += weight * slope * (double)aim->x_mid;
    if (aim->side == SKEW_BACK)
        sum -= weight * slope * (double)aim->x_mid;
    *ret_rise = rise;
    return sum / weight;
}

double skew_height(const struct skew_aim *aim, double slope)
{
    double rise;

    return height(aim, slope, &rise);
}

double skew_best(const struct skew_aim *aim)
{
    double low = -SKEW_LIMIT, high = SKEW_LIMIT;

    for (int i = 0; i < HALVINGS; i++) {
        double mid = (low + high) / 2, rise;

        (void)height(aim, mid, &rise);
        if (rise > 0)
            low = mid;
        else
            high = mid;
    }
    return (low + high) / 2;
}

/* The last slope from @slope towards @end that leaves @least. */
static double reach(const struct skew_aim *aim, double slope, double end, double least)
{
    if (skew_height(aim, end) >= least)
        return end;

    for (int i = 0; i < HALVINGS_BAND; i++) {
        double mid = (slope + end) / 2;

        if (skew_height(aim, mid) >= least)
            slope = mid;
        else
            end = mid;
    }
    return slope;
}

double skew_band(const struct skew_aim *aim, double slope, double tolerance)
{
    double least = skew_height(aim, slope) - tolerance;

    return (reach(aim, slope, SKEW_LIMIT, least) - reach(aim, slope, -SKEW_LIMIT, least)) / 2;
}
