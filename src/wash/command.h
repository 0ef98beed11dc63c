// SPDX-License-Identifier: Apache-2.0
// The commands of `wash` and what they share.
#pragma once

#include "wash/options.h"

struct global_options {
    const char *output;
    const char *log_level;
    const char *user_config;
    const char *project_dir;
    bool verbose;
    bool non_interactive;
    bool enable_meters;
    bool help;
    bool version;
};

struct command {
    const char *name;
    const char *usage;   // behind the name: "[OPTIONS] FILE"
    const char *summary; // one line
    const char *help;    // further text of `--help`; NULL: none
    const struct option *options;
    size_t option_count;
    size_t options_size;   // bytes of the struct that the options fill, zeroed before
    bool is_guests_stdout; // what the command prints is a guest's: failures go to stderr
    // Returns the exit code, or a negative code with `err` set: printed, exit code 1. A usage error
    // is -EINVAL from options_parse() or EXIT_USAGE.
    int (*run)(const struct global_options *global, void *options, const struct arguments *args,
               struct error *err);
};

#define EXIT_USAGE 2   // wrong command line
#define EXIT_TRAP  134 // the guest trapped

extern const struct command command_build;
extern const struct command command_component;
extern const struct command command_dev;
extern const struct command command_inspect;
extern const struct command command_run;

// Prints {message, success, data} as `--output` asks: the message alone, or JSON. Takes `data` (may
// be NULL).
struct tree;
void command_report(const struct global_options *global, bool success, struct str message,
                    struct tree *data);
