/* SPDX-License-Identifier: MIT */
#include "daemon/arrival.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include "common/base.h"

/* When it is known this well when a message came, all that is there can be read in one go. */
#define ALONE_ABOVE (50 * NSEC_PER_USEC)

/* Nor is the first of so many, time after time, worth two reads more than all others together. */
#define ALONE_AMONG 16

/* Nor is it where so many connections are ready at once that all of them would wait for those. */
#define ALONE_CROWD 64

/* The kernel's stamp on our clock. Return: whether there is one, and it can be told. */
static bool convert_stamp(const struct conn_shared *shared, const struct stream_rx *rx,
                          nsec_t *ret_arrival)
{
    if (rx->stamp_real == 0)
        return false;
    /* Nearly all of a batch was there when it began: the rest takes another look at the clock. */
    if (stamp_bridge_convert(&shared->bridge, rx->stamp_real, shared->now, ret_arrival) &&
        *ret_arrival < shared->now)
        return true;
    return stamp_bridge_convert(&shared->bridge, rx->stamp_real, clock_now(shared->clock),
                                ret_arrival);
}

static void take_off_lag(struct conn_shared *shared, const struct stream_rx *rx,
                         struct session_input *in)
{
    nsec_t lag;

    if (likely(rx->stamp_nic == 0) ||
        !nic_lag_take(&shared->nic_lag, in->arrival, rx->stamp_nic, &lag))
        return;
    in->arrival -= lag;
    in->arrival_real -= lag;
    in->nic_stamp = true;
    stats_add(shared->stats, stamps_nic, 1);
}

/* Since when a read may have come, and how much of that the process did not run. */
struct span {
    nsec_t earliest;                /* nothing of it can have come before [ns, monotonic] */
    nsec_t away_until;              /* from then on to this; 0 = it ran */
};

/* Did the process not run for most of the window? */
static bool was_away(const struct span *span, const struct session_input *in)
{
    if (span->away_until <= span->earliest)
        return false;
    return span->away_until - span->earliest >= in->window / 4 * 3;
}

static void describe(struct conn_shared *shared, const struct stream_rx *rx,
                     const struct span *span, struct session_input *in)
{
    in->nic_stamp = false;
    in->kernel_stamp = convert_stamp(shared, rx, &in->arrival);
    if (in->kernel_stamp) {
        in->arrival_real = rx->stamp_real;
        stats_add(shared->stats, stamps_kernel, 1);
        take_off_lag(shared, rx, in);
    } else {
        in->arrival = clock_now(shared->clock);
        in->arrival_real = clock_real(shared->clock);
        stats_add(shared->stats, stamps_user, 1);
    }
    in->more = rx->n_queued > 0;
    in->window = in->arrival > span->earliest ? in->arrival - span->earliest : 0;
    in->away = was_away(span, in);
}

/*
 * Reads what came behind the first message, which has @first_stamp. A stamp is that of a whole
 * packet's last byte, and what waits in the kernel may have been merged into one: if already the
 * next byte has another stamp, then the first message's is its own.
 */
static void read_behind(struct conn_shared *shared, const struct stream *stream,
                        const struct span *span, nsec_t first_stamp, struct session_input *in)
{
    char *end = shared->rx + in->len;
    struct session_input first = *in;
    struct span behind = *span;
    struct stream_rx rx, rest;
    ssize_t n = stream_recv(stream, end, 1, &rx);
    bool alone;

    if (n <= 0)
        return;                     /* what is wrong shows at the next look */
    alone = first.kernel_stamp && rx.stamp_real > 0 && rx.stamp_real != first_stamp;
    if (rx.n_queued > 0) {
        ssize_t more = stream_recv(stream, end + n, CONN_RX_SIZE - first.len - 1, &rest);

        if (more > 0) {
            rx = rest;
            n += more;
        }
    }

    in->len += (size_t)n;
    if (alone)
        behind.earliest = first.arrival;
    describe(shared, &rx, &behind, in);
    if (alone) {
        in->n_behind = (size_t)n;
        in->first_arrival = first.arrival;
        in->first_arrival_real = first.arrival_real;
        in->first_nic_stamp = first.nic_stamp;
    }
}

/* What is read now came in it. */
static struct span find_span(const struct conn_shared *shared, const struct session *session,
                             const struct arrival_memory *memory)
{
    struct span span = {.earliest = MAX(session_last_arrival(session), shared->looked_at)};

    if (memory->left_some)
        span = (struct span){.earliest = memory->earliest, .away_until = memory->away_until};
    if (shared->away)
        span.away_until = shared->now;
    return span;
}

/* @last: the arrival before @in. Where @in has a later stamp than that, all that had the other is
 * read, and what is left came after it. */
static void remember(struct arrival_memory *memory, const struct span *span, nsec_t last,
                     const struct session_input *in, bool is_little)
{
    memory->earliest = span->earliest;
    if (memory->has_stamp && in->kernel_stamp && in->arrival > last)
        memory->earliest = MAX(span->earliest, last);
    memory->away_until = span->away_until;
    memory->left_some = in->more;
    memory->has_stamp = in->kernel_stamp;
    memory->reads_alone = in->kernel_stamp && is_little;
}

void arrival_watch_queue(int fd)
{
    int on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_INQ, &on, sizeof(on));    /* not of a Unix socket */
}

ssize_t arrival_read(struct conn_shared *shared, const struct stream *stream,
                     const struct session *session, struct arrival_memory *memory,
                     struct session_input *ret_in)
{
    struct session_input in = {.bytes = shared->rx};
    struct span span = find_span(shared, session, memory);
    nsec_t last = session_last_arrival(session);
    size_t len = CONN_RX_SIZE - 1;  /* one byte can always follow */
    size_t rest = session_rest(session);
    bool is_native = session->speech == SESSION_NATIVE;     /* text cannot tell of windows */
    struct stream_rx rx;
    ssize_t n;

    if (is_native && memory->reads_alone && shared->n_ready < ALONE_CROWD &&
        shared->now > span.earliest + ALONE_ABOVE)
        len = MIN(len, rest);
    n = stream_recv(stream, shared->rx, len, &rx);
    if (n <= 0)
        return n;

    in.len = (size_t)n;
    if (is_native && span.away_until == 0 && !memory->left_some &&
        (rx.n_queued > 0 || in.len > rest))
        span.earliest = lookout_earliest(&shared->lookout, span.earliest);
    describe(shared, &rx, &span, &in);
    if (len < CONN_RX_SIZE - 1 && rx.n_queued > 0)
        read_behind(shared, stream, &span, rx.stamp_real, &in);
    remember(memory, &span, last, &in, in.len < ALONE_AMONG * rest);

    *ret_in = in;
    return n;
}
