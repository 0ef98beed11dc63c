// SPDX-License-Identifier: Apache-2.0
// What waits to be sent: one buffer per connection, flushed at the end of the turn. Large writes
// go to the kernel from where they are.
#include "http/h2.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

size_t output_unsent(const struct connection *connection)
{
    return connection->out.len - connection->out_sent;
}

// With what TLS holds.
static size_t output_pending(const struct connection *connection)
{
    return output_unsent(connection) + net_stream_unsent(&connection->stream);
}

size_t output_budget(const struct connection *connection)
{
    size_t unsent = output_unsent(connection);
    size_t max = connection->server->options.output_bytes_max;
    if (unsent == 0 && connection->flow >= OUTPUT_FLOWING_WRITES)
        return MAX(max, OUTPUT_FLOWING_BYTES);
    return unsent < max ? max - unsent : 0;
}

static void take_buffer(struct connection *connection)
{
    struct http_server *server = connection->server;
    connection->out = BUF_INIT(2 * (size_t)server->options.output_bytes_max + OUTPUT_FLOWING_BYTES +
                               HTTP_SERVER_RESPONSE_HEAD_MAX + INPUT_SMALL_BYTES);
    connection->out.data = pool_take(&server->output);
    connection->out.cap = server->output.size;
}

int output_reserve(struct connection *connection, size_t len)
{
    struct buf *out = &connection->out;
    if (!out->data)
        take_buffer(connection);
    if (connection->out_sent > 0 && len > out->cap - out->len) {
        buf_consume(out, connection->out_sent);
        connection->out_sent = 0;
    }
    return buf_reserve(out, len);
}

int output_add(struct connection *connection, struct str data)
{
    int rc = output_reserve(connection, data.len);
    if (rc == 0)
        rc = buf_add_str(&connection->out, data);
    connection_wake(connection);
    return rc;
}

void output_release(struct connection *connection)
{
    struct buf *out = &connection->out;
    if (!out->data)
        return;
    if (out->cap == connection->server->output.size)
        pool_give(&connection->server->output, out->data);
    else
        free(out->data);
    *out = BUF_INIT(0);
    connection->out_sent = 0;
}

// Accounts for bytes that the kernel took from the front of what waits; those beyond are returned.
static size_t sent_from_buffer(struct connection *connection, size_t sent)
{
    size_t own = MIN(sent, output_unsent(connection));
    connection->out_sent += own;
    if (connection->out_sent == connection->out.len) {
        buf_clear(&connection->out);
        connection->out_sent = 0;
    }
    return sent - own;
}

// Bytes the kernel took; 0 when it takes none now. A broken connection is marked.
static size_t send_parts(struct connection *connection, struct iovec *parts, size_t count)
{
    ssize_t sent = net_stream_write(&connection->stream, parts, count);
    if (sent == -EAGAIN || net_stream_unsent(&connection->stream) > 0)
        connection->blocked = true;
    else if (sent < 0)
        connection->gone = true;
    return sent < 0 ? 0 : (size_t)sent;
}

static struct iovec part_of(struct str s)
{
    return (struct iovec){(void *)(uintptr_t)s.data, s.len};
}

static struct str waiting(const struct connection *connection)
{
    return str_from_index(buf_str(&connection->out), connection->out_sent);
}

// Bytes that the peer has not acknowledged.
static int held_by_kernel(const struct connection *connection)
{
    int held;
    return ioctl(connection->stream.fd, SIOCOUTQ, &held) < 0 ? 0 : held;
}

void output_expect_progress(struct connection *connection)
{
    connection->write_mark = held_by_kernel(connection);
    deadline_set(connection->server, &connection->write, DEADLINE_WRITE);
}

// The kernel says that there is room only when much of its buffer is free: a slow peer may take
// bytes for a long time before.
bool output_progressed(struct connection *connection)
{
    const struct http_server_options *options = &connection->server->options;
    uint64_t due = (uint64_t)options->send_rate_min * options->write_timeout_ms / 1000;
    int held = held_by_kernel(connection);
    if (connection->write_mark - held < (int64_t)MAX(due, 1u))
        return false;
    output_expect_progress(connection);
    return true;
}

static void after_progress(struct connection *connection, bool progress)
{
    struct http_server *server = connection->server;
    if (!connection->blocked)
        deadline_clear(&connection->write);
    else if (progress || connection->write.kind == DEADLINE_NONE)
        output_expect_progress(connection);
    if (connection->choked && output_unsent(connection) <= server->options.output_bytes_max / 2) {
        connection->choked = false;
        connection->exchange.writable_due = true;
    }
}

// What the kernel did not take of the parts.
static int keep_rest(struct connection *connection, const struct str *parts, size_t count,
                     size_t taken)
{
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        size_t skip = MIN(taken, parts[i].len);
        taken -= skip;
        if (skip < parts[i].len)
            rc = output_add(connection, str_from_index(parts[i], skip));
    }
    return rc;
}

int output_send_parts(struct connection *connection, const struct str *parts, size_t count)
{
    struct iovec all[1 + OUTPUT_PARTS_MAX] = {part_of(waiting(connection))};
    size_t taken = 0, len = 0;
    assert(count <= OUTPUT_PARTS_MAX);
    for (size_t i = 0; i < count; i++) {
        all[1 + i] = part_of(parts[i]);
        len += parts[i].len;
    }
    if (!connection->blocked) {
        taken = send_parts(connection, all, 1 + count);
        bool progress = taken > 0;
        taken = sent_from_buffer(connection, taken);
        if (connection->gone) {
            connection_wake(connection);
            return -EPIPE;
        }
        // A short count tells that the kernel is full as well.
        connection->blocked |= taken < len;
        if (connection->blocked)
            connection->flow = 0;
        else if (len >= OUTPUT_FLOWING_PIECE)
            connection->flow = MIN(connection->flow + 1, OUTPUT_FLOWING_WRITES);
        after_progress(connection, progress);
    }
    return keep_rest(connection, parts, count, taken);
}

int output_send(struct connection *connection, struct str data, struct str tail)
{
    const struct str parts[] = {data, tail};
    return output_send_parts(connection, parts, ARRAY_LEN(parts));
}

static bool is_idle(const struct connection *connection)
{
    return connection->state == CONNECTION_HEAD ||
           (connection->state == CONNECTION_H2 && h2_is_idle(connection));
}

void output_flush(struct connection *connection)
{
    size_t before = output_pending(connection);
    if (before == 0 || connection->gone)
        return;
    connection->choked |= output_budget(connection) == 0;
    int rc = net_stream_flush(&connection->stream);
    connection->blocked = rc == -EAGAIN;
    connection->gone = rc < 0 && rc != -EAGAIN;
    while (output_unsent(connection) > 0 && !connection->blocked && !connection->gone) {
        struct iovec part = part_of(waiting(connection));
        sent_from_buffer(connection, send_parts(connection, &part, 1));
    }
    after_progress(connection, output_pending(connection) < before);
    // A large one stays while an answer may fill it again.
    bool is_small = connection->out.cap == connection->server->output.size;
    if (output_unsent(connection) == 0 && (is_small || is_idle(connection)))
        output_release(connection);
}
