/* SPDX-License-Identifier: MIT */
#include "client/share.h"

#include "common/base.h"

/* The part of @total that falls to the connections before @link of @n_links. What is left over goes
 * to the first ones, whose turn comes first. */
static uint64_t share_before(uint64_t total, uint32_t link, uint32_t n_links)
{
    return (uint64_t)(((unsigned __int128)total * link + n_links - 1) / n_links);
}

struct share share_make(const struct options *o, uint32_t i)
{
    uint32_t n_links = o->connections / o->threads + (i < o->connections % o->threads);
    uint32_t before = o->connections / o->threads * i + MIN(i, o->connections % o->threads);
    uint64_t count = o->count;
    uint64_t omit = o->omit_count;

    return (struct share){
        .first_link = i,
        .step = o->threads,
        .n_links = n_links,
        .n_messages = count == 0 ? UINT64_MAX
                                 : share_before(count, before + n_links, o->connections) -
                                       share_before(count, before, o->connections),
        .n_omit = share_before(omit, before + n_links, o->connections) -
                  share_before(omit, before, o->connections),
        .interval = o->interval * o->connections / n_links,
        .offset = o->arrivals == ARRIVALS_FIXED ? nsec_from_double(o->interval * i) : 0,
    };
}
