/* SPDX-License-Identifier: MIT */
#include "client/runner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "common/base.h"

#define EVENTS_MAX 256

/* Connections that are being made at a time: a backlog holds them all. */
#define OPENING_MAX 128

/* Messages of a connection that are due and wait; beyond, the schedule itself waits, which keeps the
 * due times and costs no memory. */
#define WAITING_MAX 16384

#define RING_RECORDS 16384

/* Trying again after a lost connection: at once, then after these, in the mean. */
#define BACKOFF_FIRST (100 * NSEC_PER_MSEC)
#define BACKOFF_MAX (5 * NSEC_PER_SEC)

/* Between two sweeps, so that a thousand deadlines a millisecond apart cost no more than one. */
#define SWEEP_GAP NSEC_PER_MSEC

static bool is_endless(const struct runner *r)
{
    return options_endless(r->config->options);
}

static bool is_closed_loop(const struct runner *r)
{
    return r->config->options->arrivals == ARRIVALS_CLOSED;
}

static void signal_eventfd(int fd)
{
    uint64_t one = 1;

    /* Cannot fail but by overflow, and then the reader is about to wake up anyway. */
    (void)!write(fd, &one, sizeof(one));
}

static void set_phase(struct runner *r, enum runner_phase phase)
{
    r->own_phase = phase;
    atomic_store_explicit(&r->phase, (int)phase, memory_order_release);
    signal_eventfd(r->config->report_fd);
}

/* ---- Records ---- */

static struct record *begin_record(struct runner *r, enum record_kind kind, const struct link *l,
                                   nsec_t at)
{
    struct record *record = record_ring_reserve(&r->ring);

    if (!record)
        return NULL;
    record->kind = (uint8_t)kind;
    record->is_late = record->is_omitted = record->is_resent = record->has_delta = false;
    record->connection = l->index;
    record->at = at;
    record->seq = 0;
    return record;
}

static void end_record(struct runner *r)
{
    record_ring_commit(&r->ring);
}

/* What is rare and wants to be seen soon. */
static void report_text(struct runner *r, enum record_kind kind, const struct link *l, nsec_t at,
                        const char *text)
{
    struct record *record = begin_record(r, kind, l, at);

    if (!record)
        return;
    (void)snprintf(record->text, sizeof(record->text), "%s", text);
    end_record(r);
    signal_eventfd(r->config->report_fd);
}

static void report_request(struct runner *r, enum record_kind kind, const struct link *l,
                           nsec_t at, const struct request *q)
{
    struct record *record = begin_record(r, kind, l, at);

    if (!record)
        return;
    record->seq = q->seq;
    record->is_omitted = q->omitted;
    record->is_resent = q->resent;
    memcpy(record->uuid, q->uuid, UUID_SIZE);
    record->text[0] = '\0';
    end_record(r);
    signal_eventfd(r->config->report_fd);
}

/* ---- The end ---- */

static void fail(struct runner *r, enum run_error error, const char *message)
{
    result_fail(&r->result, error, message);
    r->is_over = true;
}

/* ---- Deadlines ---- */

static void expect_deadline(struct runner *r, nsec_t when)
{
    r->next_sweep = MIN(r->next_sweep, when);
}

/* ---- Messages ---- */

static void mark_dirty(struct runner *r, struct link *l)
{
    if (l->is_dirty)
        return;
    l->is_dirty = true;
    r->dirty[r->n_dirty++] = l;
}

/* A message is due on this link. */
static int push(struct runner *r, struct link *l, nsec_t due)
{
    struct request *q;
    uint64_t number = r->n_pushed++;
    int error;

    error = target_push(&l->target, due, number * r->share.step + r->share.first_link + 1, &q);
    if (error < 0)
        return error;
    q->omitted = number < r->share.n_omit || due < r->omit_until;
    r->n_open++;
    mark_dirty(r, l);
    return 0;
}

static void count_sent(struct runner *r, const struct link *l, size_t n)
{
    size_t n_sent = inflight_n_sent(&l->target.inflight);

    for (size_t i = n_sent - n; i < n_sent; i++) {
        const struct request *q = inflight_at(&l->target.inflight, i);

        if (!q->omitted && !q->resent)
            r->result.sent++;
    }
}

static void count_lost(struct runner *r, struct link *l, const struct request *q,
                       enum record_kind kind, nsec_t now)
{
    r->n_open--;
    if (q->omitted) {
        r->result.omitted++;
    } else {
        r->result.lost++;
        r->result.missing += kind == RECORD_MISSING;
        l->n_lost++;
    }
    report_request(r, kind, l, now, q);
}

/* A reply: the measured path ends here. */
static void count_reply(struct runner *r, const struct link *l, const struct target_event *event,
                        nsec_t now)
{
    const struct request *q = &event->request;
    nsec_t service = now - q->sent;
    nsec_t response = now - q->due;
    bool is_late = service > r->config->options->timeout;

    r->n_open--;
    r->result.ended = now;
    if (q->omitted) {
        r->result.omitted++;
    } else {
        r->result.received++;
        r->result.late += is_late;
        hist_record(r->result.service, service);
        hist_record(r->result.response, response);
    }
    if (!r->config->wants_rows)
        return;

    struct record *record = begin_record(r, RECORD_REPLY, l, now);

    if (!record)
        return;
    record->is_late = is_late;
    record->is_omitted = q->omitted;
    record->is_resent = q->resent;
    record->has_delta = true;
    record->seq = q->seq;
    memcpy(record->uuid, q->uuid, UUID_SIZE);
    record->reply.service = service;
    record->reply.response = response;
    record->reply.delta = event->reply.delta;
    end_record(r);
}

/* ---- Lost connections ---- */

static void end_outage(struct runner *r, struct link *l, nsec_t now, bool is_over)
{
    struct outage outage = {
        .began = l->down_since,
        .length = now - l->down_since,
        .is_over = is_over,
        .connection = l->index,
        .n_lost = l->n_lost,
        .n_resent = l->n_resent,
        .n_not_sent = l->n_not_sent,
    };

    (void)snprintf(outage.reason, sizeof(outage.reason), "%s", l->reason);
    result_add_outage(&r->result, &outage);
    l->down_since = 0;
}

/* Nothing of what was sent will be answered, nothing of what waits can be sent. */
static void give_up_requests(struct runner *r, struct link *l, nsec_t now)
{
    struct inflight *f = &l->target.inflight;

    while (inflight_n_sent(f) > 0) {
        struct request q = *inflight_at(f, 0);

        inflight_pop(f, 1);
        count_lost(r, l, &q, RECORD_LOST, now);
    }
    while (inflight_n_waiting(f) > 0) {
        struct request q = *inflight_waiting(f);

        inflight_advance(f);
        inflight_pop(f, 1);
        if (q.resent) {
            count_lost(r, l, &q, RECORD_LOST, now);
            continue;
        }
        r->n_open--;
        r->result.not_sent++;
        l->n_not_sent++;
    }
}

static nsec_t backoff(struct link *l)
{
    unsigned shift = MIN(l->n_tries, 10U);
    nsec_t mean = MIN(BACKOFF_FIRST << shift, BACKOFF_MAX);

    /* Half to one and a half: a thousand clients of one server do not come back all at once. */
    return mean / 2 + rng_next_u64(&l->target.rng) % mean;
}

/* The link could not be opened, as l->reason says. */
static void link_failed(struct runner *r, struct link *l, nsec_t now)
{
    bool has_run = l->down_since > 0;

    if (!has_run || !is_endless(r)) {
        give_up_requests(r, l, now);
        fail(r, RUN_ERROR_CONNECT, l->reason);
        return;
    }

    give_up_requests(r, l, now);
    l->deadline = now + backoff(l);
    l->n_tries++;
    expect_deadline(r, l->deadline);
}

static void reopen(struct runner *r, struct link *l, nsec_t now)
{
    if (link_open(l, now) < 0)
        link_failed(r, l, now);
    else
        expect_deadline(r, l->deadline);
}

/*
 * An established connection is gone, as l->reason says. If the server closed it in peace, what is
 * not answered is sent again on the next one.
 */
static void link_lost(struct runner *r, struct link *l, enum run_error error, bool in_peace,
                      nsec_t now)
{
    bool is_new = l->state != LINK_UP;

    link_close(l);
    if (is_new) {
        link_failed(r, l, now);
        return;
    }

    r->n_up--;
    if (r->is_ending || (!is_endless(r) && !l->is_told)) {
        give_up_requests(r, l, now);
        if (!r->is_ending || r->n_open > 0)
            fail(r, error, l->reason);
        return;
    }

    l->down_since = now;
    l->n_lost = l->n_resent = l->n_not_sent = 0;
    report_text(r, RECORD_OUTAGE, l, now, l->reason);
    if (in_peace) {
        l->n_resent = inflight_n_sent(&l->target.inflight);
        r->result.resent += l->n_resent;
        inflight_rewind(&l->target.inflight);
    } else {
        give_up_requests(r, l, now);
    }
    l->n_tries = 0;
    reopen(r, l, now);
}

static void link_greeted(struct runner *r, struct link *l, nsec_t now)
{
    link_is_up(l);
    l->is_told = false;
    l->n_tries = 0;
    r->n_up++;
    hist_record(r->result.connect, l->connect_time);
    if (!r->has_greeted) {
        r->has_greeted = true;
        r->result.is_native = l->target.native;
        report_text(r, RECORD_CONNECTED, l, now, l->target.native ? "native" : "text");
    }
    if (l->down_since > 0) {
        struct record *record = begin_record(r, RECORD_RESTORED, l, now);

        if (record) {
            record->outage.length = now - l->down_since;
            record->outage.n_lost = l->n_lost;
            record->outage.n_resent = l->n_resent;
            record->outage.n_not_sent = l->n_not_sent;
            end_record(r);
            signal_eventfd(r->config->report_fd);
        }
        end_outage(r, l, now, true);
    }
    mark_dirty(r, l);
}

/* ---- Sending ---- */

/* Closed loop: as many as there is room for. */
static int refill(struct runner *r, struct link *l, nsec_t now)
{
    const struct inflight *f = &l->target.inflight;
    nsec_t due;
    int error;

    if (r->own_phase != RUNNER_RUNNING)
        return 0;
    while (l->state == LINK_UP && l->target.state == TARGET_READY &&
           inflight_n_sent(f) + inflight_n_waiting(f) < l->target.limit &&
           pacer_take(&r->pacer, now, &due)) {
        error = push(r, l, due);
        if (error < 0)
            return error;
    }
    return 0;
}

static void flush(struct runner *r, struct link *l, nsec_t now)
{
    ssize_t n;

    if (l->state != LINK_UP && l->state != LINK_GREETING)
        return;
    n = target_flush(&l->target, r->tx);
    if (n < 0) {
        link_say(l, "send: %s", strerror((int)-n));
        link_lost(r, l, RUN_ERROR_CONNECTION_LOST, false, now);
        return;
    }
    if (n > 0) {
        count_sent(r, l, (size_t)n);
        expect_deadline(r, now + r->config->options->timeout);
    }
    link_arm(l);
}

static void flush_dirty(struct runner *r, nsec_t now)
{
    for (uint32_t i = 0; i < r->n_dirty; i++) {
        struct link *l = r->dirty[i];

        l->is_dirty = false;
        flush(r, l, now);
    }
    r->n_dirty = 0;
}

/* Open loop: what is due by now goes to the links in turn, each of which keeps its own queue, so
 * that one which stalls holds up nobody's messages but its own. */
static int take_due(struct runner *r, nsec_t now)
{
    nsec_t due;
    int error;

    for (;;) {
        struct link *l = &r->links[r->next_link];

        if (inflight_n_waiting(&l->target.inflight) >= WAITING_MAX ||
            !pacer_take(&r->pacer, now, &due))
            return 0;

        r->next_link = r->next_link + 1 == r->share.n_links ? 0 : r->next_link + 1;
        hist_record(r->result.lateness, now - due);
        if (l->state != LINK_UP && !l->is_told && l->down_since > 0) {
            r->n_pushed++;
            r->result.not_sent++;
            l->n_not_sent++;
            continue;
        }
        error = push(r, l, due);
        if (error < 0)
            return error;
    }
}

/* ---- Receiving ---- */

static void out_of_memory(struct runner *r)
{
    fail(r, RUN_ERROR_SYSTEM, "out of memory");
}

/* The server wants to go, and owes nothing: let it. */
static void leave_if_answered(struct runner *r, struct link *l, nsec_t now)
{
    if (l->target.state != TARGET_LEAVING || inflight_n_sent(&l->target.inflight) > 0)
        return;
    target_say_goodbye(&l->target);
    link_lost(r, l, RUN_ERROR_CONNECTION_LOST, true, now);
}

/* false when the link has no connection any more. */
static bool handle_event(struct runner *r, struct link *l, const struct target_event *event,
                         nsec_t now)
{
    switch (event->kind) {
    case TARGET_NOTHING:
        return true;
    case TARGET_REPLY:
        count_reply(r, l, event, now);
        return true;
    case TARGET_MISSING:
        count_lost(r, l, &event->request, RECORD_MISSING, now);
        return true;
    case TARGET_WRONG:
        r->result.wrong++;
        report_text(r, RECORD_WRONG, l, now, event->text);
        return true;
    case TARGET_GREETED:
        link_greeted(r, l, now);
        return true;
    case TARGET_TRY_TEXT:
        if (link_try_text(l, now) < 0)
            link_failed(r, l, now);
        else
            expect_deadline(r, l->deadline);
        return false;
    case TARGET_GOODBYE:
        l->is_told = event->is_stopping;
        link_say(l, "server: %s", event->text);
        return true;
    case TARGET_REFUSED:
        l->is_told = event->is_stopping;
        link_say(l, "%s%s", l->target.native ? "server: " : "", event->text);
        link_lost(r, l, RUN_ERROR_PROTOCOL, event->is_stopping, now);
        return false;
    case TARGET_ENDED:
        if (l->target.state != TARGET_LEAVING)
            link_say(l, "connection closed by the server%s%s", event->text[0] ? " " : "",
                     event->text);
        link_lost(r, l, RUN_ERROR_CONNECTION_LOST, true, now);
        return false;
    case TARGET_BROKEN:
        link_say(l, "%s", event->text);
        fail(r, RUN_ERROR_PROTOCOL, l->reason);
        return false;
    }
    return true;
}

static void receive(struct runner *r, struct link *l)
{
    struct target_rx rx;
    struct target_event event;
    nsec_t now;
    int error;

    error = target_receive(&l->target, r->rx, &rx);
    now = clock_now(r->config->clock);
    if (error == -EAGAIN)
        return;
    if (error < 0) {
        link_say(l, "receive: %s", strerror(-error));
        link_lost(r, l, RUN_ERROR_CONNECTION_LOST, false, now);
        return;
    }

    while (target_next(&l->target, &rx, &event) != TARGET_NOTHING) {
        if (!handle_event(r, l, &event, now))
            return;
    }
    leave_if_answered(r, l, now);
    if (l->state != LINK_UP) {
        mark_dirty(r, l);           /* a hello may have to go out */
        return;
    }
    if (is_closed_loop(r) && refill(r, l, now) < 0)
        out_of_memory(r);
    if (target_wants_send(&l->target))
        mark_dirty(r, l);
}

static void handle_ready(struct runner *r, struct link *l, uint32_t events)
{
    nsec_t now;

    if (l->state == LINK_CONNECTING) {
        now = clock_now(r->config->clock);
        if (link_writable(l, now) < 0)
            link_failed(r, l, now);
        else
            expect_deadline(r, l->deadline);
        if (l->state == LINK_GREETING && l->target.state == TARGET_READY)
            link_greeted(r, l, now);    /* text, where nothing is said first */
        if (l->state != LINK_DOWN)
            mark_dirty(r, l);
        return;
    }
    if (events & EPOLLOUT)
        mark_dirty(r, l);
    if (events & ~(uint32_t)EPOLLOUT)
        receive(r, l);
}

/* ---- Time passing ---- */

/* The first request that has its time still to come, after those whose time is over are told. */
static nsec_t sweep_requests(struct runner *r, struct link *l, nsec_t now)
{
    const struct options *o = r->config->options;
    size_t n = inflight_n_sent(&l->target.inflight);

    for (size_t i = 0; i < n; i++) {
        struct request *q = inflight_at(&l->target.inflight, i);

        if (q->overdue)
            continue;
        if (q->sent + o->timeout > now)
            return q->sent + o->timeout;
        q->overdue = true;
        report_request(r, RECORD_OVERDUE, l, now, q);
    }
    return NSEC_NEVER;
}

/* A server that closes idle connections hears from us three times in its timeout. */
static nsec_t sweep_idle(struct link *l, nsec_t now)
{
    nsec_t gap = l->target.welcome.idle_timeout_ms * NSEC_PER_MSEC / 3;

    if (!l->target.native || gap == 0)
        return NSEC_NEVER;
    if (l->target.last_tx + gap <= now && !target_keep_alive(&l->target))
        return NSEC_NEVER;
    return l->target.last_tx + gap;
}

static void sweep_link(struct runner *r, struct link *l, nsec_t now)
{
    if (l->state == LINK_UP) {
        expect_deadline(r, sweep_requests(r, l, now));
        expect_deadline(r, sweep_idle(l, now));
        if (l->target.control)
            mark_dirty(r, l);
        return;
    }
    if (l->deadline > now) {
        expect_deadline(r, l->deadline);
        return;
    }
    if (l->state == LINK_DOWN) {
        reopen(r, l, now);
    } else if (link_expire(l, now) < 0) {
        link_failed(r, l, now);
    } else {
        expect_deadline(r, l->deadline);
    }
}

/* Whether a message is still to be waited for or can still be sent. */
static bool is_hopeful(const struct runner *r)
{
    for (uint32_t i = 0; i < r->share.n_links; i++) {
        const struct target *t = &r->links[i].target;
        size_t n = inflight_n_sent(&t->inflight);

        if (n < inflight_n_sent(&t->inflight) + inflight_n_waiting(&t->inflight) && n < t->limit)
            return true;
        if (n > 0 && !inflight_at(&t->inflight, n - 1)->overdue)
            return true;
    }
    return false;
}

static bool has_overdue(const struct runner *r)
{
    for (uint32_t i = 0; i < r->share.n_links; i++) {
        const struct inflight *f = &r->links[i].target.inflight;

        if (inflight_n_sent(f) > 0 && inflight_at(f, 0)->overdue)
            return true;
    }
    return false;
}

static void sweep(struct runner *r, nsec_t now)
{
    r->next_sweep = NSEC_NEVER;
    for (uint32_t i = 0; i < r->share.n_links && !r->is_over; i++)
        sweep_link(r, &r->links[i], now);
    r->next_sweep = MAX(r->next_sweep, now + SWEEP_GAP);

    if (r->own_phase != RUNNER_RUNNING || !has_overdue(r))
        return;
    /* The closed loop stands still with its message; the open one goes on until nothing can come. */
    if (!is_endless(r) && is_closed_loop(r))
        r->is_over = true;
    else if ((r->is_ending || pacer_is_done(&r->pacer, now)) && !is_hopeful(r))
        r->is_over = true;
}

/* ---- The loop ---- */

static nsec_t next_deadline(const struct runner *r)
{
    nsec_t next = r->next_sweep;

    if (r->own_phase == RUNNER_RUNNING && !r->is_ending && !is_closed_loop(r) &&
        inflight_n_waiting(&r->links[r->next_link].target.inflight) < WAITING_MAX)
        next = MIN(next, pacer_next(&r->pacer));
    if (r->own_phase == RUNNER_RUNNING && is_closed_loop(r))
        next = MIN(next, MAX(r->pacer.end, r->pacer.start));
    return next;
}

static int sleep_until(struct runner *r, struct epoll_event *events, nsec_t until)
{
    struct timespec left = {0};
    nsec_t now;
    int n;

    if (until != NSEC_NEVER && until > 0) {
        now = clock_now(r->config->clock);
        left = nsec_to_timespec(until > now ? until - now : 0);
    }
    n = epoll_pwait2(r->epoll_fd, events, EVENTS_MAX, until == NSEC_NEVER ? NULL : &left, NULL);
    return n < 0 ? 0 : n;           /* EINTR: another turn */
}

/*
 * Spins for as long as the user allows after the last event, and again before the next deadline;
 * sleeps in between. A thread that sleeps pays for being woken up, which can take longer than the
 * network.
 */
static int wait_for_events(struct runner *r, struct epoll_event *events)
{
    nsec_t spin = r->config->options->busy_poll;
    nsec_t deadline = next_deadline(r);
    nsec_t now;
    int n;

    if (spin == 0)
        return sleep_until(r, events, deadline);

    for (;;) {
        do {
            n = sleep_until(r, events, 0);
            if (n > 0)
                return n;
            now = clock_now(r->config->clock);
            if (now >= deadline)
                return 0;
        } while (now < r->last_event + spin || deadline - now < spin);
        n = sleep_until(r, events, deadline == NSEC_NEVER ? NSEC_NEVER : deadline - spin);
        if (n > 0)
            return n;
    }
}

static void take_snapshot(struct runner *r)
{
    result_merge(r->snapshot, &r->result);
    atomic_store_explicit(&r->wants_snapshot, false, memory_order_release);
    signal_eventfd(r->config->report_fd);
}

static void begin_load(struct runner *r)
{
    static const enum pacer_kind kinds[] = {
        [ARRIVALS_CLOSED] = PACER_CLOSED,
        [ARRIVALS_FIXED] = PACER_FIXED,
        [ARRIVALS_POISSON] = PACER_POISSON,
    };
    const struct options *o = r->config->options;
    nsec_t start = r->config->start;

    pacer_init(&r->pacer, kinds[o->arrivals], start + r->share.phase, r->share.interval,
               o->duration, r->share.n_messages, rng_next_u64(&r->links[0].target.rng));
    r->omit_until = o->omit_duration > 0 ? start + o->omit_duration : 0;
    r->result.began = start;
    r->result.ended = start;
    set_phase(r, RUNNER_RUNNING);
}

static void begin_ending(struct runner *r, nsec_t now)
{
    r->is_ending = true;
    if (r->own_phase != RUNNER_RUNNING) {
        r->is_over = true;
        return;
    }
    pacer_stop(&r->pacer);
    /* What was due and has not left will not leave; what waits for its end on the wire will. */
    for (uint32_t i = 0; i < r->share.n_links; i++) {
        struct link *l = &r->links[i];
        struct inflight *f = &l->target.inflight;
        size_t keep = l->target.tx_offset > 0 ? 1 : 0;
        size_t n = inflight_n_waiting(f) - keep;

        if (l->state != LINK_UP)
            give_up_requests(r, l, now);
        else {
            f->tail -= n;
            r->n_open -= n;
            r->result.not_sent += n;
        }
    }
    expect_deadline(r, now);
}

static void obey(struct runner *r, nsec_t now)
{
    uint64_t count;

    (void)!read(r->wake_fd, &count, sizeof(count));
    if (atomic_load_explicit(&r->wants_snapshot, memory_order_acquire))
        take_snapshot(r);

    switch ((enum runner_command)atomic_load_explicit(&r->command, memory_order_acquire)) {
    case RUNNER_WAIT:
        return;
    case RUNNER_GO:
        if (r->own_phase == RUNNER_STANDBY)
            begin_load(r);
        return;
    case RUNNER_DRAIN:
        if (!r->is_ending)
            begin_ending(r, now);
        return;
    case RUNNER_ABORT:
        r->is_over = true;
        return;
    }
}

/* Opens links as long as not too many are on their way. */
static void open_more(struct runner *r, nsec_t now)
{
    while (r->n_opened < r->share.n_links && r->n_opened - r->n_up < OPENING_MAX &&
           r->own_phase == RUNNER_OPENING)
        reopen(r, &r->links[r->n_opened++], now);
    if (r->n_up == r->share.n_links)
        set_phase(r, RUNNER_STANDBY);
}

/* What is to be done now that is no answer to an event. */
static void turn(struct runner *r, nsec_t now)
{
    if (r->own_phase == RUNNER_OPENING)
        open_more(r, now);
    if (now >= r->next_sweep)
        sweep(r, now);
    if (r->own_phase == RUNNER_RUNNING && !r->is_ending) {
        if (!is_closed_loop(r)) {
            if (take_due(r, now) < 0)
                out_of_memory(r);
        } else if (r->n_open == 0) {
            for (uint32_t i = 0; i < r->share.n_links; i++) {
                if (refill(r, &r->links[i], now) < 0)
                    out_of_memory(r);
            }
        }
    }
    flush_dirty(r, now);
    if (r->own_phase == RUNNER_RUNNING && r->n_open == 0 &&
        (r->is_ending || pacer_is_done(&r->pacer, now)))
        r->is_over = true;
}

static void wind_up(struct runner *r)
{
    nsec_t now = clock_now(r->config->clock);

    for (uint32_t i = 0; i < r->share.n_links; i++) {
        struct link *l = &r->links[i];

        give_up_requests(r, l, now);
        target_say_goodbye(&l->target);
        link_close(l);
        if (l->down_since > 0)
            end_outage(r, l, now, false);
    }
    if (r->result.began > 0 && r->result.lost > 0)
        r->result.ended = now;
}

static void *run(void *arg)
{
    struct runner *r = arg;
    struct epoll_event events[EVENTS_MAX];

    turn(r, clock_now(r->config->clock));
    while (!r->is_over) {
        int n = wait_for_events(r, events);
        nsec_t now = clock_now(r->config->clock);

        if (n > 0)
            r->last_event = now;
        for (int i = 0; i < n && !r->is_over; i++) {
            if (events[i].data.ptr)
                handle_ready(r, events[i].data.ptr, events[i].events);
            else
                obey(r, now);
        }
        if (!r->is_over)
            turn(r, now);
    }
    wind_up(r);
    set_phase(r, RUNNER_OVER);
    return NULL;
}

/* ---- Life ---- */

static int open_fds(struct runner *r)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = NULL}};

    r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (r->epoll_fd < 0)
        return -errno;
    r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r->wake_fd < 0)
        return -errno;
    return epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, r->wake_fd, &event) < 0 ? -errno : 0;
}

static int make_links(struct runner *r)
{
    int error;

    r->links = calloc(r->share.n_links, sizeof(*r->links));
    r->dirty = calloc(r->share.n_links, sizeof(struct link *));
    if (!r->links || !r->dirty)
        return -ENOMEM;
    for (uint32_t i = 0; i < r->share.n_links; i++) {
        error = link_init(&r->links[i], &r->config->link,
                          r->share.first_link + i * r->share.step, r->epoll_fd);
        if (error < 0)
            return error;
    }
    return 0;
}

static void runner_freep(struct runner **r)
{
    runner_free(*r);
}

int runner_new(struct runner **ret, const struct runner_config *config,
               const struct runner_share *share)
{
    _cleanup_(runner_freep) struct runner *r = NULL;
    int error;

    r = aligned_alloc(_Alignof(struct runner), sizeof(*r));
    if (!r)
        return -ENOMEM;
    *r = (struct runner){
        .config = config,
        .share = *share,
        .epoll_fd = -1,
        .wake_fd = -1,
        .next_sweep = NSEC_NEVER,
    };

    r->rx = malloc(TARGET_RX_SIZE);
    r->tx = calloc(1, TARGET_TX_SIZE);
    if (!r->rx || !r->tx)
        return -ENOMEM;
    error = result_init(&r->result);
    if (error == 0)
        error = record_ring_init(&r->ring, RING_RECORDS);
    if (error == 0)
        error = open_fds(r);
    if (error == 0)
        error = make_links(r);
    if (error < 0)
        return error;

    *ret = take_ptr(r);
    return 0;
}

struct runner *runner_free(struct runner *r)
{
    if (!r)
        return NULL;
    for (uint32_t i = 0; r->links && i < r->share.n_links; i++) {
        if (r->links[i].config)
            link_deinit(&r->links[i]);
    }
    free(r->links);
    free(r->dirty);
    fd_closep(&r->wake_fd);
    fd_closep(&r->epoll_fd);
    record_ring_deinit(&r->ring);
    result_deinit(&r->result);
    free(r->tx);
    free(r->rx);
    free(r);
    return NULL;
}

int runner_start(struct runner *r)
{
    return -pthread_create(&r->thread, NULL, run, r);
}

void runner_join(struct runner *r)
{
    (void)pthread_join(r->thread, NULL);
}

void runner_command(struct runner *r, enum runner_command command)
{
    atomic_store_explicit(&r->command, (int)command, memory_order_release);
    signal_eventfd(r->wake_fd);
}

void runner_ask_snapshot(struct runner *r, struct result *snapshot)
{
    r->snapshot = snapshot;
    atomic_store_explicit(&r->wants_snapshot, true, memory_order_release);
    signal_eventfd(r->wake_fd);
}
