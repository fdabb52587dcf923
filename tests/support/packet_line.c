/* SPDX-License-Identifier: MIT */
/*
 * Packet line: a wire between two network namespaces that loses or holds every n-th message, in one
 * direction only, and tells which ones, so that a test knows the truth.
 *
 *   packet_line [-l DURATION] [-o EVERY:FATE] [-b EVERY:FATE] NETNS NETNS
 *
 *   -l           what each packet takes, either way
 *   -o           what happens to every EVERY-th message from the first to the second namespace
 *   -b           ... and the other way
 *   FATE         "drop", or a duration to hold it
 *   NETNS        a namespace's file, as /proc/PID/ns/net
 *
 * Makes a TUN device "line" in each, which is gone with this program, and prints "ready"; addresses
 * and routes are the caller's. Then it prints a line for each message that it lost or held: "out
 * seq=7 drop", or "out seq=7 ns=10012345".
 *
 * A message is a segment that begins with a frame of the native protocol, or with a text message,
 * and comes for the first time: what TCP sends again passes. What comes behind a held packet waits
 * with it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#include "common/base.h"
#include "common/clock.h"
#include "common/parse.h"
#include "common/proto.h"
#include "common/wire.h"

#define PACKET_SIZE 2048            /* above the device's MTU of 1500 */
#define PACKETS_MAX 1024            /* that wait in a direction; a power of two */
#define FLOWS_MAX 64

struct fate {
    uint64_t every;                 /* 0 = none */
    bool is_lost;
    nsec_t hold;
};

struct packet {
    size_t len;
    nsec_t arrived, release;
    uint64_t seq;
    bool is_held;
    uint8_t bytes[PACKET_SIZE];
};

/* What was sent on a connection, told by its ports. */
struct flow {
    uint32_t ports;
    uint32_t next;                  /* TCP sequence number behind the last byte */
};

struct lane {
    struct fate fate;
    const char *name;
    int from, to;
    struct packet packets[PACKETS_MAX];
    size_t head, tail;
    nsec_t last_release;
    struct flow flows[FLOWS_MAX];
    size_t n_flows;
    uint64_t n_messages;
};

static nsec_t length;
static struct lane lanes[2] = {{.name = "out"}, {.name = "back"}};

static void die(const char *what)
{
    (void)fprintf(stderr, "packet_line: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- Segments ---- */

struct segment {
    uint32_t ports;
    uint32_t begin, end;            /* TCP sequence numbers of the payload */
    bool is_syn;
    const uint8_t *payload;
};

/* False if it is no whole TCP segment. */
static bool parse_segment(const uint8_t *bytes, size_t len, struct segment *ret)
{
    size_t at = 0, payload;
    struct tcphdr tcp;
    uint8_t protocol = 0;

    if (len >= sizeof(struct iphdr) && bytes[0] >> 4 == 4) {
        at = (size_t)(bytes[0] & 0x0f) * 4;
        protocol = bytes[offsetof(struct iphdr, protocol)];
    } else if (len >= sizeof(struct ip6_hdr) && bytes[0] >> 4 == 6) {
        at = sizeof(struct ip6_hdr);
        protocol = bytes[offsetof(struct ip6_hdr, ip6_nxt)];
    }
    if (protocol != IPPROTO_TCP || len < at + sizeof(tcp))
        return false;

    memcpy(&tcp, bytes + at, sizeof(tcp));
    payload = at + (size_t)tcp.doff * 4;
    if (payload > len)
        return false;
    *ret = (struct segment){
        .ports = (uint32_t)tcp.source << 16 | tcp.dest,
        .begin = ntohl(tcp.seq),
        .end = ntohl(tcp.seq) + (uint32_t)(len - payload),
        .is_syn = tcp.syn,
        .payload = bytes + payload,
    };
    return true;
}

/* Whether a segment has something that was not sent before. */
static bool is_new(struct lane *l, const struct segment *s)
{
    struct flow *f = l->flows, *end = l->flows + l->n_flows;

    while (f < end && f->ports != s->ports)
        f++;
    if (f == l->flows + FLOWS_MAX)
        return false;
    if (f == end || s->is_syn) {
        l->n_flows += f == end;
        *f = (struct flow){.ports = s->ports, .next = s->begin};
    }
    if ((int32_t)(s->end - f->next) <= 0)
        return false;
    f->next = s->end;
    return true;
}

/* The hello and the goodbye are none. */
static bool is_message(const struct segment *s)
{
    uint8_t first = s->begin == s->end ? 0 : s->payload[0];

    return first == PROTO_REQUEST || first == PROTO_REPLY || (first >= '0' && first <= 'f');
}

static uint64_t message_seq(const struct lane *l, const struct segment *s)
{
    struct wire_reader r = WIRE_READER(s->payload, s->end - s->begin);

    if (s->payload[0] > PROTO_REPLY)
        return l->n_messages;       /* text has none */
    (void)wire_get_u64(&r);         /* the header */
    return wire_get_u64(&r);
}

/* ---- Packets ---- */

static void pass(const struct lane *l, const struct packet *p)
{
    /* A device that is down loses what comes, as wires do. */
    (void)!write(l->to, p->bytes, p->len);
}

static void release(struct lane *l)
{
    while (l->head != l->tail) {
        struct packet *p = &l->packets[l->head % PACKETS_MAX];
        nsec_t now = clock_now(&clock_system);

        if (p->release > now)
            return;
        pass(l, p);
        l->head++;
        if (p->is_held)
            (void)printf("%s seq=%llu ns=%llu\n", l->name, (unsigned long long)p->seq,
                         (unsigned long long)(now - p->arrived));
    }
}

static void take(struct lane *l)
{
    struct packet *p = &l->packets[l->tail % PACKETS_MAX];
    struct segment s;
    ssize_t n;

    n = read(l->from, p->bytes, sizeof(p->bytes));
    if (n <= 0)
        return;
    p->len = (size_t)n;
    p->arrived = clock_now(&clock_system);
    p->is_held = false;
    if (parse_segment(p->bytes, p->len, &s) && is_new(l, &s) && is_message(&s)) {
        bool is_hit = ++l->n_messages % MAX(l->fate.every, (uint64_t)1) == 0 && l->fate.every > 0;

        p->seq = message_seq(l, &s);
        if (is_hit && l->fate.is_lost) {
            (void)printf("%s seq=%llu drop\n", l->name, (unsigned long long)p->seq);
            return;
        }
        p->is_held = is_hit;
    }
    l->last_release = MAX(l->last_release, p->arrived + length + (p->is_held ? l->fate.hold : 0));
    p->release = l->last_release;
    l->tail++;
    release(l);
}

static nsec_t next_release(const struct lane *l)
{
    return l->head == l->tail ? NSEC_NEVER : l->packets[l->head % PACKETS_MAX].release;
}

static void run(void)
{
    for (;;) {
        nsec_t due = MIN(next_release(&lanes[0]), next_release(&lanes[1]));
        nsec_t now = clock_now(&clock_system);
        struct timespec left = nsec_to_timespec(due > now ? due - now : 0);
        struct pollfd fds[2];

        for (int i = 0; i < 2; i++) {
            bool has_room = lanes[i].tail - lanes[i].head < PACKETS_MAX;

            fds[i] = (struct pollfd){.fd = lanes[i].from, .events = has_room ? POLLIN : 0};
        }
        if (ppoll(fds, 2, due == NSEC_NEVER ? NULL : &left, NULL) < 0 && errno != EINTR)
            die("poll");
        for (int i = 0; i < 2; i++) {
            if (fds[i].revents)
                take(&lanes[i]);
            release(&lanes[i]);
        }
    }
}

/* ---- The program ---- */

static int open_device(const char *netns)
{
    struct ifreq request = {.ifr_name = "line", .ifr_flags = IFF_TUN | IFF_NO_PI};
    _cleanup_(fd_closep) int ns = open(netns, O_RDONLY | O_CLOEXEC);
    int fd;

    if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
        die(netns);
    fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
        die("/dev/net/tun");
    return fd;
}

static bool parse_fate(char *text, struct fate *ret)
{
    char *colon = strchr(text, ':');

    if (!colon)
        return false;
    *colon = '\0';
    ret->is_lost = strcmp(colon + 1, "drop") == 0;
    return parse_u64(text, 1, UINT32_MAX, &ret->every) == 0 &&
           (ret->is_lost || parse_duration(colon + 1, &ret->hold) == 0);
}

int main(int argc, char **argv)
{
    bool is_good = true;
    int c;

    while ((c = getopt(argc, argv, "l:o:b:")) != -1) {
        if (c == 'l')
            is_good &= parse_duration(optarg, &length) == 0;
        else
            is_good &= c != '?' && parse_fate(optarg, &lanes[c == 'b'].fate);
    }
    if (!is_good || optind != argc - 2) {
        (void)fputs("usage: packet_line [-l DURATION] [-o EVERY:FATE] [-b EVERY:FATE] "
                    "NETNS NETNS\n", stderr);
        return 2;
    }

    /* Timers to the point, not 50 us later. */
    if (prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL) < 0)
        die("prctl");
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    lanes[0].from = lanes[1].to = open_device(argv[optind]);
    lanes[1].from = lanes[0].to = open_device(argv[optind + 1]);
    (void)puts("ready");
    run();
}
