/* SPDX-License-Identifier: MIT */
/*
 * Completion: what shells need to complete the command line, written from the table of options when
 * the program is built.
 */
#pragma once

#include <stdio.h>

void completion_print_bash(FILE *out);
void completion_print_fish(FILE *out);
void completion_print_zsh(FILE *out);
