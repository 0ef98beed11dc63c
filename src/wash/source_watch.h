// SPDX-License-Identifier: Apache-2.0
// Watches a project's sources: tells when their content has changed and come to rest.
//
// Not watched: names that begin with a dot (but .wash), folders of build output and dependencies
// ("target", "node_modules", "build", "dist", "__pycache__") and the paths that the owner names. A
// file that is written anew with the same content is no change, so a build that generates sources
// does not trigger itself for ever.
#pragma once

#include "loop/loop.h"

#define SOURCE_WATCH_DIRS_MAX  10000
#define SOURCE_WATCH_FILES_MAX 100000
#define SOURCE_WATCH_SETTLE_MS 100
#define SOURCE_FILE_HASHED_MAX ((size_t)4 * 1024 * 1024) // larger files count by size and time

struct source_watch;

// `root` and `ignored` (absolute or relative to root) are copied.
_must_use_ int source_watch_new(struct loop *loop, const char *root, const char *const *ignored,
                                size_t ignored_count, void (*changed)(void *user), void *user,
                                struct source_watch **out, struct error *err);
void source_watch_free(struct source_watch *watch);

// The present content counts as seen: `changed` is told of what differs from it.
void source_watch_mark(struct source_watch *watch);
// True when the content differs from the mark now.
bool source_watch_differs(struct source_watch *watch);
