// SPDX-License-Identifier: Apache-2.0
#include "engine/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/buf.h"

static int compile_modules(struct program *program, struct error *err)
{
    const struct plan *plan = program->plan;
    program->modules = mem_new_array(wasmtime_module_t *, plan->module_count);
    memset(program->modules, 0, plan->module_count * sizeof(*program->modules));
    program->was_cached = true;
    for (uint32_t i = 0; i < plan->module_count; i++) {
        bool cached = false;
        int rc = cache_module(program->engine, plan->modules[i].core->bytes, &program->modules[i],
                              &cached, err);
        if (rc < 0) {
            (void)error_wrap(err, "core module %u", i);
            return rc;
        }
        program->was_cached &= cached;
    }
    return 0;
}

int program_new(struct engine *engine, struct str bytes, struct program **out, struct error *err)
{
    if (bytes.len > COMPONENT_BYTES_MAX)
        return error_set(err, -EFBIG, "the component has %zu bytes, the limit is %zu", bytes.len,
                         COMPONENT_BYTES_MAX);
    struct program *program = mem_new(struct program);
    program->refs = 1;
    program->engine = engine;
    program->bytes = str_of(mem_dup(bytes.data, bytes.len), bytes.len);
    program->digest = sha256_of(bytes);
    int rc = component_decode(program->bytes, &program->component, err);
    if (rc == 0)
        rc = plan_new(program->component, &program->plan, err);
    if (rc == 0)
        rc = compile_modules(program, err);
    if (rc < 0) {
        program_unref(program);
        return rc;
    }
    *out = program;
    return 0;
}

static int read_file(const char *path, struct buf *content, struct error *err)
{
    _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) < 0)
        return error_set_errno(err, -errno, "open %s", path);
    if (S_ISDIR(info.st_mode))
        return error_set(err, -EISDIR, "%s is a folder, not a component", path);
    int rc = S_ISREG(info.st_mode) ? buf_reserve(content, (size_t)info.st_size) : 0;
    for (ssize_t got = 1; rc == 0 && got > 0;) {
        rc = buf_reserve(content, 65536);
        if (rc < 0)
            break;
        got = read(fd, content->data + content->len, content->cap - content->len);
        if (got < 0 && errno != EINTR)
            return error_set_errno(err, -errno, "read %s", path);
        content->len += got > 0 ? (size_t)got : 0;
    }
    if (rc < 0)
        return error_set(err, -EFBIG, "%s is larger than the limit of %zu bytes", path,
                         COMPONENT_BYTES_MAX);
    return 0;
}

int program_load(struct engine *engine, const char *path, struct program **out, struct error *err)
{
    BUF(content, COMPONENT_BYTES_MAX + 65536);
    int rc = read_file(path, &content, err);
    if (rc < 0)
        return rc;
    rc = program_new(engine, buf_str(&content), out, err);
    if (rc < 0)
        (void)error_wrap(err, "%s", path);
    return rc;
}

struct program *program_ref(struct program *program)
{
    atomic_fetch_add(&program->refs, 1);
    return program;
}

void program_unref(struct program *program)
{
    if (!program || atomic_fetch_sub(&program->refs, 1) > 1)
        return;
    for (uint32_t i = 0; program->modules && i < program->plan->module_count; i++)
        if (program->modules[i])
            wasmtime_module_delete(program->modules[i]);
    free(program->modules);
    plan_free(program->plan);
    component_free(program->component);
    free((char *)program->bytes.data);
    free(program);
}

const struct plan *program_plan(const struct program *program)
{
    return program->plan;
}

const struct component *program_component(const struct program *program)
{
    return program->component;
}

const struct sha256 *program_digest(const struct program *program)
{
    return &program->digest;
}

bool program_was_cached(const struct program *program)
{
    return program->was_cached;
}
