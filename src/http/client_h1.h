// SPDX-License-Identifier: Apache-2.0
// Messages of HTTP/1.1 as the client writes and reads them (client_h1_message.c).
#pragma once

#include "http/client_impl.h"

// "name: value" CRLF.
void h1_put_field(struct buf *out, const struct http_field *field);
void h1_put_head(struct buf *out, const struct http_client_request *request);

// What was received next. Negative: the response is refused, the failure is noted.
_must_use_ int h1_input(struct client_connection *connection, struct str data);
