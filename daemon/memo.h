/* SPDX-License-Identifier: MIT */
/*
 * Memo: a text that others print into, for whoever made it to read.
 */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base.h"

struct memo {
    FILE *to;                       /* where to print; NULL once it is read */
    char *text;
    size_t size;
};

#define MEMO_INIT ((struct memo){.to = NULL})

/* Return: 0 or negative errno. */
static inline int memo_open(struct memo *m)
{
    m->to = open_memstream(&m->text, &m->size);
    return m->to ? 0 : -errno;
}

/* Ends the printing. Return: the text, the memo's, or NULL if there was no memory for all of it. */
static inline char *memo_read(struct memo *m)
{
    FILE *to = take_ptr(m->to);

    return fclose(to) == 0 ? m->text : NULL;
}

static inline void memo_deinit(struct memo *m)
{
    if (m->to)
        (void)fclose(take_ptr(m->to));      /* nobody is going to read it */
    free(take_ptr(m->text));
}
