/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "daemon/listener.h"
#include "tests/support/fault.h"

struct fixture {
    struct listener listener;
    const char *reason;
    char dir[32];
    char path[64];                  /* of a socket in it */
    char text[80];                  /* "unix:" and the path */
};

static struct fixture fixture;

static int setup(void **state)
{
    struct fixture *f = &fixture;

    *f = (struct fixture){.listener = LISTENER_INIT, .reason = "not said",
                          .dir = "/tmp/tcptimer-listener.XXXXXX"};
    assert_non_null(mkdtemp(f->dir));
    (void)stpcpy(stpcpy(f->path, f->dir), "/socket");
    (void)stpcpy(stpcpy(f->text, "unix:"), f->path);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    listener_deinit(&f->listener);
    (void)unlink(f->path);
    assert_int_equal(rmdir(f->dir), 0);
    return 0;
}

static int get_option(int fd, int level, int option)
{
    int value = -1;
    socklen_t len = sizeof(value);

    assert_int_equal(getsockopt(fd, level, option, &value, &len), 0);
    return value;
}

static bool is_ready_to_be_shared(int fd)
{
    return (fcntl(fd, F_GETFL) & O_NONBLOCK) && (fcntl(fd, F_GETFD) & FD_CLOEXEC) &&
           get_option(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1;
}

/* ---- binding ---- */

static void test_port_is_bound_on_all_addresses_of_both_versions(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in6 in6;
    socklen_t len = sizeof(in6);
    char expected[ADDR_TEXT_SIZE];
    int client;

    assert_int_equal(listener_bind(&f->listener, "0", &f->reason), 0);
    assert_true(is_ready_to_be_shared(f->listener.fd));
    assert_false(f->listener.inherited);
    assert_null(f->listener.name);
    assert_int_equal(getsockname(f->listener.fd, (struct sockaddr *)&in6, &len), 0);
    if (in6.sin6_family != AF_INET6)
        skip();                     /* a host without IPv6 gets IPv4 alone */
    (void)snprintf(expected, sizeof(expected), "[::]:%u", ntohs(in6.sin6_port));
    assert_string_equal(f->listener.address, expected);

    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client,
                             (struct sockaddr *)&(struct sockaddr_in){
                                 .sin_family = AF_INET, .sin_port = in6.sin6_port,
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
                             sizeof(struct sockaddr_in)), 0);
    fd_closep(&client);
}

static void test_what_is_accepted_inherits_the_options(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in in;
    socklen_t len = sizeof(in);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd;

    assert_int_equal(listener_bind(&f->listener, "127.0.0.1:0", &f->reason), 0);
    assert_int_equal(getsockname(f->listener.fd, (struct sockaddr *)&in, &len), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&in, sizeof(in)), 0);
    fd = accept4(f->listener.fd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(get_option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(get_option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_true(get_option(fd, SOL_SOCKET, SO_TIMESTAMPING) > 0);
    fd_closep(&fd);
    fd_closep(&client);
}

static void test_port_in_use_is_named(void **state)
{
    struct fixture *f = *state;
    struct listener second = LISTENER_INIT;

    assert_int_equal(listener_bind(&f->listener, "127.0.0.1:0", &f->reason), 0);
    assert_int_equal(listener_bind(&second, f->listener.address, &f->reason), -EADDRINUSE);
    assert_string_equal(f->reason, "a port or path that no other program listens on");
    assert_int_equal(second.fd, -1);
}

static void test_address_of_another_host_is_named(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(listener_bind(&f->listener, "203.0.113.1:0", &f->reason), -EADDRNOTAVAIL);
    assert_string_equal(f->reason, "an address of this host");
}

static void test_rubbish_is_no_address(void **state)
{
    static const char *const rubbish[] = {"", "localhost:1", "1:2:3:4", "70000", "unix:relative"};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rubbish); i++) {
        f->reason = NULL;
        assert_int_equal(listener_bind(&f->listener, rubbish[i], &f->reason), -EINVAL);
        assert_non_null(f->reason);
        assert_int_equal(f->listener.fd, -1);
    }
}

static void test_path_is_removed_at_the_end(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    assert_int_equal(listener_bind(&f->listener, f->text, &f->reason), 0);
    assert_string_equal(f->listener.address, f->text);
    assert_true(is_ready_to_be_shared(f->listener.fd));
    assert_int_equal(stat(f->path, &st), 0);
    listener_deinit(&f->listener);
    assert_int_equal(stat(f->path, &st), -1);
    listener_deinit(&f->listener);          /* once more does no harm */
}

static void test_path_left_over_from_a_crash_is_taken_over(void **state)
{
    struct fixture *f = *state;
    struct listener crashed = LISTENER_INIT;

    assert_int_equal(listener_bind(&crashed, f->text, &f->reason), 0);
    fd_closep(&crashed.fd);
    assert_int_equal(listener_bind(&f->listener, f->text, &f->reason), 0);
    free(take_ptr(crashed.path));
    listener_deinit(&crashed);
}

static void test_path_in_use_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct listener second = LISTENER_INIT;
    struct stat before, after;

    assert_int_equal(listener_bind(&f->listener, f->text, &f->reason), 0);
    assert_int_equal(stat(f->path, &before), 0);
    assert_int_equal(listener_bind(&second, f->text, &f->reason), -EADDRINUSE);
    assert_int_equal(stat(f->path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
}

static void test_path_that_is_another_file_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    int fd = open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    fd_closep(&fd);
    assert_int_equal(listener_bind(&f->listener, f->text, &f->reason), -EADDRINUSE);
    assert_int_equal(stat(f->path, &st), 0);
    assert_true(S_ISREG(st.st_mode));
}

static void test_abstract_name_is_bound(void **state)
{
    struct fixture *f = *state;
    char text[80];

    (void)snprintf(text, sizeof(text), "unix:@%s", f->dir);
    assert_int_equal(listener_bind(&f->listener, text, &f->reason), 0);
    assert_string_equal(f->listener.address, text);
    assert_null(f->listener.path);
}

/* ---- adopting ---- */

static int tcp_socket(bool listening)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    if (listening)
        assert_int_equal(listen(fd, 5), 0);
    return fd;
}

static void test_inherited_socket_is_made_non_blocking(void **state)
{
    struct fixture *f = *state;
    char name[] = "tcptimer";
    int fd = tcp_socket(true);

    assert_int_equal(listener_adopt(&f->listener, fd, name, &f->reason), 0);
    name[0] = 'x';                  /* it has a copy */
    assert_string_equal(f->listener.name, "tcptimer");
    assert_int_equal(f->listener.fd, fd);
    assert_true(f->listener.inherited);
    assert_true(is_ready_to_be_shared(fd));
    assert_memory_equal(f->listener.address, "127.0.0.1:", 10);
    assert_int_equal(get_option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
}

/* The socket file is the service manager's. */
static void test_inherited_path_stays(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct stat st;

    strcpy(un.sun_path, f->path);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(listener_adopt(&f->listener, fd, "x", &f->reason), 0);
    listener_deinit(&f->listener);
    assert_int_equal(stat(f->path, &st), 0);
}

static void test_connection_is_not_adopted(void **state)
{
    struct fixture *f = *state;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(listener_adopt(&f->listener, fds[0], "x", &f->reason), -EINVAL);
    assert_string_equal(f->reason, "a listening socket, not a connection: use Accept=no in the "
                                   "socket unit");
    assert_int_equal(fcntl(fds[0], F_GETFD), FD_CLOEXEC);   /* still ours */
    fd_closep(&fds[0]);
    fd_closep(&fds[1]);
}

static void test_other_sockets_are_not_adopted(void **state)
{
    struct fixture *f = *state;
    int datagram = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int closed = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_int_equal(close(closed), 0);
    assert_int_equal(listener_adopt(&f->listener, datagram, "x", &f->reason), -EINVAL);
    assert_string_equal(f->reason, "a listening stream socket: use ListenStream= in the socket "
                                   "unit");
    assert_int_equal(listener_adopt(&f->listener, file, "x", &f->reason), -EINVAL);
    assert_int_equal(listener_adopt(&f->listener, closed, "x", &f->reason), -EBADF);
    assert_string_equal(f->reason, "an open descriptor");
    fd_closep(&datagram);
    fd_closep(&file);
}

static void test_inherited_socket_without_memory_stays_ours(void **state)
{
    struct fixture *f = *state;
    int fd = tcp_socket(true);

    fault_arm(0);
    assert_int_equal(listener_adopt(&f->listener, fd, "x", &f->reason), -ENOMEM);
    assert_true(fault_disarm());
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

static int dial(const struct listener *l)
{
    struct addr a = ADDR_INIT;
    int fd, r;

    assert_int_equal(getsockname(l->fd, &a.sa, &a.len), 0);
    fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    r = connect(fd, &a.sa, a.len) < 0 ? -errno : 0;
    if (r == 0 || r == -EINPROGRESS)
        return fd;
    (void)close(fd);
    return r;
}

static bool is_connected(int fd)
{
    return poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 0) > 0;
}

/* Loopback shakes hands within connect(). */
static void test_shut_tcp_listener_has_those_who_wait_and_gets_no_more(void **state)
{
    struct fixture *f = *state;
    int early, accepted, late;

    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            listener_bind(&f->listener, i == 0 ? "127.0.0.1:0" : "[::1]:0", &f->reason), 0);
        early = dial(&f->listener);
        assert_true(is_connected(early));
        listener_shut(&f->listener);
        late = dial(&f->listener);
        assert_false(is_connected(late));

        accepted = accept4(f->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        assert_true(accepted >= 0);
        assert_int_equal(accept4(f->listener.fd, NULL, NULL, SOCK_CLOEXEC), -1);
        assert_int_equal(errno, EAGAIN);
        assert_int_equal(send(early, "x", 1, MSG_NOSIGNAL), 1);
        assert_int_equal(recv(accepted, (char[2]){0}, 2, 0), 1);
        fd_closep(&early);
        fd_closep(&accepted);
        fd_closep(&late);
        listener_deinit(&f->listener);
        f->listener = LISTENER_INIT;
    }
}

static void test_shut_unix_listener_has_those_who_wait_and_refuses_more(void **state)
{
    struct fixture *f = *state;
    char moved[80];
    int early, accepted;

    assert_int_equal(listener_bind(&f->listener, f->text, &f->reason), 0);
    (void)stpcpy(stpcpy(moved, f->path), ".x");
    assert_int_equal(link(f->path, moved), 0);
    early = dial(&f->listener);
    assert_true(early >= 0);
    listener_shut(&f->listener);
    assert_int_equal(dial(&f->listener), -ENOENT);      /* the file is gone */
    assert_int_equal(rename(moved, f->path), 0);
    assert_int_equal(dial(&f->listener), -ECONNREFUSED);
    accepted = accept4(f->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(accepted >= 0);
    fd_closep(&early);
    fd_closep(&accepted);
}

#define IN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_port_is_bound_on_all_addresses_of_both_versions),
        IN(test_what_is_accepted_inherits_the_options),
        IN(test_port_in_use_is_named),
        IN(test_address_of_another_host_is_named),
        IN(test_rubbish_is_no_address),
        IN(test_path_is_removed_at_the_end),
        IN(test_path_left_over_from_a_crash_is_taken_over),
        IN(test_path_in_use_is_left_alone),
        IN(test_path_that_is_another_file_is_left_alone),
        IN(test_abstract_name_is_bound),
        IN(test_inherited_socket_is_made_non_blocking),
        IN(test_inherited_path_stays),
        IN(test_connection_is_not_adopted),
        IN(test_other_sockets_are_not_adopted),
        IN(test_inherited_socket_without_memory_stays_ours),
        IN(test_shut_tcp_listener_has_those_who_wait_and_gets_no_more),
        IN(test_shut_unix_listener_has_those_who_wait_and_refuses_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
