/* SPDX-License-Identifier: MIT */
#include "common/stamp.h"

#include <linux/net_tstamp.h>
#include <sys/socket.h>

#include "common/base.h"

/* A stamp may seem this much later than a reading that followed it: the bounds are not exact. */
#define TOLERANCE ((int64_t)(2 * NSEC_PER_USEC))

/* A stamp is read at the first look after it was made, or not long after where a queue is long. */
#define OLDEST_WAIT ((int64_t)NSEC_PER_SEC)

void stamp_enable(int fd)
{
    int flags = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE |
                SOF_TIMESTAMPING_RX_HARDWARE | SOF_TIMESTAMPING_RAW_HARDWARE;

    (void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags));
}

static int64_t offset_of(const struct stamp_bridge *b)
{
    return b->low + (b->high - b->low) / 2;
}

void stamp_bridge_init(struct stamp_bridge *b, const struct clock_src *clock)
{
    *b = (struct stamp_bridge){.low = INT64_MIN / 4, .high = INT64_MAX / 4};
    (void)stamp_bridge_look(b, clock);
}

nsec_t stamp_bridge_look(struct stamp_bridge *b, const struct clock_src *clock)
{
    nsec_t before = clock_now(clock);
    nsec_t real = clock_real(clock);
    nsec_t after = clock_now(clock);
    int64_t low = (int64_t)(real - after);
    int64_t high = (int64_t)(real - before);

    if (low > b->high || high < b->low) {
        b->before_step = offset_of(b);
        b->step_after = b->last_look;
        b->step_before = after;
        b->n_steps++;
        b->low = low;
        b->high = high;
    } else {
        b->low = MAX(b->low, low);
        b->high = MIN(b->high, high);
    }
    b->last_look = after;

    return after;
}

int64_t stamp_bridge_last_step(const struct stamp_bridge *b)
{
    return b->n_steps > 0 ? offset_of(b) - b->before_step : 0;
}

bool stamp_bridge_convert(const struct stamp_bridge *b, nsec_t real, nsec_t now, nsec_t *ret_mono)
{
    int64_t mono = (int64_t)real - offset_of(b);

    if (b->n_steps > 0) {
        int64_t older = (int64_t)real - b->before_step;
        bool can_be_new = mono >= (int64_t)b->step_after && mono <= (int64_t)now + TOLERANCE;
        bool can_be_old = older >= (int64_t)b->step_after - OLDEST_WAIT &&
                          older <= (int64_t)b->step_before;

        if (can_be_new == can_be_old)
            return false;
        if (can_be_old)
            mono = older;
    }
    if (mono < 0 || mono > (int64_t)now + TOLERANCE)
        return false;

    *ret_mono = MIN((nsec_t)mono, now);
    return true;
}
