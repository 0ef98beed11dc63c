// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <stdarg.h>

_printf_(1, 0) static char *format(const char *fmt, va_list args)
{
    char *text = NULL;
    if (vasprintf(&text, fmt, args) < 0)
        die_oom(0);
    return text;
}

static void replace(struct error *err, int code, char *message)
{
    free(err->message);
    err->code = code;
    err->message = message;
}

int error_set(struct error *err, int code, const char *fmt, ...)
{
    if (!err)
        return code;
    va_list args;
    va_start(args, fmt);
    char *message = format(fmt, args);
    va_end(args);
    replace(err, code, message);
    return code;
}

int error_set_errno(struct error *err, int code, const char *fmt, ...)
{
    if (!err)
        return code;
    va_list args;
    va_start(args, fmt);
    _cleanup_(mem_freep) char *what = format(fmt, args);
    va_end(args);
    char text[128];
    replace(err, code, mem_printf("%s: %s", what, strerror_r(-code, text, sizeof(text))));
    return code;
}

int error_wrap(struct error *err, const char *fmt, ...)
{
    if (!err)
        return -1;
    va_list args;
    va_start(args, fmt);
    _cleanup_(mem_freep) char *context = format(fmt, args);
    va_end(args);
    replace(err, err->code, mem_printf("%s: %s", context, error_text(err)));
    return err->code;
}

int error_move(struct error *to, struct error *from)
{
    int code = from->code;
    if (to)
        replace(to, code, TAKE(from->message));
    error_done(from);
    return code;
}

void error_done(struct error *err)
{
    replace(err, 0, NULL);
}

const char *error_text(const struct error *err)
{
    return err->message ? err->message : "no reason given";
}
