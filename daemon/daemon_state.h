/* SPDX-License-Identifier: MIT */
/*
 * Daemon state: what the control thread holds, for the modules that are parts of it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "daemon/config.h"
#include "daemon/crew.h"
#include "daemon/idle.h"
#include "daemon/listener_set.h"
#include "daemon/log.h"
#include "daemon/logger.h"
#include "daemon/options.h"
#include "daemon/stats.h"
#include "daemon/watch.h"

struct daemon {
    const struct options *options;  /* borrowed */
    struct config config;
    struct log_shared log_shared;
    struct log log;                 /* the control thread's */
    struct logger *logger;
    struct listener_set listeners;
    struct crew crew;
    sd_event *event;
    nsec_t started;                 /* [ns, monotonic] */
    bool said_fault;                /* why it cannot start */
    bool stopping;
    struct idle idle;
    struct watch watch;
    bool said_stuck;
    struct stats status;            /* when STATUS= was last looked at */
    nsec_t status_at;
    uint64_t status_rate;           /* as told there [messages/s] */
};
