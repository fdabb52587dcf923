/* SPDX-License-Identifier: MIT */
/*
 * Wake: an eventfd through which one thread interrupts another's wait.
 */
#pragma once

/* Return: the descriptor, or negative errno. */
int wake_open(void);

/* Makes @fd readable. From any thread; never blocks, never fails in a way that matters. */
void wake_signal(int fd);

/* Makes it unreadable again. From the thread that waits. */
void wake_clear(int fd);
