/* SPDX-License-Identifier: MIT */
#include "client/where_change.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/base.h"

bool where_change_take(const struct where_fit *fit, struct where_change *ret)
{
    if (fit->base_shift == 0 && fit->clock_step == 0 && !fit->skew_changed)
        return false;
    *ret = (struct where_change){
        .at = fit->begin,
        .base_shift = fit->base_shift,
        .forward_shift = fit->forward_shift,
        .clock_step = fit->clock_step,
        .skew_changed = fit->skew_changed,
        .skew = fit->skew,
    };
    return true;
}

/* Appends a part to the line, behind those that are there. */
static size_t add(char line[static WHERE_CHANGE_SIZE], size_t len, const char *format, ...)
    _printf_(3, 4);

static size_t add(char line[static WHERE_CHANGE_SIZE], size_t len, const char *format, ...)
{
    va_list args;

    if (len > 0)
        len += (size_t)snprintf(line + len, WHERE_CHANGE_SIZE - len, "; ");
    va_start(args, format);
    len += (size_t)vsnprintf(line + len, WHERE_CHANGE_SIZE - len, format, args);
    va_end(args);
    return MIN(len, (size_t)WHERE_CHANGE_SIZE - 1);
}

static double ms(int64_t ns)
{
    return (double)ns / (double)NSEC_PER_MSEC;
}

void where_change_format(const struct where_change *c, char ret_line[static WHERE_CHANGE_SIZE])
{
    size_t len = 0;

    ret_line[0] = '\0';
    if (c->base_shift != 0)
        len = add(ret_line, len,
                  "the path's base shifted by %+.3f ms (out %+.3f ms, back %+.3f ms)",
                  ms(c->base_shift), ms(c->forward_shift), ms(c->base_shift - c->forward_shift));
    if (c->clock_step != 0)
        len = add(ret_line, len, "the server's clock stepped by %+.3f ms against ours",
                  ms(c->clock_step));
    if (c->skew_changed)
        (void)add(ret_line, len, "the server's clock now goes %+.2f ppm against ours",
                  c->skew * 1e6);
}
