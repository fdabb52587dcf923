/* SPDX-License-Identifier: MIT */
#include "client/alarm.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "common/base.h"

/* One that nobody else sends: who execs us may have set an alarm(2) that is to end us. */
#define ALARM_SIGNAL SIGRTMIN

/* timer_create(2) has the name, not each version of glibc. */
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static void wake_up(int signal)
{
    (void)signal;                   /* that it was handled ends the system call */
}

static void set_period(struct alarm *a, nsec_t period)
{
    const struct itimerspec every = {
        .it_value = nsec_to_timespec(period), .it_interval = nsec_to_timespec(period)};

    (void)timer_settime(a->timer, 0, &every, NULL);     /* fails for bad arguments only */
}

bool alarm_init(struct alarm *a)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = ALARM_SIGNAL};
    struct sigaction action = {.sa_handler = wake_up};      /* without SA_RESTART */
    sigset_t set;

    *a = ALARM_INIT;
    event.sigev_notify_thread_id = gettid();
    (void)sigemptyset(&set);
    (void)sigaddset(&set, ALARM_SIGNAL);
    if (sigaction(ALARM_SIGNAL, &action, NULL) < 0 ||
        pthread_sigmask(SIG_UNBLOCK, &set, NULL) != 0 ||
        timer_create(CLOCK_MONOTONIC, &event, &a->timer) < 0)
        return false;
    a->is_there = true;
    return true;
}

void alarm_deinit(struct alarm *a)
{
    if (a->is_there)
        (void)timer_delete(a->timer);
    *a = ALARM_INIT;
}

void alarm_set(struct alarm *a, nsec_t period)
{
    if (a->is_set)
        return;
    set_period(a, period);
    a->is_set = true;
}

void alarm_unset(struct alarm *a)
{
    if (!a->is_set)
        return;
    set_period(a, 0);
    a->is_set = false;
}
