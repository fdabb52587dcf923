/* SPDX-License-Identifier: MIT */
#include "client/verdict.h"

int verdict_of(const struct result *r, enum run_end end, bool is_slo_met)
{
    if (end == RUN_END_FORCED)
        return EXIT_FORCED;
    if (r->error != RUN_ERROR_NONE)
        return EXIT_ERROR;
    if (is_slo_met)
        return EXIT_SLO_MET;
    if (r->lost > 0 || (end == RUN_END_OWN && r->not_sent > 0))
        return EXIT_REPLIES_MISSING;
    return EXIT_ALL_IN;
}
