/* SPDX-License-Identifier: MIT */
/*
 * Conn limits: the part of the configuration that connections obey, and that may change while they
 * live.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"

struct conn_limits {
    nsec_t idle_timeout;            /* 0 = off */
    nsec_t message_timeout;         /* 0 = off */
    nsec_t slow_threshold;          /* 0 = off */
    bool log_messages;
    uint32_t max_clients;
    uint32_t max_clients_per_source;        /* 0 = no limit */
};
