//! Reading, writing and sizes.
use crate::dirs::readdir;
use crate::wasi1::*;
use crate::{l, put, row};

pub fn files(d: i32) {
    for (name, o, b, ff) in [
        ("rw", 0, ALL, 0),
        ("r", 0, RD, 0),
        ("w", 0, WR, 0),
        ("a", 0, ALL, APPEND),
        ("aw", 0, WR, APPEND),
        ("sync", 0, ALL, SYNC),
        ("nb", 0, ALL, NONBLOCK),
        ("dir", DIR, ALL & !WR, 0),
        ("none", 0, 0, 0),
    ] {
        put(d, "f", "0123456789");
        let f = match open(d, if o == DIR { "dir" } else { "f" }, o, b, ff) {
            Ok(f) => f,
            Err(e) => {
                l!(format!("{name} open"), e);
                continue;
            }
        };
        let m = |s: &str| format!("{name} {s}");
        l!(m("fdstat"), fdstat(f));
        l!(m("tell"), tell(f));
        l!(m("read"), read(f, 3));
        l!(m("tell"), tell(f));
        l!(m("readv"), readv(f, &[0, 2, 0, 9]));
        l!(m("readv none"), readv(f, &[]));
        l!(m("tell"), tell(f));
        l!(m("read at end"), read(f, 3));
        row(
            &m("seek"),
            [
                (0, 0),
                (-1, 0),
                (-1, 1),
                (2, 1),
                (-3, 2),
                (5, 2),
                (i64::MAX, 0),
                (i64::MIN, 0),
                (1, 1),
                (i64::MAX, 2),
                (i64::MIN, 2),
                (-100, 2),
                (0, 3),
                (0, 7),
                (4, 0),
                (0, 1),
            ]
            .map(|(o, w)| ((o, w), (seek(f, o, w), tell(f)))),
        );
        l!(m("write"), write(f, b"AB"));
        l!(m("tell"), tell(f));
        l!(m("writev"), writev(f, &[b"", b"xy", b"", b"z"]));
        l!(m("write none"), writev(f, &[]));
        l!(m("write empty"), write(f, b""));
        l!(m("tell"), tell(f));
        l!(m("pread"), pread(f, 20, 0));
        l!(m("pread at"), pread(f, 3, 2));
        l!(m("pread past"), pread(f, 3, 1000));
        l!(m("pread max"), pread(f, 3, u64::MAX));
        l!(m("pread imax"), pread(f, 3, i64::MAX as u64));
        l!(m("pread 0"), pread(f, 0, 0));
        l!(m("pwrite"), pwrite(f, b"ppp", 1));
        l!(m("pwrite past"), pwrite(f, b"q", 20));
        l!(m("pwrite max"), pwrite(f, b"q", u64::MAX));
        l!(m("pwrite imax"), pwrite(f, b"q", i64::MAX as u64));
        l!(m("pwrite 0"), pwrite(f, b"", 50));
        l!(m("tell"), tell(f));
        l!(
            m("size"),
            stat(f).map(|s| if s.ty == 3 { 0 } else { s.size })
        );
        l!(m("content"), pread(f, 40, 0));
        l!(m("seek past"), seek(f, 30, 0));
        l!(m("read there"), read(f, 4));
        l!(m("write there"), write(f, b"end"));
        l!(m("content"), pread(f, 60, 0));
        l!(m("read after"), read(f, 4));
        l!(
            m("shrink"),
            (
                setsize(f, 5),
                tell(f),
                read(f, 4),
                write(f, b"!"),
                pread(f, 60, 0)
            )
        );
        l!(
            m("grow"),
            (
                setsize(f, 40),
                stat(f).map(|s| if s.ty == 3 { 0 } else { s.size })
            )
        );
        l!(m("size max"), setsize(f, u64::MAX));
        l!(
            m("allocate"),
            (
                e(unsafe { raw::fd_allocate(f, 0, 100) }),
                e(unsafe { raw::fd_allocate(f, 10, 0) }),
                e(unsafe { raw::fd_allocate(f, u64::MAX, 1) }),
                stat(f).map(|s| if s.ty == 3 { 0 } else { s.size })
            )
        );
        row(
            &m("advise"),
            [0, 1, 2, 3, 4, 5, 6, 7].map(|a| (a, e(unsafe { raw::fd_advise(f, 0, 10, a) }))),
        );
        l!(
            m("advise far"),
            (
                e(unsafe { raw::fd_advise(f, u64::MAX, 10, 0) }),
                e(unsafe { raw::fd_advise(f, 0, u64::MAX, 0) }),
                e(unsafe { raw::fd_advise(f, 0, 0, 0) })
            )
        );
        l!(
            m("sync"),
            (
                e(unsafe { raw::fd_sync(f) }),
                e(unsafe { raw::fd_datasync(f) })
            )
        );
        row(
            &m("set flags"),
            [0, 1, 2, 4, 8, 16, 5, 31, 32].map(|ff| {
                (
                    ff,
                    (
                        e(unsafe { raw::fd_fdstat_set_flags(f, ff) }),
                        fdstat(f).map(|s| s.flags),
                    ),
                )
            }),
        );
        l!(
            m("append on"),
            (
                e(unsafe { raw::fd_fdstat_set_flags(f, APPEND) }),
                seek(f, 0, 0),
                write(f, b"+"),
                tell(f),
                pwrite(f, b"P", 2),
                stat(f).map(|s| if s.ty == 3 { 0 } else { s.size })
            )
        );
        l!(
            m("append off"),
            (
                e(unsafe { raw::fd_fdstat_set_flags(f, 0) }),
                seek(f, 0, 0),
                write(f, b"-"),
                tell(f),
                pread(f, 10, 0)
            )
        );
        l!(
            m("rights"),
            (
                e(unsafe { raw::fd_fdstat_set_rights(f, RD, RD) }),
                fdstat(f).map(|s| (s.base, s.inh)),
                e(unsafe { raw::fd_fdstat_set_rights(f, ALL, ALL) }),
                e(unsafe { raw::fd_fdstat_set_rights(f, u64::MAX, 0) })
            )
        );
        l!(m("prestat"), {
            let mut p = [0; 2];
            e(unsafe { raw::fd_prestat_get(f, &mut p) })
        });
        l!(m("sock"), e(unsafe { raw::sock_shutdown(f, 3) }));
        l!(m("readdir"), readdir(f, 100, 0).map(|x| x.0));
        l!(m("stat"), {
            let s = stat(f);
            s.map(|s| {
                (
                    s.ty,
                    s.dev != 0,
                    s.ino != 0,
                    s.at != 0,
                    s.mt != 0,
                    s.ct != 0,
                )
            })
        });
        l!(
            m("same"),
            (stat(f).map(|s| s.ino), pstat(d, 0, "f").map(|s| s.ino))
                .0
                .is_ok()
        );
        l!(
            m("close"),
            (
                close(f),
                close(f),
                read(f, 1),
                stat(f).map(|s| s.ty),
                tell(f)
            )
        );
    }
    l!("large", {
        let f = open(d, "big", CREAT, ALL, 0).unwrap();
        let x = (
            pwrite(f, b"x", 1 << 32),
            stat(f).map(|s| s.size),
            pread(f, 3, (1 << 32) - 1),
            seek(f, -1, 2),
            read(f, 2),
            seek(f, 1 << 33, 0),
            write(f, b"yy"),
            tell(f),
            setsize(f, 0),
            tell(f),
            write(f, b"z"),
            stat(f).map(|s| s.size),
        );
        close(f).unwrap();
        unlink(d, "big").unwrap();
        x
    });
    l!("big write", {
        let f = open(d, "big", CREAT, ALL, 0).unwrap();
        let data = vec![b'q'; 40_000];
        let n = write(f, &data).unwrap();
        let (a, b) = (tell(f), stat(f).map(|s| s.size));
        seek(f, 0, 0).unwrap();
        let mut total = 0;
        loop {
            let s = read(f, 10_000).unwrap();
            if s.is_empty() {
                break;
            }
            total += s.len();
        }
        close(f).unwrap();
        unlink(d, "big").unwrap();
        (
            n > 0,
            a.unwrap() == n as u64,
            b.unwrap() == n as u64,
            total == n,
        )
    });
    l!("two opens", {
        put(d, "f", "abc");
        let a = open(d, "f", 0, ALL, 0).unwrap();
        let b = open(d, "f", 0, ALL, APPEND).unwrap();
        let x = (
            write(b, b"d"),
            read(a, 9),
            write(a, b"e"),
            write(b, b"f"),
            tell(a),
            tell(b),
            pread(a, 99, 0),
            open(d, "f", TRUNC, ALL, 0).and_then(close),
            read(a, 9),
            tell(a),
            stat(a).map(|s| s.size),
            (write(a, b"g"), stat(a).map(|s| s.size)),
        );
        close(a).unwrap();
        close(b).unwrap();
        x
    });
}
