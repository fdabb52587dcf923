/* SPDX-License-Identifier: MIT */
/*
 * Base: the few macros that every module leans on - scoped clean-up, ownership hand-over,
 * container_of.
 */
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _unused_ __attribute__((unused))
#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define MIN(a, b)                                                                                  \
    ({                                                                                             \
        typeof(a) _min_a = (a);                                                                    \
        typeof(b) _min_b = (b);                                                                    \
        _min_a < _min_b ? _min_a : _min_b;                                                         \
    })
#define MAX(a, b)                                                                                  \
    ({                                                                                             \
        typeof(a) _max_a = (a);                                                                    \
        typeof(b) _max_b = (b);                                                                    \
        _max_a > _max_b ? _max_a : _max_b;                                                         \
    })

#define container_of(ptr, type, member)                                                            \
    ({                                                                                             \
        typeof(((type *)0)->member) *_member = (ptr);                                              \
        (type *)(void *)((char *)_member - offsetof(type, member));                                \
    })

/* The pointer's value; the variable forgets it, so that its clean-up frees nothing. */
#define take_ptr(p)                                                                                \
    ({                                                                                             \
        typeof(p) _taken = (p);                                                                    \
        (p) = NULL;                                                                                \
        _taken;                                                                                    \
    })

/* Defines `<func>p`, for _cleanup_(): calls `func` on what the variable holds, if not on NULL. */
#define DEFINE_CLEANUP(type, func)                                                                 \
    static inline _unused_ void func##p(type *p)                                                   \
    {                                                                                              \
        if (*p)                                                                                    \
            func(*p);                                                                              \
    }

/* The descriptor; the variable forgets it, so that its clean-up closes nothing. */
static inline int take_fd(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

/* Closes *fd unless it is -1, and makes it -1. An error of close() is of no use: the descriptor is
 * free all the same on Linux, see close(2). */
static inline void fd_closep(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static inline void freep(void *p)
{
    free(*(void **)p);
}
