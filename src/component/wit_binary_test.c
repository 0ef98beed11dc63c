// SPDX-License-Identifier: Apache-2.0
// WIT in binary form. `golden_bytes` is what `wasm-tools component wit --wasm` (1.262) makes of
// `golden_text`, without its `producers` section; `annotated` is what that prints of itself.
#include "component/wit_binary.h"

#include <errno.h>

#include "component/encode_wit.h"
#include "component/plan.h"
#include "component/validate.h"
#include "testing/test.h"

#define BYTES_MAX ((size_t)1 << 20)

static const char golden_text[] = "package a:b@1.0.0;\n"
                                  "\n"
                                  "/// i\n"
                                  "interface i {\n"
                                  "  resource r {\n"
                                  "    m: func(x: list<u8>) -> result<_, string>;\n"
                                  "  }\n"
                                  "\n"
                                  "  type t = u32;\n"
                                  "}\n"
                                  "\n"
                                  "interface j {\n"
                                  "  use i.{r, t};\n"
                                  "\n"
                                  "  f: async func(x: borrow<r>, y: option<t>) -> stream<u8>;\n"
                                  "}\n"
                                  "\n"
                                  "world w {\n"
                                  "  import i;\n"
                                  "  import j;\n"
                                  "\n"
                                  "  export j;\n"
                                  "}\n";

static const char golden_bytes[] = "\000\141\163\155\015\000\001\000\007\116\001\101\002\001\102"
                                   "\010\004\000\001\162\003\001\001\171"
                                   "\004\000\001\164\003\000\001\001\150\000\001\160\175\001\152"
                                   "\000\001\163\001\100\002\004\163\145"
                                   "\154\146\003\001\170\004\000\005\004\000\013\133\155\145\164"
                                   "\150\157\144\135\162\056\155\001\006"
                                   "\004\000\013\141\072\142\057\151\100\061\056\060\056\060\005"
                                   "\000\013\007\001\000\001\151\003\000"
                                   "\000\007\167\001\101\006\001\102\003\004\000\001\162\003\001"
                                   "\001\171\004\000\001\164\003\000\001"
                                   "\003\000\013\141\072\142\057\151\100\061\056\060\056\060\005"
                                   "\000\002\003\000\000\001\162\002\003"
                                   "\000\000\001\164\001\102\011\002\003\002\001\001\004\000\001"
                                   "\162\003\000\000\002\003\002\001\002"
                                   "\004\000\001\164\003\000\002\001\150\001\001\153\003\001\146"
                                   "\001\175\001\103\002\001\170\004\001"
                                   "\171\005\000\006\004\000\001\146\001\007\004\000\013\141\072"
                                   "\142\057\152\100\061\056\060\056\060"
                                   "\005\003\013\007\001\000\001\152\003\002\000\007\371\001\001"
                                   "\101\002\001\101\010\001\102\010\004"
                                   "\000\001\162\003\001\001\171\004\000\001\164\003\000\001\001"
                                   "\150\000\001\160\175\001\152\000\001"
                                   "\163\001\100\002\004\163\145\154\146\003\001\170\004\000\005"
                                   "\004\000\013\133\155\145\164\150\157"
                                   "\144\135\162\056\155\001\006\003\000\013\141\072\142\057\151"
                                   "\100\061\056\060\056\060\005\000\002"
                                   "\003\000\000\001\162\002\003\000\000\001\164\001\102\011\002"
                                   "\003\002\001\001\004\000\001\162\003"
                                   "\000\000\002\003\002\001\002\004\000\001\164\003\000\002\001"
                                   "\150\001\001\153\003\001\146\001\175"
                                   "\001\103\002\001\170\004\001\171\005\000\006\004\000\001\146"
                                   "\001\007\003\000\013\141\072\142\057"
                                   "\152\100\061\056\060\056\060\005\003\001\102\011\002\003\002"
                                   "\001\001\004\000\001\162\003\000\000"
                                   "\002\003\002\001\002\004\000\001\164\003\000\002\001\150\001"
                                   "\001\153\003\001\146\001\175\001\103"
                                   "\002\001\170\004\001\171\005\000\006\004\000\001\146\001\007"
                                   "\004\000\013\141\072\142\057\152\100"
                                   "\061\056\060\056\060\005\004\004\000\013\141\072\142\057\167"
                                   "\100\061\056\060\056\060\004\000\013"
                                   "\007\001\000\001\167\003\004\000\000\057\014\160\141\143\153"
                                   "\141\147\145\055\144\157\143\163\001"
                                   "\173\042\151\156\164\145\162\146\141\143\145\163\042\072\173"
                                   "\042\151\042\072\173\042\144\157\143"
                                   "\163\042\072\042\151\042\175\175\175";

static const char annotated[] = "/// pkg docs\n"
                                "/// two lines \"q\"\n"
                                "package a:b@1.2.0;\n"
                                "\n"
                                "/// i docs\n"
                                "@since(version = 1.0.0)\n"
                                "interface i {\n"
                                "  /// r docs\n"
                                "  @since(version = 1.1.0)\n"
                                "  @deprecated(version = 1.2.0)\n"
                                "  record r {\n"
                                "    /// field a\n"
                                "    a: u32,\n"
                                "    b: u8,\n"
                                "    /// field c\n"
                                "    c: u8,\n"
                                "  }\n"
                                "\n"
                                "  @unstable(feature = foo)\n"
                                "  type t = u32;\n"
                                "\n"
                                "  /// enum docs\n"
                                "  enum e {\n"
                                "    /// case x\n"
                                "    x,\n"
                                "    y,\n"
                                "  }\n"
                                "\n"
                                "  flags fl {\n"
                                "    /// flag x\n"
                                "    x,\n"
                                "    y,\n"
                                "  }\n"
                                "\n"
                                "  variant v {\n"
                                "    /// case v\n"
                                "    x(u32),\n"
                                "    y,\n"
                                "  }\n"
                                "\n"
                                "  /// res docs\n"
                                "  @since(version = 1.0.0)\n"
                                "  resource res {\n"
                                "    /// ctor docs\n"
                                "    constructor();\n"
                                "    /// m docs\n"
                                "    @unstable(feature = foo)\n"
                                "    @deprecated(version = 1.2.0)\n"
                                "    m: func();\n"
                                "    /// s\n"
                                "    s: static func();\n"
                                "  }\n"
                                "\n"
                                "  /// func\n"
                                "  f: func();\n"
                                "\n"
                                "  @since(version = 1.0.0)\n"
                                "  g: func();\n"
                                "}\n"
                                "\n"
                                "interface nodocs {\n"
                                "  use i.{r};\n"
                                "  @since(version = 1.0.0)\n"
                                "  use i.{res};\n"
                                "}\n"
                                "\n"
                                "/// w2 docs\n"
                                "world w2 {\n"
                                "  /// w2z docs\n"
                                "  import w2z: func();\n"
                                "}\n"
                                "/// world docs\n"
                                "@unstable(feature = bar)\n"
                                "world w {\n"
                                "  /// import docs\n"
                                "  @since(version = 1.0.0)\n"
                                "  import i;\n"
                                "  /// inline docs\n"
                                "  import inl: interface {\n"
                                "    /// hh\n"
                                "    h: func();\n"
                                "  }\n"
                                "  @since(version = 1.1.0)\n"
                                "  use i.{r};\n"
                                "\n"
                                "  /// type docs\n"
                                "  @since(version = 1.1.0)\n"
                                "  type wt = u32;\n"
                                "\n"
                                "  /// res in world\n"
                                "  resource wr {\n"
                                "    /// mm\n"
                                "    mm: func();\n"
                                "  }\n"
                                "  /// fdocs\n"
                                "  @since(version = 1.1.0)\n"
                                "  import f: func();\n"
                                "  /// w2z docs\n"
                                "  import w2z: func();\n"
                                "\n"
                                "  /// exp\n"
                                "  export f: func();\n"
                                "  /// inline exp docs\n"
                                "  @since(version = 1.0.0)\n"
                                "  export inl: interface {\n"
                                "    /// hh exp\n"
                                "    h: func();\n"
                                "  }\n"
                                "  @since(version = 1.0.0)\n"
                                "  export i;\n"
                                "  /// docs on export\n"
                                "  export nodocs;\n"
                                "}\n";

static void free_resolve(struct wit_resolve **resolve)
{
    wit_resolve_free(*resolve);
}

static void encode_text(const char *text, struct buf *out)
{
    ERROR(err);
    _cleanup_(free_resolve) struct wit_resolve *resolve = wit_resolve_new();
    wit_resolve_enable_feature(resolve, NULL);
    int rc = wit_resolve_add_text(resolve, "t.wit", str_from(text), &err);
    if (rc == 0)
        rc = wit_resolve_finish(resolve, &err);
    if (rc == 0)
        rc = wit_binary_encode(wit_root_package(resolve), out, &err);
    if (rc < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
}

// The text of a package in binary form, and its bytes when it is encoded again.
static void decode_bytes(struct str bytes, struct buf *text, struct buf *again)
{
    ERROR(err);
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct wit_binary wit;
    int rc = wit_binary_decode(bytes, &arena, &wit, &err);
    if (rc == 0)
        wit_print_packages(wit.package, wit.others, wit.other_count, text);
    if (rc == 0 && again)
        rc = wit_binary_encode(wit.package, again, &err);
    arena_done(&arena);
    if (rc < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
}

static struct str golden(void)
{
    return str_of(golden_bytes, sizeof(golden_bytes) - 1);
}

TEST(package_is_encoded_byte_for_byte)
{
    BUF(bytes, BYTES_MAX);
    encode_text(golden_text, &bytes);
    CHECK_INT(bytes.len, golden().len);
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.data[i] != golden_bytes[i])
            test_fail(__FILE__, __LINE__, "byte %zu is 0x%02x, not 0x%02x", i,
                      (unsigned char)bytes.data[i], (unsigned char)golden_bytes[i]);
}

TEST(package_is_decoded)
{
    BUF(text, BYTES_MAX);
    BUF(again, BYTES_MAX);
    CHECK_INT(wit_binary_kind(golden()), WIT_BINARY_PACKAGE);
    decode_bytes(golden(), &text, &again);
    CHECK_STR(buf_str(&text), golden_text);
    CHECK(str_eq(buf_str(&again), golden()));
}

TEST(comments_and_gates_survive)
{
    BUF(bytes, BYTES_MAX);
    BUF(text, BYTES_MAX);
    BUF(again, BYTES_MAX);
    encode_text(annotated, &bytes);
    decode_bytes(buf_str(&bytes), &text, &again);
    CHECK_STR(buf_str(&text), annotated);
    CHECK(str_eq(buf_str(&again), buf_str(&bytes)));
}

static const char all_types[] =
    "package a:b;\n"
    "\n"
    "interface i {\n"
    "  resource r;\n"
    "\n"
    "  type r2 = r;\n"
    "\n"
    "  type o = own<r>;\n"
    "\n"
    "  record rec {\n"
    "    a: bool,\n"
    "    b: tuple<s8, u8, s16, u16, s32, u32, s64, u64>,\n"
    "    c: list<list<f32>>,\n"
    "    d: list<f64, 4>,\n"
    "    e: map<string, char>,\n"
    "    f: result,\n"
    "    g: result<o>,\n"
    "    h: result<_, error-context>,\n"
    "    i: future,\n"
    "    j: stream<r2>,\n"
    "  }\n"
    "\n"
    "  type rec2 = rec;\n"
    "\n"
    "  variant v {\n"
    "    x,\n"
    "    y(rec2),\n"
    "  }\n"
    "\n"
    "  enum e {\n"
    "    p,\n"
    "    q,\n"
    "  }\n"
    "\n"
    "  flags f {\n"
    "    m,\n"
    "    n,\n"
    "  }\n"
    "\n"
    "  g: func(a: borrow<r>, b: borrow<r2>, c: option<option<v>>) -> tuple<e, f>;\n"
    "}\n"
    "\n";

TEST(all_types_survive_and_are_valid)
{
    BUF(bytes, BYTES_MAX);
    BUF(text, BYTES_MAX);
    encode_text(all_types, &bytes);
    decode_bytes(buf_str(&bytes), &text, NULL);
    CHECK_STR(buf_str(&text), all_types);
    ERROR(err);
    struct component *component;
    CHECK_INT(component_decode_any(buf_str(&bytes), &component, &err), 0);
    struct component_features features = component_features_default();
    int rc = component_validate(component, &features, &err);
    component_free(component);
    if (rc < 0)
        CHECK_TEXT(error_text(&err), "");
}

TEST(what_is_cut_off_is_refused)
{
    for (size_t len = 0; len < golden().len; len++) {
        // A copy of its own, so that a sanitizer sees reads beyond the end.
        _cleanup_(mem_freep) char *copy = mem_dup(golden_bytes, len);
        struct arena arena = ARENA_INIT(SIZE_MAX);
        struct wit_binary wit;
        BUF(text, BYTES_MAX);
        if (wit_binary_decode(str_of(copy, len), &arena, &wit, NULL) == 0)
            wit_print_packages(wit.package, wit.others, wit.other_count, &text);
        arena_done(&arena);
    }
}

TEST(components_are_no_packages)
{
    static const char empty[] = "\0asm\x0d\0\1\0";
    ERROR(err);
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct wit_binary wit;
    CHECK_INT(wit_binary_kind(str_of(empty, 8)), WIT_BINARY_COMPONENT);
    CHECK_INT(wit_binary_decode(str_of(empty, 8), &arena, &wit, &err), -EINVAL);
    CHECK_CONTAINS(error_text(&err), "not a WIT package");
    arena_done(&arena);
}

// ---- core modules -------------------------------------------------------------------------------

static void add_world(struct writer *module, const char *name, const char *text, uint8_t strings)
{
    BUF(bytes, BYTES_MAX);
    encode_text(text, &bytes);
    const char encoding[] = {4, (char)strings};
    struct writer content;
    writer_init(&content, BYTES_MAX);
    writer_name(&content, STR("wit-component-encoding"));
    writer_bytes(&content, str_of(encoding, sizeof(encoding)));
    struct writer section;
    writer_init(&section, BYTES_MAX);
    writer_name(&section, str_from(name));
    writer_bytes(&section, buf_str(&bytes));
    writer_section(&section, 0, buf_str(&content.bytes));
    writer_section(module, 0, buf_str(&section.bytes));
    writer_done(&content);
    writer_done(&section);
}

static void begin_module(struct writer *module)
{
    writer_init(module, BYTES_MAX);
    writer_bytes(module, str_of("\0asm\1\0\0\0", 8));
}

static const char two_worlds[] = "package root:root;\n"
                                 "\n"
                                 "world root {\n"
                                 "  import x:y/i;\n"
                                 "  import c: func();\n"
                                 "  import f: func();\n"
                                 "\n"
                                 "  export d: func();\n"
                                 "  export e: func();\n"
                                 "}\n"
                                 "package a:b {\n"
                                 "  world w {\n"
                                 "    import c: func();\n"
                                 "\n"
                                 "    export d: func();\n"
                                 "  }\n"
                                 "}\n"
                                 "\n"
                                 "\n"
                                 "package x:y {\n"
                                 "  interface i {\n"
                                 "  }\n"
                                 "  world w {\n"
                                 "    import i;\n"
                                 "    import f: func();\n"
                                 "    import c: func();\n"
                                 "\n"
                                 "    export e: func();\n"
                                 "  }\n"
                                 "}\n";

TEST(worlds_embedded_in_a_module_are_put_together)
{
    ERROR(err);
    struct writer module;
    begin_module(&module);
    add_world(&module, "component-type:one",
              "package a:b; world w { import c: func(); export d: func(); }", 1);
    add_world(&module, "component-type",
              "package x:y; interface i {} world w { import f: func(); import c: func(); import i;"
              " export e: func(); }",
              1);
    CHECK_INT(wit_binary_kind(buf_str(&module.bytes)), WIT_BINARY_MODULE);
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct wit_binary wit;
    enum wit_module_strings strings;
    int rc = wit_module_decode(buf_str(&module.bytes), &arena, &wit, &strings, &err);
    BUF(text, BYTES_MAX);
    if (rc == 0)
        wit_print_packages(wit.package, wit.others, wit.other_count, &text);
    arena_done(&arena);
    writer_done(&module);
    CHECK_INT(rc, 0);
    CHECK_INT(strings, WIT_STRINGS_UTF16);
    CHECK_STR(buf_str(&text), two_worlds);
}

static void check_module_refused(struct writer *module, int code, const char *words)
{
    ERROR(err);
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct wit_binary wit;
    int rc = wit_module_decode(buf_str(&module->bytes), &arena, &wit, NULL, &err);
    arena_done(&arena);
    writer_done(module);
    CHECK_INT(rc, code);
    CHECK_CONTAINS(error_text(&err), words);
}

TEST(bad_modules_are_refused)
{
    struct writer module;
    begin_module(&module);
    check_module_refused(&module, -ENOENT, "embeds no WIT");
    begin_module(&module);
    add_world(&module, "component-type:a", "package a:b; world w {}", 0);
    add_world(&module, "component-type:b", "package a:c; world w {}", 1);
    check_module_refused(&module, -EINVAL, "two encodings of strings");
    begin_module(&module);
    add_world(&module, "component-type", "package a:b; world w {}", 9);
    check_module_refused(&module, -EINVAL, "unknown version or encoding");
    begin_module(&module);
    add_world(&module, "component-type", "package a:b; interface i {}", 0);
    check_module_refused(&module, -EINVAL, "has no world");
}

// ---- the encoder --------------------------------------------------------------------------------

TEST(indices_count_up_and_sections_are_shared)
{
    struct encoder e;
    encoder_init(&e, SCOPE_COMPONENT);
    const struct value_def list = {
        .kind = TYPE_LIST, .has_element = true, .element = {.primitive = TYPE_U8}};
    CHECK_INT(encode_value_type(&e, &list), 0);
    CHECK_INT(
        encode_func_type(&e, &(struct func_def){.has_result = true, .result = {.is_index = true}}),
        1);
    CHECK_INT(encode_import_of(&e, STR("f"), SORT_FUNC, 1), 0);
    CHECK_INT(encode_export_of(&e, STR("g"), SORT_FUNC, 0), 1);
    BUF(bytes, BYTES_MAX);
    CHECK_INT(encoder_finish(&e, &bytes, NULL), 0);
    encoder_done(&e);
    static const char want[] = "\0asm\x0d\0\1\0"
                               "\7\7\2\x70\x7d\x40\0\0\0"
                               "\x0a\6\1\0\1f\1\1"
                               "\x0b\7\1\0\1g\1\0\0";
    CHECK(str_eq(buf_str(&bytes), str_of(want, sizeof(want) - 1)));
}

TEST(numbers_have_their_shortest_form)
{
    static const struct {
        int64_t value;
        struct str bytes;
    } rows[] = {
        {0, STR_INIT("\0")},
        {63, STR_INIT("\x3f")},
        {64, STR_INIT("\xc0\0")},
        {-64, STR_INIT("\x40")},
        {-65, STR_INIT("\xbf\x7f")},
        {8191, STR_INIT("\xff\x3f")},
        {8192, STR_INIT("\x80\xc0\0")},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct writer w;
        writer_init(&w, 16);
        writer_signed(&w, rows[i].value);
        bool same = str_eq(buf_str(&w.bytes), rows[i].bytes);
        writer_done(&w);
        CHECK(same);
    }
}

TEST(a_type_from_nowhere_is_named)
{
    ERROR(err);
    _cleanup_(free_resolve) struct wit_resolve *resolve = wit_resolve_new();
    CHECK_INT(wit_resolve_add_text(resolve, "t.wit", str_from(golden_text), &err), 0);
    CHECK_INT(wit_resolve_finish(resolve, &err), 0);
    struct encoder e;
    encoder_init(&e, SCOPE_COMPONENT);
    struct wit_scope scope;
    wit_scope_init(&scope, &e, WIT_IMPORTED);
    (void)wit_encode_interface(&scope, wit_find_interface(resolve, STR("a:b/j@1.0.0")), false);
    int rc = wit_scope_check(&scope, &err);
    wit_scope_done(&scope);
    encoder_done(&e);
    CHECK_INT(rc, -EINVAL);
    CHECK_CONTAINS(error_text(&err), "`r` of `a:b/i@1.0.0` is used");
}
