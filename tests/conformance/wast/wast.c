// SPDX-License-Identifier: Apache-2.0
#include "wast.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/map.h"
#include "component/core_module.h"
#include "component/decode.h"
#include "component/validate.h"
#include "core_code.h"
#include "trap_kind.h"

enum verdict { PASSED, FAILED, SKIPPED };

struct wast_file {
    struct wast_run *run;
    struct str path;   // without ".json"
    struct str folder; // with its last slash
    struct component_features features;
    bool no_instances;      // its components need not be instantiable; they are when called
    const char *deferred;   // file of the module not instantiated yet, or NULL
    struct map definitions; // name of a module_definition to its file name
    struct wast_totals totals;
};

// ---- one binary ---------------------------------------------------------------------------------

static bool is_core_module(struct str bytes)
{
    return bytes.len >= 8 && bytes.data[6] == 0;
}

static int validate_nested_code(struct wast_file *f, const struct component *component,
                                struct error *err)
{
    int rc = 0;
    for (uint32_t i = 0; i < component->def_count && rc == 0; i++) {
        const struct definition *def = &component->defs[i];
        if (def->kind == DEF_CORE_MODULE)
            rc = core_code_validate(f->run->core_code, def->module, err);
        else if (def->kind == DEF_COMPONENT)
            rc = validate_nested_code(f, def->component, err);
    }
    return rc;
}

static int check_core(struct wast_file *f, struct str bytes, struct error *err)
{
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct core_module module;
    int rc = core_module_decode(bytes, 0, &arena, &module, err);
    if (rc == 0)
        rc = core_code_validate(f->run->core_code, &module, err);
    arena_done(&arena);
    return rc;
}

// Decodes and, unless `is_decoded_only`, validates.
static int check_bytes(struct wast_file *f, struct str bytes, bool is_decoded_only,
                       struct error *err)
{
    if (is_core_module(bytes))
        return check_core(f, bytes, err);
    struct component *component;
    int rc = component_decode_any(bytes, &component, err);
    if (rc < 0)
        return rc;
    if (!is_decoded_only)
        rc = component_validate(component, &f->features, err);
    if (rc == 0 && !is_decoded_only)
        rc = validate_nested_code(f, component, err);
    component_free(component);
    return rc;
}

static int read_binary(struct wast_file *f, const char *name, struct buf *out, struct error *err)
{
    _cleanup_(mem_freep) char *path = mem_printf("%.*s%s", STR_ARG(f->folder), name);
    return file_read(path, out, err);
}

// ---- directives ---------------------------------------------------------------------------------

static const char *string_of(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text ? text : "";
}

static enum verdict skip(struct error *why, const char *reason)
{
    error_set(why, -ENOTSUP, "%s", reason);
    return SKIPPED;
}

static enum verdict run_valid(struct wast_file *f, const json_t *directive, struct error *why)
{
    BUF(bytes, WAST_FILE_BYTES_MAX);
    if (read_binary(f, string_of(directive, "filename"), &bytes, why) < 0 ||
        check_bytes(f, buf_str(&bytes), false, why) < 0)
        return FAILED;
    return PASSED;
}

static int instantiate(struct wast_file *f, const char *file, const char *name, struct error *err)
{
    struct wast_executor *executor = f->run->executor;
    BUF(bytes, WAST_FILE_BYTES_MAX);
    int rc = read_binary(f, file, &bytes, err);
    return rc < 0 ? rc : executor->instantiate(executor, buf_str(&bytes), name, err);
}

static enum verdict run_module(struct wast_file *f, const json_t *directive, struct error *why)
{
    const char *file = string_of(directive, "filename");
    if (run_valid(f, directive, why) == FAILED)
        return FAILED;
    f->deferred = file;
    if (f->no_instances)
        return PASSED;
    f->deferred = NULL;
    const char *name = json_string_value(json_object_get(directive, "name"));
    return instantiate(f, file, name, why) < 0 ? FAILED : PASSED;
}

static enum verdict run_definition(struct wast_file *f, const json_t *directive, struct error *why)
{
    const char *name = string_of(directive, "name");
    (void)map_put(&f->definitions, str_from(name), (void *)string_of(directive, "filename"));
    return run_valid(f, directive, why);
}

static enum verdict run_instance(struct wast_file *f, const json_t *directive, struct error *why)
{
    const char *module = string_of(directive, "module");
    const char *file = map_get(&f->definitions, str_from(module));
    if (!file) {
        error_set(why, -ENOENT, "no definition is called `%s`", module);
        return FAILED;
    }
    return instantiate(f, file, string_of(directive, "instance"), why) < 0 ? FAILED : PASSED;
}

// What a trap must be like: rc is -EFAULT, and `err` says the kind of `text`.
static enum verdict trapped(int rc, const json_t *directive, struct error *err)
{
    const char *text = string_of(directive, "text");
    if (rc == 0)
        error_set(err, -EINVAL, "does not trap: \"%s\"", text);
    if (rc != -EFAULT)
        return FAILED;
    if (trap_is_of_kind(str_from(text), str_from(error_text(err))))
        return PASSED;
    error_wrap(err, "another trap than \"%s\"", text);
    return FAILED;
}

static enum verdict run_uninstantiable(struct wast_file *f, const json_t *directive,
                                       struct error *why)
{
    if (run_valid(f, directive, why) == FAILED)
        return FAILED;
    return trapped(instantiate(f, string_of(directive, "filename"), NULL, why), directive, why);
}

static enum verdict refused(struct wast_file *f, const json_t *directive, bool is_decoded_only,
                            struct error *why)
{
    if (strcmp(string_of(directive, "module_type"), "text") == 0)
        return skip(why, "text");
    BUF(bytes, WAST_FILE_BYTES_MAX);
    if (read_binary(f, string_of(directive, "filename"), &bytes, why) < 0)
        return FAILED;
    if (check_bytes(f, buf_str(&bytes), is_decoded_only, why) < 0)
        return PASSED;
    error_set(why, -EINVAL, "not refused: \"%s\"", string_of(directive, "text"));
    return FAILED;
}

static enum verdict run_invalid(struct wast_file *f, const json_t *directive, struct error *why)
{
    return refused(f, directive, false, why);
}

static enum verdict run_malformed(struct wast_file *f, const json_t *directive, struct error *why)
{
    return refused(f, directive, true, why);
}

static int invoke(struct wast_file *f, const json_t *directive, const json_t *expected,
                  struct error *why)
{
    struct wast_executor *executor = f->run->executor;
    const char *file = TAKE(f->deferred);
    int rc = file ? instantiate(f, file, NULL, why) : 0;
    return rc < 0 ? rc
                  : executor->invoke(executor, json_object_get(directive, "action"), expected, why);
}

static enum verdict run_action(struct wast_file *f, const json_t *directive, struct error *why)
{
    return invoke(f, directive, NULL, why) < 0 ? FAILED : PASSED;
}

static enum verdict run_return(struct wast_file *f, const json_t *directive, struct error *why)
{
    const json_t *expected = json_object_get(directive, "expected");
    return invoke(f, directive, expected, why) < 0 ? FAILED : PASSED;
}

static enum verdict run_trap(struct wast_file *f, const json_t *directive, struct error *why)
{
    return trapped(invoke(f, directive, NULL, why), directive, why);
}

static const struct {
    const char *type;
    enum verdict (*run)(struct wast_file *f, const json_t *directive, struct error *why);
} directives[] = {
    {"module", run_module},
    {"module_definition", run_definition},
    {"module_instance", run_instance},
    {"action", run_action},
    {"assert_return", run_return},
    {"assert_trap", run_trap},
    {"assert_uninstantiable", run_uninstantiable},
    {"assert_unlinkable", run_uninstantiable},
    {"assert_invalid", run_invalid},
    {"assert_malformed", run_malformed},
};

static enum verdict run_directive(struct wast_file *f, const json_t *directive, struct error *why)
{
    const char *type = string_of(directive, "type");
    for (size_t i = 0; i < ARRAY_LEN(directives); i++)
        if (strcmp(directives[i].type, type) == 0)
            return directives[i].run(f, directive, why);
    error_set(why, -EINVAL, "unknown directive `%s`", type);
    return FAILED;
}

// ---- files --------------------------------------------------------------------------------------

static struct wast_expectation *expectation_of(struct wast_file *f, uint32_t line)
{
    struct wast_expectations *all = &f->run->expectations;
    struct wast_expectation *found = NULL;
    for (size_t i = 0; i < all->len; i++) {
        if (!str_ends(f->path, all->items[i].file))
            continue;
        all->items[i].is_seen = true;
        if (all->items[i].line == line)
            found = &all->items[i];
    }
    return found;
}

static void report(struct wast_file *f, const json_t *directive, uint32_t line, const char *text)
{
    printf("# %.*s:%u: %s: %s\n", STR_ARG(f->path), line, string_of(directive, "type"), text);
    f->totals.failed++;
}

static uint32_t line_of(const json_t *directive)
{
    return (uint32_t)json_integer_value(json_object_get(directive, "line"));
}

static char watched[512];

static void give_up(int signal)
{
    ssize_t written = write(STDOUT_FILENO, watched, strlen(watched));
    _exit(written < 0 ? 2 : 1);
}

static void watch(const struct wast_file *f, const json_t *directive)
{
    fflush(stdout);
    snprintf(watched, sizeof(watched), "# %.*s:%u: hangs\nnot ok %.*s\nBail out!\n",
             STR_ARG(f->path), line_of(directive), STR_ARG(f->path));
    signal(SIGALRM, give_up);
    alarm(WAST_DIRECTIVE_SECONDS_MAX);
}

static void judge(struct wast_file *f, const json_t *directive)
{
    ERROR(why);
    uint32_t line = line_of(directive);
    struct wast_expectation *expected = expectation_of(f, line);
    if (expected && expected->is_skip) {
        expected->is_met = true;
        f->totals.skipped++;
        return;
    }
    switch (run_directive(f, directive, &why)) {
    case SKIPPED:
        f->totals.skipped++;
        break;
    case PASSED:
        if (expected)
            report(f, directive, line, "passes, though it is expected to fail");
        else
            f->totals.passed++;
        break;
    case FAILED:
        if (!expected) {
            report(f, directive, line, error_text(&why));
            break;
        }
        expected->is_met = true;
        f->totals.skipped++;
        break;
    }
}

// Suites whose READMEs say so are run with other features.
static struct component_features features_of(struct str path)
{
    struct component_features features = component_features_default();
    features.component_model_cancellable =
        true; // they are older than WebAssembly/component-model#716
    if (str_ends(path, STR("gated-tags")))
        features.exceptions = false;
    return features;
}

// Files that a libwasmtime of few features cannot run.
static bool is_runnable(struct str path)
{
    static const struct str need_references[] = {
        STR_INIT("linking/tags/tags"),           STR_INIT("threads/threads"),
        STR_INIT("thread_rules/thread_rules"),   STR_INIT("thread_tasks/thread_tasks"),
        STR_INIT("builtin_rules/builtin_rules"),
    };
    for (size_t i = 0; i < ARRAY_LEN(need_references); i++)
        if (str_ends(path, need_references[i]))
            return core_code_has_references();
    return true;
}

struct wast_totals wast_run_file(struct wast_run *run, const char *path)
{
    struct str whole = str_from(path);
    struct wast_file f = {.run = run, .path = str_sub(whole, 0, whole.len - strlen(".json"))};
    f.folder = str_sub(whole, 0, (size_t)(str_rfind_char(whole, '/') + 1));
    f.features = features_of(f.path);
    f.no_instances = str_find(whole, STR("wasm-tools-component/")) >= 0;
    json_error_t error;
    json_t *json = json_load_file(path, JSON_ALLOW_NUL, &error);
    const json_t *commands = json_object_get(json, "commands");
    if (!json_is_array(commands)) {
        printf("# %s: %s\n", path, json ? "no list of commands" : error.text);
        f.totals.failed++;
    }
    run->executor->reset(run->executor);
    bool runnable = is_runnable(f.path);
    if (!runnable)
        f.totals.skipped = (unsigned)json_array_size(commands);
    for (size_t i = 0; runnable && i < json_array_size(commands); i++) {
        watch(&f, json_array_get(commands, i));
        judge(&f, json_array_get(commands, i));
    }
    alarm(0);
    map_done(&f.definitions);
    json_decref(json);
    run->totals.passed += f.totals.passed;
    run->totals.failed += f.totals.failed;
    run->totals.skipped += f.totals.skipped;
    return f.totals;
}
