// SPDX-License-Identifier: Apache-2.0
#include "http/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>

#define WRITE_WAIT_MS 100
// Lines of this time are written together.
#define GATHER_MS 20

struct http_access_log {
    struct http_access_format *format;
    char *path;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    // Under the lock.
    struct buf waiting;
    uint64_t waiting_lines;
    uint64_t dropped;
    bool must_reopen;
    bool stopping;
    struct timespec stop_at;
    // The writer's.
    int fd;
    bool is_file;
};

// ---- the file -----------------------------------------------------------------------------------

static int open_path(const char *path, struct error *err)
{
    int fd = strcmp(path, "-") == 0
                 ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
                 : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    return fd < 0 ? error_set_errno(err, -errno, "opening the access log %s", path) : fd;
}

static bool is_regular(int fd)
{
    struct stat info;
    return fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

static void reopen(struct http_access_log *log)
{
    int fd = open_path(log->path, NULL);
    if (fd < 0)
        return; // the old one is better than none
    close(log->fd);
    log->fd = fd;
    log->is_file = is_regular(fd);
}

static bool is_over(const struct timespec *end)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > end->tv_sec || (now.tv_sec == end->tv_sec && now.tv_nsec >= end->tv_nsec);
}

static bool must_give_up(struct http_access_log *log)
{
    pthread_mutex_lock(&log->lock);
    bool give_up = log->stopping && is_over(&log->stop_at);
    pthread_mutex_unlock(&log->lock);
    return give_up;
}

// False when nobody reads the other end in time.
static bool wait_for_room(struct http_access_log *log)
{
    struct pollfd poll_fd = {.fd = log->fd, .events = POLLOUT};
    while (!log->is_file && poll(&poll_fd, 1, WRITE_WAIT_MS) <= 0)
        if (must_give_up(log))
            return false;
    return true;
}

// A pipe that polls as writable takes this much without blocking (pipe(7)).
#define PIPE_BYTES ((size_t)4096)

static bool write_all(struct http_access_log *log, struct str data)
{
    while (data.len > 0) {
        if (!wait_for_room(log))
            return false;
        size_t len = log->is_file ? data.len : MIN(data.len, PIPE_BYTES);
        ssize_t written = write(log->fd, data.data, len);
        if (written < 0 && errno != EINTR && errno != EAGAIN)
            return false;
        data = str_from_index(data, (size_t)MAX(written, 0));
    }
    return true;
}

// ---- the writer ---------------------------------------------------------------------------------

// Under the lock, which is let go meanwhile.
static void write_waiting(struct http_access_log *log)
{
    struct buf batch = log->waiting;
    uint64_t lines = log->waiting_lines;
    bool must_reopen = log->must_reopen;
    log->waiting = BUF_INIT(HTTP_ACCESS_LOG_WAITING_BYTES_MAX);
    log->waiting_lines = 0;
    log->must_reopen = false;
    pthread_mutex_unlock(&log->lock);
    bool done = write_all(log, buf_str(&batch));
    if (must_reopen)
        reopen(log);
    pthread_mutex_lock(&log->lock);
    log->dropped += done ? 0 : lines;
    if (log->waiting.data) {
        buf_done(&batch);
    } else {
        buf_clear(&batch);
        log->waiting = batch;
    }
}

static void gather(struct http_access_log *log)
{
    pthread_mutex_unlock(&log->lock);
    nanosleep(&(struct timespec){.tv_nsec = GATHER_MS * 1000000}, NULL);
    pthread_mutex_lock(&log->lock);
}

static void *run_writer(void *arg)
{
    struct http_access_log *log = arg;
    pthread_mutex_lock(&log->lock);
    while (!log->stopping || log->waiting.len > 0) {
        if (log->waiting.len == 0 && !log->must_reopen) {
            pthread_cond_wait(&log->wake, &log->lock);
        } else {
            if (!log->stopping)
                gather(log);
            write_waiting(log);
        }
    }
    pthread_mutex_unlock(&log->lock);
    return NULL;
}

// ---- the users' side ----------------------------------------------------------------------------

void http_access_log_add(struct http_access_log *log, const struct http_access_entry *entry)
{
    BUF(line, HTTP_ACCESS_LINE_BYTES_MAX);
    http_access_format_line(log->format, entry, &line);
    pthread_mutex_lock(&log->lock);
    bool is_first = log->waiting.len == 0;
    if (buf_add_str(&log->waiting, buf_str(&line)) == 0)
        log->waiting_lines++;
    else
        log->dropped++;
    pthread_mutex_unlock(&log->lock);
    if (is_first)
        pthread_cond_signal(&log->wake);
}

void http_access_log_reopen(struct http_access_log *log)
{
    pthread_mutex_lock(&log->lock);
    log->must_reopen = true;
    pthread_mutex_unlock(&log->lock);
    pthread_cond_signal(&log->wake);
}

uint64_t http_access_log_dropped(struct http_access_log *log)
{
    pthread_mutex_lock(&log->lock);
    uint64_t dropped = log->dropped;
    pthread_mutex_unlock(&log->lock);
    return dropped;
}

// ---- life ---------------------------------------------------------------------------------------

static void free_log(struct http_access_log *log)
{
    if (log->fd >= 0)
        close(log->fd);
    pthread_mutex_destroy(&log->lock);
    pthread_cond_destroy(&log->wake);
    http_access_format_free(log->format);
    buf_done(&log->waiting);
    free(log->path);
    free(log);
}

int http_access_log_open(const char *path, struct str format, struct http_access_log **out,
                         struct error *err)
{
    struct http_access_log *log = mem_new(struct http_access_log);
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->wake, NULL);
    log->path = mem_strdup(path);
    log->waiting = BUF_INIT(HTTP_ACCESS_LOG_WAITING_BYTES_MAX);
    log->fd = -1;
    int rc = http_access_format_new(format, &log->format, err);
    if (rc == 0)
        rc = log->fd = open_path(path, err);
    if (rc >= 0) {
        log->is_file = is_regular(log->fd);
        rc = -pthread_create(&log->thread, NULL, run_writer, log);
        if (rc < 0)
            rc = error_set_errno(err, rc, "starting the access log's thread");
    }
    if (rc < 0)
        free_log(log);
    else
        *out = log;
    return rc;
}

void http_access_log_close(struct http_access_log *log)
{
    if (!log)
        return;
    pthread_mutex_lock(&log->lock);
    log->stopping = true;
    clock_gettime(CLOCK_MONOTONIC, &log->stop_at);
    log->stop_at.tv_sec += HTTP_ACCESS_LOG_CLOSE_MS / 1000;
    pthread_mutex_unlock(&log->lock);
    pthread_cond_signal(&log->wake);
    pthread_join(log->thread, NULL);
    free_log(log);
}
