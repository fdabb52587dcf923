/* SPDX-License-Identifier: MIT */
#include "client/interrupt.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "client/verdict.h"
#include "common/clock.h"

/* timeout(1) signals its child, then its whole group: what comes so soon is no second wish. */
#define SAME_INTERRUPT (100 * NSEC_PER_MSEC)

struct interrupt {
    struct runner **runners;
    uint32_t n_runners;
    int report_fd;
    int signal_fd;
    int stop_fd;                    /* eventfd: the thread has to end */
    bool has_thread;
    pthread_t thread;
    nsec_t last;                    /* when the last interrupt came, 0 = none yet */
    nsec_t deadline;                /* of the process, NSEC_NEVER = none */
    atomic_uint count;
    atomic_bool quit;
};

static sigset_t signals(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGQUIT);
    return set;
}

void interrupt_block(void)
{
    sigset_t set = signals();

    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

static void command_all(struct interrupt *i, enum runner_command command)
{
    for (uint32_t k = 0; k < i->n_runners; k++)
        runner_command(i->runners[k], command);
}

static void obey_interrupt(struct interrupt *i)
{
    nsec_t now = clock_now(&clock_system);

    if (i->last > 0 && now - i->last < SAME_INTERRUPT)
        return;
    i->last = now;
    if (atomic_fetch_add(&i->count, 1) == 0) {
        command_all(i, RUNNER_DRAIN);
    } else {
        command_all(i, RUNNER_ABORT);
        i->deadline = MIN(i->deadline, now + INTERRUPT_PATIENCE);
    }
}

static void obey(struct interrupt *i, uint32_t signal)
{
    uint64_t one = 1;

    if (signal == SIGQUIT)
        atomic_store(&i->quit, true);
    else
        obey_interrupt(i);
    (void)!write(i->report_fd, &one, sizeof(one));
}

/* Until the deadline, for poll(2). */
static int time_left(const struct interrupt *i)
{
    nsec_t now = clock_now(&clock_system);

    if (i->deadline == NSEC_NEVER)
        return -1;
    return i->deadline > now ? (int)((i->deadline - now) / NSEC_PER_MSEC) + 1 : 0;
}

static void *run(void *arg)
{
    struct interrupt *i = arg;
    struct pollfd fds[] = {
        {.fd = i->signal_fd, .events = POLLIN},
        {.fd = i->stop_fd, .events = POLLIN},
    };
    struct signalfd_siginfo info;

    while (fds[1].revents == 0) {
        /* Nobody reads the report, or it would have ended. There is no other way out of write(2),
         * and nothing that stdio still holds can be saved. */
        if (poll(fds, ARRAY_SIZE(fds), time_left(i)) == 0 && time_left(i) == 0)
            _exit(EXIT_FORCED);
        while (read(i->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
            obey(i, info.ssi_signo);
    }
    return NULL;
}

int interrupt_new(struct interrupt **ret, struct runner **runners, uint32_t n_runners,
                  int report_fd)
{
    _cleanup_(interrupt_freep) struct interrupt *i = NULL;
    sigset_t set = signals();
    int r;

    i = malloc(sizeof(*i));
    if (!i)
        return -ENOMEM;
    *i = (struct interrupt){
        .runners = runners,
        .n_runners = n_runners,
        .report_fd = report_fd,
        .signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
        .stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        .deadline = NSEC_NEVER,
    };
    if (i->signal_fd < 0 || i->stop_fd < 0)
        return -errno;
    r = pthread_create(&i->thread, NULL, run, i);
    if (r > 0)
        return -r;

    i->has_thread = true;
    *ret = take_ptr(i);
    return 0;
}

struct interrupt *interrupt_free(struct interrupt *i)
{
    uint64_t one = 1;

    if (!i)
        return NULL;
    if (i->has_thread) {
        (void)!write(i->stop_fd, &one, sizeof(one));
        (void)pthread_join(i->thread, NULL);
    }
    fd_closep(&i->stop_fd);
    fd_closep(&i->signal_fd);
    free(i);
    return NULL;
}

unsigned interrupt_count(const struct interrupt *i)
{
    return atomic_load(&i->count);
}

bool interrupt_take_quit(struct interrupt *i)
{
    return atomic_exchange(&i->quit, false);
}
