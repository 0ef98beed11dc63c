//! What makes, moves and removes names.
use crate::dirs::readdir;
use crate::wasi1::*;
use crate::{fix, l, put, row};

pub fn pairs(d: i32) {
    let names = [
        "file",
        "file2",
        "dir",
        "empty",
        "link",
        "dirlink",
        "dangling",
        "loop",
        "missing",
        "file/",
        "dir/",
        "empty/",
        "link/",
        "dirlink/",
        "dangling/",
        "missing/",
        "new",
        ".",
        "..",
        "",
        "/x",
        "dir/inner",
        "dir/.",
        "dir/..",
        "file/x",
        "missing/x",
        "up",
        "up/x",
        "a\0b",
        "dir/new",
    ];
    let again = |d| {
        let _ = rename(d, "dir/new", d, "dir/new2");
        if pstat(d, 0, "dir").map(|s| s.ty) != Ok(3) {
            let _ = unlink(d, "dir");
            for n in ["new", "missing", "empty"] {
                if rename(d, n, d, "dir").is_ok() && pstat(d, 0, "dir").map(|s| s.ty) == Ok(3) {
                    break;
                }
            }
        }
        for n in ["dir/new2", "file"] {
            if n != "file" || pstat(d, 0, n).map(|s| s.ty) != Ok(4) {
                let _ = unlink(d, n);
                let _ = rmdir(d, n);
            }
        }
        for n in [
            "link", "dirlink", "dangling", "loop", "up", "file2", "empty",
        ] {
            let _ = unlink(d, n);
            let _ = rmdir(d, n);
        }
        fix(d);
    };
    for a in names {
        row(
            &format!("rename {a:?} to"),
            names.map(|b| {
                let r = rename(d, a, d, b);
                again(d);
                (b, r)
            }),
        );
        row(
            &format!("link {a:?} at"),
            names.map(|b| {
                let r = link(d, 0, a, d, b);
                again(d);
                (b, r)
            }),
        );
        row(
            &format!("link what {a:?} leads to at"),
            names.map(|b| {
                let r = link(d, 1, a, d, b);
                again(d);
                (b, r)
            }),
        );
    }
    for a in names {
        l!(format!("symlink at {a:?}"), symlink("file", d, a));
        let _ = unlink(d, "dir/new");
        fix(d);
        l!(format!("symlink to {a:?}"), {
            let r = symlink(a, d, "s");
            let x = (
                r,
                readlink(d, "s", 20),
                pstat(d, 0, "s").map(|s| (s.ty, s.size, s.nlink)),
                pstat(d, 1, "s").map(|s| s.ty),
            );
            let _ = unlink(d, "s");
            x
        });
        l!(format!("mkdir {a:?}"), mkdir(d, a));
        let _ = rmdir(d, "dir/new");
        fix(d);
        l!(format!("rmdir {a:?}"), rmdir(d, a));
        fix(d);
        l!(format!("unlink {a:?}"), unlink(d, a));
        fix(d);
        l!(format!("readlink {a:?}"), readlink(d, a, 8));
        for f in [0, 1] {
            l!(
                format!("stat {a:?} follow{f}"),
                pstat(d, f, a).map(|s| (
                    s.ty,
                    if s.ty == 3 { 0 } else { s.size },
                    if s.ty == 3 { 0 } else { s.nlink }
                ))
            );
            let told = |ns| if ns < 9_000_000_000 { ns } else { 0 };
            row(
                &format!("times {a:?} follow{f}"),
                [0, 1, 2, 3, 4, 5, 8, 9, 10, 12, 15].map(|t| {
                    let r = ptimes(d, f, a, 1_000_000_007, 2_000_000_009, t);
                    (t, (r, pstat(d, f, a).map(|s| (told(s.at), told(s.mt)))))
                }),
            );
        }
    }
    for n in 0..6 {
        l!(format!("readlink buf {n}"), readlink(d, "link", n));
        l!(format!("readlink loop {n}"), readlink(d, "loop", n));
    }
    for t in [16, 32, 0xffff] {
        l!(format!("times flags {t}"), ptimes(d, 0, "file", 1, 2, t));
    }
    for (a, m) in [
        (0, 0),
        (u64::MAX, 0),
        (0, u64::MAX),
        (1 << 63, 1),
        (999_999_999, 1_000_000_000),
    ] {
        l!(format!("times {a} {m}"), {
            let r = ptimes(d, 0, "file", a, m, 5);
            (r, pstat(d, 0, "file").map(|s| (s.at, s.mt)))
        });
    }
    let f = open(d, "file", 0, ALL, 0).unwrap();
    let r = open(d, "file", 0, RD, 0).unwrap();
    for (name, fd) in [
        ("file", f),
        ("read-only", r),
        ("directory", d),
        ("stdin", 0),
        ("none", 99),
    ] {
        row(
            &format!("times of {name}"),
            [0, 1, 2, 3, 4, 5, 8, 9, 10, 12, 15]
                .map(|t| (t, ftimes(fd, 5_000_000_001, 6_000_000_002, t))),
        );
    }
    close(f).unwrap();
    close(r).unwrap();
    for big in ["x".repeat(255), "x".repeat(256), "x/".repeat(3000)] {
        let n = big.len();
        l!(
            format!("mkdir long {n}"),
            (
                mkdir(d, &big),
                rmdir(d, &big),
                pstat(d, 0, &big).map(|s| s.ty),
                symlink(&big, d, "s"),
                unlink(d, "s")
            )
        );
    }
    l!("two dirs", {
        let a = open(d, "dir", DIR, ALL & !WR, 0).unwrap();
        let b = open(d, "empty", DIR, ALL & !WR, 0).unwrap();
        let x = (
            rename(a, "inner", b, "moved"),
            rename(a, "inner", b, "moved"),
            rename(b, "moved", a, "../out"),
            rename(b, "moved", a, "inner"),
            link(a, 0, "inner", b, "l"),
            pstat(b, 0, "l").map(|s| s.nlink),
            unlink(b, "l"),
            pstat(a, 0, "inner").map(|s| s.nlink),
            symlink("../file", a, "s"),
            pstat(a, 1, "s").map(|s| s.ty),
            pstat(d, 1, "dir/s").map(|s| s.ty),
            unlink(a, "s"),
        );
        close(a).unwrap();
        close(b).unwrap();
        x
    });
    l!("dir removed while open", {
        mkdir(d, "gone").unwrap();
        let a = open(d, "gone", DIR, ALL & !WR, 0).unwrap();
        let x = (
            rmdir(d, "gone"),
            stat(a).map(|s| (s.ty, s.nlink)),
            open(a, "x", CREAT, ALL, 0),
            mkdir(a, "y"),
            pstat(a, 0, ".").map(|s| s.ty),
            readdir(a, 4096, 0).map(|x| x.1.len()),
            close(a),
        );
        x
    });
    l!("file removed while open", {
        put(d, "gone", "abc");
        let a = open(d, "gone", 0, ALL, 0).unwrap();
        let x = (
            unlink(d, "gone"),
            stat(a).map(|s| (s.ty, s.nlink, s.size)),
            read(a, 9),
            write(a, b"zz"),
            close(a),
        );
        x
    });
}
