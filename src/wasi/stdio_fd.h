// SPDX-License-Identifier: Apache-2.0
// A descriptor that other processes may share, used without blocking and without changing its
// flags. Pipes and terminals are opened anew through /proc, which gives a file description of our
// own that can be non-blocking; sockets take a flag per call; anything else does not block for
// long.
#pragma once

#include "wasi/wasi.h"

enum stdio_fd_kind {
    STDIO_FD_DIRECT,   // regular files and devices that always answer
    STDIO_FD_OWN,      // opened anew, non-blocking
    STDIO_FD_SOCKET,   // MSG_DONTWAIT
    STDIO_FD_ASK_FIRST // could not be opened anew: poll(2), then at most PIPE_BUF bytes
};

struct stdio_fd {
    int fd; // -1: none
    enum stdio_fd_kind kind;
    bool owned;
    bool for_output;
    int epoll; // tells the loop of readiness; -1 until the first wait
    struct loop *loop;
    struct loop_poll poll; // on `epoll`, since the loop makes what it watches non-blocking
    void (*callback)(struct stdio_fd *fd);
    bool watching;
};

// Standard stream 0, 1 or 2 of the configuration, whose descriptors stay its own. `callback` runs
// when it is ready.
void stdio_fd_init(struct stdio_fd *fd, int number, const struct wasi_config *config,
                   struct loop *loop, void (*callback)(struct stdio_fd *fd));
void stdio_fd_done(struct stdio_fd *fd);

// Like read(2) and write(2); a negative errno, -EAGAIN when it would block.
ssize_t stdio_fd_read(struct stdio_fd *fd, char *data, size_t len);
ssize_t stdio_fd_write(struct stdio_fd *fd, const char *data, size_t len);

// Asks for callbacks when it is readable (or writable, as initialised); 0 or a negative errno.
_must_use_ int stdio_fd_watch(struct stdio_fd *fd);
void stdio_fd_unwatch(struct stdio_fd *fd);
// Whether a standard stream of the call's instance is a terminal.
bool stdio_is_terminal(struct canon_call *call, int number);
// Blocks until it is writable.
void stdio_fd_wait_writable(const struct stdio_fd *fd);
