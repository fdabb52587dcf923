/* SPDX-License-Identifier: MIT */
#include "client/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "common/base.h"
#include "common/stamp.h"

int dial_config_init(struct dial_config *c, const struct options *o, const char **ret_reason)
{
    *c = (struct dial_config){
        .source_port = o->source_port,
        .dscp = o->dscp,
        .nagle = o->nagle,
        /* Where there is one message at a time, nothing is left. */
        .queue = o->arrivals != ARRIVALS_CLOSED || o->in_flight > 1,
        .reset = o->connect,
        /* A thread whose only connection is in a closed loop has nothing else to wait for. */
        .reads_wait = o->arrivals == ARRIVALS_CLOSED && o->connections == o->threads && !o->connect,
    };
    if (options_endless(o))
        c->silence_ms = (int)MIN(o->timeout / NSEC_PER_MSEC + 1, (nsec_t)INT_MAX);
    (void)snprintf(c->leave, sizeof(c->leave), "leave from %s to",
                   o->source ? o->source : "the port asked for");
    if (!o->source)
        return 0;
    if (addr_from_numeric(o->source, 0, &c->source) == 0) {
        c->has_source = true;
        return 0;
    }
    if (strlen(o->source) >= sizeof(c->device) || if_nametoindex(o->source) == 0) {
        *ret_reason = "an address of this host or the name of a network device";
        return -EINVAL;
    }
    (void)snprintf(c->device, sizeof(c->device), "%s", o->source);
    return 0;
}

static int set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* The traffic class keeps its two low bits for ECN, which is the kernel's. */
static int set_dscp(int fd, int family, int dscp)
{
    if (family == AF_INET6)
        return set_option(fd, IPPROTO_IPV6, IPV6_TCLASS, dscp << 2);
    return set_option(fd, IPPROTO_IP, IP_TOS, dscp << 2);
}

static int bind_source(int fd, const struct dial_config *c, const struct addr *to, uint32_t index)
{
    struct addr from = {.len = to->len, .storage = {.ss_family = to->sa.sa_family}};
    in_port_t port = 0;

    if (!c->has_source && c->source_port == 0)
        return 0;
    if (c->has_source)
        from = c->source;
    if (from.sa.sa_family != to->sa.sa_family)
        return -EAFNOSUPPORT;
    if (c->source_port > 0)
        port = htons((uint16_t)(c->source_port + index));
    if (from.sa.sa_family == AF_INET)
        from.in.sin_port = port;
    else
        from.in6.sin6_port = port;

    /* Without a port of our own the kernel chooses at connect(), where it may use one that is taken
     * for another destination. */
    if (port == 0)
        (void)set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    else
        (void)set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    return bind(fd, &from.sa, from.len) < 0 ? -errno : 0;
}

static int prepare(int fd, const struct dial_config *c, const struct addr *to, uint32_t index,
                   const char **ret_what)
{
    int family = to->sa.sa_family;
    int r;

    if (c->reset) {
        struct linger linger = {.l_onoff = 1};

        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    }
    if (family == AF_UNIX)
        return 0;
    /* Before there is anything to be stamped; a kernel without them leaves us our own clock. */
    stamp_enable(fd);
    if (c->queue)
        (void)set_option(fd, IPPROTO_TCP, TCP_INQ, 1);

    *ret_what = "set the timeout for";
    r = c->silence_ms == 0 ? 0 : set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, c->silence_ms);
    if (r < 0)
        return r;
    *ret_what = "switch Nagle's algorithm off for";
    r = c->nagle ? 0 : set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (r < 0)
        return r;
    *ret_what = "set the DSCP for";
    r = c->dscp < 0 ? 0 : set_dscp(fd, family, c->dscp);
    if (r < 0)
        return r;
    *ret_what = c->leave;
    if (c->device[0] &&
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, c->device, (socklen_t)strlen(c->device)) < 0)
        return -errno;
    return bind_source(fd, c, to, index);
}

int dial_start(const struct dial_config *c, const struct addr *to, uint32_t index, int *ret_fd,
               const char **ret_what)
{
    _cleanup_(fd_closep) int fd = -1;
    int r;

    *ret_what = "make a socket for";
    fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    r = prepare(fd, c, to, index, ret_what);
    if (r < 0)
        return r;

    *ret_what = "connect to";
    if (connect(fd, &to->sa, to->len) < 0 && errno != EINPROGRESS)
        return -errno;
    *ret_fd = take_fd(&fd);
    return 0;
}

int dial_error(int fd)
{
    int error = 0;
    socklen_t len = sizeof(error);

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? -errno : -error;
}

int dial_finish(const struct dial_config *c, int fd)
{
    int flags;

    if (!c->reads_wait)
        return 0;
    flags = fcntl(fd, F_GETFL);     /* what is not to wait says so in each call */
    return flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0 ? -errno : 0;
}
