//! Numbers of descriptors, arguments, clocks, random bytes.
use crate::l;
use crate::wasi1::*;

pub fn fds(d: i32) {
    for fd in [0, 1, 2, 3, 4, 5, 6, -1, i32::MAX] {
        l!(format!("fd {fd} fdstat"), fdstat(fd));
        l!(
            format!("fd {fd} stat"),
            stat(fd).map(|s| (s.ty, if s.ty == 3 { 0 } else { s.size }))
        );
        l!(format!("fd {fd} prestat"), {
            let mut p = [9; 2];
            (e(unsafe { raw::fd_prestat_get(fd, &mut p) }), p)
        });
        for n in [0, 1, 3, 4096] {
            l!(format!("fd {fd} name {n}"), {
                let mut b = vec![b'.'; n];
                let r = e(unsafe { raw::fd_prestat_dir_name(fd, b.as_mut_ptr(), n) });
                (r, String::from_utf8_lossy(&b[..n.min(20)]).into_owned())
            });
        }
        l!(
            format!("fd {fd} seek"),
            (seek(fd, 0, 1), tell(fd), seek(fd, 5, 0))
        );
        l!(format!("fd {fd} sync"), e(unsafe { raw::fd_sync(fd) }));
        l!(
            format!("fd {fd} datasync"),
            e(unsafe { raw::fd_datasync(fd) })
        );
        l!(
            format!("fd {fd} flags"),
            (
                e(unsafe { raw::fd_fdstat_set_flags(fd, 0) }),
                e(unsafe { raw::fd_fdstat_set_flags(fd, NONBLOCK) }),
                e(unsafe { raw::fd_fdstat_set_flags(fd, APPEND) })
            )
        );
        l!(format!("fd {fd} setsize"), setsize(fd, 0));
        l!(
            format!("fd {fd} allocate"),
            e(unsafe { raw::fd_allocate(fd, 0, 1) })
        );
        l!(
            format!("fd {fd} advise"),
            e(unsafe { raw::fd_advise(fd, 0, 1, 0) })
        );
        l!(format!("fd {fd} pread"), pread(fd, 1, 0));
        l!(format!("fd {fd} pwrite"), pwrite(fd, b"", 0));
        if fd != 1 && fd != 2 {
            l!(format!("fd {fd} read"), read(fd, 4));
        }
        if fd != 1 && fd != 2 {
            l!(format!("fd {fd} write"), write(fd, b"x"));
        }
        l!(format!("fd {fd} read empty"), readv(fd, &[]));
        l!(format!("fd {fd} write empty"), writev(fd, &[]));
        l!(format!("fd {fd} mkdir"), mkdir(fd, "."));
        l!(format!("fd {fd} rename"), rename(fd, "x", d, "y"));
        l!(format!("fd {fd} rename to"), rename(d, "file2", fd, "."));
        l!(format!("fd {fd} link to"), link(d, 0, "file2", fd, "."));
        l!(format!("fd {fd} symlink"), symlink("x", fd, "."));
        l!(format!("fd {fd} readlink"), readlink(fd, "nolink", 3));
        l!(format!("fd {fd} pstat"), pstat(fd, 0, ".").map(|s| s.ty));
        l!(
            format!("fd {fd} shutdown"),
            (
                e(unsafe { raw::sock_shutdown(fd, 0) }),
                e(unsafe { raw::sock_shutdown(fd, 3) }),
                e(unsafe { raw::sock_shutdown(fd, 9) })
            )
        );
    }
    let a = open(d, "file", 0, ALL, 0).unwrap();
    let b = open(d, "file2", 0, ALL, 0).unwrap();
    let ren = |x, y| e(unsafe { raw::fd_renumber(x, y) });
    l!(
        "renumber",
        (
            a,
            b,
            ren(a, b),
            fdstat(a),
            stat(b).map(|s| s.size),
            read(b, 3)
        )
    );
    l!("renumber same", (ren(b, b), read(b, 3)));
    l!(
        "renumber bad",
        (ren(a, b), ren(b, 99), ren(99, b), ren(b, -1))
    );
    l!("new fd", open(d, "file", 0, ALL, 0));
    let x = open(d, ".", DIR, ALL & !WR, 0).unwrap();
    l!(
        "dup of preopen",
        (
            x,
            {
                let mut p = [9; 2];
                e(unsafe { raw::fd_prestat_get(x, &mut p) })
            },
            pstat(x, 0, "file").map(|s| s.ty),
            ren(x, b),
            pstat(b, 0, "file").map(|s| s.ty),
            open(b, "..", 0, ALL, 0)
        )
    );
    l!(
        "renumber onto preopen 4",
        (
            ren(b, 4),
            {
                let mut p = [9; 2];
                e(unsafe { raw::fd_prestat_get(4, &mut p) })
            },
            pstat(4, 0, "file").map(|s| s.ty)
        )
    );
    l!(
        "close preopen",
        (
            close(4),
            {
                let mut p = [9; 2];
                e(unsafe { raw::fd_prestat_get(4, &mut p) })
            },
            open(4, "x", 0, ALL, 0),
            close(4)
        )
    );
    l!("close stdin", (close(0), read(0, 1), fdstat(0), close(0)));
    l!(
        "next fds",
        (open(d, "file", 0, ALL, 0), open(d, "file", 0, ALL, 0))
    );
    l!("many fds", {
        let mut v = vec![];
        let mut er = None;
        for _ in 0..300 {
            match open(d, "file", 0, RD, 0) {
                Ok(f) => v.push(f),
                Err(x) => {
                    er = Some(x);
                    break;
                }
            }
        }
        let n = v.len();
        for f in v {
            close(f).unwrap();
        }
        (n, er)
    });
}

pub fn clocks() {
    for id in [0, 1, 2, 3, 4, -1] {
        let (mut a, mut b, mut c) = (0, 0, 0);
        l!(
            format!("clock {id}"),
            (
                e(unsafe { raw::clock_res_get(id, &mut a) }),
                a > 0,
                e(unsafe { raw::clock_time_get(id, 0, &mut b) }),
                b > 0,
                e(unsafe { raw::clock_time_get(id, u64::MAX, &mut c) }),
                c >= b
            )
        );
    }
    let mut last = 0;
    let mut ok = true;
    for _ in 0..2000 {
        let mut t = 0;
        unsafe { raw::clock_time_get(1, 0, &mut t) };
        ok &= t >= last;
        last = t;
    }
    l!("monotonic", ok);
    l!("yield", e(unsafe { raw::sched_yield() }));
    for n in [0usize, 1, 255, 256, 257, 65536] {
        let mut b = vec![0u8; n];
        let r = e(unsafe { raw::random_get(b.as_mut_ptr(), n) });
        l!(
            format!("random {n}"),
            (
                r,
                n < 64 || b[n - 32..].iter().any(|x| *x != 0),
                n < 64 || b[..32].iter().any(|x| *x != 0)
            )
        );
    }
    let mut a: [usize; 2] = [0; 2];
    l!("args", {
        let r = e(unsafe { raw::args_sizes_get(&mut a[0], &mut a[1]) });
        let mut p = vec![std::ptr::null_mut(); a[0] + 1];
        let mut b = vec![0u8; a[1]];
        let r2 = e(unsafe { raw::args_get(p.as_mut_ptr(), b.as_mut_ptr()) });
        (
            r,
            r2,
            a[0],
            String::from_utf8_lossy(&b)
                .split_once('\0')
                .map(|x| x.1.to_string()),
        )
    });
    l!("env", {
        let r = e(unsafe { raw::environ_sizes_get(&mut a[0], &mut a[1]) });
        let mut p = vec![std::ptr::null_mut(); a[0] + 1];
        let mut b = vec![0u8; a[1]];
        let r2 = e(unsafe { raw::environ_get(p.as_mut_ptr(), b.as_mut_ptr()) });
        (r, r2, a, String::from_utf8_lossy(&b).into_owned())
    });
}
