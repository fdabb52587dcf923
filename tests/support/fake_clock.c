/* SPDX-License-Identifier: MIT */
#include "tests/support/fake_clock.h"

void fake_clock_advance(struct fake_clock *clock, nsec_t by)
{
    clock->now += by;
    clock->real += by;
}

static nsec_t fake_now(void *ctx)
{
    struct fake_clock *clock = ctx;
    nsec_t now = clock->now;

    fake_clock_advance(clock, clock->step);
    return now;
}

static nsec_t fake_real(void *ctx)
{
    struct fake_clock *clock = ctx;
    nsec_t real = clock->real;

    fake_clock_advance(clock, clock->step);
    return real;
}

static const struct clock_ops fake_ops = {.now = fake_now, .real = fake_real};

struct clock_src fake_clock_src(struct fake_clock *clock)
{
    return (struct clock_src){.ops = &fake_ops, .ctx = clock};
}
