/* SPDX-License-Identifier: MIT */
#include "client/outage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base.h"

/* Trying again after a lost connection: at once, then after a quarter of the time it has been away,
 * within these, so that the length of an outage is known that well. */
#define BACKOFF_MIN (100 * NSEC_PER_MSEC)
#define BACKOFF_MAX (5 * NSEC_PER_SEC)

void outage_lose_message(struct swarm *s, struct link *l, const struct request *q,
                         enum record_kind kind, nsec_t now)
{
    s->n_open--;
    l->n_lost += !q->omitted;
    tally_lost(s->config.tally, l, q, kind, now);
}

void outage_give_up_waiting(struct swarm *s, struct link *l, const struct request *q, nsec_t now)
{
    if (q->resent) {        /* on an earlier connection: it is in the count of those */
        outage_lose_message(s, l, q, RECORD_LOST, now);
        return;
    }
    s->n_open--;
    l->n_not_sent++;
    tally_not_sent(s->config.tally, q);
}

void outage_give_up(struct swarm *s, struct link *l, nsec_t now)
{
    struct inflight *f = &l->target.inflight;

    while (inflight_n_sent(f) > 0) {
        struct request q = *inflight_at(f, 0);

        inflight_pop(f, 1);
        outage_lose_message(s, l, &q, RECORD_LOST, now);
    }
    while (inflight_n_waiting(f) > 0) {
        struct request q = *inflight_waiting(f);

        inflight_advance(f);
        inflight_pop(f, 1);
        outage_give_up_waiting(s, l, &q, now);
    }
}

/* Half to one and a half of the mean: a thousand clients of one server do not come back at once. */
static nsec_t backoff(struct link *l, nsec_t now)
{
    nsec_t mean = MIN(MAX((now - l->down_since) / 4, BACKOFF_MIN), BACKOFF_MAX);

    return mean / 2 + rng_next_u64(l->target.rng) % mean;
}

/* @since: when the server was last heard of, as far as we know. */
static void begin_outage(struct swarm *s, struct link *l, nsec_t since, nsec_t now)
{
    l->down_since = since;
    l->is_out = false;
    l->n_lost = l->n_resent = l->n_not_sent = 0;
    memcpy(l->outage_reason, l->reason, sizeof(l->outage_reason));
    if (swarm_is_endless(s))        /* else either nobody notices, or the run ends with a line */
        tally_text(s->config.tally, RECORD_OUTAGE, l, now, l->reason);
}

static nsec_t unanswered_since(const struct link *l, nsec_t now)
{
    const struct inflight *f = &l->target.inflight;

    return inflight_n_sent(f) > 0 ? inflight_at(f, 0)->sent : now;
}

/* Whether the server was there before. With a new connection for each message it is as good as
 * known on those that had none yet; else a server that refuses some of them is the end. */
static bool is_known(const struct swarm *s, const struct link *l)
{
    return l->is_known || (s->config.options->connect &&
                           atomic_load_explicit(s->config.is_known, memory_order_relaxed));
}

/* A run with an end takes no outage, but a server that restarts is none yet. */
static bool may_try_again(const struct swarm *s, const struct link *l, nsec_t now)
{
    if (!is_known(s, l))
        return false;
    return swarm_is_endless(s) || (l->is_told && now - l->down_since < s->config.options->timeout);
}

/* No connection could be had, as l->reason says. */
static void link_failed(struct swarm *s, struct link *l, nsec_t now)
{
    if (!may_try_again(s, l, now)) {
        outage_give_up(s, l, now);
        swarm_fail(s, is_known(s, l) ? RUN_ERROR_CONNECTION_LOST : RUN_ERROR_CONNECT, l->reason);
        return;
    }

    if (l->down_since == 0)
        begin_outage(s, l, now, now);
    if (swarm_is_endless(s)) {
        l->is_out = true;
        outage_give_up(s, l, now);
    }
    l->deadline = now + backoff(l, now);
    swarm_expect(s, l->deadline);
}

void outage_cannot_connect(struct swarm *s, struct link *l, nsec_t now)
{
    l->is_told = false;             /* nobody is there any more: that is history */
    link_failed(s, l, now);
}

void outage_open_link(struct swarm *s, struct link *l, nsec_t now)
{
    if (link_open(l, now) < 0)
        outage_cannot_connect(s, l, now);
    else
        swarm_expect(s, l->deadline);
}

static void send_again(struct swarm *s, struct link *l)
{
    size_t n = inflight_n_sent(&l->target.inflight);

    l->n_resent += n;
    s->config.tally->result.resent += n;
    inflight_rewind(&l->target.inflight);
}

void outage_name_connection(const struct swarm *s, struct link *l)
{
    const struct swarm_config *c = &s->config;
    char address[ADDR_TEXT_SIZE], reason[LINK_FAILURE_SIZE];

    if (c->n_links == 1 && c->step == 1 && c->link->n_addrs == 1)
        return;
    addr_format(&c->link->addrs[l->n_addr], address);
    memcpy(reason, l->reason, sizeof(reason));
    link_say(l, "connection %" PRIu32 " to %s: %s", l->index + 1, address, reason);
}

void outage_lose_connection(struct swarm *s, struct link *l, enum run_error error, bool in_peace,
                            nsec_t now)
{
    bool was_up = l->state == LINK_UP;
    bool is_new;

    if (link_say_error_so_far(l))
        error = RUN_ERROR_PROTOCOL;
    outage_name_connection(s, l);
    link_close(l);
    if (!was_up) {
        link_failed(s, l, now);
        return;
    }

    s->n_up--;
    if (s->is_ending) {
        outage_give_up(s, l, now);  /* what was missing is counted; the end was wanted */
        return;
    }
    if (!swarm_is_endless(s) && !l->is_told) {
        outage_give_up(s, l, now);
        swarm_fail(s, error, l->reason);
        return;
    }

    is_new = l->down_since == 0;
    if (is_new)
        begin_outage(s, l, in_peace ? now : unanswered_since(l, now), now);
    if (in_peace)
        send_again(s, l);
    else
        outage_give_up(s, l, now);
    /* At once, but only once: a server that takes connections and answers nothing is out. */
    if (is_new)
        outage_open_link(s, l, now);
    else
        link_failed(s, l, now);
}

static const char *name_protocol(bool native)
{
    return native ? "the native protocol" : "text";
}

/* The server has been there again since @since. */
static void end_outage(struct swarm *s, struct link *l, nsec_t since)
{
    char text[RECORD_TEXT_SIZE];

    tally_outage(s->config.tally, l, since, true);
    if (l->target.native == l->was_native)
        return;
    (void)snprintf(text, sizeof(text), "connected again, in %s: before it was %s",
                   name_protocol(l->target.native), name_protocol(l->was_native));
    tally_text(s->config.tally, RECORD_NOTICE, l, since, text);
    l->was_native = l->target.native;
}

void outage_connected(struct swarm *s, struct link *l, nsec_t now)
{
    l->is_known = true;
    if (s->config.options->connect)
        atomic_store_explicit(s->config.is_known, true, memory_order_relaxed);
    l->is_told = false;
    l->is_out = false;
    /* In text nothing was said yet: with the first reply it turns out that the outage is over. */
    if (l->down_since == 0)
        l->was_native = l->target.native;
    else if (l->target.native)
        end_outage(s, l, now);
}

void outage_answered(struct swarm *s, struct link *l)
{
    end_outage(s, l, l->up_since);
}
