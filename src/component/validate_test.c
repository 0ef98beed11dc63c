// SPDX-License-Identifier: Apache-2.0
// The suites in tests/conformance/wast hold the rules; here is what they do not reach: features,
// messages, limits, and the components of WASH_SHARED's guests/bin.
#include "component/validate.h"

#include <dirent.h>
#include <errno.h>

#include "base/file.h"
#include "component/decode.h"
#include "testing/test.h"

#define FILE_MAX ((size_t)64 << 20)
#define PREAMBLE "\0asm\x0d\0\1\0"

static int validate(struct str bytes, const struct component_features *features, struct error *err)
{
    _cleanup_(mem_freep) char *copy = mem_dup(bytes.data, bytes.len);
    struct component *component;
    int rc = component_decode_any(str_of(copy, bytes.len), &component, err);
    if (rc < 0)
        return rc;
    rc = component_validate(component, features, err);
    component_free(component);
    return rc;
}

static void check_refused(struct str bytes, const struct component_features *features,
                          const char *words)
{
    ERROR(err);
    CHECK(validate(bytes, features, &err) < 0);
    CHECK_CONTAINS(error_text(&err), words);
}

static void check_valid(struct str bytes, const struct component_features *features)
{
    ERROR(err);
    if (validate(bytes, features, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
}

TEST(features_are_switched_by_name)
{
    static const struct {
        const char *feature;
        struct str bytes;
    } rows[] = {
        {"component-model-async", STR_INIT(PREAMBLE "\7\5\1\x43\0\1\0")},
        {"component-model-async", STR_INIT(PREAMBLE "\7\3\1\x66\0")},
        {"component-model-fixed-length-lists", STR_INIT(PREAMBLE "\7\4\1\x67\x7d\3")},
        {"component-model-map", STR_INIT(PREAMBLE "\7\4\1\x63\x73\x79")},
        {"component-model-error-context", STR_INIT(PREAMBLE "\7\2\1\x64")},
        {"component-model-error-context", STR_INIT(PREAMBLE "\x08\2\1\x1e")},
        {"component-model-threading", STR_INIT(PREAMBLE "\x08\2\1\x26")},
        {"shared-everything-threads", STR_INIT(PREAMBLE "\x08\3\1\x42\0")},
        {"component-model-values", STR_INIT(PREAMBLE "\x0a\7\1\0\1v\2\1\x7d"
                                                     "\x0b\7\1\0\1w\2\0\0")},
        {"component-model-implements", STR_INIT(PREAMBLE "\7\3\1\x42\0"
                                                         "\x0a\x0e\1\2\1a\1\0\5a:b/c\5\0")},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct component_features features = component_features_default();
        CHECK_INT(component_features_set(&features, str_from(rows[i].feature), false), 0);
        check_refused(rows[i].bytes, &features, rows[i].feature);
        CHECK_INT(component_features_set(&features, str_from(rows[i].feature), true), 0);
        check_valid(rows[i].bytes, &features);
    }
    struct component_features features = component_features_default();
    CHECK_INT(component_features_set(&features, STR("component-model-magic"), true), -ENOENT);
}

TEST(messages_say_byte_path_and_rule)
{
    // (component (component (import "aB" (func))))
    check_refused(STR(PREAMBLE "\x0a\5\xff\xff\xff\xff\x7f"), NULL,
                  "component: byte 0xa (section 0): ");
    check_refused(STR(PREAMBLE "\4\x18" PREAMBLE "\7\5\1\x40\0\1\0\x0a\7\1\0\2aB\1\0"), NULL,
                  "component: byte 0x1c (component 0, import `aB`): import or export name `aB` "
                  "is not in kebab case");
}

TEST(imports_cannot_equal_exported_types)
{
    static const struct {
        struct str types; // defines type 0; "t" is type 1 after its export
        uint8_t eq;       // what the import "T4" equals
        bool is_valid;
    } rows[] = {
        {STR_INIT("\7\4\1\x6f\1\x79"), 1, false},    // (tuple u32)
        {STR_INIT("\7\4\1\x6f\1\x79"), 0, true},     // what was exported has no name
        {STR_INIT("\7\2\1\x79"), 1, false},          // u32
        {STR_INIT("\7\6\1\x72\1\1a\x79"), 1, false}, // (record (field "a" u32))
        {STR_INIT("\7\5\1\x40\0\1\0"), 1, false},    // (func)
        {STR_INIT("\7\3\1\x42\0"), 1, false},        // (instance)
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char bytes[64];
        size_t len = rows[i].types.len;
        memcpy(bytes, PREAMBLE, 8);
        memcpy(bytes + 8, rows[i].types.data, len);
        memcpy(bytes + 8 + len, "\x0b\7\1\0\1t\3\0\0", 9); // (export "t" (type 0))
        // (import "T4" (type (eq ...)))
        memcpy(bytes + 17 + len, "\x0a\x08\1\0\2T4\3\0", 9);
        bytes[26 + len] = (char)rows[i].eq;
        struct str component = str_of(bytes, 27 + len);
        if (rows[i].is_valid)
            check_valid(component, NULL);
        else
            check_refused(component, NULL, "not valid to be used as import");
    }
    // (alias export $j "t" (type $t)) (import "T4" (type (eq $t))) where $j is an exported instance
    check_refused(STR(PREAMBLE "\4\x17" PREAMBLE "\7\4\1\x6f\1\x7d\x0b\7\1\0\1t\3\0\0"
                               "\5\4\1\0\0\0\x0b\7\1\0\1i\5\0\0"
                               "\6\6\1\3\0\1\1t\x0a\x08\1\0\2T4\3\0\0"),
                  NULL, "not valid to be used as import");
    // An alias of the exported type in a component inside is none of that component's exports.
    check_valid(STR(PREAMBLE "\7\4\1\x6f\1\x7d\x0b\7\1\0\1t\3\0\0\4\x19" PREAMBLE
                             "\6\5\1\3\2\1\1\x0a\x08\1\0\2T4\3\0\0"),
                NULL);
}

// (canon lift ... async) without a memory: CanonicalABI.md "canon lift" wants one where the result
// goes through it to task.return, which is given as many flat values as a function.
TEST(async_lifts_have_the_memory_of_their_result)
{
    static const char before[] =
        PREAMBLE "\1\x1f\0asm\1\0\0\0\1\4\1\x60\0\0\3\2\1\0\7\5\1\1f\0\0\x0a\4\1\2\0\x0b"
                 "\2\4\1\0\0\0\6\7\1\0\0\1\0\1f";
    static const char after[] = "\x43\0\0\0\x08\7\1\0\0\0\1\6\1";
    static const struct {
        struct str result;
        bool is_valid;
    } rows[] = {
        {STR_INIT("\x6f\1\x79"), true},                                     // (tuple u32)
        {STR_INIT("\x67\x79\x10"), true},                                   // (list u32 16)
        {STR_INIT("\x67\x79\x11"), false}, {STR_INIT("\x6f\1\x73"), false}, // (tuple string)
        {STR_INIT("\x6f\1\x64"), true},                                     // (tuple error-context)
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        BUF(bytes, 128);
        buf_put(&bytes, str_of(before, sizeof(before) - 1));
        buf_put(&bytes, STR("\7\x08\2")); // (type ...) (type (func async (result 0)))
        buf_put(&bytes, rows[i].result);
        buf_put(&bytes, str_of(after, sizeof(after) - 1));
        if (rows[i].is_valid)
            check_valid(buf_str(&bytes), NULL);
        else
            check_refused(buf_str(&bytes), NULL, "canonical option `memory` is required");
    }
}

TEST(interface_names_have_versions)
{
    static const struct {
        const char *name;
        bool is_valid;
    } rows[] = {
        {"a:b/c@1.0.0", true},
        {"a:b/c@0.0.0-abcd.1.2+efg.4.ee.5", true},
        {"a:b/c@01.0.0", false},
        {"a:b/c@1.0.0-01", false},
        {"a:b/c@1.0", false},
        {"a:b/c@1", false},
        {"a:b/c@1.0.0+01", true},
        {"a:b/c@99999999999999999999.0.0", false},
        {"url=<https://x>", true},
        {"url=<a<b>", false},
        {"integrity=<sha256-aGk=>", true},
        {"integrity=<md5-aGk=>", false},
        {"locked-dep=<a:b@1.0.0>,integrity=<sha512-aa>", true},
        {"unlocked-dep=<a:b@{>=1.2.3 <2.0.0}>", true},
        {"unlocked-dep=<a:b@{>1.2.3}>", false},
        {"relative-url=<x>", false},
        {"a:b", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t len = strlen(rows[i].name);
        char bytes[128];
        memcpy(bytes, PREAMBLE "\7\5\1\x40\0\1\0\x0a", 16);
        bytes[16] = (char)(len + 5);
        bytes[17] = 1;
        bytes[18] = 0;
        bytes[19] = (char)len;
        memcpy(bytes + 20, rows[i].name, len);
        memcpy(bytes + 20 + len, "\1\0", 2);
        ERROR(err);
        int rc = validate(str_of(bytes, 22 + len), NULL, &err);
        if ((rc == 0) != rows[i].is_valid)
            test_fail(__FILE__, __LINE__, "%s: %s", rows[i].name, error_text(&err));
    }
}

// A chain of option types, each of the one before.
TEST(types_are_not_nested_without_end)
{
    BUF(types, FILE_MAX);
    buf_put(&types, STR("\x7d"));
    for (unsigned i = 0; i < 120; i++) {
        buf_put(&types, STR("\x6b"));
        (void)!buf_add_char(&types, (char)(i | 0x80));
        (void)!buf_add_char(&types, 0);
    }
    BUF(bytes, FILE_MAX);
    size_t size = types.len + 1;
    buf_put(&bytes, STR(PREAMBLE "\7"));
    (void)!buf_add_char(&bytes, (char)(size | 0x80));
    (void)!buf_add_char(&bytes, (char)(size >> 7));
    (void)!buf_add_char(&bytes, 121);
    buf_put(&bytes, buf_str(&types));
    check_refused(buf_str(&bytes), NULL, "type is nested more than 100 deep");
}

static void check_guest(const char *path)
{
    BUF(bytes, FILE_MAX);
    ERROR(err);
    CHECK_INT(file_read(path, &bytes, &err), 0);
    int rc = validate(buf_str(&bytes), NULL, &err);
    if (rc < 0)
        test_fail(__FILE__, __LINE__, "%s: %s", path, error_text(&err));
}

// Components that plan_new() takes; those in bad/ break a rule.
TEST(fixtures)
{
    static const struct {
        const char *folder;
        bool is_valid;
    } rows[] = {{TEST_FIXTURES, true}, {TEST_FIXTURES "/bad", false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        DIR *dir = opendir(rows[i].folder);
        CHECK(dir);
        for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
            char path[1024];
            (void)snprintf(path, sizeof(path), "%s/%s", rows[i].folder, entry->d_name);
            if (!str_ends(str_from(path), STR(".wasm")))
                continue;
            BUF(bytes, FILE_MAX);
            ERROR(err);
            CHECK_INT(file_read(path, &bytes, &err), 0);
            if ((validate(buf_str(&bytes), NULL, &err) == 0) != rows[i].is_valid)
                test_fail(__FILE__, __LINE__, "%s: %s", path, error_text(&err));
        }
        closedir(dir);
    }
}

// A refusal says where: the byte, and the item unless the preamble is at fault.
static void check_located(const char *path, const char *message)
{
    static const char *const whole_files[] = {"the file is empty", "this is not WebAssembly",
                                              "this is a core WebAssembly module",
                                              "8-byte preamble", "of the binary format"};
    struct str text = str_from(message);
    for (size_t i = 0; i < ARRAY_LEN(whole_files); i++)
        if (str_find(text, str_from(whole_files[i])) >= 0)
            return;
    ptrdiff_t byte = str_find(text, STR("byte 0x"));
    ptrdiff_t item = str_find(text, STR(" ("));
    bool is_core = str_starts(text, STR("component: core module "));
    if (byte < 0 || (!is_core && item < byte))
        test_fail(__FILE__, __LINE__, "%s: says not where: %s", path, message);
}

// Returns how many files were refused.
static size_t check_refusals(const char *folder)
{
    size_t count = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
        if (entry->d_name[0] == '.')
            continue;
        _cleanup_(mem_freep) char *path = mem_printf("%s/%s", folder, entry->d_name);
        if (!str_ends(str_from(path), STR(".wasm"))) {
            count += check_refusals(path);
            continue;
        }
        BUF(bytes, FILE_MAX);
        ERROR(err);
        CHECK_INT(file_read(path, &bytes, &err), 0);
        if (validate(buf_str(&bytes), NULL, &err) == 0)
            continue;
        check_located(path, error_text(&err));
        count++;
    }
    if (dir)
        closedir(dir);
    return count;
}

TEST(refusals_say_where)
{
    CHECK(check_refusals(TEST_FIXTURES "/bad") > 0);
    const char *shared = getenv("WASH_SHARED");
    char folder[512];
    (void)snprintf(folder, sizeof(folder), "%s/suites",
                   shared ? shared : TEST_FIXTURES "/../../../shared");
    printf("# %zu of the suites are refused\n", check_refusals(folder));
}

TEST(shared_guests_are_valid)
{
    const char *shared = getenv("WASH_SHARED");
    char folder[512];
    (void)snprintf(folder, sizeof(folder), "%s/guests/bin", shared ? shared : "");
    DIR *dir = shared ? opendir(folder) : NULL;
    if (!dir)
        test_skip("WASH_SHARED names no folder with guests");
    size_t count = 0;
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        _cleanup_(mem_freep) char *path = mem_printf("%s/%s", folder, entry->d_name);
        if (!str_ends(str_from(path), STR(".wasm")))
            continue;
        check_guest(path);
        count++;
    }
    closedir(dir);
    printf("# %zu guests\n", count);
    CHECK(count > 0);
}
