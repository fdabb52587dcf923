/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/support/test.h"

#include "common/base.h"
#include "daemon/listener_set.h"
#include "tests/support/fault.h"

#define FIRST_FD 3                  /* SD_LISTEN_FDS_START */

/* What the service manager hands over. */
static struct {
    int result;
    const char *names[8];
} manager;

int __wrap_sd_listen_fds_with_names(int unset_environment, char ***ret_names);

int __wrap_sd_listen_fds_with_names(int unset_environment, char ***ret_names)
{
    char **names;

    assert_int_equal(unset_environment, 1);
    if (manager.result <= 0)
        return manager.result;
    names = calloc((size_t)manager.result + 1, sizeof(*names));
    assert_non_null(names);
    for (int i = 0; i < manager.result; i++)
        names[i] = strdup(manager.names[i]);
    *ret_names = names;
    return manager.result;
}

struct fixture {
    struct listener_set set;
    struct config config;
    FILE *to;
    char *faults;
    size_t size;
};

static struct fixture fixture;

static int setup(void **state)
{
    struct fixture *f = &fixture;

    memset(&manager, 0, sizeof(manager));
    *f = (struct fixture){.set = LISTENER_SET_INIT};
    config_init(&f->config);
    f->config.port = 0;
    f->to = open_memstream(&f->faults, &f->size);
    assert_non_null(f->to);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    listener_set_deinit(&f->set);
    config_deinit(&f->config);
    (void)fclose(f->to);
    free(f->faults);
    return 0;
}

static int open_set(struct fixture *f)
{
    int r = listener_set_open(&f->set, &f->config, f->to);

    (void)fflush(f->to);
    return r;
}

static void hand_over(int fd, const char *name)
{
    assert_int_equal(dup2(fd, FIRST_FD + manager.result), FIRST_FD + manager.result);
    (void)close(fd);
    manager.names[manager.result++] = name;
}

/* Numbers that dup2() will not hit by chance. */
static int high(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 100);

    assert_true(copy >= 0);
    (void)close(fd);
    return copy;
}

static int tcp_listener(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = high(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(listen(fd, 5), 0);
    return fd;
}

static void add_listen(struct fixture *f, const char *text)
{
    const char *expected;

    assert_int_equal(config_set(&f->config, "listen", text, &expected), 0);
}

static void test_port_is_bound_where_nothing_is_named(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(open_set(f), 0);
    assert_int_equal(f->set.n, 1);
    assert_false(f->set.inherited);
    assert_int_equal(f->size, 0);
}

static void test_all_that_is_named_is_bound(void **state)
{
    struct fixture *f = *state;

    add_listen(f, "127.0.0.1:0");
    add_listen(f, "127.0.0.2:0");
    assert_int_equal(open_set(f), 0);
    assert_int_equal(f->set.n, 2);
    assert_memory_equal(f->set.items[1].address, "127.0.0.2:", 10);
}

/* All faults are told, and one is enough not to start. */
static void test_address_that_cannot_be_bound_is_a_failure(void **state)
{
    struct fixture *f = *state;

    add_listen(f, "127.0.0.1:0");
    add_listen(f, "203.0.113.1:7");
    add_listen(f, "203.0.113.2:7");
    assert_int_equal(open_set(f), -EADDRNOTAVAIL);
    assert_string_equal(f->faults, "listen = 203.0.113.1:7: expected an address of this host: "
                                   "Cannot assign requested address\n"
                                   "listen = 203.0.113.2:7: expected an address of this host: "
                                   "Cannot assign requested address\n");
}

static void test_inherited_sockets_are_adopted_and_the_configured_not_bound(void **state)
{
    struct fixture *f = *state;

    add_listen(f, "203.0.113.1:7");
    hand_over(tcp_listener(), "one");
    hand_over(tcp_listener(), "two");
    assert_int_equal(open_set(f), 0);
    assert_true(f->set.inherited);
    assert_int_equal(f->set.n, 2);
    assert_string_equal(f->set.items[0].name, "one");
    assert_string_equal(f->set.items[1].name, "two");
    assert_int_equal(f->set.items[1].fd, FIRST_FD + 1);
    assert_int_equal(f->size, 0);
}

static void test_inherited_socket_that_is_no_listener_is_told_and_closed(void **state)
{
    struct fixture *f = *state;
    char text[128];
    ssize_t n;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(send(fds[1], "hello", 5, MSG_NOSIGNAL), 5);
    fds[0] = high(fds[0]);
    fds[1] = high(fds[1]);
    hand_over(fds[0], "connection");
    hand_over(tcp_listener(), "good");
    assert_int_equal(open_set(f), 0);
    assert_int_equal(f->set.n, 1);
    assert_string_equal(f->set.items[0].name, "good");
    assert_string_equal(f->faults,
                        "inherited socket 1 (connection): expected a listening socket, not a "
                        "connection: use Accept=no in the socket unit\n");
    n = recv(fds[1], text, sizeof(text), MSG_DONTWAIT);
    assert_in_range(n, 1, sizeof(text));
    assert_memory_equal(text, "ERROR: ", 7);
    assert_int_equal(text[n - 1], '\n');
    assert_int_equal(recv(fds[1], text, sizeof(text), MSG_DONTWAIT), 0);    /* closed, not reset */
    fd_closep(&fds[1]);
}

static void test_nothing_but_unusable_sockets_is_a_failure(void **state)
{
    struct fixture *f = *state;

    hand_over(high(open("/dev/null", O_RDONLY | O_CLOEXEC)), "file");
    assert_int_equal(open_set(f), -EINVAL);
    assert_int_equal(f->set.n, 0);
    assert_true(f->size > 0);
}

static void test_broken_environment_is_a_failure(void **state)
{
    struct fixture *f = *state;

    manager.result = -EINVAL;
    assert_int_equal(open_set(f), -EINVAL);
    assert_string_equal(f->faults, "expected inherited sockets as sd_listen_fds(3) has them: "
                                   "Invalid argument\n");
}

static bool gets_client(const struct listener *l)
{
    struct addr a = ADDR_INIT;
    _cleanup_(fd_closep) int fd = -1;

    assert_int_equal(getsockname(l->fd, &a.sa, &a.len), 0);
    fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)connect(fd, &a.sa, a.len);
    return poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 0) > 0;
}

/* Those of inherited ones are the next daemon's. */
static void test_own_listeners_are_shut_and_inherited_are_not(void **state)
{
    struct fixture *f = *state;

    add_listen(f, "127.0.0.1:0");
    assert_int_equal(open_set(f), 0);
    assert_true(gets_client(&f->set.items[0]));
    listener_set_shut(&f->set);
    assert_false(gets_client(&f->set.items[0]));
    listener_set_deinit(&f->set);

    hand_over(tcp_listener(), "one");
    assert_int_equal(open_set(f), 0);
    listener_set_shut(&f->set);
    assert_true(gets_client(&f->set.items[0]));
}

static void test_set_that_cannot_be_made_leaves_nothing(void **state)
{
    struct fixture *f = *state;

    add_listen(f, "127.0.0.1:0");
    for (unsigned n = 0;; n++) {
        int r;

        fault_arm(n);
        r = open_set(f);
        if (!fault_disarm())
            break;
        assert_int_equal(r, -ENOMEM);
        listener_set_deinit(&f->set);
    }
}

#define IN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_port_is_bound_where_nothing_is_named),
        IN(test_all_that_is_named_is_bound),
        IN(test_address_that_cannot_be_bound_is_a_failure),
        IN(test_inherited_sockets_are_adopted_and_the_configured_not_bound),
        IN(test_inherited_socket_that_is_no_listener_is_told_and_closed),
        IN(test_nothing_but_unusable_sockets_is_a_failure),
        IN(test_broken_environment_is_a_failure),
        IN(test_own_listeners_are_shut_and_inherited_are_not),
        IN(test_set_that_cannot_be_made_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
