// SPDX-License-Identifier: Apache-2.0
#include "net/stream.h"

#include <errno.h>
#include <sys/socket.h>

void net_stream_close(struct net_stream *stream)
{
    tls_free(TAKE(stream->tls));
    if (stream->fd >= 0)
        close(stream->fd);
    stream->fd = -1;
}

ssize_t net_stream_read(struct net_stream *stream, char *data, size_t len)
{
    if (stream->tls)
        return tls_read(stream->tls, data, len);
    ssize_t got;
    do
        got = recv(stream->fd, data, len, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

ssize_t net_stream_write(struct net_stream *stream, const struct iovec *parts, size_t count)
{
    if (stream->tls)
        return tls_write(stream->tls, parts, count);
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = count};
    ssize_t sent;
    do
        sent = sendmsg(stream->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

int net_stream_flush(struct net_stream *stream)
{
    return stream->tls ? tls_flush(stream->tls) : 0;
}

int net_stream_shutdown(struct net_stream *stream)
{
    int rc = stream->tls ? tls_shutdown(stream->tls) : 0;
    if (rc == 0 && shutdown(stream->fd, SHUT_WR) < 0)
        rc = -errno;
    return rc;
}
