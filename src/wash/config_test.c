// SPDX-License-Identifier: Apache-2.0
#include "wash/config.h"

#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>

#include "data/json.h"
#include "testing/test.h"
#include "wash/config_impl.h"

// ---- a folder of files -------------------------------------------------------------------------

struct place {
    char dir[64];
    struct buf warnings;
    struct config_options options;
};

static void put(const struct place *place, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", place->dir, name);
    for (char *slash = path + strlen(place->dir) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(path, 0755);
        *slash = '/';
    }
    FILE *file = fopen(path, "we");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        test_fail(__FILE__, __LINE__, "cannot write %s", path);
}

static void note(void *user, const char *message)
{
    buf_putf(user, "%s\n", message);
}

static void setup(struct place *place)
{
    memset(place, 0, sizeof(*place));
    snprintf(place->dir, sizeof(place->dir), "/tmp/config-test-XXXXXX");
    if (!mkdtemp(place->dir))
        test_fail(__FILE__, __LINE__, "no folder for the test");
    place->warnings = BUF_INIT(100000);
    place->options = (struct config_options){
        .version = "2.4.0", .project_dir = place->dir, .warn = note, .user = &place->warnings};
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    return remove(path);
}

static void teardown(struct place *place)
{
    nftw(place->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    buf_done(&place->warnings);
}

static struct config *load(struct place *place)
{
    struct config *config;
    ERROR(err);
    if (config_load(&place->options, &config, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    return config;
}

static void check_prints(const struct config *config, const char *json)
{
    _tree_ tree = config_print(config);
    BUF(out, 100000);
    CHECK_INT(json_print(tree, 0, &out), 0);
    CHECK_STR(buf_str(&out), json);
}

static void check_fails(struct place *place, const char *reason)
{
    struct config *config;
    ERROR(err);
    if (config_load(&place->options, &config, &err) == 0)
        test_fail(__FILE__, __LINE__, "loaded, but expected: %s", reason);
    CHECK_CONTAINS(error_text(&err), "failed to load wash configuration: ");
    CHECK_CONTAINS(error_text(&err), reason);
}

// ---- loading -----------------------------------------------------------------------------------

TEST(config_without_files_is_the_version)
{
    struct place place;
    setup(&place);
    _cleanup_(config_freep) struct config *config = load(&place);
    check_prints(config, "{\"version\":\"2.4.0\"}");
    CHECK(!config->build && !config->dev && !config->workload && !config->wit);
    teardown(&place);
}

TEST(config_reads_the_whole_schema)
{
    struct place place;
    setup(&place);
    put(&place, ".wash/config.yaml",
        "version: 1.0.0\n"
        "wit: {sources: {'a:b': ./wit}, registries: [{url: 'https://r', token: t}]}\n"
        "secrets: {s: {fromEnv: [TOKEN]}}\n"
        "configs: {c: {inline: {K: v}, file: ./c.env, dir: ./d}}\n"
        "workload:\n  environment: {config: {A: '1'}, configFrom: [c], secretFrom: [s]}\n"
        "  config: {x: y}\n"
        "new: {command: make}\n"
        "dev:\n  command: b\n  component_path: c.wasm\n  address: '[::1]:8000'\n  service: true\n"
        "  service_file: s.wasm\n"
        "  components:\n    - {name: side, file: side.wasm, allowedHosts: [], config: {q: r},\n"
        "       environment: {configFrom: [c]}, poolSize: 4}\n"
        "  volumes: [{host_path: ./d, guest_path: /d}]\n"
        "  environment: {RUST_LOG: debug}\n"
        "  host_interfaces:\n    - {namespace: wasi, package: http, interfaces: [types], config: "
        "{},"
        " version: 0.2.0-rc.1, name: n}\n"
        "  tls_cert_path: c\n  tls_key_path: k\n  tls_ca_path: a\n  data_nats_url: nats://n\n"
        "  wasi_keyvalue_redis_url: redis://r\n  wasi_keyvalue_path: p\n"
        "  wasi_keyvalue_nats_url: nats://k\n  wasi_blobstore_path: b\n  postgres_url: "
        "postgres://p\n"
        "  wasi_otel: true\n"
        "build: {command: make, env: {CC: clang}, component_path: x.wasm}\n");
    _cleanup_(config_freep) struct config *config = load(&place);
    CHECK_STR(buf_str(&place.warnings), "");
    check_prints(
        config,
        "{\"version\":\"1.0.0\",\"build\":{\"command\":\"make\",\"env\":{\"CC\":\"clang\"},"
        "\"component_path\":\"x.wasm\"},\"dev\":{\"command\":\"b\",\"component_path\":\"c.wasm\","
        "\"address\":\"[::1]:8000\",\"service\":true,\"service_file\":\"s.wasm\",\"components\":"
        "[{\"name\":\"side\",\"file\":\"side.wasm\",\"environment\":{\"configFrom\":[\"c\"]},"
        "\"config\":{\"q\":\"r\"},\"poolSize\":4}],"
        "\"volumes\":[{\"host_path\":\"./d\",\"guest_path\":\"/d\"}],\"environment\":{\"RUST_LOG\":"
        "\"debug\"},\"host_interfaces\":[{\"namespace\":\"wasi\",\"package\":\"http\","
        "\"interfaces\":[\"types\"],\"config\":{},\"version\":\"0.2.0-rc.1\",\"name\":\"n\"}],"
        "\"tls_cert_path\":\"c\",\"tls_key_path\":\"k\",\"tls_ca_path\":\"a\",\"wasi_webgpu\":"
        "false,"
        "\"data_nats_url\":\"nats://n\",\"wasi_keyvalue_redis_url\":\"redis://r\","
        "\"wasi_keyvalue_path\":\"p\",\"wasi_keyvalue_nats_url\":\"nats://k\","
        "\"wasi_blobstore_path\":\"b\",\"postgres_url\":\"postgres://p\",\"wasi_otel\":true,"
        "\"wasip3\":false},\"new\":{\"command\":\"make\"},\"workload\":{\"environment\":"
        "{\"config\":{\"A\":\"1\"},\"configFrom\":[\"c\"],\"secretFrom\":[\"s\"]},\"config\":"
        "{\"x\":\"y\"},\"allowedHosts\":[\"*\"]},\"configs\":{\"c\":{\"inline\":{\"K\":\"v\"},"
        "\"file\":\"./c.env\",\"dir\":\"./d\"}},\"secrets\":{\"s\":{\"fromEnv\":[\"TOKEN\"]}},"
        "\"wit\":{\"registries\":[{\"url\":\"https://r\",\"token\":\"t\"}],\"skip_fetch\":false,"
        "\"wit_dir\":null,\"sources\":{\"a:b\":\"./wit\"}}}");
    CHECK(config->dev->components.items[0].allowed_hosts.is_set);
    CHECK_INT(config->dev->components.items[0].allowed_hosts.len, 0);
    teardown(&place);
}

TEST(config_layers_replace_and_merge)
{
    struct place place;
    setup(&place);
    char user_dir[128];
    snprintf(user_dir, sizeof(user_dir), "%s/user", place.dir);
    put(&place, "user/config.toml",
        "[build]\ncommand = \"user\"\nenv = {A = \"u\", B = \"u\"}\n[workload]\n"
        "allowedHosts = [\"a\", \"b\"]\n[dev]\naddress = \"1.1.1.1:1\"\n");
    put(&place, ".wash/config.json",
        "{\"build\":{\"env\":{\"B\":\"p\"},\"component_path\":\"p\"},"
        "\"workload\":{\"allowedHosts\":[\"c\"]},\"dev\":{\"address\":null}}");
    static const char *const environ[] = {"WASH_BUILD={command=env run, env={C=\"e,\"}}",
                                          "wash_dev.tls_ca_path=/ca", "OTHER=1", NULL};
    place.options.user_dir = user_dir;
    place.options.environ = environ;
    _cleanup_(config_freep) struct config *config = load(&place);
    CHECK_STR(config->build->command, "env run");
    CHECK_STR(config->build->component_path, "p");
    CHECK_INT(config->build->env.len, 3);
    CHECK_STR(config->build->env.items[1].value, "p");
    CHECK_STR(config->build->env.items[2].value, "e,");
    CHECK_INT(config->workload->allowed_hosts.len, 1);
    CHECK_STR(config->workload->allowed_hosts.items[0], "c");
    CHECK(!config->dev->address.data); // null of the higher layer
    CHECK_STR(config->dev->tls_ca_path, "/ca");
    teardown(&place);
}

TEST(config_overrides_are_the_highest_layer)
{
    struct place place;
    setup(&place);
    put(&place, ".wash/config.yml", "wit: {skip_fetch: false, wit_dir: w}\n");
    _tree_ overrides = NULL;
    CHECK_INT(json_parse(STR("{\"wit\":{\"skip_fetch\":true}}"), "o", &overrides, NULL, NULL), 0);
    place.options.overrides = overrides;
    _cleanup_(config_freep) struct config *config = load(&place);
    CHECK(config->wit->skip_fetch);
    CHECK_STR(config->wit->wit_dir, "w");
    teardown(&place);
}

TEST(config_user_file_replaces_the_user_folder)
{
    struct place place;
    setup(&place);
    put(&place, "user/config.yaml", "build: {command: folder}\n");
    put(&place, "mine.yaml", "build: {command: mine}\n");
    char dir[128], file[128];
    snprintf(dir, sizeof(dir), "%s/user", place.dir);
    snprintf(file, sizeof(file), "%s/mine.yaml", place.dir);
    place.options.user_dir = dir;
    place.options.user_file = file;
    struct config *config = load(&place);
    CHECK_STR(config->build->command, "mine");
    config_free(config);
    snprintf(file, sizeof(file), "%s/none.yaml", place.dir);
    check_fails(&place, "none.yaml");
    snprintf(file, sizeof(file), "%s/config", place.dir);
    check_fails(&place, "has no extension");
    snprintf(file, sizeof(file), "%s/config.ini", place.dir);
    check_fails(&place, "unsupported config file extension: ini");
    teardown(&place);
}

TEST(config_allowed_hosts_defaults)
{
    struct place place;
    setup(&place);
    put(&place, ".wash/config.yaml", "workload: {}\n");
    struct config *config = load(&place);
    CHECK_INT(config->workload->allowed_hosts.len, 1);
    CHECK_STR(config->workload->allowed_hosts.items[0], "*");
    config_free(config);
    put(&place, ".wash/config.yaml", "workload: {allowedHosts: []}\n");
    config = load(&place);
    CHECK_INT(config->workload->allowed_hosts.len, 0);
    config_free(config);
    put(&place, ".wash/config.yaml", "workload:\n");
    config = load(&place);
    CHECK(!config->workload);
    config_free(config);
    teardown(&place);
}

TEST(config_errors_say_which_key_and_where)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"dev: x\n", "key `dev`: expected a map, found a string ("},
        {"build:\n  command: 5\n", "key `build.command`: expected a string, found a number ("},
        {"build:\n  command: 5\n", "config.yaml:2)"},
        {"build:\n\tcommand: 5\n", "config.yaml:2:1: "},
        {"dev: {components: [{file: x}]}\n", "the required key `name` is missing"},
        {"dev: {host_interfaces: [{namespace: a, package: b, interfaces: []}]}\n",
         "the required key `config` is missing"},
        {"dev:\n  host_interfaces:\n  - {namespace: a, package: b, interfaces: [], config: {},\n"
         "     version: '1.2'}\n",
         "config.yaml:4)"},
        {"workload:\n  allowedHosts:\n    - ok\n    - '*bad'\n",
         "key `workload.allowedHosts[1]` ("},
        {"workload:\n  allowedHosts:\n    - ok\n    - '*bad'\n", "config.yaml:4): invalid"},
        {"workload:\n  allowedHosts:\n", "expected a list of strings, found null"},
        {"dev: {components: [{name: a, file: b, allowedHosts: ['']}]}\n",
         "key `dev.components[0].allowedHosts[0]`"},
        {"- a\n", "expected a map of keys, found a list"},
        {"a: 1\na: 2\n", "duplicate key"},
    };
    struct place place;
    setup(&place);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        put(&place, ".wash/config.yaml", cases[i].text);
        check_fails(&place, cases[i].reason);
    }
    teardown(&place);
}

TEST(config_warns_of_unknown_keys)
{
    struct place place;
    setup(&place);
    put(&place, ".wash/config.yaml", "dev:\n  adress: x\nworkload: {allowed_hosts: []}\n");
    config_free(load(&place));
    _cleanup_(mem_freep) char *warnings = buf_take(&place.warnings);
    CHECK_CONTAINS(warnings, "unknown key `dev.adress` is ignored (");
    CHECK_CONTAINS(warnings, "config.yaml:2); did you mean `address`?");
    CHECK_CONTAINS(warnings, "did you mean `allowedHosts`?");
    teardown(&place);
}

// ---- environment -------------------------------------------------------------------------------

TEST(config_env_values)
{
    static const struct {
        const char *text, *json;
    } cases[] = {
        {"true", "true"},
        {" 42 ", "42"},
        {"-42", "-42"},
        {"2.5", "2.5"},
        {"1.2.3", "\"1.2.3\""},
        {"127.0.0.1:80", "\"127.0.0.1:80\""},
        {"", "null"},
        {"a b", "\"a b\""},
        {"\"a\\n\\\"b\"", "\"a\\n\\\"b\""},
        {"'c'", "\"c\""},
        {"[1, x y ,\"z,\",[]]", "[1,\"x y\",\"z,\",[]]"},
        {"{address=\"127.0.0.1:9000\", n = {k=true}}",
         "{\"address\":\"127.0.0.1:9000\",\"n\":{\"k\":true}}"},
        {"{}", "{}"},
        {"[1, 2", "\"[1, 2\""},
        {"{a}", "\"{a}\""},
        {"\"open", "\"\\\"open\""},
        {"[1] x", "\"[1] x\""},
        {"123456789012345678901234567890", "\"123456789012345678901234567890\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _tree_ tree = config_env_value(str_from(cases[i].text));
        BUF(out, 1000);
        CHECK_INT(json_print(tree, 0, &out), 0);
        CHECK_STR(buf_str(&out), cases[i].json);
    }
    char deep[2001];
    memset(deep, '[', 1000);
    memset(deep + 1000, ']', 1000);
    deep[2000] = 0;
    _tree_ tree = config_env_value(str_from(deep));
    CHECK_INT(tree_kind(tree), TREE_STRING);
}

TEST(config_env_does_not_break_on_variables_meant_for_others)
{
    struct place place;
    setup(&place);
    static const char *const environ[] = {"WASH_VERSION=2.4",
                                          "WASH_NEW=x",
                                          "WASH_BUILD=1",
                                          "WASH_GITHUB_TOKEN=t",
                                          "WASH_WIT=",
                                          "WASH_",
                                          NULL};
    place.options.environ = environ;
    _cleanup_(config_freep) struct config *config = load(&place);
    CHECK_STR(config->version, "2.4");
    CHECK(!config->new_ && !config->build && !config->wit);
    _cleanup_(mem_freep) char *warnings = buf_take(&place.warnings);
    CHECK_CONTAINS(warnings, "WASH_NEW is ignored");
    CHECK_CONTAINS(warnings, "WASH_BUILD is ignored");
    teardown(&place);
}

TEST(config_env_errors_name_the_variable)
{
    struct place place;
    setup(&place);
    static const char *const environ[] = {"WASH_DEV.ADDRESS=80", NULL};
    place.options.environ = environ;
    check_fails(&place, "key `dev.address`: expected a string, found a number (environment "
                        "variable WASH_DEV.ADDRESS)");
    teardown(&place);
}

// ---- the rest ----------------------------------------------------------------------------------

TEST(config_project_is_found_upwards)
{
    struct place place;
    setup(&place);
    char deep[128];
    snprintf(deep, sizeof(deep), "%s/a/b", place.dir);
    put(&place, "a/b/file", "");
    _cleanup_(mem_freep) char *none = config_find_project(deep);
    CHECK_TEXT(none, deep);
    put(&place, ".wash/config.toml", "");
    _cleanup_(mem_freep) char *found = config_find_project(deep);
    CHECK_TEXT(found, place.dir);
    put(&place, ".wash/config.yaml", "");
    char dir[128], want[160];
    snprintf(dir, sizeof(dir), "%s/.wash", place.dir);
    snprintf(want, sizeof(want), "%s/config.yaml", dir);
    _cleanup_(mem_freep) char *file = config_find_file(dir);
    CHECK_TEXT(file, want);
    teardown(&place);
}

TEST(config_single_file)
{
    struct place place;
    setup(&place);
    put(&place, "x.yaml", "new: {command: c}\n");
    char path[128];
    snprintf(path, sizeof(path), "%s/x.yaml", place.dir);
    struct config *config;
    CHECK_INT(config_load_file(path, &place.options, &config, NULL), 0);
    CHECK_STR(config->new_->command, "c");
    CHECK_STR(config->version, "2.4.0");
    config_free(config);
    put(&place, "x.yaml", "new: c\n");
    ERROR(err);
    CHECK_INT(config_load_file(path, &place.options, &config, &err), -EINVAL);
    CHECK_CONTAINS(error_text(&err), "failed to parse config from ");
    teardown(&place);
}

TEST(config_validate_lists_every_failure)
{
    struct place place;
    setup(&place);
    put(&place, "here/x.wit", "");
    put(&place, ".wash/config.yaml",
        "build: {command: ' '}\n"
        "dev:\n  address: localhost:80\n  tls_cert_path: c\n  data_nats_url: http://n\n"
        "  wasi_keyvalue_redis_url: 'not a url'\n  postgres_url: postgresql:///db\n"
        "  components: [{name: '', file: x}, {name: n, file: ''}]\n"
        "wit: {registries: [{url: 'a b'}], sources: {'': x, 'a:b': '', 'c:d': ./gone, 'e:f': "
        "./here, 'g:h': ghcr.io/u/p, 'i:j': 'https://h/x'}}\n");
    _cleanup_(config_freep) struct config *config = load(&place);
    BUF(lines, 10000);
    CHECK_INT(config_validate(config, place.dir, &lines), 12);
    CHECK_STR(buf_str(&lines),
              "build.command is empty\n"
              "dev.address 'localhost:80' is not a valid host:port socket address\n"
              "dev.tls_cert_path is set but dev.tls_key_path is missing\n"
              "dev.data_nats_url 'http://n' has scheme 'http', expected one of: nats, tls\n"
              "dev.wasi_keyvalue_redis_url 'not a url' is not a valid URL: it does not start with "
              "a scheme like \"https:\"\n"
              "dev.components contains an entry with empty name\n"
              "dev.components['n'].file is empty\n"
              "wit.registries entry 'a b' is not a valid URL: it does not start with a scheme like "
              "\"https:\"\n"
              "wit.sources contains an entry with empty target key\n"
              "wit.sources[''] local path 'x' does not exist\n"
              "wit.sources['a:b'] has an empty source value\n"
              "wit.sources['c:d'] local path './gone' does not exist");
    teardown(&place);
}

TEST(config_example_is_valid)
{
    struct place place;
    setup(&place);
    _tree_ tree = config_example("2.4.0");
    BUF(out, 100000);
    CHECK_INT(json_print(tree, 2, &out), 0);
    CHECK_INT(buf_add_char(&out, 0), 0);
    put(&place, ".wash/config.json", out.data);
    _cleanup_(config_freep) struct config *config = load(&place);
    CHECK_STR(buf_str(&place.warnings), "");
    BUF(lines, 10000);
    CHECK_INT(config_validate(config, place.dir, &lines), 0);
    _tree_ again = config_print(config);
    BUF(second, 100000);
    CHECK_INT(json_print(again, 2, &second), 0);
    CHECK_STR(buf_str(&second), out.data);
    teardown(&place);
}
