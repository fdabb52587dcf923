/* SPDX-License-Identifier: MIT */
#include "client/skew.h"

/* Halvings of 2 * SKEW_LIMIT: leaves 1e-17, a nanosecond in three years. */
#define HALVINGS 48

/* Sign of the derivative of what is to be made largest. It falls as the slope rises. */
static double rise(const struct skew_pair *pairs, size_t n, enum skew_side side, double slope,
                   int64_t x_mid)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        int64_t x;

        if (pairs[i].weight == 0)
            continue;
        if (side & SKEW_OUT) {
            (void)hull_touch(&pairs[i].out, slope, &x);
            sum += pairs[i].weight * (double)(x_mid - x);
        }
        if (side & SKEW_BACK) {
            (void)hull_touch(&pairs[i].back, -slope, &x);
            sum += pairs[i].weight * (double)(x - x_mid);
        }
    }
    return sum;
}

double skew_best(const struct skew_pair *pairs, size_t n, enum skew_side side, int64_t x_mid)
{
    double low = -SKEW_LIMIT, high = SKEW_LIMIT;

    for (int i = 0; i < HALVINGS; i++) {
        double mid = (low + high) / 2;

        if (rise(pairs, n, side, mid, x_mid) > 0)
            low = mid;
        else
            high = mid;
    }
    return (low + high) / 2;
}

double skew_base(const struct skew_pair *pairs, size_t n, double slope)
{
    double sum = 0, weight = 0;

    for (size_t i = 0; i < n; i++) {
        if (pairs[i].weight == 0)
            continue;
        sum += pairs[i].weight * (hull_touch(&pairs[i].out, slope, NULL) +
                                  hull_touch(&pairs[i].back, -slope, NULL));
        weight += pairs[i].weight;
    }
    return sum / weight;
}

/* The last slope from @slope towards @end that leaves @base. */
static double reach(const struct skew_pair *pairs, size_t n, double slope, double end, double base)
{
    if (skew_base(pairs, n, end) >= base)
        return end;

    for (int i = 0; i < HALVINGS; i++) {
        double mid = (slope + end) / 2;

        if (skew_base(pairs, n, mid) >= base)
            slope = mid;
        else
            end = mid;
    }
    return slope;
}

double skew_band(const struct skew_pair *pairs, size_t n, double slope, double tolerance)
{
    double base = skew_base(pairs, n, slope) - tolerance;

    return (reach(pairs, n, slope, SKEW_LIMIT, base) - reach(pairs, n, slope, -SKEW_LIMIT, base)) /
           2;
}
