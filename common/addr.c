/* SPDX-License-Identifier: MIT */
#include "common/addr.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base.h"
#include "common/parse.h"
#include "common/rng.h"

#define UNIX_PREFIX "unix:"

#define EXPECTED_TARGET "HOST, HOST:PORT, [IPv6]:PORT or unix:PATH"
#define EXPECTED_LISTEN "PORT, IPv4:PORT, [IPv6]:PORT or unix:PATH"
#define EXPECTED_NUMERIC "a numeric address: names are not looked up to listen"
#define EXPECTED_V6 "an IPv6 address in the brackets"
#define EXPECTED_BRACKETS "an IPv6 address; with a port it is [IPv6]:PORT"
#define EXPECTED_PORT "a port from 1 to 65535"
#define EXPECTED_BIND_PORT "a port from 0 to 65535"
#define EXPECTED_PATH "an absolute path or @NAME of at most 107 bytes behind unix:"

_Static_assert(sizeof(struct addr_key) == 24, "every connection holds one");

/* "HOST:PORT" cut at the right place; the port is NULL where there is none. */
struct endpoint {
    char host[ADDR_HOST_SIZE];
    const char *port;
};

static int refuse(const char **ret_reason, const char *reason)
{
    *ret_reason = reason;
    return -EINVAL;
}

/* An IPv6 address with or without %ZONE; the zone is for getaddrinfo() to know. */
static bool is_v6(const char *host)
{
    char bare[INET6_ADDRSTRLEN];
    size_t len = strcspn(host, "%");
    struct in6_addr ip;

    if (len >= sizeof(bare))
        return false;

    *(char *)mempcpy(bare, host, len) = '\0';
    return inet_pton(AF_INET6, bare, &ip) == 1;
}

/* The forms that targets and listeners have in common; @expected is what to say to an odd one. */
static int split(const char *text, const char *expected, struct endpoint *ret,
                 const char **ret_reason)
{
    const char *host = text, *port, *end;
    bool bracketed = text[0] == '[';
    size_t len;

    for (const char *p = text; *p; p++)
        if (!isgraph((unsigned char)*p))
            return refuse(ret_reason, expected);

    if (bracketed) {
        host++;
        end = strchr(host, ']');
        if (!end || (end[1] != '\0' && end[1] != ':'))
            return refuse(ret_reason, expected);
        port = end[1] == ':' ? end + 2 : NULL;
    } else {
        end = strchrnul(text, ':');
        port = *end == ':' ? end + 1 : NULL;
        if (port && strchr(port, ':')) {    /* two colons: IPv6 without a port */
            end += strlen(end);
            port = NULL;
        }
    }

    len = (size_t)(end - host);
    if (len == 0 || len >= sizeof(ret->host))
        return refuse(ret_reason, expected);

    *ret = (struct endpoint){.port = port};
    memcpy(ret->host, host, len);
    if (bracketed && !is_v6(ret->host))
        return refuse(ret_reason, EXPECTED_V6);
    if (!bracketed && strchr(ret->host, ':') && !is_v6(ret->host))
        return refuse(ret_reason, EXPECTED_BRACKETS);

    return 0;
}

/* What is behind "unix:", NULL if @text does not begin so. */
static const char *unix_path(const char *text)
{
    size_t len = strlen(UNIX_PREFIX);

    return strncmp(text, UNIX_PREFIX, len) == 0 ? text + len : NULL;
}

/* unix(7): a path ends with a NUL; an abstract name begins with one, and its length counts. */
static int unix_addr(const char *path, struct addr *ret)
{
    size_t len = strlen(path);

    if ((path[0] != '/' && path[0] != '@') || len < 2 || len >= sizeof(ret->un.sun_path))
        return -EINVAL;

    *ret = (struct addr){.un.sun_family = AF_UNIX};
    memcpy(ret->un.sun_path, path, len);
    ret->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (path[0] == '@')
        ret->un.sun_path[0] = '\0';
    else
        ret->len++;

    return 0;
}

int addr_parse_target(const char *text, uint16_t default_port, struct addr_target *ret,
                      const char **ret_reason)
{
    const char *path = unix_path(text);
    struct endpoint endpoint;
    struct addr checked;
    uint16_t port = default_port;
    int r;

    if (path) {
        if (unix_addr(path, &checked) < 0)
            return refuse(ret_reason, EXPECTED_PATH);
        *ret = (struct addr_target){.is_unix = true};
        memcpy(ret->host, path, strlen(path));
        return 0;
    }

    r = split(text, EXPECTED_TARGET, &endpoint, ret_reason);
    if (r < 0)
        return r;
    if (endpoint.port && parse_port(endpoint.port, 1, &port) < 0)
        return refuse(ret_reason, EXPECTED_PORT);

    *ret = (struct addr_target){.port = port};
    memcpy(ret->host, endpoint.host, sizeof(ret->host));
    return 0;
}

int addr_parse_listen(const char *text, struct addr *ret, const char **ret_reason)
{
    const char *path = unix_path(text);
    struct endpoint endpoint;
    uint16_t port;
    int r;

    if (path)
        return unix_addr(path, ret) < 0 ? refuse(ret_reason, EXPECTED_PATH) : 0;

    if (text[0] != '\0' && text[strspn(text, "0123456789")] == '\0') {
        if (parse_port(text, 0, &port) < 0)
            return refuse(ret_reason, EXPECTED_BIND_PORT);
        return addr_from_numeric("::", port, ret);
    }

    r = split(text, EXPECTED_LISTEN, &endpoint, ret_reason);
    if (r < 0)
        return r;
    if (!endpoint.port)
        return refuse(ret_reason, EXPECTED_LISTEN);
    if (parse_port(endpoint.port, 0, &port) < 0)
        return refuse(ret_reason, EXPECTED_BIND_PORT);
    if (addr_from_numeric(endpoint.host, port, ret) < 0)
        return refuse(ret_reason, EXPECTED_NUMERIC);

    return 0;
}

static int gai_to_errno(int error)
{
    switch (error) {
    case EAI_AGAIN:
        return -EAGAIN;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_SYSTEM:
        return -errno;
    case EAI_FAMILY:
    case EAI_ADDRFAMILY:
    case EAI_NODATA:
        return -EAFNOSUPPORT;
    default:
        return -ENXIO;
    }
}

/* getaddrinfo() for a stream socket; @ret_list goes to freeaddrinfo(). Returns an EAI_ error. */
static int lookup(const char *host, uint16_t port, int family, int flags,
                  struct addrinfo **ret_list)
{
    struct addrinfo hints = {.ai_flags = flags | AI_NUMERICSERV, .ai_family = family,
                             .ai_socktype = SOCK_STREAM};
    char service[sizeof("65535")];

    (void)snprintf(service, sizeof(service), "%u", (unsigned)port);
    return getaddrinfo(host, service, &hints, ret_list);
}

static struct addr from_addrinfo(const struct addrinfo *ai)
{
    struct addr a = {.len = ai->ai_addrlen};

    memcpy(&a.storage, ai->ai_addr, MIN((size_t)ai->ai_addrlen, sizeof(a.storage)));
    return a;
}

int addr_from_numeric(const char *host, uint16_t port, struct addr *ret)
{
    struct in_addr v4;
    struct addrinfo *list;

    /* getaddrinfo() would also take "127.1" and "0x7f000001" */
    if (inet_pton(AF_INET, host, &v4) != 1 && !is_v6(host))
        return -EINVAL;
    if (lookup(host, port, AF_UNSPEC, AI_NUMERICHOST, &list) != 0)
        return -EINVAL;

    *ret = from_addrinfo(list);
    freeaddrinfo(list);
    return 0;
}

static int resolve_unix(const struct addr_target *target, int family, struct addr **ret_addrs,
                        size_t *ret_n_addrs, const char **ret_reason)
{
    _cleanup_(freep) struct addr *a = NULL;
    int r;

    if (family != AF_UNSPEC) {
        *ret_reason = "a unix: path is neither IPv4 nor IPv6";
        return -EAFNOSUPPORT;
    }

    a = malloc(sizeof(*a));
    if (!a) {
        *ret_reason = strerrordesc_np(ENOMEM);
        return -ENOMEM;
    }
    r = unix_addr(target->host, a);
    if (r < 0)
        return refuse(ret_reason, EXPECTED_PATH);

    *ret_addrs = take_ptr(a);
    *ret_n_addrs = 1;
    return 0;
}

int addr_resolve(const struct addr_target *target, int family, struct addr **ret_addrs,
                 size_t *ret_n_addrs, const char **ret_reason)
{
    struct addrinfo *list;
    struct addr *addrs;
    size_t n = 0;
    int error, r;

    if (target->is_unix)
        return resolve_unix(target, family, ret_addrs, ret_n_addrs, ret_reason);

    error = lookup(target->host, target->port, family, 0, &list);
    if (error != 0) {
        r = gai_to_errno(error);
        *ret_reason = error == EAI_SYSTEM ? strerrordesc_np(-r) : gai_strerror(error);
        return r;
    }

    for (const struct addrinfo *ai = list; ai; ai = ai->ai_next)
        n++;
    addrs = calloc(n, sizeof(*addrs));
    if (!addrs) {
        freeaddrinfo(list);
        *ret_reason = strerrordesc_np(ENOMEM);
        return -ENOMEM;
    }
    n = 0;
    for (const struct addrinfo *ai = list; ai; ai = ai->ai_next)
        addrs[n++] = from_addrinfo(ai);
    freeaddrinfo(list);

    *ret_addrs = addrs;
    *ret_n_addrs = n;
    return 0;
}

static void format_unix(const struct addr *a, char ret_text[static ADDR_TEXT_SIZE])
{
    const char *path = a->un.sun_path;
    size_t len = a->len > offsetof(struct sockaddr_un, sun_path) ?
                     a->len - offsetof(struct sockaddr_un, sun_path) : 0;
    bool abstract = len > 0 && path[0] == '\0';
    char *p = ret_text;

    len = MIN(len, sizeof(a->un.sun_path));
    if (len == 0) {
        memcpy(ret_text, "unix", sizeof("unix"));
        return;
    }

    p = stpcpy(p, UNIX_PREFIX);
    if (abstract)
        *p++ = '@';
    else
        len = strnlen(path, len);
    for (size_t i = abstract ? 1 : 0; i < len; i++)
        *p++ = isprint((unsigned char)path[i]) ? path[i] : '?';
    *p = '\0';
}

void addr_format(const struct addr *a, char ret_text[static ADDR_TEXT_SIZE])
{
    struct addr_key key;

    if (a->sa.sa_family == AF_UNIX) {
        format_unix(a, ret_text);
        return;
    }

    key = addr_key_from(a);
    addr_key_format(&key, ret_text);
}

struct addr_key addr_key_from(const struct addr *a)
{
    struct addr_key key = {.family = a->sa.sa_family};

    if (key.family == AF_INET) {
        key.ip[10] = key.ip[11] = 0xff;
        memcpy(key.ip + 12, &a->in.sin_addr, 4);
        key.port = ntohs(a->in.sin_port);
    } else if (key.family == AF_INET6) {
        if (IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr))
            key.family = AF_INET;
        memcpy(key.ip, &a->in6.sin6_addr, 16);
        key.scope_id = a->in6.sin6_scope_id;
        key.port = ntohs(a->in6.sin6_port);
    }

    return key;
}

void addr_key_format(const struct addr_key *key, char ret_text[static ADDR_TEXT_SIZE])
{
    char ip[INET6_ADDRSTRLEN] = "", zone[1 + IF_NAMESIZE] = "%";

    switch (key->family) {
    case AF_INET:
        (void)inet_ntop(AF_INET, key->ip + 12, ip, sizeof(ip));
        (void)snprintf(ret_text, ADDR_TEXT_SIZE, "%s:%u", ip, (unsigned)key->port);
        break;
    case AF_INET6:
        (void)inet_ntop(AF_INET6, key->ip, ip, sizeof(ip));
        if (key->scope_id == 0)
            zone[0] = '\0';
        else if (!if_indextoname(key->scope_id, zone + 1))
            (void)snprintf(zone + 1, sizeof(zone) - 1, "%" PRIu32, key->scope_id);
        (void)snprintf(ret_text, ADDR_TEXT_SIZE, "[%s%s]:%u", ip, zone, (unsigned)key->port);
        break;
    case AF_UNIX:
        memcpy(ret_text, "unix", sizeof("unix"));
        break;
    default:
        (void)snprintf(ret_text, ADDR_TEXT_SIZE, "family %u", (unsigned)key->family);
    }
}

bool addr_key_same_source(const struct addr_key *a, const struct addr_key *b)
{
    return a->family == b->family && a->scope_id == b->scope_id &&
           memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

uint64_t addr_key_hash_source(const struct addr_key *key, uint64_t seed)
{
    uint64_t halves[2], hash;

    memcpy(halves, key->ip, sizeof(halves));
    hash = rng_mix64(seed ^ (uint64_t)key->scope_id << 16 ^ key->family);
    hash = rng_mix64(hash ^ halves[0]);
    return rng_mix64(hash ^ halves[1]);
}
