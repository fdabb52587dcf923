/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>

#include "tests/support/test.h"

#include "client/dial.h"
#include "common/base.h"

/* A listener on the loopback whose port the kernel chose. */
static int make_listener(struct addr *ret)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(addr_from_numeric("127.0.0.1", 0, ret), 0);
    assert_int_equal(bind(fd, &ret->sa, ret->len), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, &ret->sa, &ret->len), 0);
    return fd;
}

static int get_option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);

    assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

/* Connects to @to, and returns how that ended. */
static int dial(const struct options *o, const struct addr *to, int *ret_fd)
{
    struct dial_config config;
    const char *what, *reason;
    struct pollfd p;
    int r;

    assert_int_equal(dial_config_init(&config, o, &reason), 0);
    r = dial_start(&config, to, 0, ret_fd, &what);
    if (r < 0)
        return r;
    p = (struct pollfd){.fd = *ret_fd, .events = POLLOUT};
    assert_int_equal(poll(&p, 1, 10000), 1);
    r = dial_error(*ret_fd);
    return r == 0 ? dial_finish(&config, *ret_fd) : r;
}

static void test_socket_has_the_options_asked_for(void **state)
{
    const struct options o = {.dscp = 46, .source = "127.0.0.2"};
    _cleanup_(fd_closep) int listener = -1, fd = -1;
    struct addr to, own = ADDR_INIT;
    char text[ADDR_TEXT_SIZE];

    (void)state;
    listener = make_listener(&to);
    assert_int_equal(dial(&o, &to, &fd), 0);
    assert_int_equal(get_option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(get_option(fd, IPPROTO_IP, IP_TOS), 46 << 2);
    assert_int_equal(getsockname(fd, &own.sa, &own.len), 0);
    addr_format(&own, text);
    assert_memory_equal(text, "127.0.0.2:", sizeof("127.0.0.2:") - 1);
}

static void test_nagle_may_stay_on(void **state)
{
    const struct options o = {.dscp = -1, .nagle = true};
    _cleanup_(fd_closep) int listener = -1, fd = -1;
    struct addr to;

    (void)state;
    listener = make_listener(&to);
    assert_int_equal(dial(&o, &to, &fd), 0);
    assert_int_equal(get_option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
}

static void test_refusal_is_told_in_the_end(void **state)
{
    const struct options o = {.dscp = -1};
    _cleanup_(fd_closep) int listener = -1, fd = -1;
    struct addr to;

    (void)state;
    listener = make_listener(&to);
    fd_closep(&listener);           /* nobody listens there any more */
    assert_int_equal(dial(&o, &to, &fd), -ECONNREFUSED);
}

static void test_source_is_an_address_or_a_device(void **state)
{
    struct dial_config config;
    const char *reason = NULL;

    (void)state;
    assert_int_equal(dial_config_init(&config, &(struct options){.source = "::1"}, &reason), 0);
    assert_true(config.has_source);
    assert_int_equal(dial_config_init(&config, &(struct options){.source = "lo"}, &reason), 0);
    assert_false(config.has_source);
    assert_string_equal(config.device, "lo");
    assert_int_equal(dial_config_init(&config, &(struct options){.source = "no such"}, &reason),
                     -EINVAL);
    assert_non_null(reason);
}

static void test_source_of_another_family_cannot_be_bound(void **state)
{
    const struct options o = {.dscp = -1, .source = "::1"};
    _cleanup_(fd_closep) int listener = -1, fd = -1;
    struct addr to;

    (void)state;
    listener = make_listener(&to);
    assert_int_equal(dial(&o, &to, &fd), -EAFNOSUPPORT);
    assert_int_equal(fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_socket_has_the_options_asked_for),
        cmocka_unit_test(test_nagle_may_stay_on),
        cmocka_unit_test(test_refusal_is_told_in_the_end),
        cmocka_unit_test(test_source_is_an_address_or_a_device),
        cmocka_unit_test(test_source_of_another_family_cannot_be_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
