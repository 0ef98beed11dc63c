//! A WASI 0.1 program, which becomes a component by the adapter: tries what it may be answered
//! and prints a line for each. Works in its first preopened folder, which is empty at first.
mod descriptors;
mod dirs;
mod files;
mod opening;
mod paths;
mod polls;
mod read_only;
mod wasi1;

use wasi1::*;

pub fn put(d: i32, p: &str, s: &str) {
    if pstat(d, 0, p).map(|s| s.ty).unwrap_or(4) != 4 {
        let _ = unlink(d, p);
        let _ = rmdir(d, p);
    }
    let f = open(d, p, CREAT | TRUNC, ALL, 0).expect(p);
    write(f, s.as_bytes()).unwrap();
    close(f).unwrap();
}

#[macro_export]
macro_rules! l {
    ($n:expr, $v:expr) => {
        let n = $n;
        let v = $v;
        println!("{}: {:?}", n, v);
    };
}

pub fn fix(d: i32) {
    for n in ["missing", "hard", "new", "renamed", "nowhere", "s"] {
        let _ = unlink(d, n);
        let _ = rmdir(d, n);
    }
    if pstat(d, 0, "dir").map(|s| s.ty) != Ok(3) {
        let _ = unlink(d, "dir");
    }
    let _ = mkdir(d, "dir");
    let _ = mkdir(d, "empty");
    for n in ["file", "file2", "dir/inner"] {
        put(d, n, "content");
    }
    for (t, n) in [
        ("file", "link"),
        ("dir", "dirlink"),
        ("nowhere", "dangling"),
        ("loop", "loop"),
        ("../outside", "up"),
        ("/etc", "abs"),
    ] {
        let _ = symlink(t, d, n);
    }
}

pub fn row<K: std::fmt::Debug, V: std::fmt::Debug, const N: usize>(what: &str, all: [(K, V); N]) {
    let all: Vec<String> = all.iter().map(|(k, v)| format!("{k:?} {v:?}")).collect();
    println!("{what}: {}", all.join(", "));
}

fn stdio() {
    loop {
        match read(0, 5) {
            Ok(s) if s.is_empty() => {
                l!("stdin end", "");
                break;
            }
            x => {
                l!("stdin", &x);
                if x.is_err() {
                    break;
                }
            }
        }
    }
    l!(
        "stdin again",
        (
            read(0, 1),
            read(0, 0),
            fdstat(0).map(|s| s.ty),
            seek(0, 0, 1)
        )
    );
    for fd in 0..3 {
        l!(
            format!("std {fd}"),
            (fdstat(fd), stat(fd).map(|s| (s.ty, s.size, s.nlink)))
        );
    }
    l!(
        "stdout",
        (
            write(1, b""),
            writev(1, &[b"one ", b"", b"two\n"]),
            writev(2, &[b"err\n"])
        )
    );
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let what = args.get(1).map_or("", String::as_str);
    if !["clocks", "stdio", "flood", "exit"].contains(&what) {
        fix(3);
    }
    match what {
        "opening" => opening::opening(3),
        "paths" => paths::pairs(3),
        "files" => files::files(3),
        "dirs" => dirs::dirs(3),
        "fds" => descriptors::fds(3),
        "read-only" => read_only::read_only(4),
        "clocks" => descriptors::clocks(),
        "polls" => polls::polls(3),
        "stdio" => stdio(),
        "flood" => {
            let failed = (0..1000).find_map(|_| write(1, &[b'x'; 1000]).err());
            eprintln!("{failed:?}");
        }
        "exit" => unsafe { raw::proc_exit(args[2].parse().unwrap()) },
        _ => panic!("{args:?}"),
    }
}
