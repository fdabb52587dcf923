/* SPDX-License-Identifier: MIT */
/*
 * Fault: makes the n-th call of those that can fail for lack of something fail, once.
 *
 * A test goes through n = 0, 1, 2, ... until nothing fails any more, and so sees every half-built
 * state that a constructor can leave behind:
 *
 *     for (unsigned n = 0;; n++) {
 *         fault_arm(n);
 *         r = thing_new(&thing);
 *         if (!fault_disarm())
 *             break;
 *         ...
 *     }
 *
 * For tests that are linked with WRAP ${TT_FAULT_FUNCTIONS}; counts in all threads.
 */
#pragma once

#include <stdbool.h>

/* From now on the call number @n, from 0, fails. */
void fault_arm(unsigned n);

/* Nothing fails any more. Return: whether something has. */
bool fault_disarm(void);
