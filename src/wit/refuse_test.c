// SPDX-License-Identifier: Apache-2.0
// Where texts that are refused are wrong, as the usual tools say it, and gated texts that are not.
#include "base/error.h"
#include "testing/test.h"
#include "wit/wit.h"

static int load(const char *text, struct error *err)
{
    struct wit_resolve *resolve = wit_resolve_new();
    wit_resolve_enable_feature(resolve, "active");
    int r = wit_resolve_add_text(resolve, "t.wit", str_from(text), err);
    if (r == 0)
        r = wit_resolve_finish(resolve, err);
    wit_resolve_free(resolve);
    return r;
}

static const struct {
    const char *text;
    const char *place;
} refused[] = {
    {"package a:b;\ninterface i { @unstable(feature = off) type t = nope; }", "2:49"},
    {"package a:b;\ninterface i { @unstable(feature = off) f: func(a: nope); }", "2:51"},
    {"package a:b;\n@unstable(feature = off) interface i { @unstable(feature = off) type t = nope; "
     "}",
     "2:74"},
    {"package a:b;\ninterface i { @unstable(feature = off) type t = u8; type t = u16; }", "2:58"},
    {"package a:b;\ninterface i { type t = u8; @unstable(feature = off) type t = u16; }", "2:58"},
    {"package a:b;\ninterface i { @unstable(feature = off) type t = u8; @unstable(feature = off) "
     "type t = u16; }",
     "2:83"},
    {"package a:b;\ninterface i { @unstable(feature = off) t: func(); t: func(); }", "2:51"},
    {"package a:b;\ninterface i { @unstable(feature = off) t: func(); type t = u8; }", "2:40"},
    {"package a:b;\ninterface i { @unstable(feature = off) type t = u; @unstable(feature = off) "
     "type u = t; }",
     "2:49"},
    {"package a:b;\ninterface i { @unstable(feature = off) type t = u; type u = t; }", "2:49"},
    {"package a:b;\ninterface i { @unstable(feature = off) type t = u8; type u = t; }", "2:58"},
    {"package a:b;\ninterface i { @unstable(feature = off) type t = u8; f: func(a: t); }", "2:53"},
    {"package a:b;\ninterface i { @unstable(feature = off) type t = u8; f: func() -> t; }", "2:53"},
    {"package a:b;\ninterface i { @unstable(feature = off) type t = u8; f: func() -> "
     "list<option<t>>; }",
     "2:53"},
    {"package a:b;\ninterface i { @unstable(feature = off) type t = u8; record r { a: u8, b: t } }",
     "2:71"},
    {"package a:b;\ninterface i { @unstable(feature = off) type t = u8; variant r { a, b(t) } }",
     "2:61"},
    {"package a:b;\ninterface i { @unstable(feature = off) resource t; f: func(a: borrow<t>); }",
     "2:52"},
    {"package a:b;\ninterface i { @unstable(feature = off) resource t; type x = own<t>; }", "2:57"},
    {"package a:b;\ninterface i { @unstable(feature = off) type t = u8; @unstable(feature = "
     "active) f: func(a: t); }",
     "2:81"},
    {"package a:b;\ninterface i { @unstable(feature = off) f: func(a: u8, a: u8); }", "2:55"},
    {"package a:b;\ninterface i { @unstable(feature = off) record f { a: u8, a: u8 } }", "2:58"},
    {"package a:b;\ninterface i { @unstable(feature = off) record f { } }", "2:47"},
    {"package a:b;\ninterface i { @unstable(feature = off) enum f { } }", "2:45"},
    {"package a:b;\ninterface i { @unstable(feature = off) flags f { "
     "a0,a1,a2,a3,a4,a5,a6,a7,a8,a9,a10,a11,a12,a13,a14,a15,a16,a17,a18,a19,a20,a21,a22,a23,a24,"
     "a25,a26,a27,a28,a29,a30,a31,a32 } }",
     "2:168"},
    {"package a:b;\ninterface i { type t = u8; @unstable(feature = off) f: func(a: borrow<t>); }",
     "2:71"},
    {"package a:b;\ninterface i { type t = u8; @unstable(feature = off) type u = own<t>; }",
     "2:66"},
    {"package a:b;\ninterface i { resource r { @unstable(feature = off) m: func(a: nope); } }",
     "2:64"},
    {"package a:b;\ninterface i { resource r { @unstable(feature = off) m: func(); m: func(); } }",
     "2:64"},
    {"package a:b;\ninterface i { resource r { m: func(); @unstable(feature = off) m: static "
     "func(); } }",
     "2:64"},
    {"package a:b;\ninterface i { resource r { constructor(); @unstable(feature = off) "
     "constructor(a: u8); } }",
     "2:68"},
    {"package a:b;\ninterface i { resource r { @unstable(feature = off) constructor(a: u8) -> u8; "
     "} }",
     "2:75"},
    {"package a:b;\ninterface i { @unstable(feature = off) use j.{t}; }", "2:44"},
    {"package a:b;\ninterface j { type u = u8; }\ninterface i { @unstable(feature = off) use "
     "j.{t}; }",
     "3:47"},
    {"package a:b;\ninterface j { t: func(); }\ninterface i { @unstable(feature = off) use j.{t}; "
     "}",
     "3:47"},
    {"package a:b;\ninterface j { type t = u8; }\ninterface i { @unstable(feature = off) use "
     "j.{t}; type t = u8; }",
     "3:56"},
    {"package a:b;\ninterface j { @unstable(feature = off) type t = u8; }\ninterface i { use "
     "j.{t}; }",
     "3:22"},
    {"package a:b;\n@unstable(feature = off) interface j { @unstable(feature = off) type t = u8; "
     "}\ninterface i { use j.{t}; }",
     "3:22"},
    {"package a:b;\ninterface j { @unstable(feature = off) use i.{t}; type x = u8; }\ninterface i "
     "{ use j.{x}; type t = u8; }",
     "3:11"},
    {"package a:b;\ninterface i { @unstable(feature = off) use i.{t}; }", "2:11"},
    {"package a:b;\ninterface i { @unstable(feature = off) use c:d/e.{t}; }", "2:44"},
    {"package a:b;\npackage c:d { @unstable(feature = off) interface e { @unstable(feature = off) "
     "type t = u8; } }\ninterface i { use c:d/e.{t}; }",
     "3:23"},
    {"package a:b;\npackage c:d { interface e { @unstable(feature = off) type t = u8; } "
     "}\ninterface i { use c:d/e.{t}; }",
     "3:26"},
    {"package a:b;\nworld w { @unstable(feature = off) import j; }", "2:43"},
    {"package a:b;\ninterface j { }\nworld w { @unstable(feature = off) import j; import j; }",
     "3:53"},
    {"package a:b;\ninterface j { }\nworld w { import j; @unstable(feature = off) import j; }",
     "3:53"},
    {"package a:b;\nworld w { import j: func(); @unstable(feature = off) import j: func(a: u8); }",
     "2:61"},
    {"package a:b;\nworld w { @unstable(feature = off) import j: func(a: u8); import j: func();  }",
     "2:66"},
    {"package a:b;\nworld w { @unstable(feature = off) import j: func(a: nope); }", "2:54"},
    {"package a:b;\nworld w { @unstable(feature = off) import j: interface { type t = nope; } }",
     "2:67"},
    {"package a:b;\nworld w { @unstable(feature = off) import j: interface { type t = u8; f: "
     "func(a: t); } }",
     "2:63"},
    {"package a:b;\ninterface k { type t = u8; }\nworld w { @unstable(feature = off) import j: "
     "interface { use k.{t}; } }",
     "3:65"},
    {"package a:b;\nworld w { @unstable(feature = off) type t = u8; type t = u16; }", "2:54"},
    {"package a:b;\nworld w { @unstable(feature = off) type t = u8; import t: func(); }", "2:56"},
    {"package a:b;\nworld w { type t = u8; @unstable(feature = off) import t: func(); }", "2:56"},
    {"package a:b;\n@unstable(feature = off) world w { type t = u8; }", "2:41"},
    {"package a:b;\n@unstable(feature = off) world w { import i; }", "2:43"},
    {"package a:b;\ninterface i { }\n@unstable(feature = off) world w { import i; import i; }",
     "3:53"},
    {"package a:b;\n@unstable(feature = off) world w { include v; }", "2:44"},
    {"package a:b;\nworld w { @unstable(feature = off) include v; }", "2:44"},
    {"package a:b;\nworld v { include w; }\nworld w { @unstable(feature = off) include v; }",
     "3:7"},
    {"package a:b;\ninterface v { }\nworld w { @unstable(feature = off) include v; }", "3:44"},
    {"package a:b;\n@unstable(feature = off) world v { import f: func(); }\nworld w { include v; }",
     "3:19"},
    {"package a:b;\nworld v { @unstable(feature = off) import f: func(); }\nworld w { include v "
     "with { f as g } }",
     "3:19"},
    {"package a:b;\ninterface i { @unstable(feature = off) resource r { m: func(); } }", "2:53"},
    {"package a:b;\ninterface i { @unstable(feature = off) resource r { @unstable(feature = off) "
     "m: func(); n: func(); } }",
     "2:89"},
    {"package a:b;\ninterface i { @unstable(feature = off) resource r { @unstable(feature = "
     "active) m: func(); } }",
     "2:81"},
    {"package a:b;\ninterface i { @unstable(feature = off) resource r { constructor(); } }",
     "2:53"},
    {"package a:b;\nworld i { @unstable(feature = off) resource r { m: func(); } }", "2:45"},
    {"package a:b;\n@unstable(feature = off) interface i { resource r; }", "2:49"},
    {"package a:b;\ninterface j { type t = u8; }\n@unstable(feature = off) interface i { use "
     "j.{t}; }",
     "3:47"},
    {"package a:b;\n@unstable(feature = off) interface i { f: func(a: t); type t = u8; type u = t; "
     "}",
     "2:60"},
    {"package a:b;\n@unstable(feature = off) interface i { @unstable(feature = active) type t = "
     "u8; }",
     "2:73"},
    {"package a:b;\n@unstable(feature = off) interface i { }\nworld w { import i; }", "3:18"},
    {"package a:b;\n@unstable(feature = off) interface i { }\nworld w { export i; }", "3:18"},
    {"package a:b;\n@unstable(feature = off) interface i { }\nworld w { import x: i; }", "3:18"},
    {"package a:b;\n@unstable(feature = off) interface i { }\ninterface i { }", "3:11"},
    {"package a:b;\n@unstable(feature = off) world i { }\ninterface i { }", "3:11"},
    {"package a:b;\nuse c:d/i as j;\npackage c:d { @unstable(feature = off) interface i { } }",
     "2:9"},
    {"package a:b@1.0.0;\ninterface i { @unstable(feature = off) record r { a: u8 }\n "
     "@since(version = 2.0.0) f: func(); }",
     "3:26"},
    {"package a:b@1.0.0;\n@unstable(feature = off) interface i { @since(version = 2.0.0) type t = "
     "u8; }",
     "2:69"},
    {"package a:b@1.0.0;\ninterface i { @unstable(feature = off) resource r { @since(version = "
     "2.0.0) f: func(); } }",
     "2:77"},
    {"package a:b@1.0.0;\ninterface i { @unstable(feature = off) resource r { @since(version = "
     "1.0.0) f: func(); } }",
     "2:77"},
    {"package a:b;\ninterface i { @unstable(feature = off) type b = map<f32, u8>; }", "2:49"},
    {"package a:b;\ninterface i { @since(version = 1.0.0) type t = u8; }", "2:44"},
    {"package a:b;\ninterface i { @since(version = 1.0.0) t: func(); }", "2:39"},
    {"package a:b;\n@since(version = 1.0.0) interface i { }", "2:35"},
    {"package a:b;\n@since(version = 1.0.0) world i { }", "2:31"},
    {"package a:b;\ninterface j {}\nworld i { @since(version = 1.0.0) import j; }", "3:42"},
    {"package a:b;\nworld i { @since(version = 1.0.0) import j: interface { } }", "2:42"},
    {"package a:b;\nworld i { @since(version = 1.0.0) import j: func(); }", "2:42"},
    {"package a:b;\ninterface j {}\nworld i { @since(version = 1.0.0) export x: j; }", "3:42"},
    {"package a:b;\nworld j {}\nworld i { @since(version = 1.0.0) include j; }", "3:43"},
    {"package a:b;\ninterface j { type t = u8; }\ninterface i { @since(version = 1.0.0) use j.{t}; "
     "}",
     "3:46"},
    {"package a:b;\ninterface j { type t = u8; }\nworld i { @since(version = 1.0.0) use j.{t}; }",
     "3:42"},
    {"package a:b;\ninterface i { resource r { @since(version = 1.0.0) m: func(); } }", "2:52"},
    {"package a:b;\ninterface i { resource r { @since(version = 1.0.0) constructor(); } }", "2:52"},
    {"package a:b;\ninterface i { @since(version = 1.0.0) resource r; }", "2:48"},
    {"package a:b@0.1.0;\ninterface i { @since(version = 1.0.0) type t = u8; }\ninterface j { "
     "@since(version = 1.0.0) type t = u8; f: func(a: nope); }",
     "3:63"},
    {"package a:b@0.1.0;\ninterface i { @since(version = 1.0.0) type t = u8; type t = u8; }",
     "2:57"},
    {"package a:b@0.1.0;\ninterface i { @since(version = 1.0.0) type t = u8; use c:d/e.{x}; }",
     "2:56"},
    {"package a:b@0.1.0;\n@since(version = 0.1.0) @unstable(feature = active) interface i { }",
     "2:2"},
    {"package a:b@0.1.0;\n@deprecated(version = 0.1.0) interface i { }", "2:2"},
    {"package a:b@0.1.0;\n@since(version = 0.1.0, feature = x) interface i { }", "2:23"},
    {"package a:b@0.1.0;\n@since(version = 0.1.0,) interface i { }", "2:23"},
    {"package a:b@0.1.0-rc.1;\n@since(version = 0.1.0) interface i { }", "2:35"},
    {"package a:b@0.1.0+5;\n@since(version = 0.1.0+6) interface i { }", "2:37"},
    {"package a:b@0.1.0;\n@since(version = 0.1.0+6) interface i { }", "2:37"},
    {"@since(version = 0.1.0)\npackage a:b@0.1.0;", "2:1"},
    {"package a:b@0.1.0;\ninterface i { record r { @since(version = 0.1.0) a: u8 } }", "2:26"},
    {"package a:b@0.1.0;\ninterface i { enum r { @since(version = 0.1.0) a } }", "2:24"},
    {"package a:b@0.1.0;\ninterface i { }\n@since(version = 0.1.0) use i as j;", "3:25"},
    {"package a:b@0.1.0;\n@since(version = 0.1.0) @since(version = 0.1.0) interface i { }", "2:26"},
    {"package a:b@0.1.0;\n@foo(version = 0.1.0) interface i { }", "2:2"},
    {"package a:b@0.1.0;\n@since interface i { }", "2:8"},
    {"package a:b@0.1.0;\n@unstable(feature = type) interface i { }", "2:21"},
    {"package a:b@0.1.0;\n@unstable(feature = \"x\") interface i { }", "2:21"},
    {"package a:b;\nworld w { @unstable(feature = off) type t = u8; type u = t; }", "2:54"},
    {"package a:b;\nworld w { @unstable(feature = off) resource r { @unstable(feature = off) m: "
     "func(); @unstable(feature = active) n: func(); } }",
     "2:45"},
    {"package a:b;\nworld w { resource q; @unstable(feature = off) resource r { m: func(); } }",
     "2:57"},
    {"package a:b;\ninterface i { resource q; @unstable(feature = off) resource r { m: func(); n: "
     "func(); } f: func(a: r); }",
     "2:65"},
    {"package a:b;\ninterface i { @unstable(feature = off) type t = u8; f: func(a: tuple<u8, t>); "
     "}",
     "2:53"},
    {"package a:b;\ninterface i { @unstable(feature = off) type t = u8; @unstable(feature = "
     "active) type u = u8; f: func(a: tuple<u, t>); }",
     "2:105"},
    {"package a:b;\ninterface i { @unstable(feature = off) type t = u8; @unstable(feature = "
     "active) type u = u8; type x = tuple<t, u>; }",
     "2:99"},
    {"package a:b;\ninterface i { @unstable(feature = off) type t = u8; @unstable(feature = "
     "active) type u = u8; record x { a: list<t>, c: list<u> } }",
     "2:105"},
    {"package a:b;\ninterface i { @unstable(feature = off) type t = u8; f: func(b: t); type u = t; "
     "}",
     "2:73"},
    {"package a:b;\ninterface i { f: func(b: t); type u = t;  @unstable(feature = off) type t = "
     "u8; type v = list<t>; }",
     "2:35"},
    {"package a:b@1.0.0;\ninterface i { @since(version = 2.0.0) f: func(); type u = t;  "
     "@unstable(feature = off) type t = u8; type v = list<t>; }",
     "2:55"},
    {"package a:b@1.0.0;\ninterface i { type u = t;  @unstable(feature = off) type t = u8; "
     "@since(version = 2.0.0) type v = list<t>; }",
     "2:20"},
    {"package a:b@1.0.0;\ninterface j { @since(version = 2.0.0) f: func(); }\ninterface i { type u "
     "= t;  @unstable(feature = off) type t = u8; }",
     "3:20"},
    {"package a:b@1.0.0;\n@since(version = 3.0.0)\ninterface j { f: func(); }\ninterface i { type "
     "u = t;  @unstable(feature = off) type t = u8; }",
     "4:20"},
    {"package a:b@1.0.0;\ninterface j { f: func(); }\n@since(version = 3.0.0)\ninterface i { "
     "@since(version = 2.0.0) f: func(); @since(version = 2.0.0) resource r { @since(version = "
     "2.0.0) m: func(); } }",
     "4:83"},
    {"package a:b;\n@unstable(feature = off) world w { import f: func(); type t = u8; }", "2:59"},
    {"package a:b;\n@unstable(feature = off) world w { import f: func(); resource t { m: func(); } "
     "}",
     "2:63"},
    {"package a:b;\ninterface j { type t = u8; }\n@unstable(feature = off) world w { import f: "
     "func(); use j.{t}; }",
     "3:61"},
    {"package a:b@1.0.0;\n@unstable(feature = off) world w { import i: interface { @since(version "
     "= 2.0.0) f: func(); } }",
     "2:82"},
    {"package a:b@1.0.0;\n@unstable(feature = off) world w { @since(version = 2.0.0) type t = u8; "
     "}",
     "2:65"},
    {"package a:b@1.0.0;\nworld w { import i: interface { @unstable(feature = off) type t = u8; f: "
     "func(a: t); } }",
     "2:71"},
    {"package a:b@1.0.0;\n@unstable(feature = off) interface j { @unstable(feature = off) type t = "
     "u8; }\nworld w { export j; export x: j; }",
     "3:18"},
    {"package a:b@1.0.0;\n@unstable(feature = off) interface j { @unstable(feature = off) type t = "
     "u8; }\nworld w { export x: j; }",
     "3:18"},
    {"package a:b@1.0.0;\n@unstable(feature = off) interface j { @unstable(feature = off) type t = "
     "u8; }\nworld w { use j.{t}; }",
     "3:18"},
    {"package a:b@1.0.0;\ninterface j { @unstable(feature = off) type t = u8; }\nworld w { use "
     "j.{t}; }",
     "3:18"},
    {"package a:b@1.0.0;\npackage c:d { interface j { @unstable(feature = off) type t = u8; } "
     "}\nworld w { use c:d/j.{t}; }",
     "3:22"},
    {"package a:b@1.0.0;\npackage c:d { @unstable(feature = off) interface j { @unstable(feature = "
     "off) type t = u8; } }\nworld w { use c:d/j.{t}; }",
     "3:19"},
    {"package a:b@1.0.0;\npackage c:d { @unstable(feature = off) interface j { @unstable(feature = "
     "off) type t = u8; } }\nworld w { import c:d/j; }",
     "3:22"},
    {"package a:b@1.0.0;\npackage c:d { @unstable(feature = off) interface j { @unstable(feature = "
     "off) type t = u8; } }\nworld w { import x: c:d/j; }",
     "3:25"},
    {"package a:b@1.0.0;\npackage c:d { @unstable(feature = off) world j { @unstable(feature = "
     "off) type t = u8; } }\nworld w { include c:d/j; }",
     "3:23"},
    {"package a:b@1.0.0;\npackage c:d { @unstable(feature = off) interface j { @unstable(feature = "
     "off) type t = u8; } }\ninterface i { use c:d/j.{t}; }",
     "3:23"},
    {"package a:b@1.0.0;\npackage c:d { @unstable(feature = off) interface j { @unstable(feature = "
     "off) type t = u8; } }\n@unstable(feature = off) interface i { use c:d/j.{t}; }",
     "3:48"},
    {"package a:b@1.0.0;\npackage c:d { @unstable(feature = off) world j {} }\n@unstable(feature = "
     "off) world i { include c:d/j; }",
     "3:48"},
    {"package a:b@1.0.0;\n@unstable(feature = off) world j {}\nworld i { include j; }", "3:19"},
    {"package a:b@1.0.0;\nuse c:d/j;\npackage c:d { @unstable(feature = off) interface j { "
     "@unstable(feature = off) type t = u8; } }",
     "2:9"},
    {"package a:b@1.0.0;\nuse c:d/j;\ninterface i { @unstable(feature = off) use j.{t}; }\npackage "
     "c:d { @unstable(feature = off) interface j { @unstable(feature = off) type t = u8; } }",
     "2:9"},
    {"package a:b@1.0.0;\npackage c:d { interface j { @unstable(feature = off) type t = u8; } "
     "}\ninterface i { use c:d/j.{t as u}; }",
     "3:26"},
    {"package a:b@1.0.0;\ninterface j { type t = u8; }\n@unstable(feature = off) interface i { use "
     "j.{t as u}; }",
     "3:47"},
    {"package a:b@1.0.0;\ninterface j { @unstable(feature = off) type t = u8; }\ninterface i { use "
     "j.{t as u}; }",
     "3:22"},
    {"package a:b@1.0.0;\ninterface j { type t = u8; }\ninterface i { f: func(a: nope); use j.{x}; "
     "}",
     "3:40"},
    {"package a:b@1.0.0;\ninterface j { type t = u8; }\ninterface i { type u = nope; use j.{x}; }",
     "3:37"},
    {"package a:b@1.0.0;\ninterface i { type u = nope; type u = u8; }", "2:35"},
    {"package a:b@1.0.0;\ninterface i { f: func(a: nope); record u { a: u8, a: u8 } }", "2:51"},
    {"package a:b@1.0.0;\ninterface i { record q { x: nope } record u { a: u8, a: u8 } }", "2:29"},
    {"package a:b@1.0.0;\ninterface i { record u { a: u8, a: u8 } record q { x: nope } }", "2:55"},
    {"package a:b@1.0.0;\ninterface i { f: func(a: nope); } interface j { use k.{t}; }", "2:53"},
    {"package a:b@1.0.0;\ninterface i { type t = x; } interface x { type t = y; }", "2:24"},
    {"package a:b@1.0.0;\ninterface i { use x.{t}; type t2 = z; } interface x { type t = y; }",
     "2:64"},
    {"package a:b@1.0.0;\nworld w { import f: func(a: x); } interface x { type t = y; }", "2:58"},
    {"package a:b@1.0.0;\nworld w { resource r { m: func() -> borrow<r>; } }", "2:24"},
    {"package a:b@1.0.0;\ninterface i { resource r { constructor() -> result<r, borrow<r>>; s: "
     "static func() -> borrow<r>; } }",
     "2:28"},
    {"package a:b@1.0.0;\nworld w { import x: interface { resource r; f: func() -> borrow<r>; } }",
     "2:45"},
    {"package a:b;\ninterface i { resource r; f: func() -> borrow<r>; g: func(a: nope); }", "2:62"},
    {"package a:b;\ninterface i { @unstable(feature = off) resource r { s: static func(); } }",
     "2:53"},
    {"package x:b;\ninterface i { @since(version = 1.0.0) @unstable(feature = x) f: func(); "
     "}\ninterface j { type t = nope; }",
     "2:16"},
    {"package x:b;\ninterface j { type t = nope; @since(version = 1.0.0) @unstable(feature = x) f: "
     "func(); }",
     "2:24"},
    {"package x:b;\ninterface j { type t = y; @since(version = 1.0.0) @unstable(feature = x) type "
     "y = u8; type t = u8; }",
     "2:92"},
    {"package x:b;\n@since(version = 1.0.0) @unstable(feature = x) interface j { type t = y; }",
     "2:2"},
    {"package x:b;\ninterface j { use k.{t}; @since(version = 1.0.0) @unstable(feature = x) type y "
     "= u8; }",
     "2:19"},
    {"package x:b;\npackage c:d { package e:f { interface x { type t = nope; } } }", "2:23"},
    {"package x:b;\ninterface y { type t = nope; }\npackage c:d { package e:f { interface x { } } "
     "}",
     "3:23"},
    {"package x:b;\npackage c:d { package e:f { interface x { } } }\ninter", "3:1"},
    {"package x:b;\npackage c:d { package e:f; }", "2:26"},
    {"package x:b;\npackage c:d { interface x { }  package e:f; interface y {} }", "2:43"},
    {"package x:b;\nworld w { include c:d/e; import c:d/e; }", "2:37"},
    {"package x:b;\nworld w { include c:d/e; export c:d/e; use c:d/e.{t}; }", "2:48"},
    {"package x:b;\nworld w { export c:d/e; include c:d/e; }", "2:22"},
    {"package x:b;\nworld w { export x: c:d/e; include c:d/e; }", "2:25"},
    {"package x:b;\nuse c:d/e;\nworld w { include c:d/e; }", "3:23"},
    {"package x:b;\nworld w { import x: func(); import x: nope; }", "2:39"},
    {"package x:b;\nworld w { import x: func(); import x: func(a: nope); }", "2:47"},
    {"package x:b;\ninterface i { f: func(); f: func(a: nope); }", "2:37"},
    {"package x:b;\ninterface i { f: func(a: nope); f: func(a: nope); }", "2:26"},
    {"package a:b;\ninterface i { flags f { "
     "a0,a1,a2,a3,a4,a5,a6,a7,a8,a9,a10,a11,a12,a13,a14,a15,a16,a17,a18,a19,a20,a21,a22,a23,a24,"
     "a25,a26,a27,a28,a29,a30,a31,a32,a33,a34 } }",
     "2:143"},
    {"package a:b@1.0.0;\ninterface j { type t = u8; }\ninterface i { @since(version = 2.0.0) use "
     "j.{t as u}; }",
     "3:46"},
    {"package a:b@1.0.0;\ninterface j { type t = u8; }\ninterface i { use j.{t as u}; use j.{t as "
     "u}; }",
     "3:43"},
    {"package a:b@1.0.0;\ninterface i { resource r { constructor() -> result<own<s>>; } type s = "
     "r; }",
     "2:56"},
    {"package a:b@1.0.0;\ninterface i { resource r { constructor() -> list<r>; } type s = r; }",
     "2:45"},
    {"package a:b@1.0.0;\ninterface i { resource r { constructor() -> result<list<r>>; } type s = "
     "r; }",
     "2:52"},
    {"package a:b@1.0.0;\ninterface i { resource r { constructor() -> x; } type x = result<s>; "
     "type s = r; }",
     "2:45"},
    {"package a:b@1.0.0;\ninterface i { resource r { constructor() -> result<_, r>; } }", "2:45"},
    {"package a:b@1.0.0;\ninterface i { resource r { constructor() -> result; } }", "2:45"},
    {"package a:b;\nworld w { import a: func(); import B: func(); import b: func(); }", "2:54"},
    {"package a:b;\nworld w { export B: func(); export b: func(); }", "2:36"},
    {"package a:b;\nworld w { import x:y; }", "2:20"},
    {"package a:b;\ninterface y {}\nworld w { import x:y@1.0.0; }", "3:21"},
    {"package a:b;\nworld w { import x:y/; }", "2:22"},
    {"package a:b;\nworld w { import x:; }", "2:20"},
    {"package a:b;\nworld w { import x; }", "2:18"},
    {"package a:b;\nworld w { import x:y:z/a; }", "2:20"},
    {"package a:b;\nworld w { import x:type; }", "2:20"},
    {"package a:b;\ninterface i { f: func(a-1: u8, a1: u8); }", "2:32"},
    {"package a:b;\ninterface i { a-b: func(); ab: func(); }", "2:28"},
    {"package a:b;\nworld w { import a-b: func(); import ab: func(); }", "2:38"},
    {"package a:b;\ninterface i { resource r { a-b: func(); ab: func(); constructor(); } }",
     "2:41"},
    {"package a:b;\ninterface i { resource r-s { rs: func(); } }", "2:30"},
    {"package a:b;\ninterface i { type a-b = u8; type ab = u8; }", "2:35"},
    {"package a:b;\ninterface i { type a-b = u8; ab: func(); }", "2:30"},
    {"package a:b;\ninterface i { enum e { f-g, fg } }", "2:29"},
    {"package a:b;\ninterface i { flags e { f-g, fg } }", "2:30"},
    {"package a:b;\ninterface i { variant e { f-g, fg } }", "2:32"},
    {"package a:b;\ninterface j { type a-b = u8; type c = u8; }\ninterface i { use j.{a-b}; type "
     "ab = u8; }",
     "3:33"},
    {"package a:b;\ninterface j { type a-b = u8; type c = u8; }\ninterface i { use j.{a-b, c as "
     "ab}; }",
     "3:32"},
    {"package a:b;\nworld i { type a-b = u8; type ab = u8; }", "2:31"},
    {"package a:b;\nworld i { type a-b = u8; import ab: func(); }", "2:33"},
    {"package a:b;\nworld i { import a-b: interface {} import ab: func(); }", "2:43"},
    {"package a:b;\ninterface i { type a-1 = u8; type a1 = u8; record r { a-B: u8, aB: u8 } }",
     "2:64"},
    {"package a:b;\ninterface i { type a-b = u8; f: func(x: ab); }", "2:41"},
    {"package a:b;\ninterface i { resource r { constructor(a-b: u8, AB: u8); } }", "2:49"},
    {"package a:b;\ninterface i { resource r { self-x: func(se-lf: u8); } }", "2:41"},
    {"package a:b;\ninterface i { resource ab { m: func(); } resource a-b { m: func(); } }",
     "2:51"},
    {"package foo:foo; world n615 { @unstable(feature = off)\nimport foo:foo/types; }", "2:8"},
    {"package foo:foo;\ninterface foo { @since(version = 1.2.3) type n = future<result>; }",
     "2:57"},
    {"package foo:foo;\npackage a:b { @unstable(feature = active) package c:d { } }", "2:43"},
    {"package a:b;\ninterface i { type a = map<f32, u8>; }", "2:24"},
    {"package a:b;\ninterface i { type k = string; type a = map<k, u8>; }", "2:41"},
    {"package a:b;\ninterface i { type a = map<list<u8>, u8>; }", "2:24"},
    {"package a:b;\ninterface i { resource r; f: func() -> borrow<r>; }", "2:27"},
    {"package a:b;\ninterface i { resource r; record x { a: option<borrow<r>> } f: func() -> "
     "tuple<u8, x>; }",
     "2:61"},
    {"package a:b;\ninterface j { resource r; type x = borrow<r>; }\ninterface i { use j.{x}; f: "
     "func() -> x; }",
     "3:26"},
    {"package a:b;\ninterface i { resource r { m: func() -> borrow<r>; } }", "2:28"},
    {"package a:b;\ninterface i { resource r { m: static func() -> list<borrow<r>>; } }", "2:28"},
    {"package a:b;\nworld i { resource r; import f: func() -> borrow<r>; }", "2:30"},
    {"package a:b;\ninterface i { resource r { constructor() -> own<r>; } }", "2:49"},
    {"package a:b;\ninterface i { resource r { constructor(a: u8) -> result<borrow<r>, string>; } "
     "}",
     "2:64"},
    {"package a:b;\ninterface i { resource q; resource r { constructor(a: u8) -> result<q>; } }",
     "2:69"},
    {"package a:b;\ninterface i { resource r { constructor(a: u8) -> result<s>; } type s = r; }",
     "2:57"},
    {"package a:b;\ninterface i { resource r { constructor(a: u8) -> result<s>; } type s = own<r>; "
     "}",
     "2:57"},
    {"package a:b;\ninterface i { variant r { a(list<q>) } record q { r: r } }", "2:34"},
    {"package a:b;\ninterface i { type t = list<u>; type u = t; }", "2:29"},
    {"package a:b;\ninterface i { record x { a: z } record y { a: x } record z { a: y } type q = "
     "nope; }",
     "2:78"},
    {"package a:b;\ninterface i { flags f { "
     "a0,a1,a2,a3,a4,a5,a6,a7,a8,a9,a10,a11,a12,a13,a14,a15,a16,a17,a18,a19,a20,a21,a22,a23,a24,"
     "a25,a26,a27,a28,a29,a30,a31,a32 } }",
     "2:143"},
    {"package a:b;\ninterface i { t: func(); type t = u8; }", "2:15"},
    {"package a:b;\nworld i { }\nworld w { import x: i; }", "3:21"},
    {"package a:b;\ninterface i { resource r { a: func(SELF: u8); } }", "2:36"},
    {"package a:b;\nworld v { import f: func(); }\nworld w { include v with { x as y } }", "3:19"},
    {"package a:b;\ninterface i { }\nworld v { import i; }\nworld w { include v with { i as j } }",
     "4:19"},
    {"package a:b;\nworld v { import foo: func(); }\nworld w { include v with { FOO as bar } }",
     "3:19"},
    {"package a:b;\npackage c:d { interface i { type t = u8; use e:f/i.{u}; } }\npackage e:f { "
     "interface i { type u = u8; use c:d/i.{t}; } }",
     "2:46"},
    {"package a:b;\npackage e:f { interface i { type u = u8; use c:d/i.{t}; } }\npackage c:d { "
     "interface i { type t = u8; use e:f/i.{u}; } }",
     "3:46"},
    {"package a:b;\ninterface x { type t = u8; use e:f/i.{u}; }\npackage e:f { interface i { type "
     "u = u8; use a:b/x.{t}; } }",
     "2:32"},
    {"package m:b;\ninterface x { type t = u8; use e:f/i.{u}; }\npackage e:f { interface i { type "
     "u = u8; use m:b/x.{t}; } }",
     "3:46"},
    {"package a:b@1.0.0;\ninterface x { type t = u8; }\ninterface y { use a:b/x.{t}; }", "3:19"},
    {"package a:b;\ninterface x { type t = u8; }\npackage c:d { interface y { use x.{t}; } }",
     "3:33"},
    {"package a:b;\npackage c:d@1.0.0 { interface y { type t = u8; } }\npackage c:d@2.0.0 { "
     "interface y { use c:d/y@1.0.0.{t}; } }\nworld w { import c:d/y; }",
     "4:18"},
    {"package a:b;\nworld w { include f:g/h; import c:d/e; }", "2:33"},
    {"package a:b;\nworld w { include c:d/e; use c:d/e.{t}; }\npackage c:d { interface e { type t "
     "= u8; } }",
     "2:34"},
    {"package a:b;\nuse c:d/e;\nworld w { include e; }\npackage c:d { world e { import f: func(); "
     "} }",
     "3:19"},
};

TEST(what_is_refused_is_refused_at_its_place)
{
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        ERROR(err);
        if (load(refused[i].text, &err) == 0)
            test_fail(__FILE__, __LINE__, "accepted: %s", refused[i].text);
        _cleanup_(mem_freep) char *begin = mem_printf("t.wit:%s: ", refused[i].place);
        if (strncmp(error_text(&err), begin, strlen(begin)) != 0)
            test_fail(__FILE__, __LINE__, "%s, not %s, for\n%s", error_text(&err), begin,
                      refused[i].text);
    }
}

static const char *const accepted[] = {
    "package a:b;\ninterface i { @unstable(feature = off) type t = u8; @unstable(feature = off) f: "
    "func(a: t); }",
    "package a:b;\ninterface i { @unstable(feature = off) resource t; @unstable(feature = off) f: "
    "func(a: list<t>) -> borrow<t>; }",
    "package a:b;\ninterface i { resource t; @unstable(feature = off) f: func() -> borrow<t>; }",
    "package a:b;\ninterface j { @unstable(feature = off) type t = u8; }\ninterface i { "
    "@unstable(feature = off) use j.{t}; }",
    "package a:b;\n@unstable(feature = off) interface j { @unstable(feature = off) type t = u8; "
    "}\ninterface i { @unstable(feature = off) use j.{t}; }",
    "package a:b;\npackage c:d { interface f { type t = u8; } }\ninterface i { @unstable(feature = "
    "off) use c:d/e.{t}; }",
    "package a:b;\npackage c:d { interface e { type u = u8; } }\ninterface i { @unstable(feature = "
    "off) use c:d/e.{t}; }",
    "package a:b;\npackage c:d { world e { } }\ninterface i { @unstable(feature = off) use "
    "c:d/e.{t}; }",
    "package a:b;\nworld w { @unstable(feature = off) import j: interface { f: func(); } }",
    "package a:b;\nworld w { @unstable(feature = off) import j: interface { @unstable(feature = "
    "off) type t = u8; f: func(a: t); } }",
    "package a:b;\n@unstable(feature = off) world w { import f: func(); }",
    "package a:b;\ninterface i { }\n@unstable(feature = off) world w { import i; export i; }",
    "package a:b;\n@unstable(feature = off) world w { import i: interface { type t = u8; } }",
    "package a:b;\n@unstable(feature = off) world w { import i: interface { t: func(); } }",
    "package a:b;\nworld v { import f: func(); }\n@unstable(feature = off) world w { include v; }",
    "package a:b;\nworld v { import f: func(); }\nworld w { @unstable(feature = off) include v "
    "with { g as h } }",
    "package a:b;\nworld v { import f: func(); }\nworld w { import f: func(); @unstable(feature = "
    "off) include v; }",
    "package a:b;\n@unstable(feature = off) interface i { f: func(); }",
    "package a:b;\n@unstable(feature = off) interface i { @unstable(feature = other) type t = u8; "
    "}",
    "package a:b;\n@unstable(feature = off) interface i { }\nworld w { @unstable(feature = off) "
    "import i; }",
    "package a:b;\nuse i as j;\n@unstable(feature = off) interface i { }",
    "package a:b@1.0.0;\n@unstable(feature = off) interface i { @since(version = 2.0.0) f: func(); "
    "}",
    "package a:b@0.1.0;\n@since(version = 0.1.0) @deprecated(version = 0.2.0) interface i { }",
    "package a:b@0.2.0;\n@since(version = 0.2.0) @deprecated(version = 0.1.0) interface i { }",
    "package a:b@0.2.0;\n@deprecated(version = 0.2.0) @since(version = 0.2.0) interface i { }",
    "package a:b@0.2.0;\n@unstable(feature = active) @deprecated(version = 0.2.0) interface i { f: "
    "func(); }",
    "package a:b;\n@unstable(feature = active) @deprecated(version = 0.2.0) interface i { f: "
    "func(); }",
    "package a:b@0.1.0;\n@since(version = 0.1.0-rc.1) interface i { }",
    "package a:b@0.1.0;\n@unstable(feature = %type) interface i { }",
    "package a:b@0.1.0;\n@unstable(feature = %active) interface i { }",
    "package a:b@0.1.0;\n@ since ( version = 0.1.0 ) interface i { }",
    "package a:b@0.1.0;\n@%since(version = 0.1.0) interface i { }",
    "package a:b@0.1.0;\n@since(%version = 0.1.0) interface i { }",
    "package a:b@0.1.0;\n/// one\n@since(version = 0.1.0)\n/// two\ninterface i { }",
    "package a:b@0.1.0;\ninterface i { \n/// one\n@since(version = 0.1.0)\n/// "
    "two\n@deprecated(version = 0.1.0)\n/// three\nf: func(); }",
    "package a:b;\ninterface j { type t = u8; }\n@unstable(feature = off) world w { import i: "
    "interface { use j.{t}; type z = u8; } }",
    "package a:b@1.0.0;\n@unstable(feature = off) world w { @since(version = 2.0.0) import f: "
    "func(); }",
    "package a:b@1.0.0;\n@unstable(feature = off) interface w { @unstable(feature = off) type t = "
    "u8; f: func(a: t); }",
    "package a:b@1.0.0;\n@unstable(feature = off) interface w { @unstable(feature = active) f: "
    "func(a: u8); }",
    "package a:b@1.0.0;\n@unstable(feature = off) interface w { @unstable(feature = off) resource "
    "r { @since(version = 1.0.0) m: func(); } }",
    "package a:b@1.0.0;\n@unstable(feature = off) interface w { @unstable(feature = off) resource "
    "r { m: func(); } }",
    "package a:b@1.0.0;\n@unstable(feature = off) world w { @unstable(feature = off) resource r { "
    "m: func(); } }",
    "package a:b@1.0.0;\nworld w { @unstable(feature = off) import i: interface { "
    "@unstable(feature = off) resource r { m: func(); } } }",
    "package a:b@1.0.0;\ninterface j { type t = u8; }\nworld w { @unstable(feature = off) import "
    "i: interface { @unstable(feature = off) use j.{t}; f: func(a: t); } }",
    "package a:b@1.0.0;\nworld w { @unstable(feature = off) import i: interface { "
    "@unstable(feature = off) type t = u8; @since(version = 2.0.0) f: func(); } }",
    "package a:b@1.0.0;\npackage c:d { @unstable(feature = off) interface j { @unstable(feature = "
    "off) type t = u8; } }\n@unstable(feature = off) interface i { @unstable(feature = off)  use "
    "c:d/j.{t}; f: func(a: t); }",
    "package a:b@1.0.0;\npackage c:d { @unstable(feature = off) world j {} }\nworld i { "
    "@unstable(feature = off) include c:d/j; }",
    "package a:b@1.0.0;\n@unstable(feature = off) world j {}\nworld i { @unstable(feature = off) "
    "include j; }",
    "package a:b@1.0.0;\nworld j { import f: func(); }\n@unstable(feature = off)\nworld i { "
    "include j with {  x as y } }",
    "package a:b;\nworld w { resource r; @unstable(feature = off) import f: func() -> borrow<r>; }",
    "package a:b@1.0.0;\ninterface i { }\nworld v { @since(version = 1.0.0) import i; }\nworld w { "
    "include v; import i; }",
    "package a:b@1.0.0;\ninterface i { }\nworld v { @since(version = 1.0.0) import i; }\nworld w { "
    "@since(version = 0.5.0) include v; }",
    "package a:b@1.0.0;\ninterface i { }\nworld v { import i; }\nworld w { @since(version = 0.5.0) "
    "include v; }\nworld x { include v; @since(version = 0.5.0) import i; }",
    "package a:b@1.0.0;\ninterface i { type t = u8; }\ninterface j { use i.{t}; }\nworld v { "
    "@since(version = 0.5.0) import j; @since(version = 0.7.0) import i; }\nworld x { "
    "@since(version = 0.7.0) import i; @since(version = 0.5.0) import j;  }",
    "package a:b@1.0.0;\ninterface i { resource r { constructor() -> result<own<r>>; } type s = r; "
    "}",
    "package a:b;\ninterface y {}\nworld w { import x:y /* hi */ ; import z:y\n; }",
    "package a:b;\nworld w { import x: y:z/a; export x: y:z/a; }\npackage y:z { interface a {} }",
    "package a:b;\nworld i { import a-b: interface {} export ab: func(); }",
    "package a:b;\ninterface ab { } interface a-b { }",
    "package a:b;\nuse i as ab; use i as a-b;\ninterface i { }\nworld w { import ab; }",
    "package a:b@0.1.0;\ninterface foo { @unstable(feature = inactive) use "
    "wasi:io/wasi@0.1.0.{error}; @unstable(feature = inactive) x: func(y: borrow<error>); "
    "}\npackage wasi:io@0.1.0 { interface error { resource error; } }",
};

TEST(what_is_left_out_hurts_nobody)
{
    for (size_t i = 0; i < ARRAY_LEN(accepted); i++) {
        ERROR(err);
        if (load(accepted[i], &err) < 0)
            test_fail(__FILE__, __LINE__, "%s for\n%s", error_text(&err), accepted[i]);
    }
}
