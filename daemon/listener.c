/* SPDX-License-Identifier: MIT */
#include "daemon/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "common/base.h"
#include "common/stamp.h"

/* As many as the kernel allows (net.core.somaxconn): a burst must not meet a full queue. */
#define BACKLOG 65535

/*
 * All of this is inherited by what is accepted, so that a client costs no call of its own. Stamping
 * in particular has to be on before a client's first bytes arrive.
 */
void listener_set_options(int fd)
{
    int on = 1;

    /* Each of them makes measuring better, and none is needed for it; not every family has all. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    stamp_enable(fd);
}

static void describe(struct listener *l)
{
    struct addr a = ADDR_INIT;

    if (getsockname(l->fd, &a.sa, &a.len) < 0)
        a = (struct addr){.sa.sa_family = AF_UNSPEC};
    addr_format(&a, l->address);
}

/* A socket file that nobody listens on any more is left over from a crash. Any other file refuses
 * connections too, and is none of ours. */
static void remove_stale(const struct addr *a)
{
    _cleanup_(fd_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct stat st;

    if (lstat(a->un.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return;
    if (fd >= 0 && connect(fd, &a->sa, a->len) < 0 && errno == ECONNREFUSED)
        (void)unlink(a->un.sun_path);
}

static int open_and_bind(const struct addr *a, int *ret_fd)
{
    _cleanup_(fd_closep) int fd =
        socket(a->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1, off = 0;

    if (fd < 0)
        return -errno;
    if (a->sa.sa_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    /* Else the port of a daemon that has just ended could not be bound for a minute. */
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, &a->sa, a->len) < 0 || listen(fd, BACKLOG) < 0)
        return -errno;

    *ret_fd = take_fd(&fd);
    return 0;
}

static bool is_any_ipv6(const struct addr *a)
{
    return a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr);
}

int listener_bind(struct listener *ret_listener, const char *text, const char **ret_reason)
{
    struct addr a;
    int fd, r;

    r = addr_parse_listen(text, &a, ret_reason);
    if (r < 0)
        return r;

    if (a.sa.sa_family == AF_UNIX && a.un.sun_path[0] != '\0')
        remove_stale(&a);
    r = open_and_bind(&a, &fd);
    if (r == -EAFNOSUPPORT && is_any_ipv6(&a)) {        /* a host without IPv6 */
        struct addr any = {.in = {.sin_family = AF_INET, .sin_port = a.in6.sin6_port},
                           .len = sizeof(struct sockaddr_in)};

        r = open_and_bind(&any, &fd);
    }
    if (r < 0) {
        *ret_reason = r == -EADDRINUSE      ? "a port or path that no other program listens on"
                      : r == -EADDRNOTAVAIL ? "an address of this host"
                      : r == -EACCES        ? "a port or path that this user may use"
                                            : "an address that can be bound";
        return r;
    }

    *ret_listener = (struct listener){.fd = fd};
    if (a.sa.sa_family == AF_UNIX && a.un.sun_path[0] != '\0')
        ret_listener->path = strdup(a.un.sun_path);     /* NULL: the file stays behind */
    listener_set_options(fd);
    describe(ret_listener);
    return 0;
}

int listener_adopt(struct listener *ret_listener, int fd, const char *name,
                   const char **ret_reason)
{
    int flags, r;

    r = sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1);
    if (r < 0) {
        *ret_reason = "an open descriptor";
        return r;
    }
    if (r == 0) {
        *ret_reason = sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 0) > 0
                          ? "a listening socket, not a connection: use Accept=no in the socket unit"
                          : "a listening stream socket: use ListenStream= in the socket unit";
        return -EINVAL;
    }

    /* They arrive blocking: of two workers that race for one client, one would hang in accept(). */
    flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        *ret_reason = "a socket that can be made non-blocking";
        return -errno;
    }

    *ret_listener = (struct listener){.fd = fd, .inherited = true, .name = strdup(name)};
    if (!ret_listener->name) {
        *ret_reason = "memory for its name";
        return -ENOMEM;
    }
    listener_set_options(fd);
    describe(ret_listener);
    return 0;
}

static void remove_file(struct listener *l)
{
    if (l->path)
        (void)unlink(l->path);      /* it may be gone already, and then so much the better */
    free(take_ptr(l->path));
}

void listener_shut(struct listener *l)
{
    /* tcp(7) has no call for this. The filter sees the TCP header: SYN without ACK is dropped, and
     * what ends a handshake that was begun gets through. */
    struct sock_filter drop_syn[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, offsetof(struct tcphdr, th_flags)),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, TH_SYN | TH_ACK),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TH_SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    struct sock_fprog filter = {.len = ARRAY_SIZE(drop_syn), .filter = drop_syn};

    remove_file(l);                 /* before a next daemon takes it for stale, and makes its own */
    if (sd_is_socket(l->fd, AF_UNIX, 0, -1) > 0)
        (void)shutdown(l->fd, SHUT_RD);         /* who waits can still be accepted */
    else                            /* a kernel without it resets who comes at the wrong moment */
        (void)setsockopt(l->fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter));
}

void listener_deinit(struct listener *l)
{
    remove_file(l);
    fd_closep(&l->fd);
    free(take_ptr(l->name));
}
