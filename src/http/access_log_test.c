// SPDX-License-Identifier: Apache-2.0
#include "http/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "testing/test.h"

#define LINE_MAX_TEST ((size_t)1 << 22)

static const struct http_field fields[] = {
    {STR_INIT("user-agent"), STR_INIT("curl/8 \"x\"\\")},
    {STR_INIT("x-mark"), STR_INIT("a\tb\x80")},
};

static struct http_request request = {
    .method = STR_INIT("GET"),
    .target = STR_INIT("/a/b?c=d"),
    .authority = STR_INIT("a.example:8000"),
    .scheme = STR_INIT("https"),
    .fields = fields,
    .field_count = ARRAY_LEN(fields),
    .version_major = 1,
    .version_minor = 1,
};

static struct http_access_entry entry_of(void)
{
    return (struct http_access_entry){
        .request = &request,
        .peer = {.family = 4, .ip = {192, 0, 2, 1}, .port = 4711},
        .status = 200,
        .bytes_received = 3,
        .bytes_sent = 1234,
        .time_us = 1760104536123456, // 2025-10-10 13:55:36
        .duration_us = 2345678,
    };
}

static const char *line_of(const char *format, const struct http_access_entry *entry)
{
    static char text[65536];
    struct http_access_format *parsed;
    BUF(out, LINE_MAX_TEST);
    ERROR(err);
    if (http_access_format_new(str_from(format), &parsed, &err) < 0) {
        snprintf(text, sizeof(text), "%s", error_text(&err));
        return text;
    }
    http_access_format_line(parsed, entry, &out);
    http_access_format_free(parsed);
    snprintf(text, sizeof(text), "%.*s", STR_ARG(buf_str(&out)));
    return text;
}

TEST(access_lines_follow_the_format)
{
    struct http_access_entry entry = entry_of();
    CHECK_TEXT(line_of("common", &entry),
               "192.0.2.1 - - [10/Oct/2025:13:55:36 +0000] \"GET /a/b?c=d HTTP/1.1\" 200 1234\n");
    CHECK_TEXT(
        line_of("combined", &entry),
        "192.0.2.1 - - [10/Oct/2025:13:55:36 +0000] \"GET /a/b?c=d HTTP/1.1\" 200 1234 \"-\" "
        "\"curl/8 \\\"x\\\"\\\\\"\n");
    CHECK_TEXT(line_of("%m %U %q %H %V %k %s %B %I %D %T %X 100%%", &entry),
               "GET /a/b ?c=d HTTP/1.1 a.example:8000 https 200 1234 3 2345678 2 + 100%\n");
    CHECK_TEXT(line_of("%{X-Mark}i|%{none}i", &entry), "a\\x09b\\x80|-\n");
    entry.status = 0;
    entry.bytes_sent = 0;
    entry.cut = true;
    entry.peer.family = 0;
    request.version_major = 2;
    CHECK_TEXT(line_of("%h %>s %b %B %X %H", &entry), "- - - 0 X HTTP/2.0\n");
    request.version_major = 1;
}

TEST(access_lines_cannot_be_forged)
{
    struct http_access_entry entry = entry_of();
    request.target = STR("/\r\n1.2.3.4 - - \"\x1b[31m");
    CHECK_TEXT(line_of("%U", &entry), "/\\x0d\\x0a1.2.3.4 - - \\\"\\x1b[31m\n");
    CHECK_CONTAINS(line_of("json", &entry),
                   "\"target\":\"/\\u000d\\u000a1.2.3.4 - - \\\"\\u001b[31m\"");
    char *large = mem_alloc(100000);
    memset(large, '\x01', 100000);
    request.target = str_of(large, 100000);
    CHECK_INT(strlen(line_of("%U", &entry)), 4 * HTTP_ACCESS_VALUE_BYTES_MAX + 4);
    BUF(format, HTTP_ACCESS_FORMAT_BYTES_MAX);
    for (size_t i = 0; i < HTTP_ACCESS_ITEMS_MAX; i++)
        buf_put(&format, STR("%r"));
    char *text = buf_take(&format);
    CHECK_INT(strlen(line_of(text, &entry)), 65535); // as much as this test keeps of a MiB
    free(text);
    free(large);
    request.target = STR("/a/b?c=d");
}

TEST(access_lines_as_json)
{
    struct http_access_entry entry = entry_of();
    CHECK_TEXT(line_of("json", &entry),
               "{\"time\":\"2025-10-10T13:55:36.123456Z\",\"remote_addr\":\"192.0.2.1\","
               "\"remote_port\":4711,\"protocol\":\"HTTP/1.1\",\"scheme\":\"https\","
               "\"method\":\"GET\",\"authority\":\"a.example:8000\",\"target\":\"/a/b?c=d\","
               "\"status\":200,\"bytes_received\":3,\"bytes_sent\":1234,\"duration_us\":2345678,"
               "\"complete\":true,\"user_agent\":\"curl/8 \\\"x\\\"\\\\\"}\n");
    request.target = STR("/\xff\xc3");
    CHECK_CONTAINS(line_of("json", &entry), "\"/\xEF\xBF\xBD\xEF\xBF\xBD\"");
    request.target = STR("/a/b?c=d");
}

TEST(access_formats_are_checked)
{
    static const char *const bad[] = {"%",     "x%", "%z", "%{x}", "%{x", "%{}i",  "%{a b}i",
                                      "%{x}h", "%i", "%>", "%>h",  "",    "%{x}}i"};
    struct http_access_entry entry = entry_of();
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CHECK_CONTAINS(line_of(bad[i], &entry), "access log format: ");
    BUF(format, HTTP_ACCESS_FORMAT_BYTES_MAX);
    for (size_t i = 0; i <= HTTP_ACCESS_ITEMS_MAX; i++)
        buf_put(&format, STR("%h"));
    char *text = buf_take(&format);
    CHECK_CONTAINS(line_of(text, &entry), "more than 64 parts");
    free(text);
}

// ---- the file -----------------------------------------------------------------------------------

struct place {
    char dir[64], path[96], moved[96];
};

static struct place make_place(void)
{
    struct place place = {.dir = "/tmp/access-log-XXXXXX"};
    CHECK(mkdtemp(place.dir));
    snprintf(place.path, sizeof(place.path), "%s/log", place.dir);
    snprintf(place.moved, sizeof(place.moved), "%s/moved", place.dir);
    return place;
}

static void remove_place(const struct place *place)
{
    unlink(place->path);
    unlink(place->moved);
    rmdir(place->dir);
}

static size_t lines_in(const char *path)
{
    BUF(content, LINE_MAX_TEST);
    size_t count = 0;
    if (file_read(path, &content, NULL) < 0)
        return 0;
    for (size_t i = 0; i < content.len; i++)
        count += content.data[i] == '\n';
    return count;
}

TEST(access_log_writes_all_lines_and_moves_on)
{
    struct place place = make_place();
    struct http_access_entry entry = entry_of();
    struct http_access_log *log;
    ERROR(err);
    CHECK_INT(http_access_log_open(place.path, STR("common"), &log, &err), 0);
    for (int i = 0; i < 1000; i++)
        http_access_log_add(log, &entry);
    for (int i = 0; i < 500 && lines_in(place.path) < 1000; i++)
        usleep(10000);
    CHECK_INT(rename(place.path, place.moved), 0);
    http_access_log_reopen(log);
    for (int i = 0; i < 500 && access(place.path, F_OK) < 0; i++)
        usleep(10000);
    http_access_log_add(log, &entry);
    CHECK_INT(http_access_log_dropped(log), 0);
    http_access_log_close(log);
    CHECK_INT(lines_in(place.moved), 1000);
    CHECK_INT(lines_in(place.path), 1);
    remove_place(&place);
}

TEST(access_log_never_blocks_its_users)
{
    struct place place = make_place();
    struct http_access_entry entry = entry_of();
    struct http_access_log *log;
    ERROR(err);
    CHECK_INT(mkfifo(place.path, 0600), 0);
    int reader = open(place.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    CHECK(reader >= 0);
    CHECK_INT(http_access_log_open(place.path, STR("json"), &log, &err), 0);
    for (int i = 0; i < 60000; i++) // 15 MB that nobody reads
        http_access_log_add(log, &entry);
    CHECK(http_access_log_dropped(log) > 0);
    http_access_log_close(log);
    close(reader);
    remove_place(&place);
}

TEST(access_log_needs_a_path_that_opens)
{
    struct http_access_log *log;
    ERROR(err);
    CHECK_INT(http_access_log_open("/nope/log", STR("common"), &log, &err), -ENOENT);
    CHECK_CONTAINS(error_text(&err), "opening the access log /nope/log");
    CHECK_INT(http_access_log_open("-", STR("%"), &log, &err), -EINVAL);
}
