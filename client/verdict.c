/* SPDX-License-Identifier: MIT */
#include "client/verdict.h"

int verdict_of(const struct result *r, bool is_forced, bool is_slo_met)
{
    if (is_forced)
        return EXIT_FORCED;
    if (r->error != RUN_ERROR_NONE)
        return EXIT_ERROR;
    if (is_slo_met)
        return EXIT_SLO_MET;
    return r->lost > 0 ? EXIT_REPLIES_MISSING : EXIT_ALL_IN;
}
