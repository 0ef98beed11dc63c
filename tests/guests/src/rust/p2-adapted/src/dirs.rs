//! fd_readdir.
use crate::wasi1::*;
use crate::{l, put};

pub fn readdir(fd: i32, n: usize, c: u64) -> R<(usize, Vec<(u64, u64, u32, u8, String)>)> {
    let mut b = vec![0u8; n];
    let mut used = 0;
    let er = unsafe { raw::fd_readdir(fd, b.as_mut_ptr(), n, c, &mut used) };
    if er != 0 {
        return Err(E(er));
    }
    let mut v = vec![];
    let mut at = 0;
    while at + 24 <= used {
        let g8 = |o: usize| u64::from_le_bytes(b[o..o + 8].try_into().unwrap());
        let nl = u32::from_le_bytes(b[at + 16..at + 20].try_into().unwrap());
        let end = (at + 24 + nl as usize).min(used);
        v.push((
            g8(at),
            g8(at + 8),
            nl,
            b[at + 20],
            String::from_utf8_lossy(&b[at + 24..end]).into_owned(),
        ));
        at += 24 + nl as usize;
    }
    Ok((used, v))
}

pub fn dirs(d: i32) {
    mkdir(d, "many").unwrap();
    let m = open(d, "many", DIR, ALL & !WR, 0).unwrap();
    let all = |m: i32, n: usize| -> R<(usize, bool, Vec<(String, u8)>)> {
        let mut c = 0;
        let mut names = vec![];
        let mut mono = true;
        let mut rounds = 0;
        loop {
            rounds += 1;
            if rounds > 5000 {
                return Err(E(9999));
            }
            let (used, v) = readdir(m, n, c)?;
            let mut whole = 0;
            for (next, _, nl, ty, s) in &v {
                if s.len() < *nl as usize {
                    break;
                }
                whole += 1;
                names.push((s.clone(), *ty));
                mono &= *next == c + 1;
                c = *next;
            }
            if used < n {
                break;
            }
            if whole == 0 {
                return Err(E(8888));
            }
        }
        names.sort();
        Ok((names.len(), mono, names))
    };
    l!("empty", all(m, 4096));
    for n in [0, 1, 23, 24, 25, 26, 49, 50, 100] {
        l!(
            format!("empty buf {n}"),
            readdir(m, n, 0).map(|(u, v)| (
                u,
                v.iter()
                    .map(|x| (x.0, x.2, x.3, x.4.clone()))
                    .collect::<Vec<_>>()
            ))
        );
    }
    put(m, "a", "");
    mkdir(m, "b").unwrap();
    symlink("a", m, "c").unwrap();
    symlink("x", m, "dd").unwrap();
    for n in [25, 26, 30, 50, 4096] {
        l!(format!("five buf {n}"), all(m, n));
    }
    l!("dot ino", {
        let (_, v) = readdir(m, 4096, 0).unwrap();
        let me = stat(m).unwrap();
        let up = stat(d).unwrap();
        v.iter()
            .map(|x| {
                let mut s: Vec<_> = vec![];
                s.push(x.4.clone());
                (
                    s,
                    match x.4.as_str() {
                        "." => x.1 == me.ino,
                        ".." => x.1 == up.ino || x.1 == 0,
                        n => x.1 == pstat(m, 0, n).unwrap().ino,
                    },
                )
            })
            .collect::<std::collections::BTreeMap<_, _>>()
    });
    l!(
        "order first two",
        readdir(m, 4096, 0).map(|(_, v)| v.iter().take(2).map(|x| x.4.clone()).collect::<Vec<_>>())
    );
    l!(
        "preopen dotdot",
        readdir(d, 8192, 0).map(|(_, v)| v
            .iter()
            .filter(|x| x.4.starts_with(".."))
            .map(|x| (x.4.clone(), x.3))
            .collect::<Vec<_>>())
    );
    for c in [1, 2, 5, 6, 7, 100, u64::MAX] {
        l!(
            format!("cookie {c}"),
            readdir(m, 4096, c).map(|(u, v)| (u > 0, v.len()))
        );
    }
    l!("same cookie twice", {
        let a = readdir(m, 4096, 3).unwrap();
        let b = readdir(m, 4096, 3).unwrap();
        a.1 == b.1
    });
    l!("unlink while listing", {
        let (_, v) = readdir(m, 60, 0).unwrap();
        let c = v.last().unwrap().0;
        let _ = unlink(m, "a");
        (readdir(m, 4096, 0).map(|x| x.1.len()), c > 0)
    });
    for i in 0..700 {
        put(m, &format!("entry-{i:04}"), "");
    }
    for n in [64, 200, 4096, 20_000] {
        l!(
            format!("many buf {n}"),
            all(m, n).map(|x| (
                x.0,
                x.1,
                x.2.iter()
                    .filter(|e| e.0.starts_with("entry") && e.1 == 4)
                    .count()
            ))
        );
    }
    for i in 0..700 {
        unlink(m, &format!("entry-{i:04}")).unwrap();
    }
    l!(
        "readdir bad",
        (
            readdir(1, 100, 0).map(|x| x.0),
            readdir(77, 100, 0).map(|x| x.0)
        )
    );
    let _ = rmdir(m, "b");
    let _ = unlink(m, "c");
    let _ = unlink(m, "dd");
    close(m).unwrap();
    l!("rmdir many", rmdir(d, "many"));
}
