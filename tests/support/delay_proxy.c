/* SPDX-License-Identifier: MIT */
/*
 * Delay proxy: a stretch of path on the loopback that holds every n-th message for a while, in one
 * direction only, and tells which ones and how long, so that a test knows the truth.
 *
 *   delay_proxy [-o EVERY:DURATION] [-b EVERY:DURATION] [-s PPM] PORT
 *
 *   -o           holds every EVERY-th message on the way out, to the server
 *   -b           ... on the way back
 *   -s           the server's clock gains so much: its times in the replies are rewritten
 *   PORT         of the server, on 127.0.0.1
 *
 * Prints "listening on 127.0.0.1:PORT", then a line for each held message when it leaves:
 * "out seq=7 came=1767225600000000000 left=1767225600010012345", in real time [ns], where it came
 * when the kernel had the last byte of the read that it was in, or, of a reply, when the server
 * says that it sent it. In text each read is a message, and seq counts them.
 *
 * As on a path, nothing overtakes: what comes behind a held message waits with it. Ends when it is
 * killed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/net_tstamp.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "common/base.h"
#include "common/clock.h"
#include "common/parse.h"
#include "common/proto.h"
#include "common/stream.h"
#include "common/wire.h"

#define BUFFER_SIZE (1U << 20)
#define READ_SIZE 65536U
#define LENGTH_AT 4                 /* in a frame's header */
#define ITEMS_MAX (1U << 16)        /* a power of two, and above what one read can bring */

struct rule {
    uint64_t every;                 /* 0 = hold none */
    nsec_t hold;
};

static struct {
    struct rule rules[2];           /* way out, way back */
    double skew;                    /* s per s */
    struct sockaddr_in server;
    int epoll_fd;
    int listener;
} proxy = {.epoll_fd = -1, .listener = -1};

/* What leaves at once. */
struct item {
    size_t len;
    nsec_t release;
    nsec_t came;                    /* [ns, real time] */
    uint64_t seq;
    bool is_held;
};

enum framing { FRAMING_START, FRAMING_LINE, FRAMING_FRAMES, FRAMING_RAW };

/* One direction of a connection. */
struct lane {
    struct pair *pair;
    const struct rule *rule;
    const char *name;
    int from;                       /* owned; the other lane's way to send */
    struct lane *other;
    uint32_t events;                /* watched on from */

    uint8_t *buffer;
    size_t begin, framed, end;      /* [begin, framed) is in items, [framed, end) not yet */
    struct item *items;
    size_t head, tail;
    nsec_t last_release;
    uint64_t n_messages;
    enum framing framing;
    bool is_ended;                  /* nothing more comes */
    bool is_told;                   /* ... and the receiver knows */

    nsec_t origin, origin_real;     /* of the rewritten clock */
    nsec_t last_arrival;
};

struct pair {
    struct lane lanes[2];
    struct pair *next;
};

static struct pair *pairs;

static void die(const char *what)
{
    (void)fprintf(stderr, "delay_proxy: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- Messages ---- */

static nsec_t skewed(nsec_t duration)
{
    return (nsec_t)((int64_t)duration + (int64_t)((double)duration * proxy.skew));
}

static uint32_t load_u32(const uint8_t *at)
{
    struct wire_reader r = WIRE_READER(at, sizeof(uint32_t));

    return wire_get_u32(&r);
}

static uint64_t load_u64(const uint8_t *at)
{
    struct wire_reader r = WIRE_READER(at, sizeof(uint64_t));

    return wire_get_u64(&r);
}

/* Makes the server's clock a faster one, or a slower. */
static void rewrite(struct lane *l, uint8_t *head)
{
    bool is_first = l->origin == 0;
    struct proto_reply r;
    nsec_t stated, departure;

    proto_reply_decode(head, &r);
    if (is_first) {
        l->origin = r.arrival;
        l->origin_real = r.arrival_real;
    }
    stated = l->origin + skewed(r.arrival - l->origin);
    departure = l->origin + skewed(r.arrival + r.residence - l->origin);

    r.delta = is_first ? skewed(r.delta) : stated - l->last_arrival;
    r.arrival = stated;
    r.arrival_real = l->origin_real + skewed(r.arrival_real - l->origin_real);
    r.residence = departure - stated;
    r.window = skewed(r.window);
    proto_reply_encode(head, &r);
    l->last_arrival = stated;
}

/* The next @len bytes leave together, and so late. */
static void put_item(struct lane *l, size_t len, bool is_message, uint64_t seq, nsec_t came,
                     nsec_t now)
{
    struct item *item = &l->items[l->tail++ % ITEMS_MAX];

    if (is_message)
        l->n_messages++;
    *item = (struct item){
        .len = len,
        .came = came,
        .seq = seq,
        .is_held = is_message && l->rule->every > 0 && l->n_messages % l->rule->every == 0,
    };
    l->last_release = MAX(l->last_release, now);
    if (item->is_held)
        l->last_release = MAX(l->last_release, now + l->rule->hold);
    item->release = l->last_release;
    l->framed += len;
}

/* The length of what leaves as one, 0 if it is not all there. */
static size_t next_len(const struct lane *l)
{
    const uint8_t *at = l->buffer + l->framed;
    size_t len = l->end - l->framed, whole;

    if (l->framing == FRAMING_RAW)
        return len;
    if (l->framing == FRAMING_LINE) {
        const uint8_t *end = memchr(at, ';', len);

        return end ? (size_t)(end - at) + 1 : 0;
    }
    whole = len < PROTO_HEADER_LEN ? SIZE_MAX : PROTO_HEADER_LEN + load_u32(at + LENGTH_AT);
    return whole <= len ? whole : 0;
}

static void frame(struct lane *l, nsec_t stamp, nsec_t now)
{
    struct proto_reply reply;
    size_t len;

    if (l->framing == FRAMING_START && l->framed < l->end)
        l->framing = l->buffer[l->framed] == 't' ? FRAMING_LINE : FRAMING_RAW;

    while (l->framed < l->end && (len = next_len(l)) > 0) {
        uint8_t *at = l->buffer + l->framed;
        bool is_message = l->framing == FRAMING_RAW ||
                          (l->framing == FRAMING_FRAMES &&
                           (at[0] == PROTO_REQUEST || at[0] == PROTO_REPLY));
        uint64_t seq = l->n_messages + 1;
        nsec_t came = stamp;

        if (l->framing == FRAMING_FRAMES && is_message)
            seq = load_u64(at + PROTO_HEADER_LEN);
        if (l->framing == FRAMING_FRAMES && at[0] == PROTO_REPLY) {
            proto_reply_decode(at, &reply);
            came = reply.arrival_real + reply.residence;
            if (proxy.skew != 0)
                rewrite(l, at);
        }
        put_item(l, len, is_message, seq, came, now);
        if (l->framing == FRAMING_LINE)
            l->framing = FRAMING_FRAMES;
    }
}

/* ---- Sockets ---- */

static void watch(struct lane *l, uint32_t events)
{
    struct epoll_event event = {.events = events, .data = {.ptr = l}};

    if (events == l->events)
        return;
    if (epoll_ctl(proxy.epoll_fd, EPOLL_CTL_MOD, l->from, &event) < 0)
        die("epoll_ctl");
    l->events = events;
}

/* Reads while there is room; sends, when the other lane could not. */
static void arm(struct lane *l)
{
    bool has_room = BUFFER_SIZE - (l->end - l->begin) >= READ_SIZE &&
                    l->tail - l->head < ITEMS_MAX / 2;
    uint32_t events = l->events & EPOLLOUT;

    if (!l->is_ended && has_room)
        events |= EPOLLIN;
    watch(l, events);
}

static void pair_free(struct pair *p)
{
    for (struct pair **at = &pairs; *at; at = &(*at)->next)
        if (*at == p) {
            *at = p->next;
            break;
        }
    for (int i = 0; i < 2; i++) {
        fd_closep(&p->lanes[i].from);
        free(p->lanes[i].buffer);
        free(p->lanes[i].items);
    }
    free(p);
}

/* Sends what is due; false when the connection is gone. */
static bool lane_send(struct lane *l, nsec_t now)
{
    int to = l->other->from;

    watch(l->other, l->other->events & ~(uint32_t)EPOLLOUT);
    while (l->head != l->tail && l->items[l->head % ITEMS_MAX].release <= now) {
        size_t first = l->head, whole = 0, len = 0;
        nsec_t left;
        ssize_t n;

        while (l->head != l->tail && l->items[l->head % ITEMS_MAX].release <= now)
            len += l->items[l->head++ % ITEMS_MAX].len;
        left = clock_real(&clock_system);
        n = stream_socket_ops.send(&to, l->buffer + l->begin, len);
        if (n < 0 && n != -EAGAIN)
            return false;
        n = MAX(n, 0);
        l->begin += (size_t)n;

        for (l->head = first; whole < (size_t)n; l->head++) {
            struct item *item = &l->items[l->head % ITEMS_MAX];

            if (whole + item->len > (size_t)n) {
                item->len -= (size_t)n - whole;
                break;
            }
            whole += item->len;
            if (item->is_held)
                (void)printf("%s seq=%llu came=%llu left=%llu\n", l->name,
                             (unsigned long long)item->seq, (unsigned long long)item->came,
                             (unsigned long long)left);
        }
        if ((size_t)n < len) {
            watch(l->other, l->other->events | EPOLLOUT);
            break;
        }
    }
    if (l->is_ended && l->head == l->tail && !l->is_told) {
        l->is_told = true;
        (void)shutdown(to, SHUT_WR);    /* it may be gone already */
    }
    arm(l);
    return !(l->is_told && l->other->is_told);
}

static bool lane_receive(struct lane *l)
{
    struct stream_rx info;
    nsec_t now, came;
    ssize_t n;

    if (BUFFER_SIZE - l->end < READ_SIZE) {
        memmove(l->buffer, l->buffer + l->begin, l->end - l->begin);
        l->framed -= l->begin;
        l->end -= l->begin;
        l->begin = 0;
    }
    n = stream_socket_ops.recv(&l->from, l->buffer + l->end, READ_SIZE, &info);
    now = clock_now(&clock_system);
    if (n == -EAGAIN)
        return true;
    if (n < 0)
        return false;
    if (n == 0) {
        l->is_ended = true;
        l->framing = FRAMING_RAW;       /* what is half a message goes as it is */
        n = 0;
    }
    came = n > 0 && info.stamp_real > 0 ? info.stamp_real : clock_real(&clock_system);
    l->end += (size_t)n;
    frame(l, came, now);
    return lane_send(l, now);
}

static void set_up_socket(int fd)
{
    int on = 1, stamps = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;

    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof(stamps)) < 0)
        die("setsockopt");
}

static void accept_one(void)
{
    int client = accept4(proxy.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), server;
    struct pair *p;

    if (client < 0)
        return;
    server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    p = calloc(1, sizeof(*p));
    if (server < 0 || !p)
        die("a connection");
    set_up_socket(client);
    set_up_socket(server);
    if (connect(server, (struct sockaddr *)&proxy.server, sizeof(proxy.server)) < 0 &&
        errno != EINPROGRESS)
        die("connect");

    for (int i = 0; i < 2; i++) {
        struct lane *l = &p->lanes[i];
        struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = l}};

        *l = (struct lane){
            .pair = p,
            .rule = &proxy.rules[i],
            .name = i == 0 ? "out" : "back",
            .from = i == 0 ? client : server,
            .other = &p->lanes[1 - i],
            .events = event.events,
            .buffer = malloc(BUFFER_SIZE),
            .items = malloc(ITEMS_MAX * sizeof(struct item)),
        };
        if (!l->buffer || !l->items)
            die("a connection");
        if (epoll_ctl(proxy.epoll_fd, EPOLL_CTL_ADD, l->from, &event) < 0)
            die("epoll_ctl");
    }
    p->next = pairs;
    pairs = p;
}

/* ---- The program ---- */

static nsec_t next_release(void)
{
    nsec_t next = NSEC_NEVER;

    for (const struct pair *p = pairs; p; p = p->next)
        for (int i = 0; i < 2; i++) {
            const struct lane *l = &p->lanes[i];

            if (l->head != l->tail && !(l->other->events & EPOLLOUT))
                next = MIN(next, l->items[l->head % ITEMS_MAX].release);
        }
    return next;
}

static void send_due(nsec_t now)
{
    struct pair *next;

    for (struct pair *p = pairs; p; p = next) {
        next = p->next;
        if (!lane_send(&p->lanes[0], now) || !lane_send(&p->lanes[1], now))
            pair_free(p);
    }
}

static void run(void)
{
    for (;;) {
        nsec_t now = clock_now(&clock_system), due = next_release();
        struct timespec left = nsec_to_timespec(due > now ? due - now : 0);
        struct epoll_event event;
        int n;

        /* One event at a time: it may end the connection that the next one is about. */
        n = epoll_pwait2(proxy.epoll_fd, &event, 1, due == NSEC_NEVER ? NULL : &left, NULL);
        if (n < 0 && errno != EINTR)
            die("epoll_pwait2");
        if (n > 0 && !event.data.ptr) {
            accept_one();
        } else if (n > 0) {
            struct lane *l = event.data.ptr;
            bool lives = true;

            if (event.events & EPOLLOUT)
                lives = lane_send(l->other, clock_now(&clock_system));
            if (lives && event.events & ~(uint32_t)EPOLLOUT)
                lives = lane_receive(l);
            if (!lives)
                pair_free(l->pair);
        }
        send_due(clock_now(&clock_system));
    }
}

static void start_listening(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = NULL}};
    socklen_t len = sizeof(a);

    proxy.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    proxy.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (proxy.listener < 0 || bind(proxy.listener, (struct sockaddr *)&a, len) < 0 ||
        listen(proxy.listener, 128) < 0 ||
        getsockname(proxy.listener, (struct sockaddr *)&a, &len) < 0)
        die("listen");
    if (epoll_ctl(proxy.epoll_fd, EPOLL_CTL_ADD, proxy.listener, &event) < 0)
        die("epoll_ctl");
    (void)printf("listening on 127.0.0.1:%d\n", ntohs(a.sin_port));
}

static bool parse_rule(char *text, struct rule *ret)
{
    char *colon = strchr(text, ':');

    if (!colon)
        return false;
    *colon = '\0';
    return parse_u64(text, 1, UINT32_MAX, &ret->every) == 0 &&
           parse_duration(colon + 1, &ret->hold) == 0;
}

int main(int argc, char **argv)
{
    double ppm = 0;
    uint16_t port = 0;
    bool is_good = true;
    int c;

    while ((c = getopt(argc, argv, "o:b:s:")) != -1) {
        if (c == 'o' || c == 'b')
            is_good &= parse_rule(optarg, &proxy.rules[c == 'b']);
        else if (c == 's')
            is_good &= parse_double(optarg, -1e6, 1e6, &ppm) == 0;
        else
            is_good = false;
    }
    if (!is_good || optind != argc - 1 || parse_port(argv[optind], 1, &port) < 0) {
        (void)fputs("usage: delay_proxy [-o EVERY:DURATION] [-b EVERY:DURATION] [-s PPM] PORT\n",
                    stderr);
        return 2;
    }

    proxy.skew = ppm * 1e-6;
    proxy.server = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    /* Timers to the point, not 50 us later. */
    if (prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL) < 0)
        die("prctl");
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    start_listening();
    run();
}
