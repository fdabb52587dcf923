/* SPDX-License-Identifier: MIT */
#include "client/evidence.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base.h"
#include "common/schedstat.h"

/* Looks closer together replace each other, so that those before the first message of a burst are
 * still known at its last: it may come in over many reads. */
#define LOOK_GAP (10 * NSEC_PER_MSEC)

/* tcpi_total_rto came with Linux 6.7, behind all that older headers know. */
#define TOTAL_RTO_OFFSET 240
#define INFO_SIZE 256

_Static_assert(sizeof(struct tcp_info) <= INFO_SIZE, "room for what the kernel tells");

void sched_evidence_init(struct sched_evidence *e)
{
    *e = (struct sched_evidence)SCHED_EVIDENCE_INIT;
    e->fd = schedstat_open();
}

void sched_evidence_deinit(struct sched_evidence *e)
{
    fd_closep(&e->fd);
}

#define LOOK(e, back) ((e)->looks[((e)->n_looks - 1 - (back)) % EVIDENCE_LOOKS])

/* Room for a look. */
#define NEXT_LOOK(e, now)                                                                          \
    ({                                                                                             \
        if ((e)->n_looks >= 2 && (now) - LOOK(e, 1).at < LOOK_GAP)                                 \
            (e)->n_looks--;                                                                        \
        &(e)->looks[(e)->n_looks++ % EVIDENCE_LOOKS];                                              \
    })

void tcp_evidence_look(struct tcp_evidence *e, int fd, nsec_t now)
{
    union {
        struct tcp_info info;
        uint8_t bytes[INFO_SIZE];
    } u = {.bytes = {0}};
    socklen_t len = sizeof(u);
    uint16_t total_rto = 0;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &u, &len) < 0)
        return;                     /* an AF_UNIX socket has none */
    if (len >= TOTAL_RTO_OFFSET + sizeof(total_rto))
        memcpy(&total_rto, u.bytes + TOTAL_RTO_OFFSET, sizeof(total_rto));
    else
        total_rto = u.info.tcpi_backoff;
    *NEXT_LOOK(e, now) = (struct tcp_look){
        .at = now,
        .rto = u.info.tcpi_rto * NSEC_PER_USEC,
        .retransmits = u.info.tcpi_total_retrans,
        .needless = u.info.tcpi_dsack_dups,
        .timeouts = total_rto,
        .holes = u.info.tcpi_rcv_ooopack,
        .shut_out = u.info.tcpi_rwnd_limited * NSEC_PER_USEC,
        .unacked = u.info.tcpi_unacked > 0,
    };
}

void sched_evidence_look(struct sched_evidence *e, nsec_t now)
{
    nsec_t run_delay;

    if (!schedstat_read(e->fd, &run_delay))
        return;
    *NEXT_LOOK(e, now) = (struct sched_look){.at = now, .run_delay = run_delay};
}

/* The last look of @n_looks that was not after @when, or the oldest that is kept; the newest has to
 * be after it. As a distance back from the newest, 0 = there is none. */
#define FIND_BEFORE(e, when)                                                                       \
    ({                                                                                             \
        uint32_t _kept = MIN((e)->n_looks, (uint32_t)EVIDENCE_LOOKS);                              \
        uint32_t _back = 1;                                                                        \
        while (_back + 1 < _kept && LOOK(e, _back).at > (when))                                    \
            _back++;                                                                               \
        _kept >= 2 && LOOK(e, 0).at > (when) ? _back : 0;                                          \
    })

/* Retransmissions that replaced something lost; a tail loss probe is sent on suspicion. */
static uint32_t rise_of_losses(const struct tcp_look *before, const struct tcp_look *after)
{
    uint32_t sent = after->retransmits - before->retransmits;
    uint32_t needless = after->needless - before->needless;

    return sent > needless ? sent - needless : 0;
}

struct cause_note evidence_note(const struct tcp_evidence *tcp, const struct sched_evidence *sched,
                                nsec_t sent, bool nagle)
{
    struct cause_note note = {.nagle = nagle};
    uint32_t back = FIND_BEFORE(tcp, sent);

    if (back > 0) {
        const struct tcp_look *before = &LOOK(tcp, back);
        const struct tcp_look *after = &LOOK(tcp, 0);

        note.tcp_sampled = true;
        note.unacked = before->unacked;
        note.retransmits = rise_of_losses(before, after);
        note.timeouts = after->timeouts > before->timeouts ? after->timeouts - before->timeouts : 0;
        note.holes = after->holes - before->holes;
        note.rto = before->rto;
        note.shut_out = after->shut_out - before->shut_out;
    }
    back = FIND_BEFORE(sched, sent);
    if (back > 0) {
        note.sched_sampled = true;
        note.run_delay = LOOK(sched, 0).run_delay - LOOK(sched, back).run_delay;
    }
    return note;
}
