/* SPDX-License-Identifier: MIT */
/*
 * Alarm: interrupts the thread's system calls now and then, so that one which sleeps in a read
 * looks up.
 *
 * A timeout of the read's own would be set up and taken down again at each of them, which takes 2 %
 * of a round trip on the loopback. A signal that comes by itself every so often costs those nothing
 * that are done before; and it can't be missed by a thread that is just about to sleep, as another
 * one follows.
 */
#pragma once

#include <stdbool.h>
#include <time.h>

#include "common/clock.h"

struct alarm {
    timer_t timer;
    bool is_there;
    bool is_set;
};

#define ALARM_INIT ((struct alarm){.is_there = false})

/**
 * alarm_init() - an alarm for the thread that calls this
 *
 * Takes the signal SIGRTMIN for the whole process, and unblocks it for this thread.
 *
 * Return: whether there is one now: a process may have as many timers as RLIMIT_SIGPENDING allows.
 */
bool alarm_init(struct alarm *a);
void alarm_deinit(struct alarm *a);

/* From now on the thread is interrupted every @period [ns]: a system call that sleeps ends with
 * EINTR. Does nothing if that is so already. */
void alarm_set(struct alarm *a, nsec_t period);

/* It is left in peace. */
void alarm_unset(struct alarm *a);
