// SPDX-License-Identifier: Apache-2.0
// Prints what parsing a request and encoding a response cost, in nanoseconds of one core.
#include "http/chunked.h"
#include "http/encoder.h"

#define ROUNDS 2000000u

static const char browser[] =
    "GET /articles/2024/index.html?page=2&sort=asc HTTP/1.1\r\n"
    "Host: www.example.com\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101\r\n"
    "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Connection: keep-alive\r\n"
    "\r\n";
static const char curl[] = "GET / HTTP/1.1\r\n"
                           "Host: 127.0.0.1:8000\r\n"
                           "User-Agent: curl/8.5.0\r\n"
                           "Accept: */*\r\n"
                           "\r\n";

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void report(const char *what, size_t bytes, uint64_t start)
{
    double ns = (double)(now_ns() - start) / ROUNDS;
    printf("%-24s %4zu bytes  %7.1f ns  %6.2f GB/s\n", what, bytes, ns, (double)bytes / ns);
}

static void bench_parse(const char *what, const char *request, size_t len)
{
    static const struct http_parser_limits limits = {HTTP_REQUEST_LINE_BYTES_MAX,
                                                     HTTP_HEAD_BYTES_MAX, HTTP_FIELDS_MAX};
    static struct http_field fields[HTTP_FIELDS_MAX];
    static char text[1024];
    struct http_parser parser;
    uint64_t start = now_ns();
    for (unsigned i = 0; i < ROUNDS; i++) {
        // The parser writes lower case into its input; a fresh copy each time is the honest load.
        memcpy(text, request, len);
        http_parser_init(&parser, &limits, fields);
        if (http_parser_run(&parser, text, len) != (ssize_t)len)
            abort();
    }
    report(what, len, start);
}

static void bench_encode(void)
{
    static const struct http_field fields[] = {
        {STR_INIT("content-type"), STR_INIT("text/html; charset=utf-8")},
        {STR_INIT("cache-control"), STR_INIT("max-age=3600")},
        {STR_INIT("etag"), STR_INIT("\"5f3e-61a8b2c3d4e5f\"")},
    };
    const struct http_response_head head = {.status = 200,
                                            .fields = fields,
                                            .field_count = ARRAY_LEN(fields),
                                            .framing = HTTP_FRAMING_LENGTH,
                                            .content_length = 12345,
                                            .date = STR("Sun, 06 Nov 1994 08:49:37 GMT")};
    BUF(out, 4096);
    uint64_t start = now_ns();
    for (unsigned i = 0; i < ROUNDS; i++) {
        buf_clear(&out);
        if (http_encode_head(&out, &head) < 0)
            abort();
    }
    report("response head", out.len, start);
}

int main(void)
{
    bench_parse("request of a browser", browser, sizeof(browser) - 1);
    bench_parse("request of curl", curl, sizeof(curl) - 1);
    bench_encode();
    return 0;
}
