// SPDX-License-Identifier: Apache-2.0
// wit-bind --prefix P --header FILE --source FILE [options] WIT...
#include <errno.h>
#include <getopt.h>

#include "bind.h"

struct request {
    const char *prefix, *header, *source;
    VEC(const char *) imports;
    VEC(const char *) exports;
    VEC(const char *) externs;
    VEC(const char *) includes; // [0]: how the source includes the header
    VEC(const char *) features;
    VEC(const char *) paths;
    bool all_features;
};

static const char usage[] =
    "wit-bind --prefix P --header FILE --source FILE [options] WIT...\n"
    "  WIT                    a file, or a folder with deps/\n"
    "  --prefix P             begins all C names\n"
    "  --header, --source     files to write\n"
    "  --include NAME         how the source includes the header (default: its file name);\n"
    "                         again: further headers for the header to include\n"
    "  --import PKG[/IFACE]   an interface, or all of a package, that the host provides\n"
    "  --export PKG[/IFACE]   the same, provided by guests; without either: imports all\n"
    "  --extern NS:PKG=P      names of that package are declared elsewhere with prefix P\n"
    "  --feature NAME         take in items that are @unstable(feature = NAME)\n"
    "  --all-features         take in all of them\n";

enum option_id {
    OPTION_PREFIX = 256,
    OPTION_HEADER,
    OPTION_SOURCE,
    OPTION_INCLUDE,
    OPTION_IMPORT,
    OPTION_EXPORT,
    OPTION_EXTERN,
    OPTION_FEATURE,
    OPTION_ALL_FEATURES,
    OPTION_HELP,
};

static const struct option options[] = {
    {"prefix", required_argument, NULL, OPTION_PREFIX},
    {"header", required_argument, NULL, OPTION_HEADER},
    {"source", required_argument, NULL, OPTION_SOURCE},
    {"include", required_argument, NULL, OPTION_INCLUDE},
    {"import", required_argument, NULL, OPTION_IMPORT},
    {"export", required_argument, NULL, OPTION_EXPORT},
    {"extern", required_argument, NULL, OPTION_EXTERN},
    {"feature", required_argument, NULL, OPTION_FEATURE},
    {"all-features", no_argument, NULL, OPTION_ALL_FEATURES},
    {"help", no_argument, NULL, OPTION_HELP},
    {0},
};

static bool take_option(struct request *request, int id)
{
    switch (id) {
    case OPTION_PREFIX:
        request->prefix = optarg;
        return true;
    case OPTION_HEADER:
        request->header = optarg;
        return true;
    case OPTION_SOURCE:
        request->source = optarg;
        return true;
    case OPTION_INCLUDE:
        *vec_push(&request->includes) = optarg;
        return true;
    case OPTION_IMPORT:
        *vec_push(&request->imports) = optarg;
        return true;
    case OPTION_EXPORT:
        *vec_push(&request->exports) = optarg;
        return true;
    case OPTION_EXTERN:
        *vec_push(&request->externs) = optarg;
        return true;
    case OPTION_FEATURE:
        *vec_push(&request->features) = optarg;
        return true;
    case OPTION_ALL_FEATURES:
        request->all_features = true;
        return true;
    default:
        return false;
    }
}

// 0, or the exit code.
static int parse_args(struct request *request, int argc, char **argv)
{
    int id;
    while ((id = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (id == OPTION_HELP) {
            fputs(usage, stdout);
            exit(0);
        }
        if (!take_option(request, id))
            return 2;
    }
    while (optind < argc)
        *vec_push(&request->paths) = argv[optind++];
    if (request->prefix && request->header && request->source && request->paths.len)
        return 0;
    fputs(usage, stderr);
    return 2;
}

static int load(const struct request *request, struct wit_resolve *resolve, struct error *err)
{
    if (request->all_features)
        wit_resolve_enable_feature(resolve, NULL);
    for (size_t i = 0; i < request->features.len; i++)
        wit_resolve_enable_feature(resolve, request->features.items[i]);
    for (size_t i = 0; i < request->paths.len; i++) {
        int rc = wit_resolve_add_path(resolve, request->paths.items[i], err);
        if (rc < 0)
            return rc;
    }
    return wit_resolve_finish(resolve, err);
}

// "[NS:]PKG[@VERSION][/IFACE]" or "[NS:]PKG[/IFACE][@VERSION]".
static bool matches(const char *pattern, const struct wit_interface *interface)
{
    const struct wit_package *package = interface->package;
    struct str path, version, ns, rest = str_from(pattern), name, wanted;
    str_cut(rest, '@', &path, &version);
    if (!str_cut(path, ':', &ns, &rest)) {
        ns = STR_EMPTY;
        rest = path;
    }
    str_cut(rest, '/', &name, &wanted);
    return (ns.len == 0 || str_eq(ns, package->ns)) && str_eq(name, package->name) &&
           (wanted.len == 0 || str_eq(wanted, interface->name)) &&
           (version.len == 0 || str_eq(version, package->version));
}

static void select_interfaces(struct bind *b, const char *pattern, bool is_export)
{
    bool found = false;
    for (uint32_t p = 0; p < wit_package_count(b->resolve); p++) {
        const struct wit_package *package = wit_package_at(b->resolve, p);
        for (uint32_t i = 0; i < package->interface_count; i++) {
            if (pattern && !matches(pattern, package->interfaces[i]))
                continue;
            found = true;
            *vec_push(&b->interfaces) = (struct bind_interface){package->interfaces[i], is_export};
        }
    }
    if (!found)
        bind_fail(b, "there is no interface `%s`", pattern ? pattern : "at all");
}

static void select_all(struct bind *b, const struct request *request)
{
    for (size_t i = 0; i < request->externs.len; i++) {
        struct str package, prefix;
        if (!str_cut(str_from(request->externs.items[i]), '=', &package, &prefix))
            bind_fail(b, "--extern %s is not NS:PKG=PREFIX", request->externs.items[i]);
        *vec_push(&b->externs) = (struct bind_extern){package, arena_str(&b->arena, prefix).data};
    }
    for (size_t i = 0; i < request->imports.len; i++)
        select_interfaces(b, request->imports.items[i], false);
    for (size_t i = 0; i < request->exports.len; i++)
        select_interfaces(b, request->exports.items[i], true);
    if (request->imports.len + request->exports.len == 0)
        select_interfaces(b, NULL, false);
}

static int write_file(const char *path, const struct str *parts, size_t count, struct error *err)
{
    FILE *file = fopen(path, "we");
    if (!file)
        return error_set_errno(err, -errno, "cannot write %s", path);
    for (size_t i = 0; i < count; i++)
        fwrite(parts[i].data, 1, parts[i].len, file);
    bool failed = ferror(file) != 0;
    if (fclose(file) != 0 || failed)
        return error_set_errno(err, -EIO, "cannot write %s", path);
    return 0;
}

#define BANNER                                                                                     \
    "// SPDX-License-Identifier: Apache-2.0\n"                                                     \
    "// Made by wit-bind from WIT; do not edit. docs/bindings.md explains the names.\n"

static int write_header(struct bind *b, const struct request *request, struct error *err)
{
    BUF(includes, BIND_OUTPUT_BYTES_MAX);
    for (size_t i = 1; i < request->includes.len; i++)
        buf_putf(&includes, "#include \"%s\"\n", request->includes.items[i]);
    const struct str parts[] = {
        STR(BANNER "#pragma once\n\n#include \"component/stream.h\"\n"
                   "#include \"component/subtask.h\"\n"),
        buf_str(&includes),
        STR("\n"),
        buf_str(&b->forwards),
        buf_str(&b->c_types),
        buf_str(&b->protos),
    };
    return write_file(request->header, parts, ARRAY_LEN(parts), err);
}

static int write_source(struct bind *b, const struct request *request, struct error *err)
{
    const char *slash = strrchr(request->header, '/');
    const char *name = slash ? slash + 1 : request->header;
    if (request->includes.len)
        name = request->includes.items[0];
    const struct str parts[] = {
        arena_printf(&b->arena, BANNER "#include \"%s\"\n\n#include <assert.h>\n\n", name),
        STR("static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, \"guest memory is read in "
            "place\");\n"),
        buf_str(&b->support),
        STR("\n"),
        buf_str(&b->shapes),
        buf_str(&b->glue),
        buf_str(&b->tables),
    };
    return write_file(request->source, parts, ARRAY_LEN(parts), err);
}

static void bind_init(struct bind *b, const struct request *request,
                      const struct wit_resolve *resolve)
{
    struct buf empty = BUF_INIT(BIND_OUTPUT_BYTES_MAX);
    *b = (struct bind){.arena = ARENA_INIT(SIZE_MAX),
                       .prefix = request->prefix,
                       .resolve = resolve,
                       .forwards = empty,
                       .c_types = empty,
                       .protos = empty,
                       .support = empty,
                       .shapes = empty,
                       .glue = empty,
                       .tables = empty};
}

static void bind_done(struct bind *b)
{
    struct buf *bufs[] = {&b->forwards, &b->c_types, &b->protos, &b->support,
                          &b->shapes,   &b->glue,    &b->tables};
    struct map *maps[] = {&b->owners, &b->identifiers, &b->types, &b->helpers, &b->resources};
    for (size_t i = 0; i < ARRAY_LEN(bufs); i++)
        buf_done(bufs[i]);
    for (size_t i = 0; i < ARRAY_LEN(maps); i++)
        map_done(maps[i]);
    vec_done(&b->interfaces);
    vec_done(&b->externs);
    arena_done(&b->arena);
    error_done(&b->failure);
}

static int generate(const struct request *request, const struct wit_resolve *resolve,
                    struct error *err)
{
    struct bind b;
    bind_init(&b, request, resolve);
    bind_index_types(&b);
    select_all(&b, request);
    for (size_t i = 0; i < b.interfaces.len && !b.failure.code; i++)
        bind_generate(&b, &b.interfaces.items[i]);
    if (!b.failure.code)
        bind_check_resources(&b);
    int rc = b.failure.code ? error_move(err, &b.failure) : write_header(&b, request, err);
    if (rc == 0)
        rc = write_source(&b, request, err);
    bind_done(&b);
    return rc;
}

int main(int argc, char **argv)
{
    struct request request = {0};
    int code = parse_args(&request, argc, argv);
    if (code == 0) {
        ERROR(err);
        struct wit_resolve *resolve = wit_resolve_new();
        int rc = load(&request, resolve, &err);
        if (rc == 0)
            rc = generate(&request, resolve, &err);
        if (rc < 0)
            fprintf(stderr, "wit-bind: %s\n", error_text(&err));
        wit_resolve_free(resolve);
        code = rc < 0;
    }
    vec_done(&request.imports);
    vec_done(&request.exports);
    vec_done(&request.externs);
    vec_done(&request.includes);
    vec_done(&request.features);
    vec_done(&request.paths);
    return code;
}
