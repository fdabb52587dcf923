/* SPDX-License-Identifier: MIT */
#include "client/where_split.h"

#include "common/base.h"

/* A message whose uncertainty is below this share of its service RTT counts as known: it goes with
 * the reader, and into the error bar. */
#define SMALL_SHARE 32

/* What comes in within this share of its own delay behind another came in right behind it. */
#define BEHIND_SHARE 8

/* Numbers on one axis: the client's clock, 0 = when the message would have arrived on the shortest
 * way, end = when a reply that took the shortest way would have left. */
struct axis {
    int64_t zero_server;                /* 0 on the server's clock, at the client's rate */
    int64_t zero_client;                /* send + base: what a receipt is compared with */
    int64_t end;
};

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* Length of what [a, b] and [c, d] have in common. */
static int64_t overlap(int64_t a, int64_t b, int64_t c, int64_t d)
{
    int64_t begin = MAX(a, c), end = MIN(b, d);

    return MAX(end - begin, 0);
}

static bool is_shared(const struct where_sample *s, unsigned flag)
{
    return (s->flags & flag) != 0;
}

/* A moment between two bounds: what of the time between them the reader was away for certain. */
struct arrival {
    int64_t low, high;
    int64_t away;
};

static struct arrival find_arrival(const struct where_trail *t, const struct where_fitting *f,
                                   const struct where_origin *o, const struct where_sample *s,
                                   const struct axis *axis, int64_t departure)
{
    const struct where_lines *l = &f->lines;
    int64_t stamp = where_arrival(o, s), earliest;
    struct arrival a;

    a.high = clamp(where_at_rate(l, stamp) - axis->zero_server, 0, departure);
    if (!is_shared(s, SAMPLE_ARRIVAL_SHARED))
        return (struct arrival){.low = a.high, .high = a.high};

    earliest = MAX(stamp - (int64_t)s->window, t->arrived);
    a.low = clamp(where_at_rate(l, earliest) - axis->zero_server, 0, a.high);
    a.away = is_shared(s, SAMPLE_SERVER_AWAY) ? a.high - a.low
             : t->busy_to == INT64_MIN
                 ? 0
                 : overlap(a.low, a.high, where_at_rate(l, t->busy_from) - axis->zero_server,
                           where_at_rate(l, t->busy_to) - axis->zero_server);
    return a;
}

static struct arrival find_receipt(const struct where_trail *t, const struct where_origin *o,
                                   const struct where_sample *s, const struct axis *axis,
                                   int64_t departure)
{
    struct arrival a = {.low = axis->end, .high = axis->end};
    int64_t earliest;

    if (!is_shared(s, SAMPLE_RX_SHARED))
        return a;

    earliest = MAX(where_client_time(o, s->rx_earliest), t->received);
    a.low = clamp(earliest - axis->zero_client, departure, a.high);
    if (t->unread_to != INT64_MIN)
        a.away = overlap(a.low, a.high, t->unread_from - axis->zero_client,
                         t->unread_to - axis->zero_client);
    return a;
}

static void make_known(struct where_parts *p, enum where_part part)
{
    p->known = (uint8_t)(p->known | 1 << part);
}

/* Books what lies between the bounds of an arrival: the reader's, as far as it was away; the rest
 * too if it is small, else nobody's. */
static void book(struct where_parts *p, const struct arrival *a, nsec_t small, enum where_part way,
                 enum where_part reader)
{
    nsec_t rest = (nsec_t)(a->high - a->low - a->away);

    p->ns[reader] += (nsec_t)a->away;
    if (rest <= small) {
        p->ns[reader] += rest;
        p->error = MAX(p->error, rest);
        make_known(p, way);
        make_known(p, reader);
    } else {
        p->ns[PART_UNSPLIT] += rest;
    }
}

static void split_by_lines(struct where_parts *p, const struct where_trail *t,
                           const struct where_fitting *f, const struct where_origin *o,
                           const struct where_sample *s)
{
    const struct where_lines *l = &f->lines;
    size_t group = where_lines_group(l, s->conn);
    int64_t send = where_client_time(o, s->send), rx = where_client_time(o, s->rx);
    int64_t base = l->least[group].out + l->least[group].back, departure;
    nsec_t small = MAX(f->fit.error, (s->read - s->send) / SMALL_SHARE);
    struct arrival in, back;
    struct axis axis;

    /* Below the base by rounding, or because a corner was left out of a full hull. */
    base = clamp(base, 0, rx - send);
    axis = (struct axis){.zero_server = send + l->least[group].out, .zero_client = send + base,
                         .end = rx - send - base};
    departure = clamp(where_at_rate(l, where_departure(o, s)) - axis.zero_server, 0, axis.end);
    in = find_arrival(t, f, o, s, &axis, departure);
    back = find_receipt(t, o, s, &axis, departure);

    p->error = f->fit.error;
    p->ns[PART_BASE] = (nsec_t)base;
    p->ns[PART_FORWARD] = (nsec_t)in.low;
    p->ns[PART_RESIDENCE] = (nsec_t)(departure - in.high);
    p->ns[PART_RETURN] = (nsec_t)(back.low - departure);
    make_known(p, PART_BASE);
    book(p, &in, small, PART_FORWARD, PART_RESIDENCE);
    book(p, &back, small, PART_RETURN, PART_WAKEUP);
}

static void split_without_lines(struct where_parts *p, const struct where_sample *s)
{
    nsec_t rest = s->rx - s->send;

    if (s->flags & SAMPLE_ARRIVAL) {
        p->ns[PART_RESIDENCE] = MIN(s->residence, rest);
        rest -= p->ns[PART_RESIDENCE];
        if (!is_shared(s, SAMPLE_ARRIVAL_SHARED))
            make_known(p, PART_RESIDENCE);
    }
    p->ns[PART_UNSPLIT] = rest;
    if (!is_shared(s, SAMPLE_RX_SHARED))
        make_known(p, PART_WAKEUP);
}

static bool came_behind(int64_t apart, int64_t last_delay, int64_t delay, nsec_t above)
{
    return last_delay > delay && apart <= (int64_t)(above / BEHIND_SHARE);
}

static void find_behind(struct where_parts *p, const struct where_trail *t,
                        const struct where_origin *o, const struct where_sample *s)
{
    int64_t rx = where_client_time(o, s->rx), service = (int64_t)(s->read - s->send);
    int64_t out = (int64_t)(p->ns[PART_FORWARD] + p->ns[PART_UNSPLIT]), arrival;

    if (t->last_service == 0)
        return;
    if (!(s->flags & SAMPLE_ARRIVAL)) {
        p->behind_back = came_behind(rx - t->last_rx, t->last_service, service, (nsec_t)service);
        return;
    }
    arrival = where_arrival(o, s);
    p->behind_out = came_behind(arrival - t->last_arrival, t->last_out,
                                arrival - where_client_time(o, s->send), (nsec_t)out);
    p->behind_others = t->stalled_to != INT64_MIN &&
                       overlap(arrival - out, arrival, t->stalled_from, t->stalled_to) > out / 2;
    p->behind_back = came_behind(rx - t->last_rx, t->last_back, rx - where_departure(o, s),
                                 p->ns[PART_RETURN] + p->ns[PART_UNSPLIT]);
}

static void extend(int64_t *from, int64_t *to, int64_t begin, int64_t end)
{
    if (*to == INT64_MIN || begin > *to) {
        *from = begin;
        *to = end;
    }
    *to = MAX(*to, end);
}

/* The server did not answer from @begin to @end. What it answers right after such a time still
 * comes out of it: that begins none anew. */
static void follow_stall(struct where_trail *t, int64_t begin, int64_t end)
{
    bool right_after = t->stalled_to != INT64_MIN &&
                       begin - t->stalled_to <= (t->stalled_to - t->stalled_from) / BEHIND_SHARE;

    extend(&t->stalled_from, &t->stalled_to, right_after ? MIN(begin, t->stalled_to) : begin, end);
}

static void follow(struct where_trail *t, const struct where_origin *o,
                   const struct where_sample *s)
{
    int64_t rx = where_client_time(o, s->rx), read = where_client_time(o, s->read);

    if (s->flags & SAMPLE_ARRIVAL) {
        int64_t arrival = where_arrival(o, s), departure = where_departure(o, s);
        int64_t window = is_shared(s, SAMPLE_ARRIVAL_SHARED) ? (int64_t)s->window : 0;

        t->arrived = MAX(t->arrived, arrival - window);
        extend(&t->busy_from, &t->busy_to, arrival, departure);
        follow_stall(t, s->flags & SAMPLE_SERVER_AWAY ? arrival - window : arrival, departure);
        t->last_arrival = arrival;
        t->last_out = arrival - where_client_time(o, s->send);
        t->last_back = rx - departure;
    }
    if (s->flags & SAMPLE_RX_KERNEL) {
        if (!is_shared(s, SAMPLE_RX_SHARED))
            t->received = MAX(t->received, rx);
        extend(&t->unread_from, &t->unread_to, rx, read);
    }
    t->last_rx = rx;
    t->last_service = (int64_t)(s->read - s->send);
}

void where_split(struct where_trail *trail, const struct where_fitting *fitting,
                 const struct where_origin *origin, const struct where_sample *s,
                 struct where_parts *ret_parts)
{
    struct where_parts p = {.ns[PART_QUEUED] = s->send - s->due,
                            .ns[PART_WAKEUP] = s->read - s->rx};

    make_known(&p, PART_QUEUED);
    if (s->flags & SAMPLE_FIRST)
        *trail = WHERE_TRAIL_INIT;
    if (s->flags & SAMPLE_ARRIVAL && where_validity_ok(fitting->fit.validity))
        split_by_lines(&p, trail, fitting, origin, s);
    else
        split_without_lines(&p, s);
    if (!(s->flags & SAMPLE_RX_KERNEL))
        p.known = (uint8_t)(p.known & ~(1 << PART_WAKEUP));
    find_behind(&p, trail, origin, s);
    follow(trail, origin, s);
    *ret_parts = p;
}
