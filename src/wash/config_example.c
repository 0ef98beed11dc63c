// SPDX-License-Identifier: Apache-2.0
// What `config init` writes.
#include "wash/config_impl.h"

static struct config_component components[] = {
    {.name = STR_INIT("example-sidecar"), .file = STR_INIT("example/path/to/sidecar.wasm")},
};
static struct config_volume volumes[] = {
    {.host_path = STR_INIT("./data"), .guest_path = STR_INIT("/data")},
};
static struct str interface_names[] = {STR_INIT("incoming-handler")};
static struct config_interface interfaces[] = {
    {.namespace_ = STR_INIT("wasi"),
     .package = STR_INIT("http"),
     .interfaces = {interface_names, ARRAY_LEN(interface_names), true},
     .config = {.is_set = true},
     .version = STR_INIT("0.2.0")},
};
static struct config_build build = {
    .command = STR_INIT("cargo build --target wasm32-wasip2 --release"),
    .component_path = STR_INIT("target/wasm32-wasip2/release/component.wasm"),
};
static struct config_dev dev = {
    .address = STR_INIT(CONFIG_DEV_ADDRESS_DEFAULT),
    .service_file = STR_INIT("example/path/to/service.wasm"),
    .components = {components, ARRAY_LEN(components), true},
    .volumes = {volumes, ARRAY_LEN(volumes), true},
    .host_interfaces = {interfaces, ARRAY_LEN(interfaces), true},
    .data_nats_url = STR_INIT("nats://127.0.0.1:4222"),
    .wasi_keyvalue_redis_url = STR_INIT("redis://127.0.0.1:6379"),
    .wasi_keyvalue_path = STR_INIT("./data/keyvalue"),
    .wasi_keyvalue_nats_url = STR_INIT("nats://127.0.0.1:4222"),
    .wasi_blobstore_path = STR_INIT("./data/blobstore"),
    .postgres_url = STR_INIT("postgres://user:pass@127.0.0.1:5432"),
};
static struct string_pair sources[] = {
    {STR_INIT("example:http"), STR_INIT("https://example.com/wit.tar.gz")},
    {STR_INIT("example:git"), STR_INIT("git+https://github.com/user/repo.git")},
    {STR_INIT("example:oci"), STR_INIT("ghcr.io/user/package")},
};
static struct config_wit wit = {
    .wit_dir = STR_INIT(CONFIG_WIT_DIR_DEFAULT),
    .sources = {sources, ARRAY_LEN(sources), true},
};

struct tree *config_example(const char *version)
{
    struct config config = {
        .version = str_from(version), .build = &build, .dev = &dev, .wit = &wit};
    return config_print(&config);
}
