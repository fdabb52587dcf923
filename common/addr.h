/* SPDX-License-Identifier: MIT */
/*
 * Addr: where to connect, where to listen, and who it was - as text, as a socket address, and as a
 * compact key.
 *
 * A failure comes as a negative errno and a @ret_reason, a static text for the caller's one line of
 * error: what was expected, or what the resolver said.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

/* A socket address of any family, and how much of it is used. */
struct addr {
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
        struct sockaddr_storage storage;
    };
    socklen_t len;
};

/* Room for accept() or getsockname() to fill: `accept4(fd, &a.sa, &a.len, ...)`. */
#define ADDR_INIT ((struct addr){.len = sizeof(struct sockaddr_storage)})

/* A DNS name is 253 characters at most, RFC 1035 section 2.3.4; a socket path 107. */
#define ADDR_HOST_SIZE 256

/* What a person named as the other end; nothing is looked up yet. */
struct addr_target {
    char host[ADDR_HOST_SIZE];  /* name, IPv4 or IPv6 without brackets; or a path, or @NAME */
    uint16_t port;              /* 0 where is_unix */
    bool is_unix;
};

/**
 * addr_parse_target() - the other end, as on a command line
 * @text:           HOST, HOST:PORT, [IPv6], [IPv6]:PORT, a bare IPv6 address, with %ZONE where the
 *                  address needs it; unix:/PATH, or unix:@NAME in the abstract name space
 * @default_port:   where @text has none
 * @ret:            the parts
 * @ret_reason:     on failure, what was expected
 *
 * Return: 0, or -EINVAL.
 */
int addr_parse_target(const char *text, uint16_t default_port, struct addr_target *ret,
                      const char **ret_reason);

/**
 * addr_parse_listen() - an address to bind, numeric, so that starting needs no resolver
 * @text:           PORT (on all addresses, both IP versions), IPv4:PORT, [IPv6]:PORT, unix:/PATH,
 *                  unix:@NAME; port 0 lets the kernel choose
 * @ret:            the address
 * @ret_reason:     on failure, what was expected
 *
 * Return: 0, or -EINVAL.
 */
int addr_parse_listen(const char *text, struct addr *ret, const char **ret_reason);

/* An IPv4 or IPv6 address (no brackets, %ZONE allowed) with this port; -EINVAL if it is neither. */
int addr_from_numeric(const char *host, uint16_t port, struct addr *ret);

/**
 * addr_resolve() - every address of a target, in the order to try (RFC 6724)
 * @target:         from addr_parse_target()
 * @family:         AF_INET, AF_INET6, or AF_UNSPEC for both
 * @ret_addrs:      the addresses; the caller frees the array with free()
 * @ret_n_addrs:    their number, at least one
 * @ret_reason:     on failure, what the resolver said
 *
 * Blocks while it asks the name servers; numeric addresses and paths are not asked for.
 *
 * Return: 0; -EAGAIN if trying again later may help, -ENOMEM, -EAFNOSUPPORT if the target has no
 * address of this family, the errno of a failed system call, or -ENXIO for all else.
 */
int addr_resolve(const struct addr_target *target, int family, struct addr **ret_addrs,
                 size_t *ret_n_addrs, const char **ret_reason);

/* "unix:", a path of 108 bytes, and a NUL: longer than any "[IPv6%SCOPE]:PORT". */
#define ADDR_TEXT_SIZE (sizeof("unix:") + sizeof(((struct sockaddr_un *)0)->sun_path))

/**
 * addr_format() - an address for logs
 * @a:              address
 * @ret_text:       "127.0.0.1:80", "[::1]:80", "[fe80::1%eth0]:80" (the zone by its number where it
 *                  has no name here: a socket may be from another network namespace),
 *                  "unix:/path", "unix:@name", and "unix" for a peer that did not bind. An
 *                  IPv4-mapped IPv6 address shows as IPv4. What does not print shows as '?', as a
 *                  path may hold anything.
 */
void addr_format(const struct addr *a, char ret_text[static ADDR_TEXT_SIZE]);

/*
 * A peer in 24 bytes instead of 128, for connections to remember and limits to compare. Make it
 * through addr_key_from() only: all its bytes are defined then.
 */
struct addr_key {
    uint8_t ip[16];         /* network order; IPv4 as ::ffff:a.b.c.d; zero for AF_UNIX */
    uint32_t scope_id;
    uint16_t port;
    uint16_t family;        /* AF_INET also for IPv4-mapped IPv6, AF_INET6, or AF_UNIX */
};

/* The key of a peer's address; of AF_UNIX only the family is kept. */
struct addr_key addr_key_from(const struct addr *a);

/* As addr_format() writes the address; "unix" for any AF_UNIX peer. */
void addr_key_format(const struct addr_key *key, char ret_text[static ADDR_TEXT_SIZE]);

/* Whether two peers count as one source: the same address whatever the port, or both AF_UNIX. */
bool addr_key_same_source(const struct addr_key *a, const struct addr_key *b);

/**
 * addr_key_hash_source() - hash of what addr_key_same_source() compares
 * @key:            peer
 * @seed:           random number of the process, so that no peer can choose addresses that collide
 */
uint64_t addr_key_hash_source(const struct addr_key *key, uint64_t seed);
