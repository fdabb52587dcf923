/* SPDX-License-Identifier: MIT */
#include "tests/support/fault.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static _Atomic bool armed;
static _Atomic unsigned n_left;
static _Atomic bool fired;

void fault_arm(unsigned n)
{
    atomic_store(&n_left, n);
    atomic_store(&fired, false);
    atomic_store(&armed, true);
}

bool fault_disarm(void)
{
    atomic_store(&armed, false);
    return atomic_load(&fired);
}

static bool fails(void)
{
    if (!atomic_load(&armed) || atomic_fetch_sub(&n_left, 1) != 0)
        return false;

    atomic_store(&armed, false);
    atomic_store(&fired, true);
    return true;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
int __real_epoll_create1(int flags);
int __wrap_epoll_create1(int flags);
int __real_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);
int __real_eventfd(unsigned count, int flags);
int __wrap_eventfd(unsigned count, int flags);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                          void *arg);

static void *no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

static int no_descriptor(void)
{
    errno = EMFILE;
    return -1;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? no_memory() : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? no_memory() : __real_calloc(n, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
    return fails() ? no_memory() : __real_reallocarray(p, n, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
    return fails() ? no_memory() : __real_aligned_alloc(align, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? no_memory() : __real_strdup(text);
}

int __wrap_epoll_create1(int flags)
{
    return fails() ? no_descriptor() : __real_epoll_create1(flags);
}

int __wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    if (op == EPOLL_CTL_ADD && fails()) {       /* the others need no memory */
        errno = ENOSPC;
        return -1;
    }
    return __real_epoll_ctl(epfd, op, fd, event);
}

int __wrap_eventfd(unsigned count, int flags)
{
    return fails() ? no_descriptor() : __real_eventfd(count, flags);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                          void *arg)
{
    return fails() ? EAGAIN : __real_pthread_create(thread, attr, run, arg);
}
