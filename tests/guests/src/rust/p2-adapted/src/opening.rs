//! path_open.
use crate::wasi1::*;
use crate::{l, put, row};

pub fn opening(d: i32) {
    let paths = [
        "file", "dir", "missing", "link", "dirlink", "dangling", "file/", "dir/", "missing/",
        "link/", "dirlink/", "loop", ".", "..", "", "/", "dir/..", "./file",
    ];
    for o in 0..16 {
        for (bn, b) in [("-", 0), ("r", RD), ("w", WR), ("rw", RD | WR)] {
            for look in [0, 1] {
                row(
                    &format!("open {o:04b} {bn}{}", ["", " following"][look as usize]),
                    paths.map(|p| {
                        let opened = open_b(d, look, p.as_bytes(), o, b, 0).map(|fd| {
                            let size = stat(fd)
                                .map(|s| if s.ty == 3 { 0 } else { s.size })
                                .unwrap();
                            let seen = (fdstat(fd).unwrap().ty, size, read(fd, 2), write(fd, b"c"));
                            close(fd).unwrap();
                            seen
                        });
                        for n in ["missing", "nowhere"] {
                            let _ = unlink(d, n);
                        }
                        put(d, "file", "content");
                        (p, opened)
                    }),
                );
            }
        }
    }
    for ff in 0..32 {
        row(
            &format!("flags {ff:05b}"),
            ["file", "dir", "missing"].map(|p| {
                let o = if p == "missing" { CREAT } else { 0 };
                let opened = open(d, p, o, RD | if p == "dir" { 0 } else { WR }, ff).map(|fd| {
                    let s = fdstat(fd).map(|s| s.flags);
                    let _ = close(fd);
                    s
                });
                let _ = unlink(d, "missing");
                (p, opened)
            }),
        );
    }
    for (n, p) in [
        ("nul", &b"a\0b"[..]),
        ("nul end", b"file\0"),
        ("dots", b"..."),
        ("abs", b"/file"),
        ("escape", b"../x"),
        ("escape2", b"dir/../../x"),
        ("up", b"up"),
        ("up/", b"up/x"),
        ("absl", b"abs/passwd"),
        ("long", &[b'x'; 300][..]),
        ("longer", &[b'x'; 5000][..]),
    ] {
        for o in [0, CREAT, DIR, CREAT | EXCL] {
            for look in [0, 1] {
                l!(
                    format!("open {n} {o} look{look}"),
                    open_b(d, look, p, o, ALL, 0).map(|f| {
                        let _ = close(f);
                    })
                );
                let _ = unlink(d, "...");
            }
        }
    }
    l!("open at file", {
        let f = open(d, "file", 0, ALL, 0).unwrap();
        let x = open(f, "x", CREAT, ALL, 0);
        let y = open(f, ".", 0, ALL, 0).map(drop);
        let z = open(f, "", 0, ALL, 0).map(drop);
        close(f).unwrap();
        (x, y, z)
    });
    l!("open at bad", open(999, "x", 0, ALL, 0));
    l!("open at stdout", open(1, "x", 0, ALL, 0));
    l!("open rights none then read", {
        let f = open(d, "file", 0, 0, 0);
        let x = f.map(|f| (read(f, 2), write(f, b"x"), close(f)));
        x
    });
}
