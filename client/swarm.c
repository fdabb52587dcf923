/* SPDX-License-Identifier: MIT */
#include "client/swarm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "client/outage.h"
#include "common/base.h"
#include "common/parse.h"

/* Connections that are being made at a time: a backlog holds them all. */
#define OPENING_MAX 128

/* Between two sweeps, so that a thousand deadlines close together cost no more than one. */
#define SWEEP_GAP NSEC_PER_MSEC

/* To what was sent then. */
static nsec_t deadline_of_reply(const struct swarm *s, nsec_t sent)
{
    return nsec_add(sent, s->config.options->timeout);
}

static void mark_dirty(struct swarm *s, struct link *l)
{
    if (l->is_dirty)
        return;
    l->is_dirty = true;
    s->dirty[s->n_dirty++] = l;
}

/* ---- New connections ---- */

/* When the server has to hear from us, or NEVER: three times in the idle timeout that it told. */
static nsec_t idle_deadline(const struct link *l)
{
    nsec_t gap = l->target.welcome.idle_timeout_ms * NSEC_PER_MSEC / 3;

    return l->target.native && gap > 0 ? l->target.last_tx + gap : NSEC_NEVER;
}

static void link_greeted(struct swarm *s, struct link *l, nsec_t now)
{
    struct tally *tally = s->config.tally;

    link_is_up(l, now);
    s->n_up++;
    swarm_expect(s, idle_deadline(l));
    hist_record(tally->result.connect, l->connect_time);
    if (!s->has_greeted) {
        s->has_greeted = true;
        tally_connected(tally, l, now);
    }
    outage_connected(s, l, now);
}

/* With a new connection for each message, links open when there is one. */
bool swarm_open(struct swarm *s, nsec_t now)
{
    if (s->config.options->connect)
        return true;
    while (s->n_begun < s->config.n_links && s->n_begun - s->n_up < OPENING_MAX && !s->has_failed)
        outage_open_link(s, &s->links[s->n_begun++], now);
    return s->n_up == s->config.n_links;
}

static void handle_connecting(struct swarm *s, struct link *l, uint32_t events)
{
    nsec_t now = clock_now(s->config.clock);

    if (link_connected(l, (events & (EPOLLERR | EPOLLHUP)) != 0, now) < 0) {
        outage_cannot_connect(s, l, now);
        return;
    }
    swarm_expect(s, l->deadline);
    if (l->state == LINK_GREETING && l->target.state == TARGET_READY)
        link_greeted(s, l, now);    /* text, where nothing is said first */
    mark_dirty(s, l);
}

/* ---- Sending ---- */

size_t swarm_room(const struct swarm *s, const struct link *l)
{
    const struct inflight *f = &l->target.inflight;
    size_t n = inflight_n_sent(f) + inflight_n_waiting(f);

    if (s->config.options->connect)
        return n == 0;
    if (l->state != LINK_UP || l->target.state != TARGET_READY || n >= l->target.limit)
        return 0;
    return l->target.limit - n;
}

int swarm_push(struct swarm *s, struct link *l, nsec_t due)
{
    const struct swarm_config *c = &s->config;
    uint64_t number = s->n_pushed++;
    bool is_held = swarm_room(s, l) == 0;
    struct request *q;
    int r;

    r = target_push(&l->target, due, number * c->step + c->first_link + 1, &q);
    if (r < 0)
        return r;
    q->omitted = number < s->n_omit || due < s->omit_until;
    q->held = is_held;
    s->n_open++;
    mark_dirty(s, l);
    return 0;
}

void swarm_skip(struct swarm *s, struct link *l, nsec_t due)
{
    const struct request q = {.omitted = s->n_pushed < s->n_omit || due < s->omit_until};

    s->n_pushed++;
    l->n_not_sent++;
    tally_not_sent(s->config.tally, &q);
}

static void flush_link(struct swarm *s, struct link *l, nsec_t now)
{
    const struct inflight *f = &l->target.inflight;
    ssize_t n;

    if (l->state == LINK_DOWN && s->config.options->connect && inflight_n_waiting(f) > 0 &&
        l->deadline == NSEC_NEVER)
        outage_open_link(s, l, now);
    if (l->state != LINK_UP && l->state != LINK_GREETING)
        return;

    n = target_flush(&l->target, s->tx);
    if (n < 0) {
        link_say(l, "send: %s", strerror((int)-n));
        outage_lose_connection(s, l, RUN_ERROR_CONNECTION_LOST, false, now);
        return;
    }
    for (size_t i = inflight_n_sent(f) - (size_t)n; i < inflight_n_sent(f); i++)
        tally_sent(s->config.tally, inflight_at(f, i));
    if (n > 0 || l->target.tx_offset > 0)
        swarm_expect(s, deadline_of_reply(s, now));
}

void swarm_flush(struct swarm *s, nsec_t now)
{
    for (uint32_t i = 0; i < s->n_dirty; i++) {
        s->dirty[i]->is_dirty = false;
        flush_link(s, s->dirty[i], now);
    }
    s->n_dirty = 0;
}

/* ---- Receiving ---- */

/* The server wants to go, and owes nothing: let it. */
static void leave_if_answered(struct swarm *s, struct link *l, nsec_t now)
{
    if (l->target.state != TARGET_LEAVING || inflight_n_sent(&l->target.inflight) > 0 ||
        l->target.tx_offset > 0)
        return;
    target_say_goodbye(&l->target);
    outage_lose_connection(s, l, RUN_ERROR_CONNECTION_LOST, true, now);
}

/* The one message of its connection is answered. */
static void end_exchange(struct swarm *s, struct link *l)
{
    target_say_goodbye(&l->target);
    link_close(l);
    s->n_up--;
    mark_dirty(s, l);               /* the next one may wait already */
}

static void try_text(struct swarm *s, struct link *l, nsec_t now)
{
    if (link_try_text(l, now) < 0)
        outage_cannot_connect(s, l, now);
    else
        swarm_expect(s, l->deadline);
}

/* false when the link has no connection any more. */
static bool handle_event(struct swarm *s, struct link *l, const struct target_event *event,
                         const struct tally_read *read)
{
    switch (event->kind) {
    case TARGET_NOTHING:
        return true;
    case TARGET_REPLY:
        s->n_open--;
        if (unlikely(l->down_since > 0))
            outage_answered(s, l);
        tally_reply(s->config.tally, l, event, read);
        return true;
    case TARGET_MISSING:
        outage_lose_message(s, l, &event->request, RECORD_MISSING, read->now);
        return true;
    case TARGET_WRONG:
        tally_text(s->config.tally, RECORD_WRONG, l, read->now, event->text);
        return true;
    case TARGET_GREETED:
        link_greeted(s, l, read->now);
        return true;
    case TARGET_TRY_TEXT:
        try_text(s, l, read->now);
        return false;
    case TARGET_GOODBYE:
        l->is_told = event->is_stopping;
        link_say(l, "server: %s", event->text);
        return true;
    case TARGET_REFUSED:
        l->is_told = event->is_stopping;
        link_say(l, "%s%s", l->target.native ? "server: " : "", event->text);
        outage_lose_connection(s, l, RUN_ERROR_PROTOCOL, event->is_stopping, read->now);
        return false;
    case TARGET_ENDED:
        if (l->target.state != TARGET_LEAVING)
            link_say(l, "connection closed by the server%s%s, after %" PRIu64 " replies",
                     event->text[0] ? " " : "", event->text, l->n_replies);
        outage_lose_connection(s, l, RUN_ERROR_CONNECTION_LOST, true, read->now);
        return false;
    case TARGET_BROKEN:
        link_say(l, "%s", event->text);
        outage_name_connection(s, l);
        swarm_fail(s, RUN_ERROR_PROTOCOL, l->reason);
        return false;
    }
    return true;
}

/**
 * handle_read() - what a read means
 * @r:          from target_receive() or target_wait()
 * @rx:         the same
 * @most:       what they were to read [bytes], 0 = all
 * @now:        right after it [ns]
 * @ret_read:   its time, and how much is left in the kernel
 *
 * Return: whether there was anything, and the connection still stands.
 */
static bool handle_read(struct swarm *s, struct link *l, int r, struct target_rx *rx, size_t most,
                        nsec_t now, struct tally_read *ret_read)
{
    struct target_event event;

    if (r == -EAGAIN)
        return false;
    if (r == -ECONNRESET && link_may_try_text(l)) {
        /* It closed without having read all of the hello. */
        try_text(s, l, now);
        return false;
    }
    if (r < 0) {
        link_say(l, "receive: %s", strerror(-r));
        outage_lose_connection(s, l, RUN_ERROR_CONNECTION_LOST, false, now);
        return false;
    }

    *ret_read = tally_read(s->config.tally, &rx->info, now);
    if (most > 0 && rx->info.n_queued > 0 && tally_is_vague(s->config.tally, l, ret_read)) {
        target_look_behind(&l->target, s->rx, rx);
        ret_read->n_queued = rx->info.n_queued;
    }
    ret_read->may_leave = rx->is_full || rx->info.n_queued > 0 ||
                          (most > 0 && !rx->info.has_queued);
    while (target_next(&l->target, rx, &event) != TARGET_NOTHING) {
        if (!handle_event(s, l, &event, ret_read))
            return false;
    }
    tally_read_done(s->config.tally, l, ret_read);
    return true;
}

/* One read of at most @most bytes, 0 = of all. Return: as handle_read(). */
static bool read_once(struct swarm *s, struct link *l, size_t most, struct tally_read *ret_read)
{
    struct target_rx rx;
    int r = target_receive(&l->target, s->rx, most, &rx);

    return handle_read(s, l, r, &rx, most, clock_now(s->config.clock), ret_read);
}

static bool may_be_many(const struct link *l)
{
    return l->has_stamp && inflight_n_sent(&l->target.inflight) > 1;
}

/*
 * A stamp is that of a read's last byte. So where several replies may have come, the first is read
 * alone: if it was held up on its way and the others came right behind it, it is the one whose time
 * matters.
 */
static size_t first_read(const struct link *l)
{
    return may_be_many(l) ? target_reply_rest(&l->target) : 0;
}

/* After the first read, which left something if it was of many. */
static void receive_rest(struct swarm *s, struct link *l, bool was_many, struct tally_read *read)
{
    if (was_many && read->n_queued > 0 && !read_once(s, l, 0, read))
        return;

    leave_if_answered(s, l, read->now);
    if (s->config.options->connect && l->n_replies > 0 && l->state == LINK_UP)
        end_exchange(s, l);
    if (read->may_leave)
        link_look_again(l);
    mark_dirty(s, l);
}

static void receive(struct swarm *s, struct link *l)
{
    bool was_many = may_be_many(l);
    struct tally_read read;

    if (read_once(s, l, first_read(l), &read))
        receive_rest(s, l, was_many, &read);
}

bool swarm_can_await(const struct link *l)
{
    return l->state == LINK_UP && !target_wants_send(&l->target) &&
           inflight_n_sent(&l->target.inflight) > 0;
}

int swarm_await(struct swarm *s, struct link *l, bool may_sleep)
{
    struct tally *tally = s->config.tally;
    bool was_many = may_be_many(l);
    size_t most = first_read(l);
    struct tally_read read;
    struct target_rx rx;
    nsec_t now;
    int r;

    link_await(l, true);
    if (may_sleep) {
        lookout_sleep(&tally->lookout, l->target.last_tx);
        r = target_wait(&l->target, s->rx, most, &rx);
    } else {
        r = target_receive(&l->target, s->rx, most, &rx);
    }
    now = tally_look(tally, r != -EAGAIN && r != -EINTR, false);
    if (r == -EAGAIN || r == -EINTR)
        return r;
    if (may_sleep)
        lookout_wake(&tally->lookout, now);
    if (handle_read(s, l, r, &rx, most, now, &read))
        receive_rest(s, l, was_many, &read);
    return 0;
}

void swarm_handle(struct swarm *s, struct link *l, uint32_t events)
{
    if (l->state == LINK_CONNECTING)
        handle_connecting(s, l, events);
    if (l->state == LINK_DOWN || l->state == LINK_CONNECTING)
        return;                     /* as by an earlier event of this batch, or the next address */
    if (events & EPOLLOUT)
        mark_dirty(s, l);
    if (events & ~(uint32_t)EPOLLOUT)
        receive(s, l);
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        link_look_again(l);         /* what was read was not the end */
}

/* ---- Time passing ---- */

/* When the server has to have read on, as a message is half out; NEVER if none is. */
static nsec_t half_sent_deadline(const struct swarm *s, const struct link *l)
{
    if (l->target.tx_offset == 0)
        return NSEC_NEVER;
    return deadline_of_reply(s, inflight_waiting(&l->target.inflight)->sent);
}

/* Tells those whose time is over. Return: when that of the first of the others is. */
static nsec_t sweep_requests(struct swarm *s, struct link *l, nsec_t now)
{
    size_t n = inflight_n_sent(&l->target.inflight);

    for (size_t i = 0; i < n; i++) {
        struct request *q = inflight_at(&l->target.inflight, i);

        if (q->overdue)
            continue;
        if (deadline_of_reply(s, q->sent) > now)
            return deadline_of_reply(s, q->sent);
        q->overdue = true;
        tally_overdue(s->config.tally, l, q, now);
    }
    return half_sent_deadline(s, l) > now ? half_sent_deadline(s, l) : NSEC_NEVER;
}

static bool has_overdue(const struct swarm *s, const struct link *l, nsec_t now)
{
    const struct inflight *f = &l->target.inflight;

    return (inflight_n_sent(f) > 0 && inflight_at(f, 0)->overdue) ||
           half_sent_deadline(s, l) <= now;
}

static nsec_t sweep_idle(struct swarm *s, struct link *l, nsec_t now)
{
    if (idle_deadline(l) <= now) {
        if (!target_keep_alive(&l->target))
            return NSEC_NEVER;
        mark_dirty(s, l);
    }
    return idle_deadline(l);
}

/* In an outage, how it ends is told. */
static void tell_text_is_tried(struct swarm *s, const struct link *l, nsec_t now)
{
    char text[RECORD_TEXT_SIZE], duration[FORMAT_DURATION_SIZE];

    if (l->down_since > 0)
        return;
    format_duration(s->config.link->timeout, duration);
    (void)snprintf(text, sizeof(text), "no answer to the hello within %s: going on in text",
                   duration);
    tally_text(s->config.tally, RECORD_NOTICE, l, now, text);
}

static void expire(struct swarm *s, struct link *l, nsec_t now)
{
    bool is_hello = link_may_try_text(l);

    if (link_expire(l, now) < 0) {
        outage_cannot_connect(s, l, now);
        return;
    }
    if (is_hello)
        tell_text_is_tried(s, l, now);
    swarm_expect(s, l->deadline);
}

static void sweep_link(struct swarm *s, struct link *l, nsec_t now)
{
    if (l->state == LINK_UP) {
        swarm_expect(s, sweep_requests(s, l, now));
        swarm_expect(s, sweep_idle(s, l, now));
        /* A server that says what is wrong and forgets the end of the line goes no further. */
        if (has_overdue(s, l, now) && link_say_error_so_far(l))
            outage_lose_connection(s, l, RUN_ERROR_PROTOCOL, false, now);
        return;
    }
    if (l->deadline > now) {
        swarm_expect(s, l->deadline);
        return;
    }
    if (l->state == LINK_DOWN)
        outage_open_link(s, l, now);
    else
        expire(s, l, now);
}

bool swarm_sweep(struct swarm *s, nsec_t now)
{
    bool is_overdue = false;

    s->next_sweep = NSEC_NEVER;
    for (uint32_t i = 0; i < s->config.n_links && !s->has_failed; i++) {
        sweep_link(s, &s->links[i], now);
        is_overdue = is_overdue || has_overdue(s, &s->links[i], now);
    }
    s->next_sweep = MAX(s->next_sweep, now + SWEEP_GAP);
    return is_overdue;
}

/* Where a connection stands, everything that can has left: for the rest the server would have to
 * read or to answer first, or it has said goodbye. */
static bool is_hopeful(const struct swarm *s, const struct link *l, nsec_t now)
{
    const struct inflight *f = &l->target.inflight;
    size_t n = inflight_n_sent(f);

    if (n > 0 && !inflight_at(f, n - 1)->overdue)
        return true;
    if (l->state != LINK_UP)
        return inflight_n_waiting(f) > 0;
    return l->target.tx_offset > 0 && half_sent_deadline(s, l) > now;
}

bool swarm_is_hopeful(const struct swarm *s, nsec_t now)
{
    for (uint32_t i = 0; i < s->config.n_links; i++) {
        if (is_hopeful(s, &s->links[i], now))
            return true;
    }
    return false;
}

bool swarm_has_outage(const struct swarm *s)
{
    for (uint32_t i = 0; i < s->config.n_links; i++) {
        if (s->links[i].down_since > 0)
            return true;
    }
    return false;
}

/* ---- The end ---- */

void swarm_drain(struct swarm *s, nsec_t now)
{
    s->is_ending = true;
    for (uint32_t i = 0; i < s->config.n_links; i++) {
        struct link *l = &s->links[i];
        struct inflight *f = &l->target.inflight;
        size_t n_kept = l->target.tx_offset > 0;    /* what is half out has to be ended */

        if (l->state != LINK_UP) {
            outage_give_up(s, l, now);
            continue;
        }
        while (inflight_n_waiting(f) > n_kept) {
            outage_give_up_waiting(s, l, inflight_drop_newest(f), now);
        }
    }
    swarm_expect(s, now);
}

void swarm_close(struct swarm *s, nsec_t now)
{
    for (uint32_t i = 0; i < s->config.n_links; i++) {
        struct link *l = &s->links[i];

        outage_give_up(s, l, now);
        target_say_goodbye(&l->target);
        link_close(l);
        if (l->down_since > 0)
            tally_outage(s->config.tally, l, now, false);
    }
}

void swarm_snapshot(const struct swarm *s, nsec_t now, struct result *sum)
{
    result_merge(sum, &s->config.tally->result);
    for (uint32_t i = 0; i < s->config.n_links; i++) {
        if (s->links[i].down_since > 0)
            tally_outage_so_far(&s->links[i], now, sum);
    }
}

/* ---- Life ---- */

int swarm_init(struct swarm *s, const struct swarm_config *config)
{
    int r;

    *s = (struct swarm){.config = *config, .next_sweep = NSEC_NEVER};
    r = rng_seed_from_kernel(&s->rng);
    if (r < 0)
        return r;
    s->dirty = calloc(config->n_links, sizeof(struct link *));
    s->rx = malloc(TARGET_RX_SIZE);
    s->tx = calloc(1, TARGET_TX_SIZE);
    if (!s->dirty || !s->rx || !s->tx)
        return -ENOMEM;
    s->links = aligned_alloc(_Alignof(struct link), config->n_links * sizeof(*s->links));
    if (!s->links)
        return -ENOMEM;

    for (uint32_t i = 0; i < config->n_links; i++)
        link_init(&s->links[i], config->link, config->first_link + i * config->step,
                  config->epoll_fd, &s->rng);
    return 0;
}

void swarm_deinit(struct swarm *s)
{
    for (uint32_t i = 0; s->links && i < s->config.n_links; i++)
        link_deinit(&s->links[i]);
    free(s->links);
    free(s->dirty);
    free(s->rx);
    free(s->tx);
    *s = (struct swarm){.n_dirty = 0};
}
