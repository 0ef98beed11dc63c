// SPDX-License-Identifier: Apache-2.0
// Texts and what `wasm-tools component wit --all-features` (1.262) prints of them.
#include "wit/wit.h"

#include "base/buf.h"
#include "testing/test.h"
#include "wit/toposort.h"

#define TEXT_MAX ((size_t)1 << 20)

static const char renamed_types[] =
    "package a:b;\n"
    "interface k { type t = u32; resource r; }\n"
    "world w4 { record z { a: u32 } use k.{r, t}; record z2 { a: z } resource m {  constructor(a: "
    "z); a: func(); } import q: func(a: z, b: m, t: t); export q2: func(q: z);  }\n"
    "world w6 { include w4 with { z as zz, m as mm, r as rr, q as qq, q2 as qq2, t as tt } }\n";

static const char renamed_types_printed[] = "package a:b;\n"
                                            "\n"
                                            "interface k {\n"
                                            "  type t = u32;\n"
                                            "\n"
                                            "  resource r;\n"
                                            "}\n"
                                            "\n"
                                            "world w4 {\n"
                                            "  import k;\n"
                                            "  use k.{r, t};\n"
                                            "\n"
                                            "  record z {\n"
                                            "    a: u32,\n"
                                            "  }\n"
                                            "\n"
                                            "  record z2 {\n"
                                            "    a: z,\n"
                                            "  }\n"
                                            "\n"
                                            "  resource m {\n"
                                            "    constructor(a: z);\n"
                                            "    a: func();\n"
                                            "  }\n"
                                            "  import q: func(a: z, b: m, t: t);\n"
                                            "\n"
                                            "  export q2: func(q: z);\n"
                                            "}\n"
                                            "world w6 {\n"
                                            "  import k;\n"
                                            "  use k.{r as rr, t as tt};\n"
                                            "\n"
                                            "  record zz {\n"
                                            "    a: u32,\n"
                                            "  }\n"
                                            "\n"
                                            "  record z2 {\n"
                                            "    a: zz,\n"
                                            "  }\n"
                                            "\n"
                                            "  resource mm {\n"
                                            "    constructor(a: zz);\n"
                                            "    a: func();\n"
                                            "  }\n"
                                            "  import qq: func(a: zz, b: mm, t: tt);\n"
                                            "\n"
                                            "  export qq2: func(q: zz);\n"
                                            "}\n";

static const char comments[] = "package a:b;\n"
                               "\n"
                               "// one\n"
                               "interface i1 {}\n"
                               "// one\n"
                               "// two\n"
                               "interface i2 {}\n"
                               "/// one\n"
                               "///two\n"
                               "///  three\n"
                               "//// four\n"
                               "interface i3 {}\n"
                               "/* block */\n"
                               "interface i4 {}\n"
                               "/** block doc */\n"
                               "interface i5 {}\n"
                               "/** block doc\n"
                               " * more\n"
                               "   more2\n"
                               " */\n"
                               "interface i6 {}\n"
                               "// plain\n"
                               "/// doc\n"
                               "// plain2\n"
                               "interface i7 {}\n"
                               "/* a\n"
                               "   b */\n"
                               "interface i8 {}\n"
                               "//\n"
                               "// x\n"
                               "//\n"
                               "interface i9 { // trailing\n"
                               "  f: func(); // after f\n"
                               "  // before g\n"
                               "  g: func(); }\n"
                               "// dangling\n";

static const char comments_printed[] = "package a:b;\n"
                                       "\n"
                                       "/// one\n"
                                       "interface i1 {\n"
                                       "}\n"
                                       "\n"
                                       "/// one\n"
                                       "/// two\n"
                                       "interface i2 {\n"
                                       "}\n"
                                       "\n"
                                       "///  one\n"
                                       "/// two\n"
                                       "///   three\n"
                                       "///  four\n"
                                       "interface i3 {\n"
                                       "}\n"
                                       "\n"
                                       "/// * block */\n"
                                       "interface i4 {\n"
                                       "}\n"
                                       "\n"
                                       "/// block doc\n"
                                       "interface i5 {\n"
                                       "}\n"
                                       "\n"
                                       "/// block doc\n"
                                       "///  * more\n"
                                       "///    more2\n"
                                       "interface i6 {\n"
                                       "}\n"
                                       "\n"
                                       "/// plain\n"
                                       "/// doc\n"
                                       "/// plain2\n"
                                       "interface i7 {\n"
                                       "}\n"
                                       "\n"
                                       "/// * a\n"
                                       "///    b */\n"
                                       "interface i8 {\n"
                                       "}\n"
                                       "\n"
                                       "///\n"
                                       "/// x\n"
                                       "interface i9 {\n"
                                       "  /// trailing\n"
                                       "  f: func();\n"
                                       "\n"
                                       "  /// after f\n"
                                       "  /// before g\n"
                                       "  g: func();\n"
                                       "}\n"
                                       "\n";

static const char declarations[] =
    "package a:b;\n"
    "interface i { resource r; type t = u32; }\n"
    "interface k { type a = b; record b { x: c, y: d } use i.{r}; flags d { p, q} enum c { m, n } "
    "type z = list<e>; variant e { q(f), w } type f = tuple<r, g>; type g = b; resource rr { x: "
    "static func() -> h; } type h = u8; \n"
    "   f1: func(); }\n"
    "world w { type a = b; import ff: func(b: b); record b { x: c, y: d } use i.{r}; flags d { p, "
    "q} enum c { m, n } type z = list<e>; variant e { q(f), w } type f = tuple<r, g>; type g = b; "
    "resource rr { x: static func() -> h; } type h = u8; }\n";

static const char declarations_printed[] = "package a:b;\n"
                                           "\n"
                                           "interface i {\n"
                                           "  resource r;\n"
                                           "\n"
                                           "  type t = u32;\n"
                                           "}\n"
                                           "\n"
                                           "interface k {\n"
                                           "  use i.{r};\n"
                                           "\n"
                                           "  flags d {\n"
                                           "    p,\n"
                                           "    q,\n"
                                           "  }\n"
                                           "\n"
                                           "  enum c {\n"
                                           "    m,\n"
                                           "    n,\n"
                                           "  }\n"
                                           "\n"
                                           "  record b {\n"
                                           "    x: c,\n"
                                           "    y: d,\n"
                                           "  }\n"
                                           "\n"
                                           "  type a = b;\n"
                                           "\n"
                                           "  type g = b;\n"
                                           "\n"
                                           "  type f = tuple<r, g>;\n"
                                           "\n"
                                           "  variant e {\n"
                                           "    q(f),\n"
                                           "    w,\n"
                                           "  }\n"
                                           "\n"
                                           "  type z = list<e>;\n"
                                           "\n"
                                           "  resource rr {\n"
                                           "    x: static func() -> h;\n"
                                           "  }\n"
                                           "\n"
                                           "  type h = u8;\n"
                                           "\n"
                                           "  f1: func();\n"
                                           "}\n"
                                           "\n"
                                           "world w {\n"
                                           "  import i;\n"
                                           "  use i.{r};\n"
                                           "\n"
                                           "  flags d {\n"
                                           "    p,\n"
                                           "    q,\n"
                                           "  }\n"
                                           "\n"
                                           "  enum c {\n"
                                           "    m,\n"
                                           "    n,\n"
                                           "  }\n"
                                           "\n"
                                           "  record b {\n"
                                           "    x: c,\n"
                                           "    y: d,\n"
                                           "  }\n"
                                           "\n"
                                           "  type a = b;\n"
                                           "\n"
                                           "  type g = b;\n"
                                           "\n"
                                           "  type f = tuple<r, g>;\n"
                                           "\n"
                                           "  variant e {\n"
                                           "    q(f),\n"
                                           "    w,\n"
                                           "  }\n"
                                           "\n"
                                           "  type z = list<e>;\n"
                                           "\n"
                                           "  resource rr {\n"
                                           "    x: static func() -> h;\n"
                                           "  }\n"
                                           "\n"
                                           "  type h = u8;\n"
                                           "  import ff: func(b: b);\n"
                                           "}\n";

static const char nested[] = "package x:y@1.0.0;\n"
                             "\n"
                             "world w {\n"
                             "  include a:b/v@0.2.0;\n"
                             "  include a:b/u@0.2.0;\n"
                             "}\n"
                             "\n"
                             "package a:b@0.2.0 {\n"
                             "  interface i { resource r; }\n"
                             "  interface j { use i.{r}; }\n"
                             "  world u {\n"
                             "    @since(version = 0.2.0)\n"
                             "    import j;\n"
                             "  }\n"
                             "  world v {\n"
                             "    @unstable(feature = f)\n"
                             "    import j;\n"
                             "  }\n"
                             "}\n";

static const char nested_printed[] = "package x:y@1.0.0;\n"
                                     "\n"
                                     "world w {\n"
                                     "  import a:b/i@0.2.0;\n"
                                     "  import a:b/j@0.2.0;\n"
                                     "}\n"
                                     "package a:b@0.2.0 {\n"
                                     "  interface i {\n"
                                     "    resource r;\n"
                                     "  }\n"
                                     "  interface j {\n"
                                     "    use i.{r};\n"
                                     "  }\n"
                                     "  world u {\n"
                                     "    @since(version = 0.2.0)\n"
                                     "    import i;\n"
                                     "    @since(version = 0.2.0)\n"
                                     "    import j;\n"
                                     "  }\n"
                                     "  world v {\n"
                                     "    @unstable(feature = f)\n"
                                     "    import i;\n"
                                     "    @unstable(feature = f)\n"
                                     "    import j;\n"
                                     "  }\n"
                                     "}\n";

static void check_printed(const char *text, const char *printed)
{
    ERROR(err);
    BUF(out, TEXT_MAX);
    struct wit_resolve *resolve = wit_resolve_new();
    wit_resolve_enable_feature(resolve, NULL);
    int rc = wit_resolve_add_text(resolve, "t.wit", str_from(text), &err);
    if (rc == 0)
        rc = wit_resolve_finish(resolve, &err);
    if (rc == 0)
        wit_print_resolve(resolve, &out);
    wit_resolve_free(resolve);
    if (rc < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    CHECK_STR(buf_str(&out), printed);
}

TEST(types_that_include_renames_are_new_ones)
{
    check_printed(renamed_types, renamed_types_printed);
}

TEST(comments_lose_their_frame_and_margin)
{
    check_printed(comments, comments_printed);
}

TEST(declarations_come_behind_what_they_name)
{
    check_printed(declarations, declarations_printed);
}

TEST(packages_of_a_file_are_printed_nested)
{
    check_printed(nested, nested_printed);
}

TEST(toposort_takes_the_smallest_index_that_may_come_next)
{
    struct toposort sort;
    toposort_init(&sort, 5);
    toposort_add(&sort, 0, 3);
    toposort_add(&sort, 1, 0);
    toposort_add(&sort, 4, 2);
    uint32_t order[5];
    uint32_t count = toposort_run(&sort, order);
    toposort_done(&sort);
    static const uint32_t want[] = {2, 3, 0, 1, 4};
    CHECK_INT(count, 5);
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        CHECK_INT(order[i], want[i]);
    toposort_init(&sort, 2);
    toposort_add(&sort, 0, 1);
    toposort_add(&sort, 1, 0);
    count = toposort_run(&sort, order);
    toposort_done(&sort);
    CHECK_INT(count, 0);
}
