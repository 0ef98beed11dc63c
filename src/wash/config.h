// SPDX-License-Identifier: Apache-2.0
// The configuration of wash: `.wash/config.{yaml,yml,json,toml}` of the project over the user's own
// over built-in defaults, and the WASH_* environment over both.
//
// Maps are merged key by key; everything else, lists and null included, is replaced by the higher
// layer. Absent strings have data NULL. Unknown keys are told to `warn` and ignored.
#pragma once

#include "base/buf.h"
#include "data/record.h"

#define CONFIG_FILE_BYTES_MAX      TREE_BYTES_MAX
#define CONFIG_DEV_ADDRESS_DEFAULT "0.0.0.0:8000"
#define CONFIG_WIT_DIR_DEFAULT     "wit"
#define CONFIG_PROJECT_DEPTH_MAX   256 // ancestors that are searched

struct config_build {
    struct str command;
    struct string_map env;
    struct str component_path;
};

struct config_environment {
    struct string_map config;
    struct strings config_from;
    struct strings secret_from;
};

struct config_component {
    struct str name;
    struct str file;
    struct config_environment *environment;
    struct string_map config;
    struct strings allowed_hosts; // is_set: replaces the workload's, even if empty
    struct strings allowed_ip_name_lookups;
    struct optional_int pool_size;
    struct optional_int max_invocations;
    struct optional_int max_concurrency;
};

struct config_volume {
    struct str host_path;
    struct str guest_path;
};

struct config_interface {
    struct str namespace_;
    struct str package;
    struct strings interfaces;
    struct string_map config;
    struct str version;
    struct str name;
};

struct config_dev {
    struct str command;        // else build.command
    struct str component_path; // else build.component_path
    struct str address;        // else CONFIG_DEV_ADDRESS_DEFAULT
    bool service;
    struct str service_file;
    RECORD_LIST(struct config_component) components;
    RECORD_LIST(struct config_volume) volumes;
    struct string_map environment; // of wash itself, not of the guest
    RECORD_LIST(struct config_interface) host_interfaces;
    struct str tls_cert_path;
    struct str tls_key_path;
    struct str tls_ca_path;
    bool wasi_webgpu;
    struct str data_nats_url;
    struct str wasi_keyvalue_redis_url;
    struct str wasi_keyvalue_path;
    struct str wasi_keyvalue_nats_url;
    struct str wasi_blobstore_path;
    struct str postgres_url;
    bool wasi_otel;
    bool wasip3;
};

struct config_new {
    struct str command;
};

struct config_workload {
    struct config_environment *environment;
    struct string_map config;
    struct strings allowed_hosts; // ["*"] when the block leaves it out
    struct strings allowed_ip_name_lookups;
};

struct config_source {
    struct string_map inline_;
    struct str file;
    struct str dir;
    struct strings from_env;
};

struct config_registry {
    struct str url;
    struct str username;
    struct str token;
};

struct config_wit {
    RECORD_LIST(struct config_registry) registries;
    bool skip_fetch;
    struct str wit_dir; // else CONFIG_WIT_DIR_DEFAULT
    struct string_map sources;
};

typedef RECORD_MAP(struct config_source) config_sources;

struct config {
    struct arena arena;
    struct str version;
    struct config_build *build; // NULL: no such block, here and below
    struct config_dev *dev;
    struct config_new *new_;
    struct config_workload *workload; // NULL: all outbound requests are denied
    config_sources configs;
    config_sources secrets;
    struct config_wit *wit;
};

struct config_options {
    const char *version;          // of wash, the default of `version`
    const char *project_dir;      // NULL: no project layer
    const char *user_dir;         // folder with the user's config.*; NULL: none
    const char *user_file;        // instead of it: this file, which must exist
    const char *const *environ;   // "NAME=value", NULL-terminated; NULL: no such layer
    const struct tree *overrides; // highest layer; NULL: none
    void (*warn)(void *user, const char *message);
    void *user;
};

_must_use_ int config_load(const struct config_options *options, struct config **out,
                           struct error *err);
// One file alone, over the built-in default.
_must_use_ int config_load_file(const char *path, const struct config_options *options,
                                struct config **out, struct error *err);
void config_free(struct config *config);
static inline void config_freep(struct config **config)
{
    config_free(*config);
}

// As `config show` prints it: the tables' order, absent and empty values left out except where the
// reference prints them.
struct tree *config_print(const struct config *config);
// What `config init --example` writes: an example of every block.
struct tree *config_example(const char *version);

// Rules beyond the types (`config validate`). Appends a line for each failure, in the order build,
// dev, wit; returns how many. Local paths are taken relative to `project_dir`.
size_t config_validate(const struct config *config, const char *project_dir, struct buf *lines);

// The nearest folder from `dir` (absolute) upwards that has `.wash/config.*`, else `dir`; heap.
_malloc_ char *config_find_project(const char *dir);
// The config file of a folder: config.yaml, .yml, .json, .toml, the first that exists; heap, or
// NULL without one.
_must_use_ char *config_find_file(const char *dir);
// $XDG_CONFIG_HOME/wash (if absolute), else ~/.config/wash; heap, or NULL without a home.
_must_use_ char *config_user_dir(void);
