/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"

#include "common/addr.h"
#include "common/base.h"

/* Numeric addresses go to the real resolver, which asks nobody; "name.*" is answered here, by
 * will_return(): the error, then, if it is EAI_SYSTEM, the errno. */
int __real_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **res);
int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **res);

int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **res)
{
    int error;

    if (strncmp(node, "name.", 5) != 0)
        return __real_getaddrinfo(node, service, hints, res);

    error = mock_type(int);
    if (error == EAI_SYSTEM)
        errno = mock_type(int);
    if (error != 0)
        return error;

    /* two addresses, as a name with an AAAA and an A record has them */
    error = __real_getaddrinfo("::1", service, hints, res);
    return error != 0 ? error : __real_getaddrinfo("127.0.0.1", service, hints, &(*res)->ai_next);
}

static void assert_target(const char *text, const char *host, uint16_t port, bool is_unix)
{
    const char *reason = NULL;
    struct addr_target target;

    if (addr_parse_target(text, 47945, &target, &reason) != 0)
        fail_msg("\"%s\": %s", text, reason);
    assert_string_equal(target.host, host);
    assert_int_equal(target.port, port);
    assert_int_equal(target.is_unix, is_unix);
}

static void assert_no_target(const char *text, const char *words)
{
    const char *reason = NULL;
    struct addr_target target = {.port = 7};

    if (addr_parse_target(text, 47945, &target, &reason) != -EINVAL)
        fail_msg("\"%s\" was taken", text);
    if (!strstr(reason, words))
        fail_msg("\"%s\": \"%s\" does not say \"%s\"", text, reason, words);
    assert_int_equal(target.port, 7);
}

static void test_target_takes_names_and_ipv4(void **state)
{
    (void)state;
    assert_target("host", "host", 47945, false);
    assert_target("host.example:80", "host.example", 80, false);
    assert_target("127.0.0.1", "127.0.0.1", 47945, false);
    assert_target("127.0.0.1:65535", "127.0.0.1", 65535, false);
}

static void test_target_takes_every_form_of_ipv6(void **state)
{
    (void)state;
    assert_target("::1", "::1", 47945, false);
    assert_target("2001:db8::7", "2001:db8::7", 47945, false);
    assert_target("[::1]", "::1", 47945, false);
    assert_target("[::1]:80", "::1", 80, false);
    assert_target("fe80::1%eth0", "fe80::1%eth0", 47945, false);
    assert_target("[fe80::1%eth0]:47945", "fe80::1%eth0", 47945, false);
    assert_target("::ffff:192.0.2.1", "::ffff:192.0.2.1", 47945, false);
}

static void test_target_takes_unix_paths(void **state)
{
    (void)state;
    assert_target("unix:/run/a:b.sock", "/run/a:b.sock", 0, true);
    assert_target("unix:/run/a b", "/run/a b", 0, true);
    assert_target("unix:@tcptimer", "@tcptimer", 0, true);
}

static void test_target_says_what_was_expected(void **state)
{
    (void)state;
    assert_no_target("", "HOST");
    assert_no_target(":80", "HOST");
    assert_no_target("a b", "HOST");
    assert_no_target("host ", "HOST");
    assert_no_target("[::1", "[IPv6]:PORT");
    assert_no_target("[::1]80", "[IPv6]:PORT");
    assert_no_target("[]:80", "HOST");
    assert_no_target("[127.0.0.1]:80", "in the brackets");
    assert_no_target("[host]:80", "in the brackets");
    assert_no_target("host:80:90", "[IPv6]:PORT");
    assert_no_target("::1:47945", "[IPv6]:PORT");
    assert_no_target("host:", "port from 1");
    assert_no_target("host:0", "port from 1");
    assert_no_target("host:65536", "port from 1");
    assert_no_target("host:-1", "port from 1");
    assert_no_target("host:http", "port from 1");
    assert_no_target("[::1]:", "port from 1");
    assert_no_target("unix:", "absolute path");
    assert_no_target("unix:/", "absolute path");
    assert_no_target("unix:@", "absolute path");
    assert_no_target("unix:run/x", "absolute path");
}

static void test_target_refuses_what_is_too_long(void **state)
{
    char text[400], *p;

    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_no_target(text, "HOST");

    text[ADDR_HOST_SIZE] = '\0';
    assert_no_target(text, "HOST");
    text[ADDR_HOST_SIZE - 1] = '\0';
    assert_target(text, text, 47945, false);

    /* one character more than the longest text of an IPv6 address */
    memset(text + 1, '1', INET6_ADDRSTRLEN);
    text[0] = '[';
    text[INET6_ADDRSTRLEN + 1] = ']';
    text[INET6_ADDRSTRLEN + 2] = '\0';
    assert_no_target(text, "in the brackets");

    /* 107 bytes fit beside the NUL, unix(7) */
    p = mempcpy(text, "unix:/", 6);
    memset(p, 'a', 106);
    p[106] = '\0';
    assert_target(text, text + 5, 0, true);
    p[106] = 'a';
    p[107] = '\0';
    assert_no_target(text, "107");
}

static void assert_listen(const char *text, const char *expected)
{
    char formatted[ADDR_TEXT_SIZE];
    const char *reason = NULL;
    struct addr a;

    if (addr_parse_listen(text, &a, &reason) != 0)
        fail_msg("\"%s\": %s", text, reason);
    addr_format(&a, formatted);
    assert_string_equal(formatted, expected);
}

static void test_listen_takes_numeric_addresses(void **state)
{
    (void)state;
    assert_listen("47945", "[::]:47945");
    assert_listen("0", "[::]:0");
    assert_listen("127.0.0.1:80", "127.0.0.1:80");
    assert_listen("0.0.0.0:0", "0.0.0.0:0");
    assert_listen("[::1]:80", "[::1]:80");
    assert_listen("[fe80::1%1]:80", "[fe80::1%lo]:80");
    assert_listen("[fe80::1%lo]:80", "[fe80::1%lo]:80");
    assert_listen("unix:/run/x.sock", "unix:/run/x.sock");
    assert_listen("unix:@x", "unix:@x");
}

static void assert_no_listen(const char *text, const char *words)
{
    const char *reason = NULL;
    struct addr a = {.len = 7};

    if (addr_parse_listen(text, &a, &reason) != -EINVAL)
        fail_msg("\"%s\" was taken", text);
    if (!strstr(reason, words))
        fail_msg("\"%s\": \"%s\" does not say \"%s\"", text, reason, words);
    assert_int_equal(a.len, 7);
}

static void test_listen_says_what_was_expected(void **state)
{
    (void)state;
    assert_no_listen("", "IPv4:PORT");
    assert_no_listen("65536", "port from 0");
    assert_no_listen("127.0.0.1", "IPv4:PORT");
    assert_no_listen("::1", "[IPv6]:PORT");
    assert_no_listen("[::1]", "[IPv6]:PORT");
    assert_no_listen("127.0.0.1:x", "port from 0");
    assert_no_listen("localhost:80", "numeric");
    assert_no_listen("127.1:80", "numeric");
    assert_no_listen("*:80", "numeric");
    assert_no_listen("[fe80::1%no-such-device]:80", "numeric");
    assert_no_listen("unix:x", "absolute path");
}

/* unix(7): a path counts its NUL, an abstract name has none behind it. */
static void test_listen_gives_unix_addresses_their_exact_length(void **state)
{
    const char *reason;
    struct addr a;

    (void)state;
    assert_int_equal(addr_parse_listen("unix:/ab", &a, &reason), 0);
    assert_int_equal(a.len, offsetof(struct sockaddr_un, sun_path) + 4);
    assert_int_equal(addr_parse_listen("unix:@ab", &a, &reason), 0);
    assert_int_equal(a.len, offsetof(struct sockaddr_un, sun_path) + 3);
    assert_memory_equal(a.un.sun_path, "\0ab", 3);
}

static int resolve(const char *text, int family, struct addr **ret_addrs, size_t *ret_n,
                   const char **ret_reason)
{
    struct addr_target target;
    const char *reason;

    assert_int_equal(addr_parse_target(text, 47945, &target, &reason), 0);
    return addr_resolve(&target, family, ret_addrs, ret_n, ret_reason);
}

static void assert_resolved(const char *text, const char *expected)
{
    _cleanup_(freep) struct addr *addrs = NULL;
    char formatted[ADDR_TEXT_SIZE];
    const char *reason;
    size_t n;

    assert_int_equal(resolve(text, AF_UNSPEC, &addrs, &n, &reason), 0);
    assert_int_equal(n, 1);
    addr_format(&addrs[0], formatted);
    assert_string_equal(formatted, expected);
}

static void test_resolve_takes_numeric_addresses(void **state)
{
    (void)state;
    assert_resolved("127.0.0.1:80", "127.0.0.1:80");
    assert_resolved("[::1]:80", "[::1]:80");
    assert_resolved("fe80::1%lo", "[fe80::1%lo]:47945");
}

static void test_resolve_takes_unix_paths(void **state)
{
    (void)state;
    assert_resolved("unix:/run/x", "unix:/run/x");
    assert_resolved("unix:@x", "unix:@x");
}

static void test_resolve_gives_all_addresses_in_order(void **state)
{
    _cleanup_(freep) struct addr *addrs = NULL;
    char formatted[ADDR_TEXT_SIZE];
    const char *reason;
    size_t n;

    (void)state;
    will_return(__wrap_getaddrinfo, 0);
    assert_int_equal(resolve("name.example:80", AF_UNSPEC, &addrs, &n, &reason), 0);
    assert_int_equal(n, 2);
    addr_format(&addrs[0], formatted);
    assert_string_equal(formatted, "[::1]:80");
    addr_format(&addrs[1], formatted);
    assert_string_equal(formatted, "127.0.0.1:80");
}

static void assert_unresolved(int error, int expected)
{
    struct addr *addrs = NULL;
    const char *reason = NULL;
    size_t n;

    will_return(__wrap_getaddrinfo, error);
    assert_int_equal(resolve("name.example", AF_UNSPEC, &addrs, &n, &reason), expected);
    assert_string_equal(reason, gai_strerror(error));
    assert_null(addrs);
}

static void test_resolve_hands_on_what_the_resolver_said(void **state)
{
    (void)state;
    assert_unresolved(EAI_NONAME, -ENXIO);
    assert_unresolved(EAI_FAIL, -ENXIO);
    assert_unresolved(EAI_AGAIN, -EAGAIN);
    assert_unresolved(EAI_MEMORY, -ENOMEM);
    assert_unresolved(EAI_NODATA, -EAFNOSUPPORT);
}

static void test_resolve_hands_on_the_errno_of_the_system(void **state)
{
    struct addr *addrs = NULL;
    const char *reason = NULL;
    size_t n;

    (void)state;
    will_return(__wrap_getaddrinfo, EAI_SYSTEM);
    will_return(__wrap_getaddrinfo, EMFILE);
    assert_int_equal(resolve("name.example", AF_UNSPEC, &addrs, &n, &reason), -EMFILE);
    assert_string_equal(reason, strerror(EMFILE));
}

static void test_resolve_refuses_the_wrong_family(void **state)
{
    struct addr *addrs = NULL;
    const char *reason = NULL;
    size_t n;

    (void)state;
    assert_int_equal(resolve("127.0.0.1", AF_INET6, &addrs, &n, &reason), -EAFNOSUPPORT);
    assert_non_null(reason);
    reason = NULL;
    assert_int_equal(resolve("unix:/x", AF_INET, &addrs, &n, &reason), -EAFNOSUPPORT);
    assert_non_null(reason);
}

static struct addr make(const char *host, uint16_t port)
{
    struct addr a;

    assert_int_equal(addr_from_numeric(host, port, &a), 0);
    return a;
}

static void assert_formatted(const struct addr *a, const char *expected)
{
    char text[ADDR_TEXT_SIZE];

    addr_format(a, text);
    assert_string_equal(text, expected);
}

static void test_format_shows_mapped_addresses_as_ipv4(void **state)
{
    struct addr a = make("::ffff:192.0.2.1", 80);

    (void)state;
    assert_int_equal(a.sa.sa_family, AF_INET6);
    assert_formatted(&a, "192.0.2.1:80");
}

static void test_format_shows_the_longest_ipv6_address(void **state)
{
    struct addr a = make("fe80:1111:2222:3333:4444:5555:6666:7777", 65535);

    (void)state;
    a.in6.sin6_scope_id = UINT32_MAX;
    assert_formatted(&a, "[fe80:1111:2222:3333:4444:5555:6666:7777%4294967295]:65535");
}

/* getpeername() gives an unbound client of a Unix socket no more than the family. */
static void test_format_shows_an_unnamed_unix_peer(void **state)
{
    struct addr a = {.un.sun_family = AF_UNIX, .len = sizeof(sa_family_t)};

    (void)state;
    assert_formatted(&a, "unix");
}

/* The kernel gives a path of 108 bytes without a NUL, unix(7), BUGS. */
static void test_format_shows_the_longest_unix_path(void **state)
{
    struct addr a = {.un.sun_family = AF_UNIX, .len = sizeof(struct sockaddr_un)};
    char expected[ADDR_TEXT_SIZE] = "unix:";

    (void)state;
    memset(a.un.sun_path, 'a', sizeof(a.un.sun_path));
    memset(expected + 5, 'a', sizeof(a.un.sun_path));
    assert_formatted(&a, expected);

    a.un.sun_path[0] = '\0';
    expected[5] = '@';
    assert_formatted(&a, expected);
}

static void test_format_lets_no_control_character_through(void **state)
{
    static const char path[] = "/a\nb\033[2J\xff";
    struct addr a = {.un.sun_family = AF_UNIX, .len = sizeof(struct sockaddr_un)};

    (void)state;
    memcpy(a.un.sun_path, path, sizeof(path));
    assert_formatted(&a, "unix:/a?b?[2J?");
}

static void test_format_names_a_family_it_does_not_know(void **state)
{
    struct addr a = {.sa.sa_family = AF_NETLINK, .len = 12};

    (void)state;
    assert_formatted(&a, "family 16");
}

static void test_key_prints_like_its_address(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "::1", "fe80::1%1", "::ffff:192.0.2.1"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
        struct addr a = make(hosts[i], 80);
        struct addr_key key = addr_key_from(&a);
        char of_addr[ADDR_TEXT_SIZE], of_key[ADDR_TEXT_SIZE];

        addr_format(&a, of_addr);
        addr_key_format(&key, of_key);
        assert_string_equal(of_key, of_addr);
    }
}

static struct addr_key key_of(const char *host, uint16_t port)
{
    struct addr a = make(host, port);

    return addr_key_from(&a);
}

static void assert_same_source(const struct addr_key *a, const struct addr_key *b, bool expected)
{
    assert_int_equal(addr_key_same_source(a, b), expected);
    assert_int_equal(addr_key_hash_source(a, 42) == addr_key_hash_source(b, 42), expected);
}

static void test_source_is_the_address_without_the_port(void **state)
{
    struct addr_key v4 = key_of("192.0.2.1", 1), other_port = key_of("192.0.2.1", 2);
    struct addr_key mapped = key_of("::ffff:192.0.2.1", 3);
    struct addr_key next = key_of("192.0.2.2", 1);
    struct addr_key v6 = key_of("2001:db8::1", 1), v6_next = key_of("2001:db8:0:1::1", 1);

    (void)state;
    assert_same_source(&v4, &other_port, true);
    assert_same_source(&v4, &mapped, true);
    assert_same_source(&v4, &next, false);
    assert_same_source(&v4, &v6, false);
    assert_same_source(&v6, &v6_next, false);
}

static void test_source_keeps_zones_apart(void **state)
{
    struct addr_key on_lo = key_of("fe80::1%1", 1), on_other = on_lo;

    (void)state;
    on_other.scope_id = 2;
    assert_same_source(&on_lo, &on_other, false);
}

static void test_source_of_all_unix_peers_is_one(void **state)
{
    struct addr unnamed = {.un.sun_family = AF_UNIX, .len = sizeof(sa_family_t)}, named;
    struct addr_key a = addr_key_from(&unnamed), b;
    char text[ADDR_TEXT_SIZE];
    const char *reason;

    (void)state;
    assert_int_equal(addr_parse_listen("unix:@x", &named, &reason), 0);
    b = addr_key_from(&named);
    assert_same_source(&a, &b, true);
    addr_key_format(&b, text);
    assert_string_equal(text, "unix");
}

/* Neighbours are what a load comes from: 65536 of them in 65536 slots leave 1/e of the slots empty,
 * as random numbers do, and another seed gives another order. */
static void test_source_hash_spreads_neighbours(void **state)
{
    static uint8_t used[2][65536];
    size_t n_used[2] = {0, 0}, n_same = 0;

    (void)state;
    for (uint32_t i = 0; i < 65536; i++) {
        struct addr a = {.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000000 + i)}};
        struct addr_key key = addr_key_from(&a);
        uint64_t h0 = addr_key_hash_source(&key, 1) % 65536;
        uint64_t h1 = addr_key_hash_source(&key, 2) % 65536;

        n_used[0] += !used[0][h0];
        n_used[1] += !used[1][h1];
        n_same += h0 == h1;
        used[0][h0] = used[1][h1] = 1;
    }

    for (size_t i = 0; i < 2; i++)
        assert_in_range(n_used[i], 65536 * 0.62, 65536 * 0.65);
    assert_in_range(n_same, 0, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_target_takes_names_and_ipv4),
        cmocka_unit_test(test_target_takes_every_form_of_ipv6),
        cmocka_unit_test(test_target_takes_unix_paths),
        cmocka_unit_test(test_target_says_what_was_expected),
        cmocka_unit_test(test_target_refuses_what_is_too_long),
        cmocka_unit_test(test_listen_takes_numeric_addresses),
        cmocka_unit_test(test_listen_says_what_was_expected),
        cmocka_unit_test(test_listen_gives_unix_addresses_their_exact_length),
        cmocka_unit_test(test_resolve_takes_numeric_addresses),
        cmocka_unit_test(test_resolve_takes_unix_paths),
        cmocka_unit_test(test_resolve_gives_all_addresses_in_order),
        cmocka_unit_test(test_resolve_hands_on_what_the_resolver_said),
        cmocka_unit_test(test_resolve_hands_on_the_errno_of_the_system),
        cmocka_unit_test(test_resolve_refuses_the_wrong_family),
        cmocka_unit_test(test_format_shows_mapped_addresses_as_ipv4),
        cmocka_unit_test(test_format_shows_the_longest_ipv6_address),
        cmocka_unit_test(test_format_shows_an_unnamed_unix_peer),
        cmocka_unit_test(test_format_shows_the_longest_unix_path),
        cmocka_unit_test(test_format_lets_no_control_character_through),
        cmocka_unit_test(test_format_names_a_family_it_does_not_know),
        cmocka_unit_test(test_key_prints_like_its_address),
        cmocka_unit_test(test_source_is_the_address_without_the_port),
        cmocka_unit_test(test_source_keeps_zones_apart),
        cmocka_unit_test(test_source_of_all_unix_peers_is_one),
        cmocka_unit_test(test_source_hash_spreads_neighbours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
