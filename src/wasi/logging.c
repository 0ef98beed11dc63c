// SPDX-License-Identifier: Apache-2.0
#include "wasi/logging.h"

#include "base/log.h"
#include "base/utf8.h"
#include "wasi/draft.h"
#include "wasi/log_rate.h"
#include "wasi/wasi.h"

// A character may take six bytes when escaped (\u0080).
#define LINE_BYTES_MAX (6 * (WASI_LOG_MESSAGE_BYTES_MAX + 2 * WASI_LOG_CONTEXT_BYTES_MAX) + 128)

// C0, DEL and C1: terminals obey them. U+2028 and U+2029 end lines for some readers.
static bool is_control(int32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029;
}

static void put_escaped(struct buf *out, struct str text, const char *special)
{
    for (size_t at = 0; at < text.len;) {
        size_t start = at;
        int32_t c = utf8_decode(text, &at);
        if (c < 0) // a name from outside; what guests say is valid
            buf_putf(out, "\\x%02x", (unsigned char)text.data[at++]);
        else if (c == '\n')
            buf_put(out, STR("\\n"));
        else if (c == '\t')
            buf_put(out, STR("\\t"));
        else if (is_control(c))
            buf_putf(out, "\\u%04x", (unsigned)c);
        else if (c < 0x80 && strchr(special, c))
            buf_putf(out, "\\%c", (char)c);
        else
            buf_put(out, str_sub(text, start, at - start));
    }
}

// At most `max` bytes, whole characters.
static struct str cut(struct str text, size_t max)
{
    size_t len = MIN(text.len, max);
    while (len > 0 && len < text.len && ((unsigned char)text.data[len] & 0xc0) == 0x80)
        len--;
    return str_sub(text, 0, len);
}

static void put_field(struct buf *out, const char *name, struct str value)
{
    buf_putf(out, "%s=\"", name);
    struct str kept = cut(value, WASI_LOG_CONTEXT_BYTES_MAX);
    put_escaped(out, kept, "\"\\");
    buf_put(out, kept.len < value.len ? STR("...\" ") : STR("\" "));
}

void wasi_log_format(struct buf *out, struct str workload, struct str severity, struct str context,
                     struct str message)
{
    put_field(out, "workload", workload);
    if (severity.len)
        buf_putf(out, "severity=%.*s ", STR_ARG(severity));
    put_field(out, "context", context);
    struct str kept = cut(message, WASI_LOG_MESSAGE_BYTES_MAX);
    put_escaped(out, kept, "");
    if (kept.len < message.len)
        buf_putf(out, "... (%zu bytes more)", message.len - kept.len);
}

int draft_logging_logging_log(struct canon_call *call, enum draft_logging_logging_level level,
                              struct str context, struct str message)
{
    static const enum log_level levels[] = {
        [DRAFT_LOGGING_LOGGING_LEVEL_TRACE] = LOG_TRACE,
        [DRAFT_LOGGING_LOGGING_LEVEL_DEBUG] = LOG_DEBUG,
        [DRAFT_LOGGING_LOGGING_LEVEL_INFO] = LOG_INFO,
        [DRAFT_LOGGING_LOGGING_LEVEL_WARN] = LOG_WARN,
        [DRAFT_LOGGING_LOGGING_LEVEL_ERROR] = LOG_ERROR,
        [DRAFT_LOGGING_LOGGING_LEVEL_CRITICAL] = LOG_ERROR,
    };
    if (!log_enabled(levels[level]))
        return 0;
    bool is_critical = level == DRAFT_LOGGING_LOGGING_LEVEL_CRITICAL;
    BUF(line, LINE_BYTES_MAX);
    wasi_log_format(&line, wasi_of(call)->config->name, is_critical ? STR("critical") : STR_EMPTY,
                    context, message);
    if (log_rate_take(wasi_of(call)->config->log_rate, line.len))
        log_write(levels[level], "%.*s", STR_ARG(buf_str(&line)));
    else
        log_rate_drop(wasi_of(call)->config->log_rate);
    return 0;
}
