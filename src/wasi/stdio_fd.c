// SPDX-License-Identifier: Apache-2.0
#include "wasi/stdio_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>

// A file description of our own for a pipe or terminal.
static int open_anew(int shared, bool for_output)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", shared);
    return open(path, (for_output ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

// Chooses the way to use a descriptor.
static void take_up(struct stdio_fd *fd, int shared, bool for_output)
{
    *fd = (struct stdio_fd){.fd = shared, .epoll = -1, .for_output = for_output};
    struct stat st;
    if (shared < 0 || fstat(shared, &st) < 0) {
        fd->fd = -1;
        return;
    }
    if (S_ISSOCK(st.st_mode)) {
        fd->kind = STDIO_FD_SOCKET;
    } else if (S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && isatty(shared))) {
        int own = open_anew(shared, for_output);
        fd->kind = own < 0 ? STDIO_FD_ASK_FIRST : STDIO_FD_OWN;
        fd->owned = own >= 0;
        fd->fd = own < 0 ? shared : own;
    }
}

// The process's own standard streams are taken up once: every request's instance may write to them.
static struct stdio_fd inherited(int number)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct stdio_fd known[3];
    static bool is_known[3];
    pthread_mutex_lock(&lock);
    if (!is_known[number])
        take_up(&known[number], number, number != 0);
    is_known[number] = true;
    struct stdio_fd fd = known[number];
    pthread_mutex_unlock(&lock);
    fd.owned = false;
    return fd;
}

void stdio_fd_init(struct stdio_fd *fd, int number, const struct wasi_config *config,
                   struct loop *loop, void (*callback)(struct stdio_fd *fd))
{
    const struct {
        enum wasi_stdio mode;
        int fd;
    } streams[] = {
        {config->stdin_mode, config->stdin_fd},
        {config->stdout_mode, config->stdout_fd},
        {config->stderr_mode, config->stderr_fd},
    };
    switch (streams[number].mode) {
    case WASI_STDIO_NULL:
        take_up(fd, -1, number != 0);
        break;
    case WASI_STDIO_INHERIT:
        *fd = inherited(number);
        break;
    case WASI_STDIO_FD:
        take_up(fd, streams[number].fd, number != 0);
        break;
    }
    fd->loop = loop;
    fd->callback = callback;
}

void stdio_fd_done(struct stdio_fd *fd)
{
    if (fd->epoll >= 0) {
        loop_poll_done(&fd->poll);
        close(fd->epoll);
        fd->epoll = -1;
    }
    if (fd->owned)
        close(fd->fd);
    fd->fd = -1;
    fd->owned = false;
}

static bool is_ready(const struct stdio_fd *fd, short events, int timeout_ms)
{
    struct pollfd asked = {.fd = fd->fd, .events = events};
    return poll(&asked, 1, timeout_ms) != 0;
}

ssize_t stdio_fd_read(struct stdio_fd *fd, char *data, size_t len)
{
    ssize_t got;
    do {
        if (fd->kind == STDIO_FD_ASK_FIRST && !is_ready(fd, POLLIN, 0))
            return -EAGAIN;
        got = fd->kind == STDIO_FD_SOCKET ? recv(fd->fd, data, len, MSG_DONTWAIT)
                                          : read(fd->fd, data, len);
    } while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

ssize_t stdio_fd_write(struct stdio_fd *fd, const char *data, size_t len)
{
    if (fd->kind == STDIO_FD_ASK_FIRST)
        len = MIN(len, PIPE_BUF);
    ssize_t put;
    do {
        if (fd->kind == STDIO_FD_ASK_FIRST && !is_ready(fd, POLLOUT, 0))
            return -EAGAIN;
        put = fd->kind == STDIO_FD_SOCKET ? send(fd->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL)
                                          : write(fd->fd, data, len);
    } while (put < 0 && errno == EINTR);
    return put < 0 ? -errno : put;
}

static void on_ready(struct loop_poll *poll, unsigned events)
{
    struct stdio_fd *fd = container_of(poll, struct stdio_fd, poll);
    fd->callback(fd);
}

static int make_poll(struct stdio_fd *fd)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        return -errno;
    struct epoll_event event = {.events = fd->for_output ? EPOLLOUT : EPOLLIN};
    int rc = epoll_ctl(epoll, EPOLL_CTL_ADD, fd->fd, &event) < 0 ? -errno : 0;
    if (rc == 0)
        rc = loop_poll_init(&fd->poll, fd->loop, epoll, on_ready);
    if (rc < 0) {
        close(epoll);
        return rc;
    }
    fd->epoll = epoll;
    return 0;
}

int stdio_fd_watch(struct stdio_fd *fd)
{
    if (fd->watching)
        return 0;
    int rc = fd->epoll < 0 ? make_poll(fd) : 0;
    // An epoll descriptor is readable when what it watches is ready, for either direction.
    if (rc == 0)
        rc = loop_poll_set(&fd->poll, LOOP_READABLE);
    fd->watching = rc == 0;
    return rc;
}

void stdio_fd_unwatch(struct stdio_fd *fd)
{
    if (!fd->watching)
        return;
    fd->watching = loop_poll_set(&fd->poll, 0) < 0;
}

void stdio_fd_wait_writable(const struct stdio_fd *fd)
{
    (void)is_ready(fd, POLLOUT, -1);
}

bool stdio_is_terminal(struct canon_call *call, int number)
{
    struct stdio_fd fd;
    stdio_fd_init(&fd, number, wasi_of(call)->config, NULL, NULL);
    bool is = fd.fd >= 0 && isatty(fd.fd);
    stdio_fd_done(&fd);
    return is;
}
