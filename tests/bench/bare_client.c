/* SPDX-License-Identifier: MIT */
/*
 * Bare client: the least that loads a server and times it.
 *
 *   bare_client MODE -p PORT [-c CONNECTIONS] [-q DEPTH] [-r RATE] [-d SECONDS] [-w SECONDS]
 *               [-b USEC] [-N MESSAGES] [-n]
 *
 *   ping         one connection, send and receive in turn; -b polls so long before it sleeps
 *   closed       -c connections with -q requests in flight each: the next one when a reply is in
 *   open         -r requests a second on a schedule, whatever the replies do, over -c connections,
 *                timed from when they were due; -b: never sleeps
 *   connect      connects, sends one request, reads the reply and closes, -c at a time; timed from
 *                before the connect to the reply
 *   idle         -c connections that had one exchange each; says "ready", and holds them until its
 *                standard input ends
 *
 *   -d, -w       how long to measure (1), and to warm up before that (0.1) [s]
 *   -N           ends after so many messages, if that is earlier
 *   -n           speaks the native protocol
 *
 * Prints one line of key=value: done messages, their rate [1/s], CPU per message, percentiles [ns].
 * Any wrong byte and any connection that ends early end it with an error, and so does a run that
 * takes too long.
 */
#include "tests/bench/bare.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/hist.h"
#include "common/proto.h"
#include "common/proto_lines.h"

#define DEPTH_MAX 4096
#define UNANSWERED_MAX 4096     /* of one connection in an open loop: a power of two */
#define SPARE_TIME 30           /* beyond what was asked for, until it gives up [s] */

/* A TIME_WAIT keeps an address and port of ours for a minute: another address every so often. */
#define CONNECTS_PER_ADDRESS 4096

struct connection {
    int fd;
    uint32_t index;
    uint64_t n_sent;
    uint64_t n_received;
    uint64_t *due;              /* of those in flight, by number modulo n_due [ns] */
    uint32_t n_held;
    char held[REPLY_LEN - 1];   /* the start of a reply that has not ended */
};

static struct {
    uint16_t port;
    uint32_t n_connections, depth;
    double rate, duration, warm_up;
    uint64_t busy_poll, n_messages;
    bool native;
} options = {.n_connections = 1, .depth = 1, .duration = 1, .warm_up = 0.1};

static uint64_t measure_from, end_at;
static uint64_t n_done;         /* since measure_from */
static uint64_t n_received;
static struct hist *hist;
static struct connection *connections;
static uint64_t n_due = 1;      /* a power of two */
static uint32_t n_opened;
static size_t reply_len = REPLY_LEN;
static char rx[RX_SIZE];
static char tx[DEPTH_MAX * REQUEST_LEN];

/* One buffer, cut alike, serves both protocols. */
_Static_assert(PROTO_REQUEST_LEN == REQUEST_LEN && PROTO_REPLY_LEN <= REPLY_LEN, "lengths");

/* ---- messages ---- */

/* Tells the messages of a run apart: connection and number, where a UUID has its last 12 digits. */
static uint64_t tag_of(const struct connection *c, uint64_t number)
{
    return (uint64_t)c->index << 32 | (uint32_t)number;
}

static void format_uuid(char *p, uint64_t tag)
{
    static const char digits[] = "0123456789abcdef";

    memcpy(p, "6b7a43d1-54f8-4c09-9e21-", 24);
    for (int i = REQUEST_LEN - 1; i >= 24; i--, tag >>= 4)
        p[i] = digits[tag & 15];
}

static void make_request(char *p, uint64_t tag)
{
    if (options.native) {
        struct proto_request request = {.seq = tag};

        memcpy(request.uuid, &tag, sizeof(tag));
        proto_request_encode((uint8_t *)p, &request);
    } else {
        format_uuid(p, tag);
    }
}

static bool is_reply(const char *p, uint64_t tag)
{
    char uuid[REQUEST_LEN];

    if (options.native) {
        struct proto_reply reply;

        proto_reply_decode((const uint8_t *)p, &reply);
        return (uint8_t)p[0] == PROTO_REPLY && reply.seq == tag &&
               memcmp(reply.uuid, &tag, sizeof(tag)) == 0;
    }
    format_uuid(uuid, tag);
    return memcmp(p, "UUID: ", UUID_AT) == 0 &&
           memcmp(p + UUID_AT, uuid, REQUEST_LEN) == 0 &&
           memcmp(p + INFIX_AT, INFIX, sizeof(INFIX) - 1) == 0 && p[DELTA_AT + 1] == '.' &&
           memcmp(p + SUFFIX_AT, SUFFIX, sizeof(SUFFIX) - 1) == 0;
}

static void send_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN)
            die("send");
        bytes += MAX(n, 0);
        len -= (size_t)MAX(n, 0);
    }
}

/* @n requests in one send; the first was due at @due and each next one @step later [ns]. */
static void send_requests(struct connection *c, uint32_t n, uint64_t due, uint64_t step)
{
    for (uint32_t i = 0; i < n; i++, c->n_sent++) {
        make_request(tx + (size_t)i * REQUEST_LEN, tag_of(c, c->n_sent));
        c->due[c->n_sent & (n_due - 1)] = due + i * step;
    }
    send_all(c->fd, tx, (size_t)n * REQUEST_LEN);
}

static void count_reply(uint64_t now, uint64_t due)
{
    n_received++;
    if (now < measure_from)
        return;
    n_done++;
    hist_record(hist, now - due);
}

/* One read. Return: how many replies it completed; 0 also if nothing was there. */
static uint32_t take_replies(struct connection *c, int flags)
{
    size_t len, at = 0;
    uint32_t n_taken = 0;
    uint64_t now;
    ssize_t n;

    memcpy(rx, c->held, c->n_held);
    n = recv(c->fd, rx + c->n_held, sizeof(rx) - c->n_held, flags);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        die("the server has closed");
    now = now_ns();

    len = c->n_held + (size_t)n;
    for (; len - at >= reply_len; at += reply_len, n_taken++, c->n_received++) {
        if (!is_reply(rx + at, tag_of(c, c->n_received))) {
            errno = EBADMSG;
            die("reply");
        }
        count_reply(now, c->due[c->n_received & (n_due - 1)]);
    }
    c->n_held = (uint32_t)(len - at);
    memcpy(c->held, rx + at, len - at);
    return n_taken;
}

/* ---- connections ---- */

static void say_hello(int fd)
{
    struct proto_welcome welcome = PROTO_WELCOME_INIT;
    struct proto_line line = {0};
    enum proto_fault fault;
    char hello[PROTO_HELLO_MAX];
    ssize_t r = PROTO_NEED_MORE;

    send_all(fd, hello, proto_hello_encode(hello, &PROTO_HELLO_OURS));
    while (r == PROTO_NEED_MORE) {
        ssize_t n = recv(fd, rx, sizeof(rx), 0);

        if (n <= 0)
            die("no welcome");
        r = proto_welcome_feed(&line, rx, (size_t)n, &welcome, &fault);
    }
    if (r < 0)
        die("welcome");
}

static void open_connection(struct connection *c)
{
    struct sockaddr_in to = loopback(options.port);
    uint32_t host = (n_opened++ / CONNECTS_PER_ADDRESS) & 0xffff;
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (host << 8))};

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket");
    set_on(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
    set_on(c->fd, IPPROTO_TCP, TCP_NODELAY);
    if (bind(c->fd, (struct sockaddr *)&from, sizeof(from)) < 0)
        die("bind");
    if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        die("connect");
    if (options.native)
        say_hello(c->fd);
}

static void watch(int epoll, struct connection *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
        die("epoll_ctl");
}

static void make_connections(uint64_t n_unanswered)
{
    while (n_due < n_unanswered)
        n_due *= 2;
    connections = calloc(options.n_connections, sizeof(*connections));
    if (!connections)
        die("calloc");
    for (uint32_t i = 0; i < options.n_connections; i++) {
        connections[i].index = i;
        connections[i].due = calloc(n_due, sizeof(uint64_t));
        if (!connections[i].due)
            die("calloc");
    }
}

static void open_all(int epoll)
{
    for (uint32_t i = 0; i < options.n_connections; i++) {
        open_connection(&connections[i]);
        watch(epoll, &connections[i]);
    }
}

/* ---- modes ---- */

static void start_clock(void)
{
    measure_from = now_ns() + (uint64_t)(options.warm_up * 1e9);
    end_at = measure_from + (uint64_t)(options.duration * 1e9);
}

static bool is_over(void)
{
    if (options.n_messages > 0 && n_received >= options.n_messages) {
        end_at = now_ns();
        return true;
    }
    return now_ns() >= end_at;
}

static int wait_for(int epoll, struct epoll_event *batch)
{
    int n = epoll_wait(epoll, batch, BATCH, 1000);

    if (n < 0 && errno != EINTR)
        die("epoll_wait");
    return n;
}

static void ping(void)
{
    struct connection *c;

    make_connections(1);
    c = &connections[0];
    open_connection(c);
    start_clock();
    while (!is_over()) {
        uint64_t begin = now_ns();

        send_requests(c, 1, begin, 0);
        while (take_replies(c, options.busy_poll > 0 ? MSG_DONTWAIT : 0) == 0)
            if (options.busy_poll > 0 && now_ns() - begin > options.busy_poll) {
                if (take_replies(c, 0) > 0)
                    break;
            }
    }
}

static void closed_loop(void)
{
    struct epoll_event batch[BATCH];
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    make_connections(options.depth);
    open_all(epoll);
    start_clock();
    for (uint32_t i = 0; i < options.n_connections; i++)
        send_requests(&connections[i], options.depth, now_ns(), 0);
    while (!is_over()) {
        int n = wait_for(epoll, batch);

        for (int i = 0; i < n; i++) {
            struct connection *c = batch[i].data.ptr;
            uint32_t n_taken = take_replies(c, MSG_DONTWAIT);

            if (n_taken > 0)
                send_requests(c, n_taken, now_ns(), 0);
        }
    }
}

/* Sends what is due by @now, as far as the connections' rings hold it. Return: what is due next. */
static uint64_t send_due(uint64_t due, uint64_t step, uint64_t now)
{
    static uint32_t next;

    for (; due <= now && due < end_at; due += step) {
        struct connection *c = &connections[next];

        if (c->n_sent - c->n_received >= n_due)
            break;
        send_requests(c, 1, due, 0);
        next = next + 1 == options.n_connections ? 0 : next + 1;
    }
    return due;
}

static void open_loop(void)
{
    struct epoll_event batch[BATCH];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    uint64_t step = (uint64_t)(1e9 / options.rate);
    uint64_t due, n_sent = 0, deadline;

    (void)prctl(PR_SET_TIMERSLACK, 1UL);    /* or 50 us are added to each sleep */
    make_connections(UNANSWERED_MAX);
    open_all(epoll);
    start_clock();
    deadline = end_at + 1000000000;         /* for what is unanswered at the end */
    due = measure_from - (uint64_t)(options.warm_up * 1e9);
    do {
        uint64_t now = now_ns();
        struct timespec wait = {0};
        int n;

        due = send_due(due, step, now);
        now = now_ns();
        if (options.busy_poll == 0 && due > now)
            wait = (struct timespec){.tv_sec = (time_t)((due - now) / 1000000000),
                                     .tv_nsec = (long)((due - now) % 1000000000)};
        n = epoll_pwait2(epoll, batch, BATCH, &wait, NULL);
        for (int i = 0; i < n; i++)
            (void)take_replies(batch[i].data.ptr, MSG_DONTWAIT);

        n_sent = 0;
        for (uint32_t i = 0; due >= end_at && i < options.n_connections; i++)
            n_sent += connections[i].n_sent;
    } while (now_ns() < deadline && (due < end_at || n_received < n_sent));
}

static void begin_exchange(int epoll, struct connection *c)
{
    uint64_t begin = now_ns();

    open_connection(c);
    if (epoll >= 0)
        watch(epoll, c);
    send_requests(c, 1, begin, 0);
}

static void end_exchange(struct connection *c)
{
    (void)close(c->fd);
}

static void connect_loop(void)
{
    struct epoll_event batch[BATCH];
    int epoll = options.n_connections > 1 ? epoll_create1(EPOLL_CLOEXEC) : -1;

    make_connections(1);
    start_clock();
    for (uint32_t i = 0; i < options.n_connections; i++)
        begin_exchange(epoll, &connections[i]);
    while (!is_over()) {
        int n = 1;

        batch[0].data.ptr = &connections[0];
        if (epoll >= 0)
            n = wait_for(epoll, batch);
        for (int i = 0; i < n; i++) {
            struct connection *c = batch[i].data.ptr;

            if (take_replies(c, 0) == 0)
                continue;
            end_exchange(c);
            begin_exchange(epoll, c);
        }
    }
}

static void idle(void)
{
    char byte;

    make_connections(1);
    start_clock();
    for (uint32_t i = 0; i < options.n_connections; i++) {
        open_connection(&connections[i]);
        send_requests(&connections[i], 1, now_ns(), 0);
        while (take_replies(&connections[i], 0) == 0)
            ;
    }
    (void)printf("ready\n");
    (void)fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
}

/* ---- main ---- */

static const struct {
    const char *name;
    void (*run)(void);
} modes[] = {
    {"ping", ping}, {"closed", closed_loop}, {"open", open_loop}, {"connect", connect_loop},
    {"idle", idle},
};

static void print_figures(void)
{
    static const double percentiles[] = {50, 99, 99.9};
    uint64_t now = now_ns();
    double seconds = (double)((now < end_at ? now : end_at) - measure_from) / 1e9;
    struct timespec cpu;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    (void)printf("done=%llu rate=%.1f client_cpu_ns=%llu", (unsigned long long)n_done,
                 (double)n_done / seconds,
                 (unsigned long long)(cpu.tv_sec * 1000000000 + cpu.tv_nsec));
    for (size_t i = 0; i < ARRAY_SIZE(percentiles); i++)
        (void)printf(" p%g_ns=%llu", percentiles[i],
                     (unsigned long long)hist_value_at_percentile(hist, percentiles[i]));
    (void)printf(" max_ns=%llu all=%llu\n", (unsigned long long)hist_max(hist),
                 (unsigned long long)n_received);
}

static int parse(int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "p:c:q:r:d:w:b:N:n")) >= 0) {
        switch (option) {
        case 'p':
            options.port = (uint16_t)atoi(optarg);
            break;
        case 'c':
            options.n_connections = (uint32_t)atoi(optarg);
            break;
        case 'q':
            options.depth = (uint32_t)atoi(optarg);
            break;
        case 'r':
            options.rate = atof(optarg);
            break;
        case 'd':
            options.duration = atof(optarg);
            break;
        case 'w':
            options.warm_up = atof(optarg);
            break;
        case 'b':
            options.busy_poll = strtoull(optarg, NULL, 10) * 1000;
            break;
        case 'N':
            options.n_messages = strtoull(optarg, NULL, 10);
            break;
        case 'n':
            options.native = true;
            reply_len = PROTO_REPLY_LEN;
            break;
        default:
            return -1;
        }
    }
    return options.n_connections > 0 && options.depth > 0 && options.depth <= DEPTH_MAX ? 0 : -1;
}

int main(int argc, char **argv)
{
    if (argc < 2 || parse(argc - 1, argv + 1) < 0)
        return 2;
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        if (strcmp(argv[1], modes[i].name) != 0)
            continue;
        (void)alarm((unsigned)(options.duration + options.warm_up) + SPARE_TIME);
        raise_nofile();
        if (hist_new(&hist) < 0)
            die("memory");
        modes[i].run();
        print_figures();
        return 0;
    }
    return 2;
}
