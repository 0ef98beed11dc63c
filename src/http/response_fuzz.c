// SPDX-License-Identifier: Apache-2.0
// Responses over HTTP/1.1 as the client reads them: at once and in small steps the result is the
// same.
#include <assert.h>

#include "http/client_h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct result {
    int rc;
    struct http_client_request *request;
    struct client_connection *connection;
    struct buf body;
};

static void drain(struct result *result)
{
    struct http_client_request *request = result->request;
    while (request->body.len > 0) {
        struct str part = byte_ring_front(&request->body);
        buf_put(&result->body, part);
        byte_ring_drop(&request->body, part.len);
    }
}

static void receive(struct result *result, struct http_client *client, struct str text, size_t step,
                    bool is_head)
{
    struct http_client_request *request = mem_new(struct http_client_request);
    struct client_connection *connection = mem_new(struct client_connection);
    request_init(request, client);
    request->is_head = is_head;
    request->upload_sent = true;
    request->body.cap = HTTP_CLIENT_BUFFER_BYTES;
    connection->client = client;
    connection->request = request;
    connection->h1.length = -1;
    connection->in = BUF_INIT(HTTP_CLIENT_HEADER_BYTES_MAX + CLIENT_READ_BYTES);
    *result = (struct result){
        .request = request, .connection = connection, .body = BUF_INIT(text.len + 1)};
    while (text.len > 0 && result->rc == 0) {
        struct str piece = str_sub(text, 0, step);
        result->rc = h1_input(connection, piece);
        drain(result);
        text = str_from_index(text, piece.len);
    }
}

static void result_done(struct result *result)
{
    buf_done(&result->connection->in);
    free(result->connection);
    http_client_request_free(result->request);
    buf_done(&result->body);
}

static void check_fields(const field_vec *a, const field_vec *b)
{
    assert(a->len == b->len);
    for (size_t i = 0; i < a->len; i++) {
        assert(str_eq(a->items[i].name, b->items[i].name));
        assert(str_eq(a->items[i].value, b->items[i].value));
        assert(http_name_valid(a->items[i].name) && http_value_valid(a->items[i].value));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_client *client;
    static struct loop *loop;
    if (size < 1 || size > CLIENT_READ_BYTES)
        return 0;
    if (!client && loop_new_virtual(&loop, NULL) < 0)
        return 0;
    if (!client)
        client = http_client_new(loop, NULL);
    struct result whole, parts;
    struct str text = str_of((const char *)data + 1, size - 1);
    bool is_head = data[0] & 0x80;
    receive(&whole, client, text, text.len, is_head);
    receive(&parts, client, text, (size_t)data[0] % 17 + 1, is_head);
    assert(whole.rc == parts.rc);
    assert(whole.request->failure == parts.request->failure);
    if (whole.rc == 0) {
        assert(whole.connection->h1.state == parts.connection->h1.state);
        assert(whole.connection->h1.keep_alive == parts.connection->h1.keep_alive);
        assert(whole.request->status == parts.request->status);
        check_fields(&whole.request->head, &parts.request->head);
        check_fields(&whole.request->trailers, &parts.request->trailers);
        assert(str_eq(buf_str(&whole.body), buf_str(&parts.body)));
    }
    result_done(&whole);
    result_done(&parts);
    return 0;
}
