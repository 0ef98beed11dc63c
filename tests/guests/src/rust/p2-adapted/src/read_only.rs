//! Beneath a folder that may only be read.
use crate::dirs::readdir;
use crate::wasi1::*;
use crate::{l, row};

pub fn read_only(d: i32) {
    let put_there = |n: &str| pstat(d, 0, n).map(|s| s.ty);
    l!("has", (put_there("file"), put_there("dir"), fdstat(d)));
    for o in 0..16 {
        for (n, b) in [("-", 0), ("r", RD), ("w", WR), ("rw", RD | WR)] {
            row(
                &format!("open {o:04b} {n}"),
                ["file", "dir", "missing"].map(|p| {
                    let opened = open(d, p, o, b, 0).map(|f| {
                        let seen = (
                            fdstat(f).map(|s| s.base & (RD | WR)),
                            write(f, b"x"),
                            setsize(f, 0),
                            ftimes(f, 1, 2, 5),
                            e(unsafe { raw::fd_sync(f) }),
                            e(unsafe { raw::fd_datasync(f) }),
                        );
                        let _ = close(f);
                        seen
                    });
                    (p, opened)
                }),
            );
        }
    }
    l!("mkdir", (mkdir(d, "n"), mkdir(d, "dir")));
    l!("rmdir", (rmdir(d, "dir"), rmdir(d, "nothing")));
    l!("unlink", (unlink(d, "file"), unlink(d, "nothing")));
    l!(
        "rename",
        (
            rename(d, "file", d, "z"),
            rename(3, "file", d, "z"),
            rename(d, "file", 3, "z")
        )
    );
    l!(
        "link",
        (
            link(d, 0, "file", d, "z"),
            link(3, 0, "file", d, "z"),
            link(d, 0, "file", 3, "z"),
            unlink(3, "z")
        )
    );
    l!("symlink", symlink("x", d, "z"));
    l!(
        "times",
        (
            ptimes(d, 0, "file", 1, 2, 5),
            ptimes(d, 0, "nothing", 1, 2, 5),
            ptimes(d, 0, "file", 1, 2, 0),
            ftimes(d, 1, 2, 5)
        )
    );
    l!("readlink", readlink(d, "link", 9));
    l!("list", readdir(d, 8000, 0).map(|x| x.1.len()));
    l!(
        "sync",
        (
            e(unsafe { raw::fd_sync(d) }),
            e(unsafe { raw::fd_datasync(d) })
        )
    );
}
