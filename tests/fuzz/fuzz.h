/* SPDX-License-Identifier: MIT */
/*
 * What a harness has: libFuzzer's entry, a way to fail, and blocks without slack.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Stays on in every build: a harness that checks nothing finds only crashes. */
#define fuzz_check(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* A copy of exactly @len bytes, to be freed: a sanitizer sees a read of one byte more. */
static inline void *fuzz_copy(const void *bytes, size_t len)
{
    void *copy = malloc(len > 0 ? len : 1);

    fuzz_check(copy);
    if (len > 0)
        memcpy(copy, bytes, len);
    return copy;
}
