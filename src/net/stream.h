// SPDX-License-Identifier: Apache-2.0
// A connected stream socket, plain or under TLS: who reads and writes it need not know which.
//
// Nothing here blocks or waits: the owner watches `fd` with a loop_poll. Two questions come on top
// of readiness, because TLS holds bytes of its own: net_stream_has_input() (read although the
// descriptor may be quiet) and net_stream_unsent() (wait for LOOP_WRITABLE although everything was
// taken). Both are always no for a plain stream.
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "net/tls.h"

struct net_stream {
    int fd;          // non-blocking
    struct tls *tls; // NULL: plain
};

// Closes the descriptor and frees the TLS session. Says nothing to the peer: one under TLS knows
// then that what it got may be cut.
void net_stream_close(struct net_stream *stream);

// Bytes, 0 when the peer ended its side properly, -EAGAIN, or another errno: the stream is broken
// (also when a peer under TLS ends without close_notify).
_must_use_ ssize_t net_stream_read(struct net_stream *stream, char *data, size_t len);
// Takes bytes from the front of the parts, as many as it can hold: their number (less than asked
// means: wait until writable), -EAGAIN for none, or another errno: the stream is broken.
_must_use_ ssize_t net_stream_write(struct net_stream *stream, const struct iovec *parts,
                                    size_t count);
// Gives the kernel what TLS holds. 0, -EAGAIN when some is left, or an errno.
_must_use_ int net_stream_flush(struct net_stream *stream);
// Ends our side: close_notify and FIN. 0, -EAGAIN (again when writable), or an errno. What is read
// afterwards from a TLS stream is to be thrown away.
int net_stream_shutdown(struct net_stream *stream);

static inline bool net_stream_has_input(const struct net_stream *stream)
{
    return stream->tls && tls_has_input(stream->tls);
}

static inline size_t net_stream_unsent(const struct net_stream *stream)
{
    return stream->tls ? tls_unsent(stream->tls) : 0;
}
