/* SPDX-License-Identifier: MIT */
/*
 * List: a doubly linked ring whose links live in its members: joining and leaving never fail.
 */
#pragma once

#include <stdbool.h>

#include "common/base.h"

struct list {
    struct list *prev;
    struct list *next;
};

static inline void list_init(struct list *head)
{
    head->prev = head->next = head;
}

static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_append(struct list *head, struct list *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

/* Leaves whatever list it is in; a link in no list is one that points to itself. */
static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

#define list_first(head, type, member) container_of((head)->next, type, member)
