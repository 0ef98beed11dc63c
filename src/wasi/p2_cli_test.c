// SPDX-License-Identifier: Apache-2.0
// wasi:cli: standard streams on pipes, terminals and files of the test.
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/socket.h>

#include "testing/test.h"
#include "wasi/log_rate.h"
#include "wasi/stdio_stream.h"
#include "wasi/task_fake.h"

static void make_pipe(int ends[2])
{
    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
}

static struct str read_some(int fd, char *data, size_t size)
{
    ssize_t got = read(fd, data, size);
    return str_of(data, got > 0 ? (size_t)got : 0);
}

static void write_and_flush(struct fake *fake, struct p2_io_streams_output_stream *stream,
                            struct str text)
{
    struct p2_result_void_io_streams_stream_error done = {0};
    CHECK_INT(
        p2_io_streams_output_stream_blocking_write_and_flush(&fake->call, stream, text, &done), 0);
    CHECK(!done.is_err);
}

static void output_on(struct fake *fake, int fd, bool by_line,
                      struct p2_io_streams_output_stream **stream)
{
    fake_init(fake, false);
    fake->config.stdout_mode = WASI_STDIO_FD;
    fake->config.stdout_fd = fd;
    fake->config.line_output = by_line;
    CHECK_INT(p2_cli_stdout_get_stdout(&fake->call, stream), 0);
}

TEST(stdout_writes_at_once)
{
    int ends[2];
    char data[64];
    struct fake fake;
    struct p2_io_streams_output_stream *out;
    make_pipe(ends);
    output_on(&fake, ends[1], false, &out);
    write_and_flush(&fake, out, STR("no line"));
    CHECK_STR(read_some(ends[0], data, sizeof(data)), "no line");
    CHECK_INT(fake.parks, 0);
    // The descriptor's flags are shared with other processes: they stay as they were.
    CHECK_INT(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
    CHECK_INT(p2_io_streams_output_stream_drop(&fake.call, out), 0);
    fake_done(&fake);
    close(ends[0]);
    close(ends[1]);
}

// Writes until the stream takes no more; how much that was.
static size_t fill(struct fake *fake, struct p2_io_streams_output_stream *out)
{
    static char block[65536];
    memset(block, 'x', sizeof(block));
    size_t total = 0;
    for (;;) {
        struct p2_result_u64_io_streams_stream_error permit = {0};
        struct p2_result_void_io_streams_stream_error done = {0};
        CHECK_INT(p2_io_streams_output_stream_check_write(&fake->call, out, &permit), 0);
        CHECK(!permit.is_err);
        if (permit.ok == 0)
            return total;
        struct str part = str_of(block, permit.ok);
        CHECK_INT(p2_io_streams_output_stream_write(&fake->call, out, part, &done), 0);
        CHECK(!done.is_err);
        total += permit.ok;
        CHECK(total < 10000000);
    }
}

struct slow_reader {
    struct loop_timer timer;
    int fd;
    size_t got;
};

static void read_slowly(struct loop_timer *timer)
{
    struct slow_reader *reader = container_of(timer, struct slow_reader, timer);
    static char data[65536];
    reader->got += read_some(reader->fd, data, sizeof(data)).len;
    loop_timer_start(timer, 1000000);
}

static void check_slow_reader(int from, int to)
{
    struct fake fake;
    struct p2_io_streams_output_stream *out;
    output_on(&fake, to, false, &out);
    size_t total = fill(&fake, out);
    struct slow_reader reader = {.fd = from};
    loop_timer_init(&reader.timer, fake.loop, read_slowly);
    loop_timer_start(&reader.timer, 1000000);
    struct p2_result_void_io_streams_stream_error done = {0};
    CHECK_INT(p2_io_streams_output_stream_blocking_flush(&fake.call, out, &done), 0);
    CHECK(!done.is_err);
    CHECK(fake.parks > 0);
    write_and_flush(&fake, out, STR("end"));
    while (reader.got < total + 3)
        loop_turn(fake.loop, true);
    CHECK_INT(reader.got, total + 3);
    loop_timer_done(&reader.timer);
    CHECK_INT(fcntl(to, F_GETFL) & O_NONBLOCK, 0);
    CHECK_INT(p2_io_streams_output_stream_drop(&fake.call, out), 0);
    fake_done(&fake);
    close(from);
    close(to);
}

TEST(stdout_waits_for_a_slow_reader)
{
    int ends[2];
    make_pipe(ends);
    check_slow_reader(ends[0], ends[1]);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    check_slow_reader(ends[0], ends[1]);
}

TEST(stdout_keeps_lines_whole_for_servers)
{
    int ends[2];
    char data[64];
    struct fake fake, other;
    struct p2_io_streams_output_stream *out, *out2;
    make_pipe(ends);
    output_on(&fake, ends[1], true, &out);
    output_on(&other, ends[1], true, &out2);
    write_and_flush(&fake, out, STR("first "));
    write_and_flush(&other, out2, STR("second\nthi"));
    write_and_flush(&fake, out, STR("half\n"));
    CHECK_STR(read_some(ends[0], data, sizeof(data)), "second\nfirst half\n");
    CHECK_INT(p2_io_streams_output_stream_drop(&fake.call, out), 0);
    CHECK_INT(p2_io_streams_output_stream_drop(&other.call, out2), 0);
    fake_done(&fake);
    fake_done(&other);
    CHECK_STR(read_some(ends[0], data, sizeof(data)), "thi\n");
    close(ends[0]);
    close(ends[1]);
}

static void count_dropped(void *user, uint64_t dropped)
{
    *(uint64_t *)user += dropped;
}

static void limited_output_on(struct fake *fake, int fd, struct log_rate *rate,
                              struct p2_io_streams_output_stream **stream)
{
    fake_init(fake, false);
    fake->config.stdout_mode = WASI_STDIO_FD;
    fake->config.stdout_fd = fd;
    fake->config.line_output = true;
    fake->config.log_rate = rate;
    CHECK_INT(p2_cli_stdout_get_stdout(&fake->call, stream), 0);
}

TEST(lines_beyond_the_rate_are_dropped_whole_and_long_ones_cut)
{
    static char block[1000];
    static const struct {
        uint32_t rate, blocks; // one line of so many blocks, after two short ones
        size_t bytes, dropped;
    } cases[] = {{1, 0, 2, 2}, {3, 0, 5, 0}, {3, 1, 5 + 1000, 1}, {5, 4, 4 + 3000 + 1, 2}};
    memset(block, 'x', sizeof(block));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int ends[2];
        char data[8192];
        uint64_t dropped = 0;
        struct fake fake;
        struct p2_io_streams_output_stream *out;
        struct log_rate *rate = log_rate_new(cases[i].rate, count_dropped, &dropped);
        make_pipe(ends);
        struct timespec now;
        do
            clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
        while (now.tv_nsec > 500000000);
        limited_output_on(&fake, ends[1], rate, &out);
        write_and_flush(&fake, out, STR("1\n2\n"));
        for (uint32_t k = 0; k < cases[i].blocks; k++)
            write_and_flush(&fake, out, str_of(block, sizeof(block)));
        write_and_flush(&fake, out, STR("\n"));
        if (cases[i].blocks)
            write_and_flush(&fake, out, STR("last\n"));
        CHECK_INT(p2_io_streams_output_stream_drop(&fake.call, out), 0);
        fake_done(&fake);
        CHECK_INT(dropped, cases[i].dropped);
        CHECK_INT(read_some(ends[0], data, sizeof(data)).len, cases[i].bytes);
        log_rate_free(rate);
        close(ends[0]);
        close(ends[1]);
    }
}

TEST(stdout_is_closed_by_its_reader)
{
    int ends[2];
    struct fake fake;
    struct p2_io_streams_output_stream *out;
    signal(SIGPIPE, SIG_IGN);
    make_pipe(ends);
    output_on(&fake, ends[1], false, &out);
    close(ends[0]);
    struct p2_result_void_io_streams_stream_error done = {0};
    CHECK_INT(
        p2_io_streams_output_stream_blocking_write_and_flush(&fake.call, out, STR("x"), &done), 0);
    CHECK(done.is_err);
    CHECK_INT(done.err.tag, P2_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED);
    CHECK_CONTAINS(done.err.last_operation_failed->message, "write standard output: Broken pipe");
    CHECK_INT(p2_io_error_error_drop(&fake.call, done.err.last_operation_failed), 0);
    CHECK_INT(p2_io_streams_output_stream_blocking_flush(&fake.call, out, &done), 0);
    CHECK_INT(done.err.tag, P2_IO_STREAMS_STREAM_ERROR_CLOSED);
    CHECK_INT(p2_io_streams_output_stream_drop(&fake.call, out), 0);
    fake_done(&fake);
    close(ends[1]);
}

TEST(null_streams_take_all_and_give_nothing)
{
    struct fake fake;
    fake_init(&fake, false);
    struct p2_io_streams_output_stream *err;
    struct p2_io_streams_input_stream *in;
    CHECK_INT(p2_cli_stderr_get_stderr(&fake.call, &err), 0);
    CHECK_INT(p2_cli_stdin_get_stdin(&fake.call, &in), 0);
    write_and_flush(&fake, err, STR("gone"));
    struct p2_result_bytes_io_streams_stream_error read = {0};
    CHECK_INT(p2_io_streams_input_stream_blocking_read(&fake.call, in, 9, &read), 0);
    CHECK(read.is_err);
    CHECK_INT(read.err.tag, P2_IO_STREAMS_STREAM_ERROR_CLOSED);
    CHECK_INT(p2_io_streams_output_stream_drop(&fake.call, err), 0);
    CHECK_INT(p2_io_streams_input_stream_drop(&fake.call, in), 0);
    fake_done(&fake);
}

// ---- input --------------------------------------------------------------------------------------

struct late_writer {
    struct loop_timer timer;
    int fd;
};

static void write_late(struct loop_timer *timer)
{
    struct late_writer *writer = container_of(timer, struct late_writer, timer);
    CHECK_INT(write(writer->fd, "late\n", 5), 5);
}

static void input_on(struct fake *fake, int fd, struct p2_io_streams_input_stream **stream)
{
    fake_init(fake, false);
    fake->config.stdin_mode = WASI_STDIO_FD;
    fake->config.stdin_fd = fd;
    CHECK_INT(p2_cli_stdin_get_stdin(&fake->call, stream), 0);
}

static void check_late_writer(int from, int to)
{
    struct fake fake;
    struct p2_io_streams_input_stream *in, *in2;
    input_on(&fake, from, &in);
    struct late_writer writer = {.fd = to};
    loop_timer_init(&writer.timer, fake.loop, write_late);
    loop_timer_start(&writer.timer, 1000000);
    struct p2_result_bytes_io_streams_stream_error read = {0};
    CHECK_INT(p2_io_streams_input_stream_read(&fake.call, in, 2, &read), 0);
    CHECK(!read.is_err && read.ok.len == 0);
    CHECK_INT(p2_io_streams_input_stream_blocking_read(&fake.call, in, 2, &read), 0);
    CHECK_STR(read.ok, "la");
    CHECK_INT(fake.parks, 1);
    // What was read ahead is there for every stream of standard input.
    CHECK_INT(p2_cli_stdin_get_stdin(&fake.call, &in2), 0);
    CHECK_INT(p2_io_streams_input_stream_blocking_read(&fake.call, in2, 99, &read), 0);
    CHECK_STR(read.ok, "te\n");
    CHECK_INT(fcntl(from, F_GETFL) & O_NONBLOCK, 0);
    loop_timer_done(&writer.timer);
    CHECK_INT(p2_io_streams_input_stream_drop(&fake.call, in), 0);
    CHECK_INT(p2_io_streams_input_stream_drop(&fake.call, in2), 0);
    fake_done(&fake);
    close(from);
    close(to);
}

TEST(stdin_waits_for_a_late_writer)
{
    int ends[2];
    make_pipe(ends);
    check_late_writer(ends[0], ends[1]);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    check_late_writer(ends[0], ends[1]);
    int master, terminal;
    if (openpty(&master, &terminal, NULL, NULL, NULL) < 0)
        test_skip("no terminals here");
    check_late_writer(terminal, master);
}

TEST(stdin_reads_a_file_to_its_end)
{
    struct fake fake;
    struct p2_io_streams_input_stream *in;
    FILE *file = tmpfile();
    CHECK(file);
    fputs("content", file);
    rewind(file);
    input_on(&fake, fileno(file), &in);
    struct p2_result_bytes_io_streams_stream_error read = {0};
    CHECK_INT(p2_io_streams_input_stream_blocking_read(&fake.call, in, 99, &read), 0);
    CHECK_STR(read.ok, "content");
    CHECK_INT(p2_io_streams_input_stream_blocking_read(&fake.call, in, 99, &read), 0);
    CHECK(read.is_err);
    CHECK_INT(fake.parks, 0);
    CHECK_INT(p2_io_streams_input_stream_drop(&fake.call, in), 0);
    fake_done(&fake);
    fclose(file);
}

// ---- the rest -----------------------------------------------------------------------------------

TEST(terminals_are_told)
{
    int master, terminal;
    struct fake fake;
    fake_init(&fake, false);
    if (openpty(&master, &terminal, NULL, NULL, NULL) < 0)
        test_skip("no terminals here");
    fake.config.stdin_mode = fake.config.stdout_mode = WASI_STDIO_FD;
    fake.config.stdin_fd = terminal;
    fake.config.stdout_fd = -1;
    struct p2_option_cli_terminal_input_terminal_input in = {0};
    struct p2_option_cli_terminal_output_terminal_output out = {0};
    CHECK_INT(p2_cli_terminal_stdin_get_terminal_stdin(&fake.call, &in), 0);
    CHECK(in.is_some);
    CHECK_INT(p2_cli_terminal_input_terminal_input_drop(&fake.call, in.some), 0);
    CHECK_INT(p2_cli_terminal_stdout_get_terminal_stdout(&fake.call, &out), 0);
    CHECK(!out.is_some);
    CHECK_INT(p2_cli_terminal_stderr_get_terminal_stderr(&fake.call, &out), 0);
    CHECK(!out.is_some);
    close(master);
    close(terminal);
    fake_done(&fake);
}

TEST(environment_is_the_configuration)
{
    struct fake fake;
    fake_init(&fake, false);
    const struct wasi_env env[] = {{STR_INIT("A"), STR_INIT("1")}, {STR_INIT("B"), STR_INIT("")}};
    const struct str args[] = {STR_INIT("program"), STR_INIT("--flag")};
    struct p2_list_tuple_string_string pairs;
    struct p2_list_string words;
    struct p2_option_string cwd;
    CHECK_INT(p2_cli_environment_get_environment(&fake.call, &pairs), 0);
    CHECK_INT(pairs.len, 0);
    CHECK_INT(p2_cli_environment_initial_cwd(&fake.call, &cwd), 0);
    CHECK(!cwd.is_some);
    fake.config.env = env;
    fake.config.env_count = 2;
    fake.config.args = args;
    fake.config.arg_count = 2;
    fake.config.initial_cwd = STR("/w");
    CHECK_INT(p2_cli_environment_get_environment(&fake.call, &pairs), 0);
    CHECK_INT(pairs.len, 2);
    CHECK_STR(pairs.data[0].f1, "1");
    CHECK_STR(pairs.data[1].f0, "B");
    CHECK_INT(p2_cli_environment_get_arguments(&fake.call, &words), 0);
    CHECK_INT(words.len, 2);
    CHECK_STR(words.data[1], "--flag");
    CHECK_INT(p2_cli_environment_initial_cwd(&fake.call, &cwd), 0);
    CHECK_STR(cwd.some, "/w");
    fake_done(&fake);
}

TEST(exit_has_its_code)
{
    struct fake fake;
    fake_init(&fake, false);
    CHECK(p2_cli_exit_exit(&fake.call, (struct p2_result_void_void){false}) < 0);
    CHECK(fake.exited);
    CHECK_INT(fake.exit_code, 0);
    CHECK(p2_cli_exit_exit(&fake.call, (struct p2_result_void_void){true}) < 0);
    CHECK_INT(fake.exit_code, 1);
    CHECK(p2_cli_exit_exit_with_code(&fake.call, 42) < 0);
    CHECK_INT(fake.exit_code, 42);
    fake_done(&fake);
}
