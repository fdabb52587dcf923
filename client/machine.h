/* SPDX-License-Identifier: MIT */
/*
 * Machine: the fingerprint of what measured, since no figure means much without it.
 *
 * What cannot be read is left empty, which is no error: containers and other systems hide much.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/clock.h"

#define MACHINE_TEXT_SIZE 96

enum machine_offload {
    OFFLOAD_TSO,                    /* the device cuts what we send into segments */
    OFFLOAD_GSO,                    /* ... or the kernel, late */
    OFFLOAD_GRO,                    /* segments are joined before we get them */
    OFFLOAD_COUNT,
};

/* "tso", "gso", "gro". */
const char *machine_offload_name(enum machine_offload offload);

struct machine {
    char kernel[MACHINE_TEXT_SIZE];         /* "Linux 6.1.0 x86_64" */
    char cpu[MACHINE_TEXT_SIZE];            /* model */
    unsigned n_cpus;                        /* that we may use */
    char clock_source[MACHINE_TEXT_SIZE];   /* of the kernel: "tsc" */
    char governor[MACHINE_TEXT_SIZE];       /* of the CPU's frequency */
    char virtualization[MACHINE_TEXT_SIZE]; /* vendor of the virtual machine, "" = none seen */
    nsec_t timer_slack;                     /* how much longer a sleep may be, 0 = not known */
    nsec_t clock_cost;                      /* of one reading */
    nsec_t thread_rtt;                      /* round trip between two threads that sleep, median;
                                             * 0 = could not be measured */

    char device[IFNAMSIZ];                  /* that leads to the server, "" = none or not known */
    bool has_offload[OFFLOAD_COUNT];        /* whether it could be read... */
    bool offload[OFFLOAD_COUNT];            /* ...and is on */
    int rx_coalesce_us;                     /* interrupts wait this long, -1 = not known */
};

/**
 * machine_read() - look at this machine
 * @peer:       the server, for the device that leads to it; NULL = none
 *
 * Takes some milliseconds, for the two threads. Sends nothing.
 */
void machine_read(struct machine *m, const struct clock_src *clock, const struct addr *peer);

/* Whether a median RTT is so small that this machine's own threads make up a tenth of it. */
static inline bool machine_is_floor(const struct machine *m, nsec_t median_rtt)
{
    return m->thread_rtt > 0 && m->thread_rtt >= median_rtt / 10;
}
