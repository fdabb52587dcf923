/* SPDX-License-Identifier: MIT */
#include "client/runner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/raw_call.h"

#define EVENTS_MAX 256

/* Messages of a connection that are due and wait; beyond, the schedule itself waits, which keeps
 * the due times and costs no memory. */
#define WAITING_MAX 16384

/* So many messages are taken from the schedule before the thread looks up: where more are due than
 * it can handle, it still hears a command. */
#define TAKE_MAX 4096

/* A thread that sleeps in a read looks up so often, and then hears what it was told meanwhile; after
 * so long without a reply it asks epoll. */
#define LOOK_UP (20 * NSEC_PER_MSEC)

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

static void out_of_memory(struct runner *r)
{
    result_fail(&r->tally.result, RUN_ERROR_SYSTEM, "out of memory");
    r->is_over = true;
}

/* ---- The load ---- */

static void begin_load(struct runner *r)
{
    static const enum pacer_kind kinds[] = {
        [ARRIVALS_CLOSED] = PACER_CLOSED,
        [ARRIVALS_FIXED] = PACER_FIXED,
        [ARRIVALS_POISSON] = PACER_POISSON,
    };
    const struct options *o = r->config->options;
    nsec_t start = r->config->start;
    nsec_t end = o->duration > 0 ? nsec_add(start, o->duration) : NSEC_NEVER;

    pacer_init(&r->pacer, kinds[o->arrivals], nsec_add(start, r->share.offset), r->share.interval,
               end, r->share.n_messages, rng_next_u64(&r->swarm.rng));
    r->swarm.n_omit = r->share.n_omit;
    r->swarm.omit_until = o->omit_duration > 0 ? start + o->omit_duration : 0;
    r->tally.result.began = r->tally.result.ended = start;
    set_phase(r, RUNNER_RUNNING);
}

/* Closed loop: as many messages as there is room for. */
static void fill(struct runner *r, struct link *l, nsec_t now)
{
    size_t room = swarm_room(&r->swarm, l);
    nsec_t due;

    for (; room > 0 && pacer_take(&r->pacer, now, &due); room--) {
        if (swarm_push(&r->swarm, l, due) < 0) {
            out_of_memory(r);
            return;
        }
    }
}

/* After the start on all links; from then on where a reply made room. */
static void fill_closed_loop(struct runner *r, nsec_t now)
{
    struct swarm *s = &r->swarm;

    if (s->n_pushed == 0) {
        for (uint32_t i = 0; i < r->share.n_links && !r->is_over; i++)
            fill(r, &s->links[i], now);
        return;
    }
    for (uint32_t i = 0; i < s->n_dirty && !r->is_over; i++)
        fill(r, s->dirty[i], now);
}

static bool is_backed_up(const struct runner *r)
{
    return inflight_n_waiting(&r->swarm.links[r->next_link].target.inflight) >= WAITING_MAX;
}

/* Open loop: what is due by now goes to the links in turn, each of which keeps its own queue, so
 * that one which stalls holds up nobody's messages but its own. */
static void take_due(struct runner *r, nsec_t now)
{
    nsec_t due;

    for (int i = 0; i < TAKE_MAX && !is_backed_up(r) && pacer_take(&r->pacer, now, &due); i++) {
        struct link *l = &r->swarm.links[r->next_link];

        r->next_link = r->next_link + 1 == r->share.n_links ? 0 : r->next_link + 1;
        hist_record(r->tally.result.lateness, now - due);
        if (l->is_out) {
            swarm_skip(&r->swarm, l, due);
        } else if (swarm_push(&r->swarm, l, due) < 0) {
            out_of_memory(r);
            return;
        }
    }
}

/* What is due before the end of the run is sent later where the peer can't keep up, but no later
 * than a reply would be waited for. */
static nsec_t last_call(const struct runner *r)
{
    if (is_closed_loop(r) || r->own_phase != RUNNER_RUNNING || r->swarm.is_ending ||
        r->pacer.end == NSEC_NEVER)
        return NSEC_NEVER;
    return nsec_add(r->pacer.end, r->config->options->timeout);
}

/* What was due before @until and is still in the schedule is never sent; the first of it may be
 * warm-up. */
static void skip_backlog(struct runner *r, nsec_t until)
{
    const struct swarm *s = &r->swarm;
    uint64_t n_early = pacer_skip(&r->pacer, MIN(until, s->omit_until));
    uint64_t n = pacer_skip(&r->pacer, until);
    uint64_t n_first = s->n_omit > s->n_pushed ? MIN(s->n_omit - s->n_pushed, n) : 0;

    r->tally.result.omitted += n_early + n_first;
    r->tally.result.not_sent += n - n_first;
}

static void give_up_backlog(struct runner *r, nsec_t now)
{
    skip_backlog(r, r->pacer.end);
    swarm_drain(&r->swarm, now);
}

/* ---- Turns ---- */

static bool is_done(const struct runner *r, nsec_t now)
{
    return r->swarm.is_ending || pacer_is_done(&r->pacer, now);
}

/* A connection stands still with its message, and its share of the load with it: the others get
 * their replies, and that is all. */
static void end_closed_loop(struct runner *r, nsec_t now)
{
    tally_text(&r->tally, RECORD_NOTICE, &r->swarm.links[0], now,
               "the run ends early: in a closed loop the next message waits for that reply");
    swarm_drain(&r->swarm, now);
}

/* Whether all is answered, or what is not has been waited for, and nothing can come any more. */
static bool is_finished(const struct runner *r, nsec_t now)
{
    const struct swarm *s = &r->swarm;

    if (r->own_phase != RUNNER_RUNNING || !is_done(r, now))
        return false;
    return s->n_open == 0 || (r->has_overdue && !swarm_is_hopeful(s, now));
}

static void sweep(struct runner *r, nsec_t now)
{
    r->has_overdue = swarm_sweep(&r->swarm, now);
    /* The open loop goes on, and so does a run without end, which waits. */
    if (r->has_overdue && is_closed_loop(r) && !options_endless(r->config->options) &&
        !is_done(r, now))
        end_closed_loop(r, now);
}

/* What is to be done now that is no answer to an event. */
static void turn(struct runner *r, nsec_t now)
{
    if (r->own_phase == RUNNER_OPENING && swarm_open(&r->swarm, now))
        set_phase(r, RUNNER_STANDBY);
    if (now >= r->swarm.next_sweep)
        sweep(r, now);
    if (now >= last_call(r))
        give_up_backlog(r, now);
    if (r->own_phase == RUNNER_RUNNING && !r->swarm.is_ending) {
        if (is_closed_loop(r))
            fill_closed_loop(r, now);
        else
            take_due(r, now);
    }
    swarm_flush(&r->swarm, now);
    if (r->swarm.has_failed || is_finished(r, now))
        r->is_over = true;
}

static void take_snapshot(struct runner *r, nsec_t now)
{
    swarm_snapshot(&r->swarm, now, r->snapshot);
    atomic_store_explicit(&r->wants_snapshot, false, memory_order_release);
    signal_eventfd(r->config->report_fd);
}

/* No reply came then, but there was something to be learnt from that. */
static void measured_until(struct runner *r, nsec_t now)
{
    if (r->own_phase == RUNNER_RUNNING)
        r->tally.result.ended = MAX(r->tally.result.ended, now);
}

static void drain(struct runner *r, nsec_t now)
{
    if (r->swarm.is_ending)
        return;
    measured_until(r, now);
    if (r->own_phase == RUNNER_RUNNING)
        skip_backlog(r, now);
    else
        r->is_over = true;
    swarm_drain(&r->swarm, now);
}

static void obey(struct runner *r)
{
    enum runner_command command;
    uint64_t count;
    nsec_t now;

    (void)!read(r->wake_fd, &count, sizeof(count));
    /* Before the command is read: one that comes now calls again. */
    (void)atomic_exchange_explicit(&r->is_called, false, memory_order_acquire);
    if (atomic_load_explicit(&r->wants_snapshot, memory_order_acquire))
        take_snapshot(r, clock_now(r->config->clock));

    command = (enum runner_command)atomic_load_explicit(&r->command, memory_order_acquire);
    now = clock_now(r->config->clock);
    switch (command) {
    case RUNNER_WAIT:
        return;
    case RUNNER_GO:
        if (r->own_phase == RUNNER_STANDBY)
            begin_load(r);
        return;
    case RUNNER_DRAIN:
        drain(r, now);
        return;
    case RUNNER_ABORT:
        measured_until(r, now);
        r->is_over = true;
        return;
    }
}

/* ---- Waiting ---- */

static nsec_t next_deadline(const struct runner *r, nsec_t now)
{
    nsec_t next = r->swarm.next_sweep;

    if (r->own_phase != RUNNER_RUNNING || r->swarm.is_ending)
        return next;
    if (!is_closed_loop(r)) {
        next = MIN(next, last_call(r));
        return is_backed_up(r) ? next : MIN(next, pacer_next(&r->pacer));
    }
    if (pacer_is_done(&r->pacer, now))
        return next;                /* the last replies are waited for */
    return MIN(next, now < r->pacer.start ? r->pacer.start : r->pacer.end);
}

/* Return: how many events there are, without a wait; r->tally.last_look is the time. */
static int look(struct runner *r, struct epoll_event *events)
{
    int n = raw_epoll_wait(r->epoll_fd, events, EVENTS_MAX, 0);

    (void)tally_look(&r->tally, n, n == EVENTS_MAX);
    return MAX(n, 0);
}

static int sleep_until(struct runner *r, struct epoll_event *events, nsec_t until)
{
    struct tally *t = &r->tally;
    nsec_t now = clock_now(r->config->clock);
    int n;

    if (until <= now)
        return look(r, events);
    if (until < r->timer.fires_at)
        timer_set(&r->timer, now, until);
    lookout_sleep(&t->lookout, now);
    n = raw_epoll_wait(r->epoll_fd, events, EVENTS_MAX, -1);
    if (n < 0)                      /* we were stopped: what came meanwhile is to be seen now */
        return look(r, events);
    lookout_wake(&t->lookout, tally_look(t, n, n == EVENTS_MAX));
    return n;
}

/*
 * Spins for as long as the user allows after the last event, and again before the next deadline;
 * sleeps in between. A thread that sleeps pays for being woken up, which can take longer than the
 * network.
 */
static int wait_for_events(struct runner *r, struct epoll_event *events, nsec_t now)
{
    nsec_t spin = r->config->options->busy_poll;
    nsec_t deadline = next_deadline(r, now);
    int n;

    if (spin == 0)
        return sleep_until(r, events, deadline);

    for (;;) {
        do {
            n = look(r, events);
            if (n > 0)
                return n;
            now = r->tally.last_look;
            if (now >= deadline)
                return 0;
        } while (now < r->last_event + spin || deadline - now < spin);
        n = sleep_until(r, events, deadline == NSEC_NEVER ? NSEC_NEVER : deadline - spin);
        if (n > 0)
            return n;
    }
}

static void handle_events(struct runner *r, const struct epoll_event *events, int n)
{
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr == &r->timer)
            timer_fired(&r->timer);
        else if (events[i].data.ptr)
            swarm_handle(&r->swarm, events[i].data.ptr, events[i].events);
        else
            obey(r);
    }
}

/*
 * A thread whose only connection has a message under way looks for the reply where it comes, which
 * is a system call less than to be told by epoll first. If none comes for some time, or there is
 * something else to see to, it does ask epoll.
 */
static bool await_reply(struct runner *r, nsec_t now)
{
    bool spins = r->config->options->busy_poll > 0;
    nsec_t patience = spins ? r->config->options->busy_poll : LOOK_UP;
    struct link *l = &r->swarm.links[0];
    nsec_t deadline = next_deadline(r, now);
    bool is_idle = r->own_phase != RUNNER_RUNNING || !swarm_can_await(l);

    while (!is_idle && deadline > nsec_add(now, LOOK_UP) &&
           !atomic_load_explicit(&r->is_called, memory_order_relaxed)) {
        if (!spins)
            alarm_set(&r->alarm, LOOK_UP);
        if (swarm_await(&r->swarm, l, !spins) == 0)
            return true;
        now = r->tally.last_look;
        is_idle = now >= nsec_add(r->last_event, patience);
    }
    alarm_unset(&r->alarm);
    link_await(l, false);
    return false;
}

/* Whether it can at all. One that spins needs no alarm. */
static bool may_await(struct runner *r)
{
    return r->config->link.dial.reads_wait &&
           (r->config->options->busy_poll > 0 || alarm_init(&r->alarm));
}

static void *run(void *arg)
{
    struct runner *r = arg;
    struct epoll_event events[EVENTS_MAX];
    nsec_t now = clock_now(r->config->clock);
    bool is_alone = may_await(r);
    int n;

    tally_begin(&r->tally);
    turn(r, now);
    while (!r->is_over) {
        if (is_alone && await_reply(r, now)) {
            now = r->last_event = r->tally.last_look;
        } else {
            n = wait_for_events(r, events, now);
            handle_events(r, events, n);
            now = clock_now(r->config->clock);
            if (n > 0)
                r->last_event = now;
        }
        if (!r->is_over)
            turn(r, now);
    }

    /* A message that is lost was waited for until now, and so was a server that is away. */
    if (r->swarm.n_open > 0 || swarm_has_outage(&r->swarm))
        measured_until(r, now);
    swarm_close(&r->swarm, now);
    alarm_deinit(&r->alarm);
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
    if (epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, r->wake_fd, &event) < 0)
        return -errno;
    return timer_init(&r->timer, r->epoll_fd, &r->timer);
}

static int set_up_swarm(struct runner *r)
{
    const struct swarm_config config = {
        .options = r->config->options,
        .clock = r->config->clock,
        .link = &r->config->link,
        .tally = &r->tally,
        .is_known = &r->config->is_known,
        .epoll_fd = r->epoll_fd,
        .first_link = r->share.first_link,
        .step = r->share.step,
        .n_links = r->share.n_links,
    };

    return swarm_init(&r->swarm, &config);
}

int runner_new(struct runner **ret, struct runner_config *config,
               const struct share *share)
{
    _cleanup_(runner_freep) struct runner *r = NULL;
    int error;

    r = aligned_alloc(_Alignof(struct runner), sizeof(*r));
    if (!r)
        return -ENOMEM;
    *r = (struct runner){.config = config, .share = *share, .epoll_fd = -1, .wake_fd = -1,
                         .timer = TIMER_INIT, .alarm = ALARM_INIT};

    error = tally_init(&r->tally, config->clock, config->options, share->n_links,
                       config->report_fd);
    if (error == 0)
        error = open_fds(r);
    if (error == 0)
        error = set_up_swarm(r);
    if (error < 0)
        return error;

    *ret = take_ptr(r);
    return 0;
}

struct runner *runner_free(struct runner *r)
{
    if (!r)
        return NULL;
    swarm_deinit(&r->swarm);
    timer_deinit(&r->timer);
    fd_closep(&r->wake_fd);
    fd_closep(&r->epoll_fd);
    tally_deinit(&r->tally);
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

static void call(struct runner *r)
{
    atomic_store_explicit(&r->is_called, true, memory_order_release);
    signal_eventfd(r->wake_fd);
}

void runner_command(struct runner *r, enum runner_command command)
{
    int given = atomic_load_explicit(&r->command, memory_order_relaxed);

    while ((int)command > given &&
           !atomic_compare_exchange_weak_explicit(&r->command, &given, (int)command,
                                                  memory_order_release, memory_order_relaxed))
        continue;
    call(r);
}

void runner_ask_snapshot(struct runner *r, struct result *snapshot)
{
    r->snapshot = snapshot;
    atomic_store_explicit(&r->wants_snapshot, true, memory_order_release);
    call(r);
}
