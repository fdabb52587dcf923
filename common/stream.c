/* SPDX-License-Identifier: MIT */
#include "common/stream.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "common/raw_call.h"

static ssize_t socket_send(void *ctx, const void *buf, size_t len)
{
    const int *fd = ctx;
    ssize_t n;

    do
        n = raw_send(*fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);

    return n < 0 ? -errno : n;
}

static void take_stamp(const struct cmsghdr *c, struct stream_rx *rx)
{
    struct timespec ts;     /* copied: CMSG_DATA need not be aligned; the software's comes first */

    memcpy(&ts, CMSG_DATA(c), sizeof(ts));
    if (ts.tv_sec > 0)
        rx->stamp_real = nsec_from_timespec(&ts);
    if (c->cmsg_type != SCM_TIMESTAMPING)
        return;
    /* The card's raw stamp is the third: timestamping.rst, 2.1 "SCM_TIMESTAMPING records". */
    memcpy(&ts, CMSG_DATA(c) + 2 * sizeof(ts), sizeof(ts));
    if (ts.tv_sec > 0 || ts.tv_nsec > 0)
        rx->stamp_nic = nsec_from_timespec(&ts);
}

static ssize_t receive(int fd, void *buf, size_t len, int flags, struct stream_rx *ret_rx)
{
    /* Room for both stamp formats, which come together where a listener was made with one of them
     * and this process asked for the other, and for the queue length. */
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(struct scm_timestamping)) +
                   CMSG_SPACE(sizeof(struct timespec)) + CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = buf, .iov_len = len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1,
                         .msg_control = &control, .msg_controllen = sizeof(control)};
    ssize_t n = raw_recvmsg(fd, &msg, flags);

    if (n < 0)
        return -errno;

    *ret_rx = (struct stream_rx){0};
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        if (c->cmsg_level == SOL_SOCKET &&
            (c->cmsg_type == SCM_TIMESTAMPING || c->cmsg_type == SCM_TIMESTAMPNS)) {
            take_stamp(c, ret_rx);
        } else if (c->cmsg_level == SOL_TCP && c->cmsg_type == TCP_CM_INQ) {
            int queued;

            memcpy(&queued, CMSG_DATA(c), sizeof(queued));
            ret_rx->n_queued = queued > 0 ? (uint32_t)queued : 0;
            ret_rx->has_queued = true;
        }
    }

    return n;
}

static ssize_t socket_recv(void *ctx, void *buf, size_t len, struct stream_rx *ret_rx)
{
    const int *fd = ctx;
    ssize_t n;

    do
        n = receive(*fd, buf, len, MSG_DONTWAIT, ret_rx);
    while (n == -EINTR);
    return n;
}

static ssize_t socket_wait(void *ctx, void *buf, size_t len, struct stream_rx *ret_rx)
{
    const int *fd = ctx;

    return receive(*fd, buf, len, 0, ret_rx);
}

const struct stream_ops stream_socket_ops = {
    .send = socket_send, .recv = socket_recv, .wait = socket_wait};
