/* SPDX-License-Identifier: MIT */
#include "daemon/notify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

void notify_ready(void)
{
    (void)sd_notify(0, "READY=1");
}

void notify_reloading(nsec_t now)
{
    /* The time lets a manager of version 253 and later tell this reload from an earlier one. */
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now / NSEC_PER_USEC);
}

void notify_stopping(nsec_t time_needed)
{
    /* Never shortens what the unit allows. Behind STOPPING=1: a stop that the manager did not ask
     * for has no time limit before that. */
    (void)sd_notifyf(0,
                     "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRIu64
                     "\nSTATUS=stopping, serving clients on until they are done",
                     time_needed / NSEC_PER_USEC);
}

void notify_status(const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    (void)sd_notifyf(0, "STATUS=%s", text);
}

void notify_watchdog(void)
{
    (void)sd_notify(0, "WATCHDOG=1");
}

nsec_t notify_watchdog_interval(void)
{
    uint64_t usec;

    return sd_watchdog_enabled(0, &usec) > 0 ? usec * NSEC_PER_USEC : 0;
}
