/* SPDX-License-Identifier: MIT */
#include "daemon/stats.h"

#include <inttypes.h>

void stats_print(const struct stats *s, FILE *to)
{
    (void)fprintf(to, "%" PRIu64 " clients now", stats_clients(s));
#define X(name, text)                                                                              \
    if (s->name > 0)                                                                               \
        (void)fprintf(to, ", %" PRIu64 " " text, s->name);
    STATS_COUNTERS(X)
#undef X
}
