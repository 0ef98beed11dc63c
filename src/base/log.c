// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>

#include "base/buf.h"

#define LOG_LINE_BYTES_MAX ((size_t)64 * 1024)

static enum log_level level_max = LOG_INFO;

static const char *const level_names[] = {
    [LOG_ERROR] = "error", [LOG_WARN] = "warn",   [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug", [LOG_TRACE] = "trace",
};

void log_set_level(enum log_level level)
{
    __atomic_store_n(&level_max, level, __ATOMIC_RELAXED);
}

bool log_enabled(enum log_level level)
{
    return level <= __atomic_load_n(&level_max, __ATOMIC_RELAXED);
}

int log_level_parse(struct str text, enum log_level *out)
{
    for (unsigned level = LOG_ERROR; level <= LOG_TRACE; level++) {
        char digit = (char)('0' + level);
        if (str_eq_nocase(text, str_from(level_names[level])) || str_eq(text, str_of(&digit, 1))) {
            *out = (enum log_level)level;
            return 0;
        }
    }
    return -EINVAL;
}

static void put_escaped(struct buf *line, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        int rc = (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f ? buf_printf(line, "\\x%02x", c)
                                                                   : buf_add_char(line, (char)c);
        if (rc < 0)
            return;
    }
}

void log_write(enum log_level level, const char *fmt, ...)
{
    if (!log_enabled(level))
        return;
    BUF(line, LOG_LINE_BYTES_MAX);
    struct timespec now;
    struct tm utc;
    char stamp[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
    buf_putf(&line, "%s.%03ldZ %5s ", stamp, now.tv_nsec / 1000000, level_names[level]);

    va_list args;
    char *text = NULL;
    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0)
        die_oom(0);
    put_escaped(&line, str_of(text, (size_t)len));
    free(text);
    if (line.len == line.max)
        line.len--;
    buf_put(&line, STR("\n"));
    // One write per line keeps lines of several threads apart; a closed stderr loses the line.
    ssize_t written = write(STDERR_FILENO, line.data, line.len);
    (void)written;
}
