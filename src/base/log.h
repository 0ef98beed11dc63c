// SPDX-License-Identifier: Apache-2.0
// Lines on stderr for the person who runs the program. Programs log; libraries return errors and
// use at most log_debug().
#pragma once

#include "base/str.h"

enum log_level { LOG_ERROR = 1, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

// Lines above this level are dropped. The default is LOG_INFO.
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

// "trace", "debug", "info", "warn", "error" in any case, or "1" (error) to "5" (trace).
_must_use_ int log_level_parse(struct str text, enum log_level *out);

// One line "TIME LEVEL message"; control characters in the message are escaped.
void log_write(enum log_level level, const char *fmt, ...) _printf_(2, 3);

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
    do {                                                                                           \
        if (log_enabled(LOG_DEBUG))                                                                \
            log_write(LOG_DEBUG, __VA_ARGS__);                                                     \
    } while (0)
