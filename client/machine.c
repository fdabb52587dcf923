/* SPDX-License-Identifier: MIT */
#include "client/machine.h"

#include <ctype.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/base.h"

#define CLOCK_READINGS 1000
#define ROUND_TRIPS 21

const char *machine_offload_name(enum machine_offload offload)
{
    static const char *const names[] = {
        [OFFLOAD_TSO] = "tso", [OFFLOAD_GSO] = "gso", [OFFLOAD_GRO] = "gro"};

    return names[offload];
}

/* ---- What files tell ---- */

static void trim(char *text)
{
    size_t len = strlen(text);

    while (len > 0 && isspace((unsigned char)text[len - 1]))
        text[--len] = '\0';
}

static void read_line(const char *path, char ret[static MACHINE_TEXT_SIZE])
{
    FILE *f = fopen(path, "re");

    ret[0] = '\0';
    if (!f)
        return;
    if (!fgets(ret, MACHINE_TEXT_SIZE, f))
        ret[0] = '\0';
    (void)fclose(f);
    trim(ret);
}

/* The value of "key : value", if @line has that key. */
static const char *find_value(const char *line, const char *key)
{
    const char *colon = strchr(line, ':');

    if (!colon || strncmp(line, key, strlen(key)) != 0)
        return NULL;
    return colon + 1 + strspn(colon + 1, " \t");
}

static void read_cpu(struct machine *m)
{
    FILE *f = fopen("/proc/cpuinfo", "re");
    bool is_virtual = false;
    char *line = NULL;
    size_t size = 0;
    const char *value;

    while (f && getline(&line, &size, f) >= 0) {
        value = find_value(line, "model name");
        if (value && m->cpu[0] == '\0')
            (void)snprintf(m->cpu, sizeof(m->cpu), "%s", value);
        value = find_value(line, "flags");
        if (value && strstr(value, " hypervisor"))
            is_virtual = true;
    }
    trim(m->cpu);
    free(line);
    if (f)
        (void)fclose(f);

    if (!is_virtual)
        return;
    read_line("/sys/class/dmi/id/sys_vendor", m->virtualization);
    if (m->virtualization[0] == '\0')
        (void)snprintf(m->virtualization, sizeof(m->virtualization), "unknown");
}

static void read_kernel(struct machine *m)
{
    struct utsname u;
    cpu_set_t cpus;
    int slack;

    if (uname(&u) == 0)
        (void)snprintf(m->kernel, sizeof(m->kernel), "%.16s %.50s %.20s", u.sysname, u.release,
                       u.machine);
    if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
        m->n_cpus = (unsigned)CPU_COUNT(&cpus);
    slack = prctl(PR_GET_TIMERSLACK);
    if (slack > 0)
        m->timer_slack = (nsec_t)slack;
    read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", m->clock_source);
    read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", m->governor);
}

/* ---- What a trial tells ---- */

static nsec_t measure_clock(const struct clock_src *clock)
{
    nsec_t begin = clock_now(clock);

    for (int i = 0; i < CLOCK_READINGS; i++)
        (void)clock_now(clock);
    return (clock_now(clock) - begin) / (CLOCK_READINGS + 1);
}

static void *echo(void *arg)
{
    const int *fd = arg;
    char byte;

    while (read(*fd, &byte, 1) == 1) {
        if (write(*fd, &byte, 1) != 1)
            break;
    }
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    const nsec_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

/* Both sleep while they wait, as client and server do: what remains is waking up. */
static nsec_t measure_threads(const struct clock_src *clock)
{
    nsec_t times[ROUND_TRIPS];
    pthread_t thread;
    int fds[2];
    size_t n = 0;
    char byte = 0;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return 0;
    if (pthread_create(&thread, NULL, echo, &fds[1]) == 0) {
        for (; n < ROUND_TRIPS; n++) {
            nsec_t begin = clock_now(clock);

            if (write(fds[0], &byte, 1) != 1 || read(fds[0], &byte, 1) != 1)
                break;
            times[n] = clock_now(clock) - begin;
        }
        (void)shutdown(fds[0], SHUT_RDWR);
        (void)pthread_join(thread, NULL);
    }
    fd_closep(&fds[0]);
    fd_closep(&fds[1]);
    if (n < ROUND_TRIPS)
        return 0;
    qsort(times, n, sizeof(times[0]), by_value);
    return times[n / 2];
}

/* ---- The device ---- */

/* Our own address on the way to @peer: connecting a datagram socket looks the route up, and sends
 * nothing. */
static bool find_own_address(const struct addr *peer, struct addr *ret)
{
    _cleanup_(fd_closep) int fd = socket(peer->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    *ret = ADDR_INIT;
    return fd >= 0 && connect(fd, &peer->sa, peer->len) == 0 &&
           getsockname(fd, &ret->sa, &ret->len) == 0;
}

static bool is_same_address(const struct sockaddr *a, const struct addr *b)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;

    if (!a || a->sa_family != b->sa.sa_family)
        return false;
    if (a->sa_family == AF_INET) {
        memcpy(&in, a, sizeof(in));
        return in.sin_addr.s_addr == b->in.sin_addr.s_addr;
    }
    memcpy(&in6, a, sizeof(in6));
    return a->sa_family == AF_INET6 && IN6_ARE_ADDR_EQUAL(&in6.sin6_addr, &b->in6.sin6_addr);
}

static void find_device(struct machine *m, const struct addr *peer)
{
    struct ifaddrs *list;
    struct addr own;

    if (!find_own_address(peer, &own) || getifaddrs(&list) < 0)
        return;
    for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
        if (!is_same_address(i->ifa_addr, &own))
            continue;
        (void)snprintf(m->device, sizeof(m->device), "%s", i->ifa_name);
        break;
    }
    freeifaddrs(list);
}

static bool ask_device(int fd, const char *device, void *command)
{
    struct ifreq request = {.ifr_data = command};

    (void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
    return ioctl(fd, SIOCETHTOOL, &request) == 0;
}

static void read_offloads(struct machine *m)
{
    static const uint32_t commands[] = {
        [OFFLOAD_TSO] = ETHTOOL_GTSO, [OFFLOAD_GSO] = ETHTOOL_GGSO, [OFFLOAD_GRO] = ETHTOOL_GGRO};
    struct ethtool_coalesce coalesce = {.cmd = ETHTOOL_GCOALESCE};
    _cleanup_(fd_closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return;
    for (size_t i = 0; i < OFFLOAD_COUNT; i++) {
        struct ethtool_value value = {.cmd = commands[i]};

        m->has_offload[i] = ask_device(fd, m->device, &value);
        m->offload[i] = value.data != 0;
    }
    if (ask_device(fd, m->device, &coalesce))
        m->rx_coalesce_us = (int)coalesce.rx_coalesce_usecs;
}

void machine_read(struct machine *m, const struct clock_src *clock, const struct addr *peer)
{
    *m = (struct machine){.rx_coalesce_us = -1};
    read_kernel(m);
    read_cpu(m);
    m->clock_cost = measure_clock(clock);
    m->thread_rtt = measure_threads(clock);
    if (!peer || peer->sa.sa_family == AF_UNIX)
        return;
    find_device(m, peer);
    if (m->device[0])
        read_offloads(m);
}
