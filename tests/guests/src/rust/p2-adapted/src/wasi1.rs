//! WASI 0.1 as it is, without what libc makes of it.
#![allow(dead_code)]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Iov {
    pub p: *mut u8,
    pub n: usize,
}
#[repr(C)]
#[derive(Clone, Copy, Default, Debug)]
pub struct Stat {
    pub dev: u64,
    pub ino: u64,
    pub ty: u8,
    pub nlink: u64,
    pub size: u64,
    pub at: u64,
    pub mt: u64,
    pub ct: u64,
}
#[repr(C)]
#[derive(Clone, Copy, Default, Debug)]
pub struct Fdstat {
    pub ty: u8,
    pub flags: u16,
    pub base: u64,
    pub inh: u64,
}
pub mod raw {
    use super::*;
    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    extern "C" {
        pub fn args_get(a: *mut *mut u8, b: *mut u8) -> i32;
        pub fn args_sizes_get(a: *mut usize, b: *mut usize) -> i32;
        pub fn environ_get(a: *mut *mut u8, b: *mut u8) -> i32;
        pub fn environ_sizes_get(a: *mut usize, b: *mut usize) -> i32;
        pub fn clock_res_get(id: i32, r: *mut u64) -> i32;
        pub fn clock_time_get(id: i32, p: u64, r: *mut u64) -> i32;
        pub fn fd_advise(fd: i32, o: u64, l: u64, a: i32) -> i32;
        pub fn fd_allocate(fd: i32, o: u64, l: u64) -> i32;
        pub fn fd_close(fd: i32) -> i32;
        pub fn fd_datasync(fd: i32) -> i32;
        pub fn fd_fdstat_get(fd: i32, r: *mut Fdstat) -> i32;
        pub fn fd_fdstat_set_flags(fd: i32, f: i32) -> i32;
        pub fn fd_fdstat_set_rights(fd: i32, b: u64, i: u64) -> i32;
        pub fn fd_filestat_get(fd: i32, r: *mut Stat) -> i32;
        pub fn fd_filestat_set_size(fd: i32, n: u64) -> i32;
        pub fn fd_filestat_set_times(fd: i32, a: u64, m: u64, f: i32) -> i32;
        pub fn fd_pread(fd: i32, v: *const Iov, n: usize, o: u64, r: *mut usize) -> i32;
        pub fn fd_prestat_get(fd: i32, r: *mut [u32; 2]) -> i32;
        pub fn fd_prestat_dir_name(fd: i32, p: *mut u8, n: usize) -> i32;
        pub fn fd_pwrite(fd: i32, v: *const Iov, n: usize, o: u64, r: *mut usize) -> i32;
        pub fn fd_read(fd: i32, v: *const Iov, n: usize, r: *mut usize) -> i32;
        pub fn fd_readdir(fd: i32, p: *mut u8, n: usize, c: u64, r: *mut usize) -> i32;
        pub fn fd_renumber(fd: i32, to: i32) -> i32;
        pub fn fd_seek(fd: i32, o: i64, w: i32, r: *mut u64) -> i32;
        pub fn fd_sync(fd: i32) -> i32;
        pub fn fd_tell(fd: i32, r: *mut u64) -> i32;
        pub fn fd_write(fd: i32, v: *const Iov, n: usize, r: *mut usize) -> i32;
        pub fn path_create_directory(fd: i32, p: *const u8, n: usize) -> i32;
        pub fn path_filestat_get(fd: i32, f: i32, p: *const u8, n: usize, r: *mut Stat) -> i32;
        pub fn path_filestat_set_times(
            fd: i32,
            f: i32,
            p: *const u8,
            n: usize,
            a: u64,
            m: u64,
            t: i32,
        ) -> i32;
        pub fn path_link(
            fd: i32,
            f: i32,
            p: *const u8,
            n: usize,
            to: i32,
            q: *const u8,
            m: usize,
        ) -> i32;
        pub fn path_open(
            fd: i32,
            f: i32,
            p: *const u8,
            n: usize,
            o: i32,
            b: u64,
            i: u64,
            ff: i32,
            r: *mut i32,
        ) -> i32;
        pub fn path_readlink(
            fd: i32,
            p: *const u8,
            n: usize,
            b: *mut u8,
            m: usize,
            r: *mut usize,
        ) -> i32;
        pub fn path_remove_directory(fd: i32, p: *const u8, n: usize) -> i32;
        pub fn path_rename(fd: i32, p: *const u8, n: usize, to: i32, q: *const u8, m: usize)
            -> i32;
        pub fn path_symlink(p: *const u8, n: usize, fd: i32, q: *const u8, m: usize) -> i32;
        pub fn path_unlink_file(fd: i32, p: *const u8, n: usize) -> i32;
        pub fn poll_oneoff(i: *const u8, o: *mut u8, n: usize, r: *mut usize) -> i32;
        pub fn proc_exit(c: i32) -> !;
        pub fn sched_yield() -> i32;
        pub fn random_get(p: *mut u8, n: usize) -> i32;
        pub fn sock_shutdown(fd: i32, how: i32) -> i32;
    }
}
use raw::*;
const NAMES: &[&str] = &[
    "ok",
    "2big",
    "acces",
    "addrinuse",
    "addrnotavail",
    "afnosupport",
    "again",
    "already",
    "badf",
    "badmsg",
    "busy",
    "canceled",
    "child",
    "connaborted",
    "connrefused",
    "connreset",
    "deadlk",
    "destaddrreq",
    "dom",
    "dquot",
    "exist",
    "fault",
    "fbig",
    "hostunreach",
    "idrm",
    "ilseq",
    "inprogress",
    "intr",
    "inval",
    "io",
    "isconn",
    "isdir",
    "loop",
    "mfile",
    "mlink",
    "msgsize",
    "multihop",
    "nametoolong",
    "netdown",
    "netreset",
    "netunreach",
    "nfile",
    "nobufs",
    "nodev",
    "noent",
    "noexec",
    "nolck",
    "nolink",
    "nomem",
    "nomsg",
    "noprotoopt",
    "nospc",
    "nosys",
    "notconn",
    "notdir",
    "notempty",
    "notrecoverable",
    "notsock",
    "notsup",
    "notty",
    "nxio",
    "overflow",
    "ownerdead",
    "perm",
    "pipe",
    "proto",
    "protonosupport",
    "prototype",
    "range",
    "rofs",
    "spipe",
    "srch",
    "stale",
    "timedout",
    "txtbsy",
    "xdev",
    "notcapable",
];
#[derive(Clone, Copy, PartialEq)]
pub struct E(pub i32);
impl std::fmt::Debug for E {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match NAMES.get(self.0 as usize) {
            Some(n) => f.write_str(n),
            None => write!(f, "errno {}", self.0),
        }
    }
}
pub type R<T> = Result<T, E>;
fn r<T>(e: i32, v: T) -> R<T> {
    if e == 0 {
        Ok(v)
    } else {
        Err(E(e))
    }
}
pub const ALL: u64 = (1 << 30) - 1;
pub const RD: u64 = 1 << 1;
pub const WR: u64 = 1 << 6;
pub const CREAT: i32 = 1;
pub const DIR: i32 = 2;
pub const EXCL: i32 = 4;
pub const TRUNC: i32 = 8;
pub const APPEND: i32 = 1;
pub const DSYNC: i32 = 2;
pub const NONBLOCK: i32 = 4;
pub const RSYNC: i32 = 8;
pub const SYNC: i32 = 16;
macro_rules! u {
    ($e:expr) => {
        unsafe { $e }
    };
}
pub fn open_b(fd: i32, look: i32, p: &[u8], o: i32, b: u64, ff: i32) -> R<i32> {
    let mut x = -1;
    let e = u!(path_open(
        fd,
        look,
        p.as_ptr(),
        p.len(),
        o,
        b,
        b,
        ff,
        &mut x
    ));
    r(e, x)
}
pub fn open(fd: i32, p: &str, o: i32, b: u64, ff: i32) -> R<i32> {
    open_b(fd, 0, p.as_bytes(), o, b, ff)
}
pub fn close(fd: i32) -> R<()> {
    r(u!(fd_close(fd)), ())
}
pub fn write(fd: i32, d: &[u8]) -> R<usize> {
    let v = Iov {
        p: d.as_ptr() as *mut u8,
        n: d.len(),
    };
    let mut x = 0;
    let e = u!(fd_write(fd, &v, 1, &mut x));
    r(e, x)
}
pub fn pwrite(fd: i32, d: &[u8], o: u64) -> R<usize> {
    let v = Iov {
        p: d.as_ptr() as *mut u8,
        n: d.len(),
    };
    let mut x = 0;
    let e = u!(fd_pwrite(fd, &v, 1, o, &mut x));
    r(e, x)
}
pub fn read(fd: i32, n: usize) -> R<String> {
    let mut d = vec![0; n];
    let v = Iov {
        p: d.as_mut_ptr(),
        n,
    };
    let mut x = 0;
    let e = u!(fd_read(fd, &v, 1, &mut x));
    d.truncate(x);
    r(e, String::from_utf8_lossy(&d).into_owned())
}
pub fn pread(fd: i32, n: usize, o: u64) -> R<String> {
    let mut d = vec![0; n];
    let v = Iov {
        p: d.as_mut_ptr(),
        n,
    };
    let mut x = 0;
    let e = u!(fd_pread(fd, &v, 1, o, &mut x));
    d.truncate(x);
    r(e, String::from_utf8_lossy(&d).into_owned())
}
pub fn readv(fd: i32, ns: &[usize]) -> R<(usize, Vec<String>)> {
    let mut d: Vec<Vec<u8>> = ns.iter().map(|n| vec![b'.'; *n]).collect();
    let v: Vec<Iov> = d
        .iter_mut()
        .map(|d| Iov {
            p: d.as_mut_ptr(),
            n: d.len(),
        })
        .collect();
    let mut x = 0;
    let e = u!(fd_read(fd, v.as_ptr(), v.len(), &mut x));
    r(
        e,
        (
            x,
            d.iter()
                .map(|d| String::from_utf8_lossy(d).into_owned())
                .collect(),
        ),
    )
}
pub fn writev(fd: i32, ds: &[&[u8]]) -> R<usize> {
    let v: Vec<Iov> = ds
        .iter()
        .map(|d| Iov {
            p: d.as_ptr() as *mut u8,
            n: d.len(),
        })
        .collect();
    let mut x = 0;
    let e = u!(fd_write(fd, v.as_ptr(), v.len(), &mut x));
    r(e, x)
}
pub fn seek(fd: i32, o: i64, w: i32) -> R<u64> {
    let mut x = 0;
    let e = u!(fd_seek(fd, o, w, &mut x));
    r(e, x)
}
pub fn tell(fd: i32) -> R<u64> {
    let mut x = 0;
    let e = u!(fd_tell(fd, &mut x));
    r(e, x)
}
pub fn stat(fd: i32) -> R<Stat> {
    let mut x = Stat::default();
    let e = u!(fd_filestat_get(fd, &mut x));
    r(e, x)
}
pub fn pstat(fd: i32, f: i32, p: &str) -> R<Stat> {
    let mut x = Stat::default();
    let e = u!(path_filestat_get(fd, f, p.as_ptr(), p.len(), &mut x));
    r(e, x)
}
pub fn fdstat(fd: i32) -> R<Fdstat> {
    let mut x = Fdstat::default();
    let e = u!(fd_fdstat_get(fd, &mut x));
    r(e, x)
}
pub fn mkdir(fd: i32, p: &str) -> R<()> {
    r(u!(path_create_directory(fd, p.as_ptr(), p.len())), ())
}
pub fn rmdir(fd: i32, p: &str) -> R<()> {
    r(u!(path_remove_directory(fd, p.as_ptr(), p.len())), ())
}
pub fn unlink(fd: i32, p: &str) -> R<()> {
    r(u!(path_unlink_file(fd, p.as_ptr(), p.len())), ())
}
pub fn symlink(t: &str, fd: i32, p: &str) -> R<()> {
    r(
        u!(path_symlink(t.as_ptr(), t.len(), fd, p.as_ptr(), p.len())),
        (),
    )
}
pub fn link(fd: i32, f: i32, p: &str, to: i32, q: &str) -> R<()> {
    r(
        u!(path_link(
            fd,
            f,
            p.as_ptr(),
            p.len(),
            to,
            q.as_ptr(),
            q.len()
        )),
        (),
    )
}
pub fn rename(fd: i32, p: &str, to: i32, q: &str) -> R<()> {
    r(
        u!(path_rename(
            fd,
            p.as_ptr(),
            p.len(),
            to,
            q.as_ptr(),
            q.len()
        )),
        (),
    )
}
pub fn readlink(fd: i32, p: &str, n: usize) -> R<(usize, String)> {
    let mut d = vec![b'.'; n];
    let mut x = 0;
    let e = u!(path_readlink(
        fd,
        p.as_ptr(),
        p.len(),
        d.as_mut_ptr(),
        n,
        &mut x
    ));
    r(e, (x, String::from_utf8_lossy(&d).into_owned()))
}
pub fn ptimes(fd: i32, f: i32, p: &str, a: u64, m: u64, t: i32) -> R<()> {
    r(
        u!(path_filestat_set_times(fd, f, p.as_ptr(), p.len(), a, m, t)),
        (),
    )
}
pub fn ftimes(fd: i32, a: u64, m: u64, t: i32) -> R<()> {
    r(u!(fd_filestat_set_times(fd, a, m, t)), ())
}
pub fn setsize(fd: i32, n: u64) -> R<()> {
    r(u!(fd_filestat_set_size(fd, n)), ())
}
pub fn e(x: i32) -> E {
    E(x)
}
