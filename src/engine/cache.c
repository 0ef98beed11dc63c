// SPDX-License-Identifier: Apache-2.0
// Compiled code on disk. A file is named by the digest of the core module and of everything that
// decides what its code looks like; it ends with a trailer that holds the checksum of what comes
// before. Files are written aside and renamed, so that readers of other processes see all or
// nothing; whatever is wrong with one, the module is compiled again and the file replaced.
#include "engine/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/checksum.h"
#include "base/log.h"
#include "component/core_bulk.h"
#include "component/core_merge.h"
#include "component/core_reset.h"

// Part of the key: change it with the engine's version or configuration.
#define CACHE_FORMAT       "wash-compiled-4 wasmtime-48.0.8 epochs pool stack-512k " CORE_BULK_VERSION
#define LARGE_MODULE_BYTES ((size_t)1 << 20)
#define CACHE_MAGIC        UINT64_C(0x31434d5748534157)

struct trailer {
    uint64_t checksum;
    uint64_t magic;
};

static struct str cpu_features(struct buf *text)
{
    FILE *file = fopen("/proc/cpuinfo", "re");
    if (!file)
        return STR_EMPTY;
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    while ((len = getline(&line, &cap, file)) > 0)
        if (str_starts(str_of(line, (size_t)len), STR("flags")) ||
            str_starts(str_of(line, (size_t)len), STR("Features"))) {
            buf_put(text, str_of(line, (size_t)len));
            break;
        }
    free(line);
    fclose(file);
    return buf_str(text);
}

void cache_fingerprint(char out[SHA256_HEX_BYTES])
{
    BUF(features, 64 * 1024);
    struct str parts[] = {STR(CACHE_FORMAT), cpu_features(&features)};
    struct sha256 digest = sha256_of_parts(parts, ARRAY_LEN(parts));
    sha256_hex(&digest, out);
}

// Of the bytes where they are few, of their digest where digesting them takes milliseconds.
static struct str content_of(struct str bytes, struct sha256 *digest)
{
    if (bytes.len < LARGE_MODULE_BYTES)
        return bytes;
    *digest = sha256_of_quarters(bytes);
    return str_of((const char *)digest->bytes, SHA256_BYTES);
}

// A merged module is named by what it is made of, so that it is written only to be compiled.
static struct sha256 module_digest(const struct engine *engine, const struct plan_module *module)
{
    struct str fingerprint = str_from(engine->fingerprint);
    const struct core_merge *merge = module->merge;
    if (!merge) {
        struct sha256 large;
        struct str parts[] = {fingerprint, content_of(module->core->bytes, &large)};
        return sha256_of_parts(parts, ARRAY_LEN(parts));
    }
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct sha256 large[2];
    struct str parts[] = {fingerprint, core_merge_recipe(merge, &arena),
                          content_of(merge->parts[CORE_PART_MAIN]->bytes, &large[0]),
                          content_of(merge->parts[CORE_PART_ADAPTER]->bytes, &large[1])};
    struct sha256 digest = sha256_of_parts(parts, ARRAY_LEN(parts));
    arena_done(&arena);
    return digest;
}

static char *entry_path(const struct engine *engine, const struct plan_module *module)
{
    struct sha256 digest = module_digest(engine, module);
    char hex[SHA256_HEX_BYTES];
    sha256_hex(&digest, hex);
    return mem_printf("%s/%s.cwasm", engine->cache_dir, hex);
}

static bool trailer_matches(const char *data, size_t size)
{
    struct trailer trailer;
    if (size <= sizeof(trailer))
        return false;
    memcpy(&trailer, data + size - sizeof(trailer), sizeof(trailer));
    return trailer.magic == CACHE_MAGIC &&
           trailer.checksum == checksum64(str_of(data, size - sizeof(trailer)));
}

// 1 when the open file is whole and ours, 0 when it is not.
static int entry_is_sound(int fd)
{
    struct stat info;
    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) || info.st_size <= 0)
        return 0;
    // Code is run as it stands: nobody but this user may have written it.
    if (info.st_uid != geteuid() || (info.st_mode & (S_IWGRP | S_IWOTH)))
        return 0;
    size_t size = (size_t)info.st_size;
    void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (data == MAP_FAILED)
        return 0;
    bool sound = trailer_matches(data, size);
    munmap(data, size);
    return sound;
}

static int load(struct engine *engine, const char *path, wasmtime_module_t **out)
{
    _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    if (!entry_is_sound(fd))
        return -EBADMSG;
    // The very file that was checked, whatever the name points at by now.
    char self[64];
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    ERROR(why);
    int rc = engine_wait(engine, &why);
    if (rc == 0)
        rc = fault_take(wasmtime_module_deserialize_file(engine->wasm, self, out), NULL, &why);
    if (rc < 0)
        log_debug("compiled code %s is not usable: %s", path, error_text(&why));
    return rc;
}

static int make_dirs(const char *path)
{
    _cleanup_(mem_freep) char *copy = mem_strdup(path);
    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(copy, 0777) < 0 && errno != EEXIST)
            return -errno;
        *slash = '/';
    }
    return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int write_all(int fd, const void *data, size_t len)
{
    for (const char *at = data; len > 0;) {
        ssize_t done = write(fd, at, len);
        if (done < 0 && errno != EINTR)
            return -errno;
        if (done > 0) {
            at += done;
            len -= (size_t)done;
        }
    }
    return 0;
}

static int write_entry(int fd, struct str code)
{
    struct trailer trailer = {checksum64(code), CACHE_MAGIC};
    int rc = write_all(fd, code.data, code.len);
    return rc < 0 ? rc : write_all(fd, &trailer, sizeof(trailer));
}

static int store(struct engine *engine, const char *path, struct str code)
{
    int rc = make_dirs(engine->cache_dir);
    if (rc < 0)
        return rc;
    _cleanup_(mem_freep) char *aside = mem_printf("%s/.new-XXXXXX", engine->cache_dir);
    _cleanup_(fd_closep) int fd = mkostemp(aside, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    rc = write_entry(fd, code);
    if (rc == 0 && rename(aside, path) < 0)
        rc = -errno;
    if (rc < 0)
        unlink(aside);
    return rc;
}

// With what instances need to be reset, where that is possible.
static int make_resettable(struct engine *engine, struct str bytes, wasmtime_module_t **out,
                           struct error *err)
{
    BUF(resettable, SIZE_MAX);
    if (core_reset_write(bytes, &resettable))
        bytes = buf_str(&resettable);
    return fault_take(
        wasmtime_module_new(engine->wasm, (const uint8_t *)bytes.data, bytes.len, out), NULL, err);
}

// Interruptible in all places. What is refused is the module as it came: of that the engine's
// message speaks, and a function that rewriting adds must not make it valid.
static int make_module(struct engine *engine, struct str bytes, wasmtime_module_t **out,
                       struct error *err)
{
    ERROR(why);
    BUF(interruptible, SIZE_MAX);
    int rewritten = core_bulk_write(bytes, &interruptible, &why);
    if (rewritten < 0)
        log_debug("fills and copies of a core module stay uninterrupted: %s", error_text(&why));
    if (rewritten <= 0)
        return make_resettable(engine, bytes, out, err);
    wasmtime_error_t *refused =
        wasmtime_module_validate(engine->wasm, (const uint8_t *)bytes.data, bytes.len);
    if (refused)
        return fault_take(refused, NULL, err);
    return make_resettable(engine, buf_str(&interruptible), out, err);
}

static int compile(struct engine *engine, struct str bytes, const char *path,
                   wasmtime_module_t **out, struct error *err)
{
    wasmtime_module_t *module;
    if (engine->compiling && bytes.len >= ENGINE_COMPILE_BYTES_TOLD)
        engine->compiling(bytes.len);
    int rc = engine_wait(engine, err);
    if (rc < 0)
        return rc;
    if (make_module(engine, bytes, &module, err) < 0) {
        (void)error_wrap(err, "compile a core module");
        return -EINVAL;
    }
    *out = module;
    wasm_byte_vec_t code;
    if (!path || fault_take(wasmtime_module_serialize(module, &code), NULL, NULL) < 0)
        return 0;
    rc = store(engine, path, str_of(code.data, code.size));
    wasm_byte_vec_delete(&code);
    // A cache that cannot be written costs time, not correctness.
    if (rc < 0)
        log_debug("compiled code is not kept in %s: %s", engine->cache_dir, strerror(-rc));
    return 0;
}

static int compile_merged(struct engine *engine, const struct core_merge *merge, const char *path,
                          wasmtime_module_t **out, struct error *err)
{
    BUF(bytes, CORE_MERGE_BYTES_MAX);
    int rc = core_merge_write(merge, &bytes, err);
    return rc < 0 ? rc : compile(engine, buf_str(&bytes), path, out, err);
}

int cache_module(struct engine *engine, const struct plan_module *module, wasmtime_module_t **out,
                 bool *cached, struct error *err)
{
    _cleanup_(mem_freep) char *path = engine->cache_dir ? entry_path(engine, module) : NULL;
    *cached = path && load(engine, path, out) == 0;
    if (*cached)
        return 0;
    if (module->merge)
        return compile_merged(engine, module->merge, path, out, err);
    return compile(engine, module->core->bytes, path, out, err);
}
