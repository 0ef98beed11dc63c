// SPDX-License-Identifier: Apache-2.0
// The access log's file. Lines come from any thread; one thread of its own writes them, so that a
// slow disk or a full pipe holds up no request. Lines over what waits at most are dropped and
// counted.
#pragma once

#include "http/access_format.h"

#define HTTP_ACCESS_LOG_WAITING_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define HTTP_ACCESS_LOG_CLOSE_MS          2000 // to write what waits at the end

struct http_access_log;

// Appends to the file, which is made if need be; "-": standard output. `format` as in
// http/access_format.h.
_must_use_ int http_access_log_open(const char *path, struct str format,
                                    struct http_access_log **out, struct error *err);
// Writes what waits, as far as the time allows. No other thread may use it any more.
void http_access_log_close(struct http_access_log *log);

// Thread-safe.
void http_access_log_add(struct http_access_log *log, const struct http_access_entry *entry);
// Opens the path anew soon, after the file was moved away. Thread-safe.
void http_access_log_reopen(struct http_access_log *log);
// Lines that were lost: no room, or the file could not be written.
uint64_t http_access_log_dropped(struct http_access_log *log);
