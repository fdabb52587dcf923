/* SPDX-License-Identifier: MIT */
#include "daemon/arrival.h"

#include "common/base.h"

/* When it is known this well when a message came, all that is there can be read in one go. */
#define ALONE_ABOVE (50 * NSEC_PER_USEC)

/* Nor is the first of so many, time after time, worth two reads more than all others together. */
#define ALONE_AMONG 16

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

/* @earliest: nothing of the input can have arrived before [ns, monotonic] */
static void describe(struct conn_shared *shared, const struct stream_rx *rx, nsec_t earliest,
                     struct session_input *in)
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
    in->away = shared->away;
    in->window = in->arrival > earliest ? in->arrival - earliest : 0;
}

/*
 * Reads what came behind the first message, which has @first_stamp. A stamp is that of a whole
 * packet's last byte, and what waits in the kernel may have been merged into one: if already the
 * next byte has another stamp, then the first message's is its own.
 */
static void read_behind(struct conn_shared *shared, const struct stream *stream, nsec_t earliest,
                        nsec_t first_stamp, struct session_input *in)
{
    char *end = shared->rx + in->len;
    struct session_input first = *in;
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
    describe(shared, &rx, alone ? first.arrival : earliest, in);
    if (alone) {
        in->n_behind = (size_t)n;
        in->first_arrival = first.arrival;
        in->first_arrival_real = first.arrival_real;
        in->first_nic_stamp = first.nic_stamp;
    }
}

ssize_t arrival_read(struct conn_shared *shared, const struct stream *stream,
                     const struct session *session, bool *reads_alone,
                     struct session_input *ret_in)
{
    struct session_input in = {.bytes = shared->rx};
    nsec_t earliest = MAX(session_last_arrival(session), shared->looked_at);
    size_t len = CONN_RX_SIZE - 1;  /* one byte can always follow */
    size_t rest = session_rest(session);
    bool is_native = session->speech == SESSION_NATIVE;     /* text cannot tell of windows */
    struct stream_rx rx;
    ssize_t n;

    if (is_native && *reads_alone && shared->now > earliest + ALONE_ABOVE)
        len = MIN(len, rest);
    n = stream_recv(stream, shared->rx, len, &rx);
    if (n <= 0)
        return n;

    in.len = (size_t)n;
    if (is_native && !shared->away && (rx.n_queued > 0 || in.len > rest))
        earliest = lookout_earliest(&shared->lookout, earliest);
    describe(shared, &rx, earliest, &in);
    if (len < CONN_RX_SIZE - 1 && rx.n_queued > 0)
        read_behind(shared, stream, earliest, rx.stamp_real, &in);
    *reads_alone = in.kernel_stamp && in.len < ALONE_AMONG * rest;

    *ret_in = in;
    return n;
}
