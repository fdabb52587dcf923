/* SPDX-License-Identifier: MIT */
/*
 * The one include of a unit test: cmocka and what must stand before it.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
