/* SPDX-License-Identifier: MIT */
/*
 * Standard descriptors: those of input, output and errors, which a program may be started without.
 *
 * Each that is free would be the next to be given out: what is printed would go into the log file,
 * or into a connection.
 */
#pragma once

/**
 * standard_fds_open() - open /dev/null in place of those that are missing
 *
 * Before anything else is opened. The output's is for reading only, so that what cannot be printed
 * is told, as where a disk is full; what is said on standard error goes nowhere.
 *
 * Return: 0 or negative errno.
 */
int standard_fds_open(void);
