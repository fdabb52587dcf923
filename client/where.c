/* SPDX-License-Identifier: MIT */
#include "client/where.h"

#include "common/base.h"

const char *where_validity_name(enum where_validity v)
{
    static const char *const names[] = {
        [WHERE_VALID] = "valid",
        [WHERE_SKEW_ASSUMED] = "skew_assumed",
        [WHERE_SKEW_UNSTEADY] = "skew_unsteady",
        [WHERE_TOO_FEW] = "too_few",
        [WHERE_NO_ARRIVALS] = "no_arrivals",
        [WHERE_CLOCK_BROKEN] = "clock_broken",
    };

    return names[v];
}

const char *where_validity_text(enum where_validity v)
{
    static const char *const texts[] = {
        [WHERE_VALID] = "valid",
        [WHERE_SKEW_ASSUMED] = "too short to measure the clocks' skew, which is assumed",
        [WHERE_SKEW_UNSTEADY] = "the clocks' skew was not steady",
        [WHERE_TOO_FEW] = "too few messages",
        [WHERE_NO_ARRIVALS] = "the server does not tell when messages arrive",
        [WHERE_CLOCK_BROKEN] = "the clocks contradict each other",
    };

    return texts[v];
}
