/* SPDX-License-Identifier: MIT */
#include "tests/support/truth.h"

#include <math.h>

#include "common/base.h"

void truth_init(struct truth *t, uint64_t seed, double skew)
{
    *t = (struct truth){
        .shortest_out = 30 * NSEC_PER_USEC,
        .shortest_back = 20 * NSEC_PER_USEC,
        .client = 1234 * NSEC_PER_SEC,
        .server = 98765432 * NSEC_PER_SEC + 123456789,
        .skew = skew,
    };
    rng_seed(&t->rng, seed);
}

nsec_t truth_server_time(const struct truth *t, nsec_t now)
{
    double passed = (double)(int64_t)(now - t->client);

    return t->server + (now - t->client) + (nsec_t)llround(t->skew * passed);
}

void truth_change_clock(struct truth *t, nsec_t now, double skew, int64_t step)
{
    t->server = truth_server_time(t, now) + (nsec_t)step;
    t->client = now;
    t->skew = skew;
}

struct where_sample truth_send(struct truth *t, struct truth_message *m)
{
    nsec_t arrival = MAX(m->send + t->shortest_out + m->out, t->last_arrival);
    nsec_t departure = MAX(arrival + m->residence, t->last_departure);
    nsec_t rx = MAX(departure + t->shortest_back + m->back, t->last_rx);
    struct where_sample s = {
        .due = m->due > 0 ? m->due : m->send,
        .send = m->send,
        .rx = rx,
        .read = rx + m->wakeup,
        .arrival = truth_server_time(t, arrival),
        .seq = t->seq++,
        .flags = SAMPLE_ARRIVAL | SAMPLE_ARRIVAL_KERNEL | SAMPLE_RX_KERNEL,
    };

    s.residence = truth_server_time(t, departure) - s.arrival;
    m->out = arrival - m->send - t->shortest_out;
    m->residence = departure - arrival;
    m->back = rx - departure - t->shortest_back;
    t->last_arrival = arrival;
    t->last_departure = departure;
    t->last_rx = rx;
    return s;
}

double truth_uniform(struct truth *t)
{
    return (double)(rng_next_u64(&t->rng) >> 11) * 0x1p-53;
}
