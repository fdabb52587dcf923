/* SPDX-License-Identifier: MIT */
#include "client/worst.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int worst_init(struct worst *w, size_t max)
{
    *w = WORST_INIT;
    if (max == 0)
        return 0;

    w->heap = calloc(max, 2 * sizeof(*w->heap));
    if (!w->heap)
        return -ENOMEM;

    w->list = w->heap + max;
    w->max = max;
    return 0;
}

void worst_deinit(struct worst *w)
{
    free(w->heap);
    *w = WORST_INIT;
}

/* True if l is the lesser evil; of equal ones that is the later. */
static bool is_less(const struct worst_message *l, const struct worst_message *r)
{
    if (l->response != r->response)
        return l->response < r->response;
    return l->send > r->send;
}

static void swap(struct worst_message *l, struct worst_message *r)
{
    struct worst_message held = *l;

    *l = *r;
    *r = held;
}

static void sift_down(struct worst *w, size_t at)
{
    for (;;) {
        size_t least = at, left = 2 * at + 1, right = left + 1;

        if (left < w->n && is_less(&w->heap[left], &w->heap[least]))
            least = left;
        if (right < w->n && is_less(&w->heap[right], &w->heap[least]))
            least = right;
        if (least == at)
            return;
        swap(&w->heap[at], &w->heap[least]);
        at = least;
    }
}

void worst_add(struct worst *w, const struct worst_message *message)
{
    size_t at = w->n;

    if (w->max == 0)
        return;

    if (w->n == w->max) {
        if (is_less(message, &w->heap[0]))
            return;
        w->heap[0] = *message;
        sift_down(w, 0);
        return;
    }

    w->heap[w->n++] = *message;
    for (; at > 0 && is_less(&w->heap[at], &w->heap[(at - 1) / 2]); at = (at - 1) / 2)
        swap(&w->heap[at], &w->heap[(at - 1) / 2]);
}

static int worst_first(const void *left, const void *right)
{
    return is_less(right, left) ? -1 : is_less(left, right);
}

const struct worst_message *worst_list(struct worst *w, size_t *ret_n)
{
    *ret_n = w->n;
    if (w->n == 0)
        return NULL;

    memcpy(w->list, w->heap, w->n * sizeof(*w->list));
    qsort(w->list, w->n, sizeof(*w->list), worst_first);
    return w->list;
}
