/* SPDX-License-Identifier: MIT */
#include "daemon/worker.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/base.h"
#include "daemon/conn_end.h"
#include "daemon/conn_phase.h"
#include "daemon/wake.h"

/*
 * While native clients are active the loop turns at least this often, so that a stretch in which it
 * could not (the process was stopped, its CPU was taken) is noticed and told to the clients.
 */
#define HEARTBEAT (10 * NSEC_PER_MSEC)
#define HEARTBEAT_AFTER_MESSAGE NSEC_PER_SEC

/* Less than this is the scheduler's normal course. */
#define AWAY_MIN NSEC_PER_MSEC

/* When a stopping worker loses patience with who goes on: after these parts of drain_timeout. */
#define TEXT_PATIENCE(drain_timeout) ((drain_timeout) / 2)
#define NATIVE_PATIENCE(drain_timeout) ((drain_timeout) / 8 * 7)

/* As a welcome tells a timeout: 0 means none, so a short one must not become that, nor a long one
 * by overflow. Rounded up, as a client keeps itself alive well before. */
static uint32_t to_ms(nsec_t timeout)
{
    nsec_t ms = timeout / NSEC_PER_MSEC + (timeout % NSEC_PER_MSEC > 0);

    return (uint32_t)MIN(ms, (nsec_t)UINT32_MAX);
}

static void set_terms(struct worker *w)
{
    const struct conn_limits *limits = &w->conns.limits;

    w->conns.terms = (struct session_terms){
        .welcome = {
            .kernel_stamps = true,
            .max_request_padding = PROTO_PADDING_MAX,
            .max_reply_padding = PROTO_PADDING_MAX,
            .rx_buffer = CONN_RX_SIZE,
            .tx_buffer = CONN_TX_SIZE,
            .idle_timeout_ms = to_ms(limits->idle_timeout),
            .message_timeout_ms = to_ms(limits->message_timeout),
        },
        .limits = {
            .role = PROTO_SERVER,
            .max_request_padding = PROTO_PADDING_MAX,
            .max_reply_padding = PROTO_PADDING_MAX,
        },
    };
}

/* Only that: connections that the orders may end can have events later in this batch. */
static void take_orders(struct source *source, uint32_t events)
{
    struct worker *w = container_of(source, struct worker, wake);

    (void)events;
    wake_clear(source->fd);
    pthread_mutex_lock(&w->mailbox_lock);
    w->orders = w->mailbox;
    w->n_orders_read = w->n_orders_given;
    pthread_mutex_unlock(&w->mailbox_lock);
}

/* Between batches, as whatever touches connections but their own event. */
static void obey_orders(struct worker *w)
{
    if (atomic_load_explicit(&w->n_orders_taken, memory_order_relaxed) == w->n_orders_read)
        return;

    w->conns.limits = w->orders.limits;
    set_terms(w);
    if (w->orders.stop && !w->conns.stopping)
        conn_stop_all(&w->conns);
    acceptor_set_closed(&w->acceptor, w->orders.closed);
    atomic_store(&w->n_orders_taken, w->n_orders_read);
}

static void let_go(struct conn *c)
{
    if (c->origin)                  /* refused ones are not clients */
        stats_add(c->shared->stats, let_go, 1);
    (void)conn_free(c);
}

/* Return: whether all is done. */
static bool drain(struct worker *w)
{
    nsec_t waited = w->conns.now - w->conns.stop_at;
    nsec_t timeout = w->orders.drain_timeout;

    if (waited >= TEXT_PATIENCE(timeout)) {
        conn_for_each(&w->conns, CONN_OPEN, conn_finish);
        conn_for_each(&w->conns, CONN_WAITING, conn_finish);
    }
    if (waited >= NATIVE_PATIENCE(timeout))
        conn_for_each(&w->conns, CONN_PARTING, conn_finish);
    if (waited >= timeout)
        for (enum conn_phase phase = 0; phase < N_CONN_PHASES; phase++)
            conn_for_each(&w->conns, phase, let_go);

    return w->conns.n_conns == 0;
}

static bool serves_native(const struct worker *w)
{
    return w->conns.last_native > 0 &&
           w->conns.now < w->conns.last_native + HEARTBEAT_AFTER_MESSAGE;
}

static nsec_t next_deadline(struct worker *w)
{
    nsec_t next = MIN(acceptor_deadline(&w->acceptor), conn_next_deadline(&w->conns));

    if (w->conns.stopping) {
        nsec_t timeout = w->orders.drain_timeout;
        nsec_t marks[] = {TEXT_PATIENCE(timeout), NATIVE_PATIENCE(timeout), timeout};

        for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
            if (w->conns.stop_at + marks[i] > w->conns.now)
                next = MIN(next, w->conns.stop_at + marks[i]);
    }
    if (serves_native(w))
        next = MIN(next, w->conns.now + HEARTBEAT);

    return next;
}

static bool may_spin(struct worker *w)
{
    return w->orders.busy_poll > 0 && w->conns.n_conns > 0 &&
           w->conns.now - w->last_event < w->orders.busy_poll;
}

/* One thread says it for all. */
static void note_clock_step(struct worker *w)
{
    int64_t step = stamp_bridge_last_step(&w->conns.bridge);

    if (w->conns.bridge.n_steps == w->n_steps_said)
        return;
    w->n_steps_said = w->conns.bridge.n_steps;
    if (w->log.worker == 0)
        log_text(&w->log, CLOCK_STEPPED,
                 &((struct log_data){LOG_VALUES({LOG_FIELD_STEP, (uint64_t)step})}),
                 "the real-time clock was stepped by %+.6f s", (double)step / 1e9);
}

/* @due: when the wait should have ended at the latest; @stopped: the process was, meanwhile. */
static void take_times(struct worker *w, int n_events, nsec_t due, bool stopped)
{
    struct conn_shared *conns = &w->conns;
    nsec_t before = conns->now;
    nsec_t now = stamp_bridge_look(&conns->bridge, conns->clock);
    bool late;

    conns->now = now;
    conns->n_ready = (uint32_t)MAX(n_events, 0);
    if (!stopped)
        lookout_wake(&conns->lookout, now);

    /* What was ready at the last look was in its batch, unless that was full; or unless the process
     * was kept from running between the wait's end and the reading of the clock. */
    if (!w->batch_was_full && !w->batch_was_late)
        conns->looked_at = before;
    w->batch_was_full = n_events == LOOP_BATCH;
    /* What came while a stopped process still ran would have woken it. */
    late = stopped || (now > due && now - due > AWAY_MIN && now - due > (now - before) / 4 * 3);
    conns->away = late || w->batch_was_late;
    w->batch_was_late = late;
    if (n_events > 0)
        w->last_event = now;
    note_clock_step(w);
}

static void *run(void *arg)
{
    struct worker *w = arg;
    bool done = false;

    lookout_init(&w->conns.lookout);
    w->log.announces_later = true;
    while (!done) {
        nsec_t now = w->conns.now;
        nsec_t deadline = may_spin(w) ? now : next_deadline(w);
        bool stopped;
        int n;

        if (serves_native(w))
            lookout_sleep(&w->conns.lookout, clock_now(w->conns.clock));
        n = loop_wait(&w->loop, now, deadline);
        stopped = n == -EINTR;
        if (stopped)
            n = loop_wait(&w->loop, now, now);
        take_times(w, n, MIN(deadline, w->loop.timer.fires_at), stopped);
        if (n > 0)
            loop_dispatch(&w->loop, n);
        obey_orders(w);
        if (w->conns.now >= deadline)
            conn_expire(&w->conns);
        acceptor_tick(&w->acceptor);
        done = w->conns.stopping && drain(w);
        log_announce(&w->log);
        /* Not an atomic increment, which would lock the bus: there is one writer. */
        atomic_store_explicit(&w->n_turns, worker_turns(w) + 1, memory_order_relaxed);
    }

    lookout_deinit(&w->conns.lookout);
    atomic_store(&w->ended, true);
    wake_signal(w->ended_fd);
    return NULL;
}

int worker_new(struct worker **ret_worker, const struct worker_shared *shared, unsigned index,
               const struct worker_orders *orders)
{
    _cleanup_(worker_freep) struct worker *w = aligned_alloc(_Alignof(struct worker), sizeof(*w));
    int r;

    if (!w)
        return -ENOMEM;
    *w = (struct worker){
        .loop = LOOP_INIT,
        .wake = {.fd = -1, .ready = take_orders},
        .acceptor = ACCEPTOR_INIT,
        .log = LOG_INIT,
        .conns = {
            .loop = &w->loop,
            .admission = shared->admission,
            .log = &w->log,
            .stats = &w->stats,
            .clock = shared->clock,
            .lookout = LOOKOUT_INIT,
            .limits = orders->limits,
        },
        .orders = *orders,
        .mailbox = *orders,
        .mailbox_lock = PTHREAD_MUTEX_INITIALIZER,
        .ended_fd = shared->ended_fd,
    };
    set_terms(w);

    r = log_init(&w->log, shared->log, shared->clock, (uint16_t)index);
    if (r < 0)
        return r;
    r = loop_init(&w->loop);
    if (r < 0)
        return r;
    r = conn_shared_init(&w->conns);
    if (r < 0)
        return r;
    w->wake.fd = wake_open();
    if (w->wake.fd < 0)
        return w->wake.fd;
    r = loop_add(&w->loop, &w->wake, EPOLLIN);
    if (r < 0)
        return r;
    r = acceptor_init(&w->acceptor, &w->conns, shared->listeners, shared->n_listeners,
                      shared->n_workers == 1);
    if (r < 0)
        return r;

    *ret_worker = take_ptr(w);
    return 0;
}

struct worker *worker_free(struct worker *w)
{
    if (!w)
        return NULL;

    assert(!w->running);
    acceptor_deinit(&w->acceptor);
    fd_closep(&w->wake.fd);
    conn_shared_deinit(&w->conns);
    loop_deinit(&w->loop);
    log_deinit(&w->log);
    (void)pthread_mutex_destroy(&w->mailbox_lock);
    free(w);
    return NULL;
}

int worker_start(struct worker *w)
{
    int r = pthread_create(&w->thread, NULL, run, w);

    w->running = r == 0;
    return -r;
}

void worker_join(struct worker *w)
{
    if (w->running)
        (void)pthread_join(w->thread, NULL);    /* fails only for a thread that is not ours */
    w->running = false;
}

void worker_order(struct worker *w, const struct worker_orders *orders)
{
    pthread_mutex_lock(&w->mailbox_lock);
    w->mailbox = *orders;
    w->n_orders_given++;
    pthread_mutex_unlock(&w->mailbox_lock);
    worker_poke(w);
}

bool worker_has_obeyed(struct worker *w)
{
    return atomic_load(&w->n_orders_taken) == w->n_orders_given;
}

void worker_poke(struct worker *w)
{
    wake_signal(w->wake.fd);
}
