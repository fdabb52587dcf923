/* SPDX-License-Identifier: MIT */
#include "daemon/listener_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "common/base.h"

static int reserve(struct listener_set *s, size_t n)
{
    s->items = calloc(n, sizeof(*s->items));
    return s->items ? 0 : -ENOMEM;
}

static void free_names(char ***names)
{
    for (char **n = *names; n && *n; n++)
        free(*n);
    free(*names);
}

/* Whoever is at the other end of a connection that came in place of a listener is told, too. What
 * has arrived is read, as it would turn the close into a reset that swallows the line. */
static void turn_away(int fd)
{
    static const char text[] = "ERROR: the server is set up wrongly: Accept=no is needed\n";
    char rest[4096];

    if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 0) <= 0)
        return;
    (void)send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);     /* it may be gone */
    (void)shutdown(fd, SHUT_WR);
    (void)recv(fd, rest, sizeof(rest), MSG_DONTWAIT);
}

static int adopt_all(struct listener_set *s, int n_fds, char **names, FILE *faults)
{
    int r = reserve(s, (size_t)n_fds);

    if (r < 0)
        return r;
    for (int i = 0; i < n_fds; i++) {
        const char *reason;
        int fd = SD_LISTEN_FDS_START + i;

        r = listener_adopt(&s->items[s->n], fd, names[i], &reason);
        if (r == 0) {
            s->n++;
            continue;
        }
        (void)fprintf(faults, "inherited socket %d (%s): expected %s\n", i + 1, names[i], reason);
        turn_away(fd);
        fd_closep(&fd);
    }
    return s->n > 0 ? 0 : -EINVAL;
}

/* @origin: where that is written, in front of the key; "" = nowhere */
static int bind_one(struct listener_set *s, const char *origin, const char *key, const char *text,
                    FILE *faults)
{
    const char *reason;
    int r = listener_bind(&s->items[s->n], text, &reason);

    if (r < 0)
        (void)fprintf(faults, "%s%s = %s: expected %s: %s\n", origin, key, text, reason,
                      strerror(-r));
    else
        s->n++;
    return r;
}

static int bind_all(struct listener_set *s, const struct config *config, FILE *faults)
{
    char port[16];
    int result = reserve(s, MAX(config->n_listen, 1U));

    if (result < 0)
        return result;
    if (config->n_listen == 0) {
        (void)snprintf(port, sizeof(port), "%u", config->port);
        return bind_one(s, config->port_origin ? config->port_origin : "", "port", port, faults);
    }
    for (size_t i = 0; i < config->n_listen; i++) {
        int r = bind_one(s, config->listen_origins[i], "listen", config->listen[i], faults);

        if (result == 0)
            result = r;
    }
    return result;
}

int listener_set_open(struct listener_set *ret_set, const struct config *config, FILE *faults)
{
    _cleanup_(free_names) char **names = NULL;
    int n = sd_listen_fds_with_names(1, &names);

    if (n < 0) {
        (void)fprintf(faults, "expected inherited sockets as sd_listen_fds(3) has them: %s\n",
                      strerror(-n));
        return n;
    }
    ret_set->inherited = n > 0;
    return n > 0 ? adopt_all(ret_set, n, names, faults) : bind_all(ret_set, config, faults);
}

void listener_set_shut(struct listener_set *s)
{
    for (size_t i = 0; i < s->n && !s->inherited; i++)
        listener_shut(&s->items[i]);
}

void listener_set_deinit(struct listener_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        listener_deinit(&s->items[i]);
    free(take_ptr(s->items));
    s->n = 0;
}
