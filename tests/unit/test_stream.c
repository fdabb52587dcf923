/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include <linux/errqueue.h>           /* behind <time.h>, which it needs */

#include "tests/support/test.h"

#include "common/base.h"
#include "common/stream.h"

/* The next so many calls to the kernel are interrupted by a signal. */
static int n_interrupts;

/* What a card with a clock of its own would make the kernel tell, instead of what it tells. */
static const struct scm_timestamping *made_up_stamps;

/* Through syscall(2), or under a sanitizer through libc: see common/raw_call.h. */
ssize_t __real_send(int fd, const void *buf, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *buf, size_t len, int flags);
ssize_t __real_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags);
long __wrap_syscall(long number, long fd, void *what, long a, long b, long c, long d);

static bool interrupted(void)
{
    if (n_interrupts == 0)
        return false;
    n_interrupts--;
    errno = EINTR;
    return true;
}

ssize_t __wrap_send(int fd, const void *buf, size_t len, int flags)
{
    return interrupted() ? -1 : __real_send(fd, buf, len, flags);
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags)
{
    ssize_t n = interrupted() ? -1 : __real_recvmsg(fd, msg, flags);

    if (n > 0 && made_up_stamps) {
        struct cmsghdr *c = msg->msg_control;

        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_TIMESTAMPING;
        c->cmsg_len = CMSG_LEN(sizeof(*made_up_stamps));
        memcpy(CMSG_DATA(c), made_up_stamps, sizeof(*made_up_stamps));
        msg->msg_controllen = CMSG_SPACE(sizeof(*made_up_stamps));
    }
    return n;
}

/* Called as the variadic syscall(2) is. */
long __wrap_syscall(long number, long fd, void *what, long a, long b, long c, long d)
{
    (void)c;
    (void)d;
    if (number == SYS_recvmsg)
        return __wrap_recvmsg((int)fd, what, (int)a);
    assert_int_equal(number, SYS_sendto);
    return __wrap_send((int)fd, what, (size_t)a, (int)b);
}

/* Two ends of a connection; `near` is read and written through the stream. */
struct pair {
    int near, far;
    struct stream stream;
};

static struct pair pair;

static void pair_init(int near, int far)
{
    pair = (struct pair){.near = near, .far = far,
                         .stream = {.ops = &stream_socket_ops, .ctx = &pair.near}};
}

/* Blocking sockets, as those that a service manager hands over. */
static int setup_unix(void **state)
{
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    pair_init(fds[0], fds[1]);
    return 0;
}

static int setup_tcp(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    assert_true(listener >= 0 && far >= 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(connect(far, (struct sockaddr *)&address, len), 0);
    pair_init(accept4(listener, NULL, NULL, SOCK_CLOEXEC), far);
    assert_true(pair.near >= 0);
    (void)close(listener);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    n_interrupts = 0;
    made_up_stamps = NULL;
    fd_closep(&pair.near);
    fd_closep(&pair.far);
    return 0;
}

static void set_option(int level, int option, int value)
{
    assert_int_equal(setsockopt(pair.near, level, option, &value, sizeof(value)), 0);
}

static void far_send(const char *text)
{
    assert_int_equal(__real_send(pair.far, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void await_input(void)
{
    struct pollfd p = {.fd = pair.near, .events = POLLIN};

    assert_int_equal(poll(&p, 1, -1), 1);
}

static void assert_received(const char *expected)
{
    struct stream_rx rx;
    char buf[64];

    assert_int_equal(stream_recv(&pair.stream, buf, sizeof(buf), &rx), strlen(expected));
    assert_memory_equal(buf, expected, strlen(expected));
}

static void test_recv_gives_what_is_there(void **state)
{
    (void)state;
    far_send("ab");
    far_send("cd");
    assert_received("abcd");
}

static void test_recv_does_not_wait_on_a_blocking_socket(void **state)
{
    struct stream_rx rx;
    char buf[8];

    (void)state;
    assert_int_equal(stream_recv(&pair.stream, buf, sizeof(buf), &rx), -EAGAIN);
}

static void test_recv_reports_the_end_after_the_last_byte(void **state)
{
    struct stream_rx rx;
    char buf[8];

    (void)state;
    far_send("ab");
    assert_int_equal(shutdown(pair.far, SHUT_WR), 0);
    assert_received("ab");
    assert_int_equal(stream_recv(&pair.stream, buf, sizeof(buf), &rx), 0);
    assert_int_equal(stream_recv(&pair.stream, buf, sizeof(buf), &rx), 0);
}

static void test_recv_goes_on_after_a_signal(void **state)
{
    (void)state;
    far_send("ab");
    n_interrupts = 2;
    assert_received("ab");
    assert_int_equal(n_interrupts, 0);
}

static void test_recv_reports_a_reset(void **state)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};  /* closing sends an RST, socket(7) */
    struct stream_rx rx;
    char buf[8];

    (void)state;
    assert_int_equal(setsockopt(pair.far, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    fd_closep(&pair.far);
    await_input();
    assert_int_equal(stream_recv(&pair.stream, buf, sizeof(buf), &rx), -ECONNRESET);
}

static void test_recv_reports_a_bad_descriptor(void **state)
{
    struct stream_rx rx;
    int fd = -1;
    struct stream s = {.ops = &stream_socket_ops, .ctx = &fd};
    char buf[8];

    (void)state;
    assert_int_equal(stream_recv(&s, buf, sizeof(buf), &rx), -EBADF);
    assert_int_equal(stream_send(&s, buf, sizeof(buf)), -EBADF);
}

static void test_recv_tells_nothing_that_was_not_asked_for(void **state)
{
    struct stream_rx rx = {.stamp_real = 7, .n_queued = 7};
    char buf[2];

    (void)state;
    far_send("abcd");
    await_input();
    assert_int_equal(stream_recv(&pair.stream, buf, sizeof(buf), &rx), 2);
    assert_int_equal(rx.stamp_real, 0);
    assert_int_equal(rx.n_queued, 0);
}

static void test_recv_tells_how_much_is_left(void **state)
{
    struct stream_rx rx;
    char buf[4];

    (void)state;
    set_option(SOL_TCP, TCP_INQ, 1);
    set_option(SOL_SOCKET, SO_RCVLOWAT, 10);    /* so that poll() waits for all of them */
    far_send("0123456789");
    await_input();
    assert_int_equal(stream_recv(&pair.stream, buf, 4, &rx), 4);
    assert_int_equal(rx.n_queued, 6);
    assert_int_equal(stream_recv(&pair.stream, buf, 4, &rx), 4);
    assert_int_equal(rx.n_queued, 2);
    assert_int_equal(stream_recv(&pair.stream, buf, 4, &rx), 2);
    assert_int_equal(rx.n_queued, 0);
}

/* The kernel turns stamping on in the background: the first segments may come without. */
static void assert_stamped_in_the_end(void)
{
    struct stream_rx rx = {0};
    char buf[8];

    for (int i = 0; i < 100000 && rx.stamp_real == 0; i++) {
        far_send("x");
        await_input();
        assert_int_equal(stream_recv(&pair.stream, buf, sizeof(buf), &rx), 1);
    }
    assert_true(rx.stamp_real > 0);
}

static void test_recv_takes_the_stamp_of_timestamping(void **state)
{
    (void)state;
    set_option(SOL_SOCKET, SO_TIMESTAMPING,
               SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE);
    assert_stamped_in_the_end();
}

/* The option that `Timestamping=ns` of a socket unit sets. */
static void test_recv_takes_the_stamp_of_timestampns(void **state)
{
    (void)state;
    set_option(SOL_SOCKET, SO_TIMESTAMPNS, 1);
    assert_stamped_in_the_end();
}

static void test_recv_takes_the_stamp_of_the_network_card_too(void **state)
{
    const struct scm_timestamping both = {.ts = {[0] = {.tv_sec = 1700000000, .tv_nsec = 5},
                                                 [2] = {.tv_sec = 0, .tv_nsec = 77}}};
    const struct scm_timestamping kernel = {.ts = {[0] = {.tv_sec = 1700000000, .tv_nsec = 9}}};
    struct stream_rx rx;
    char buf[1];

    (void)state;
    far_send("ab");
    made_up_stamps = &both;
    assert_int_equal(stream_recv(&pair.stream, buf, 1, &rx), 1);
    assert_int_equal(rx.stamp_real, 1700000000 * NSEC_PER_SEC + 5);
    assert_int_equal(rx.stamp_nic, 77);
    made_up_stamps = &kernel;
    assert_int_equal(stream_recv(&pair.stream, buf, 1, &rx), 1);
    assert_int_equal(rx.stamp_real, 1700000000 * NSEC_PER_SEC + 9);
    assert_int_equal(rx.stamp_nic, 0);
}

/* All that can come with a read fits into the control buffer: the queue length, which the kernel
 * puts last, is still there. */
static void test_recv_has_room_for_both_stamps_and_the_queue(void **state)
{
    struct stream_rx rx;
    char buf[4];

    (void)state;
    set_option(SOL_SOCKET, SO_TIMESTAMPNS, 1);
    set_option(SOL_SOCKET, SO_TIMESTAMPING,
               SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE);
    set_option(SOL_TCP, TCP_INQ, 1);
    assert_stamped_in_the_end();
    set_option(SOL_SOCKET, SO_RCVLOWAT, 4);
    far_send("0123");
    await_input();
    assert_int_equal(stream_recv(&pair.stream, buf, 1, &rx), 1);
    assert_true(rx.stamp_real > 0);
    assert_int_equal(rx.n_queued, 3);
}

static void test_send_takes_what_fits_and_then_nothing(void **state)
{
    static char data[1 << 20];
    ssize_t n, n_sent = 0;

    (void)state;
    while ((n = stream_send(&pair.stream, data, sizeof(data))) > 0)
        n_sent += n;
    assert_int_equal(n, -EAGAIN);
    assert_true(n_sent > 0);
    assert_true(n_sent < (ssize_t)sizeof(data));
}

static void test_send_goes_on_after_a_signal(void **state)
{
    char buf[4];

    (void)state;
    n_interrupts = 2;
    assert_int_equal(stream_send(&pair.stream, "ab", 2), 2);
    assert_int_equal(recv(pair.far, buf, sizeof(buf), MSG_DONTWAIT), 2);
}

/* The default action of SIGPIPE would end this program. */
static void test_send_to_nobody_is_an_error_and_no_signal(void **state)
{
    (void)state;
    fd_closep(&pair.far);
    assert_int_equal(stream_send(&pair.stream, "ab", 2), -EPIPE);
}

#define unix_test(f) cmocka_unit_test_setup_teardown(f, setup_unix, teardown)
#define tcp_test(f) cmocka_unit_test_setup_teardown(f, setup_tcp, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        unix_test(test_recv_gives_what_is_there),
        unix_test(test_recv_does_not_wait_on_a_blocking_socket),
        unix_test(test_recv_reports_the_end_after_the_last_byte),
        unix_test(test_recv_goes_on_after_a_signal),
        tcp_test(test_recv_reports_a_reset),
        unix_test(test_recv_reports_a_bad_descriptor),
        tcp_test(test_recv_tells_nothing_that_was_not_asked_for),
        tcp_test(test_recv_tells_how_much_is_left),
        tcp_test(test_recv_takes_the_stamp_of_timestamping),
        tcp_test(test_recv_takes_the_stamp_of_timestampns),
        unix_test(test_recv_takes_the_stamp_of_the_network_card_too),
        tcp_test(test_recv_has_room_for_both_stamps_and_the_queue),
        unix_test(test_send_takes_what_fits_and_then_nothing),
        unix_test(test_send_goes_on_after_a_signal),
        unix_test(test_send_to_nobody_is_an_error_and_no_signal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
