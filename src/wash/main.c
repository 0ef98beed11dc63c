// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "base/log.h"
#include "data/json.h"
#include "wash/command.h"
#include "wash/version.h"

static const struct command *const commands[] = {
    &command_build, &command_component, &command_dev, &command_inspect, &command_run,
};

#define REPORT_BYTES_MAX ((size_t)256 * 1024 * 1024)

#define GLOBAL(field) offsetof(struct global_options, field)
static const struct option global_options[] = {
    {"output", 'o', OPTION_TEXT, "FORMAT", "text (default) or json", GLOBAL(output)},
    {"log-level", 'l', OPTION_TEXT, "LEVEL", "error, warn, info (default), debug or trace",
     GLOBAL(log_level)},
    {"verbose", 0, OPTION_FLAG, NULL, "richer log lines", GLOBAL(verbose)},
    {"non-interactive", 0, OPTION_FLAG, NULL, "never ask; answer every question with yes",
     GLOBAL(non_interactive)},
    {"user-config", 0, OPTION_TEXT, "FILE", "instead of the user's configuration file",
     GLOBAL(user_config)},
    {NULL, 'C', OPTION_TEXT, "DIR", "project folder (default: found upwards by .wash/config.yaml)",
     GLOBAL(project_dir)},
    {"enable-meters", 0, OPTION_FLAG, NULL, "count what guests consume", GLOBAL(enable_meters)},
    {"help", 'h', OPTION_FLAG, NULL, "print this help", GLOBAL(help)},
    {"version", 'V', OPTION_FLAG, NULL, "print the version", GLOBAL(version)},
};

static void print_help(void)
{
    BUF(text, 64 * 1024);
    buf_put(&text, STR("wash runs WebAssembly components.\n\n"
                       "Usage: wash [OPTIONS] COMMAND [ARGUMENTS]\n\nCommands:\n"));
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        buf_putf(&text, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    buf_put(&text, STR("\nOptions:\n"));
    options_help(global_options, ARRAY_LEN(global_options), &text);
    buf_put(&text, STR("\n`wash COMMAND --help` tells more.\n"));
    fwrite(text.data, 1, text.len, stdout);
}

static void print_command_help(const struct command *command)
{
    BUF(text, 64 * 1024);
    buf_putf(&text, "%s\n\nUsage: wash %s %s\n", command->summary, command->name, command->usage);
    if (command->help)
        buf_putf(&text, "\n%s\n", command->help);
    if (command->option_count) {
        buf_put(&text, STR("\nOptions:\n"));
        options_help(command->options, command->option_count, &text);
    }
    buf_put(&text, STR("\nOptions of every command:\n"));
    options_help(global_options, ARRAY_LEN(global_options), &text);
    fwrite(text.data, 1, text.len, stdout);
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

void command_report(const struct global_options *global, bool success, struct str message,
                    struct tree *data)
{
    if (!global->output || strcmp(global->output, "json") != 0) {
        printf("%.*s\n", STR_ARG(message));
        tree_unref(data);
        return;
    }
    _tree_ report = tree_map();
    struct tree *text = tree_string(message);
    tree_put(report, STR("message"), text ? text : tree_string(STR("(not UTF-8)")));
    tree_put(report, STR("success"), tree_bool(success));
    tree_put(report, STR("data"), data ? data : tree_null());
    BUF(out, REPORT_BYTES_MAX);
    if (json_print(report, 2, &out) == 0)
        printf("%.*s\n", STR_ARG(buf_str(&out)));
}

static int usage_error(const char *message, const char *command)
{
    fprintf(stderr, "wash: %s\n`wash %s%s--help` tells how it is used.\n", message,
            command ? command : "", command ? " " : "");
    return EXIT_USAGE;
}

static int apply_globals(const struct global_options *global, struct error *err)
{
    enum log_level level;
    if (global->log_level) {
        if (log_level_parse(str_from(global->log_level), &level) < 0)
            return error_set(err, -EINVAL, "unknown log level `%s`", global->log_level);
        log_set_level(level);
    }
    if (global->output && strcmp(global->output, "json") != 0 &&
        strcmp(global->output, "text") != 0 && strcmp(global->output, "plain") != 0)
        return error_set(err, -EINVAL, "unknown output format `%s`", global->output);
    return 0;
}

static int run_command(const struct command *command, int argc, char *const *argv,
                       struct global_options *global)
{
    ERROR(err);
    _cleanup_(mem_freep) void *options = mem_zalloc(command->options_size);
    struct option_table tables[] = {
        {command->options, command->option_count, options},
        {global_options, ARRAY_LEN(global_options), global},
    };
    _cleanup_(arguments_done) struct arguments args = {0};
    int rc = options_parse(tables, ARRAY_LEN(tables), argc, argv, &args, &err);
    if (rc == 0)
        rc = apply_globals(global, &err);
    if (rc < 0) {
        rc = usage_error(error_text(&err), command->name);
    } else if (global->help) {
        print_command_help(command);
    } else {
        rc = command->run(global, options, &args, &err);
        if (rc < 0 && err.code && command->is_guests_stdout)
            fprintf(stderr, "wash: %s\n", error_text(&err));
        else if (rc < 0 && err.code)
            command_report(global, false, str_from(error_text(&err)), NULL);
        rc = rc < 0 ? EXIT_FAILURE : rc;
    }
    options_done(&tables[0]);
    return rc;
}

// Global options may stand before the command: its index is the first word that is no option's
// value.
static int find_command_index(int argc, char **argv)
{
    int at = 1;
    while (at < argc && argv[at][0] == '-' && argv[at][1]) {
        bool takes_value = false;
        for (size_t i = 0; i < ARRAY_LEN(global_options); i++) {
            const struct option *option = &global_options[i];
            bool match = (option->letter && argv[at][1] == option->letter && !argv[at][2]) ||
                         (option->name && strncmp(argv[at], "--", 2) == 0 &&
                          strcmp(argv[at] + 2, option->name) == 0);
            takes_value |= match && option->kind != OPTION_FLAG;
        }
        at += takes_value ? 2 : 1;
    }
    return MIN(at, argc);
}

// A descriptor that is opened later must not become a standard stream by chance.
static void fill_standard_streams(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    fill_standard_streams();
    ERROR(err);
    struct global_options global = {0};
    int at = find_command_index(argc, argv);
    struct option_table table = {global_options, ARRAY_LEN(global_options), &global};
    _cleanup_(arguments_done) struct arguments before = {0};
    if (options_parse(&table, 1, at - 1, argv + 1, &before, &err) < 0)
        return usage_error(error_text(&err), NULL);
    if (global.version) {
        printf("wash %s\n", WASH_VERSION);
        return 0;
    }
    if (at == argc) {
        print_help();
        return global.help ? 0 : EXIT_USAGE;
    }
    const struct command *command = find_command(argv[at]);
    if (!command) {
        _cleanup_(mem_freep) char *message = mem_printf("there is no command `%s`", argv[at]);
        return usage_error(message, NULL);
    }
    return run_command(command, argc - at - 1, argv + at + 1, &global);
}
