/* SPDX-License-Identifier: MIT */
#include "common/nic_lag.h"

#include "common/base.h"

static void begin_moment(struct nic_lag *l, nsec_t at)
{
    l->least[0] = l->least[1];
    l->n[0] = l->n[1];
    l->least[1] = INT64_MAX;
    l->n[1] = 0;
    l->began = at;
}

/* Forgets what is older than the moment before. Batches of several connections come a little out of
 * order, which makes no difference. */
static void forget(struct nic_lag *l, nsec_t now)
{
    if (now < l->began + NIC_LAG_SPAN && l->began > 0)
        return;
    if (now >= l->began + 2 * NIC_LAG_SPAN)
        l->n[1] = 0;
    if (l->n[1] == 0)
        l->least[1] = INT64_MAX;
    begin_moment(l, now);
}

bool nic_lag_take(struct nic_lag *l, nsec_t kernel, nsec_t card, nsec_t *ret_lag)
{
    int64_t apart = (int64_t)(kernel - card), least;

    forget(l, kernel);
    l->least[1] = MIN(l->least[1], apart);
    l->n[1]++;
    least = MIN(l->least[0], l->least[1]);
    if (l->n[0] + l->n[1] < NIC_LAG_FEW || (uint64_t)apart - (uint64_t)least > NIC_LAG_MAX)
        return false;
    *ret_lag = (nsec_t)apart - (nsec_t)least;
    return true;
}
