//! poll_oneoff.
use crate::wasi1::*;
use crate::{l, put};

fn sub_clock(ud: u64, id: u32, t: u64, fl: u16) -> Vec<u8> {
    let mut v = vec![0u8; 48];
    v[..8].copy_from_slice(&ud.to_le_bytes());
    v[8] = 0;
    v[16..20].copy_from_slice(&id.to_le_bytes());
    v[24..32].copy_from_slice(&t.to_le_bytes());
    v[40..42].copy_from_slice(&fl.to_le_bytes());
    v
}
fn sub_fd(ud: u64, tag: u8, fd: u32) -> Vec<u8> {
    let mut v = vec![0u8; 48];
    v[..8].copy_from_slice(&ud.to_le_bytes());
    v[8] = tag;
    v[16..20].copy_from_slice(&fd.to_le_bytes());
    v
}
fn poll(s: &[Vec<u8>]) -> R<Vec<(u64, E, u8, u64, u16)>> {
    let i: Vec<u8> = s.concat();
    let mut o = vec![0u8; 32 * s.len() + 1];
    let mut n = 0;
    let er = unsafe { raw::poll_oneoff(i.as_ptr(), o.as_mut_ptr(), s.len(), &mut n) };
    if er != 0 {
        return Err(E(er));
    }
    Ok((0..n)
        .map(|k| {
            let b = &o[k * 32..];
            (
                u64::from_le_bytes(b[..8].try_into().unwrap()),
                E(u16::from_le_bytes(b[8..10].try_into().unwrap()) as i32),
                b[10],
                u64::from_le_bytes(b[16..24].try_into().unwrap()),
                u16::from_le_bytes(b[24..26].try_into().unwrap()),
            )
        })
        .collect())
}
pub fn polls(d: i32) {
    let mut now = 0;
    let mut real = 0;
    unsafe {
        raw::clock_time_get(1, 0, &mut now);
        raw::clock_time_get(0, 0, &mut real)
    };
    l!("poll none", poll(&[]));
    l!("poll past", poll(&[sub_clock(1, 1, 0, 1)]));
    l!("poll zero", poll(&[sub_clock(1, 1, 0, 0)]));
    l!("poll abs", poll(&[sub_clock(1, 1, now + 1000, 1)]));
    l!("poll real rel", poll(&[sub_clock(1, 0, 1000, 0)]));
    l!("poll real abs", poll(&[sub_clock(1, 0, real + 1000, 1)]));
    l!("poll real past", poll(&[sub_clock(1, 0, 5, 1)]));
    l!(
        "poll far and near",
        poll(&[sub_clock(1, 1, u64::MAX, 0), sub_clock(2, 1, 1000, 0)])
    );
    l!(
        "poll far abs and near",
        poll(&[sub_clock(1, 1, u64::MAX, 1), sub_clock(2, 1, 1000, 0)])
    );
    l!(
        "poll real far and near",
        poll(&[sub_clock(1, 0, u64::MAX, 0), sub_clock(2, 0, 1000, 0)])
    );
    l!(
        "poll two past",
        poll(&[sub_clock(1, 1, 0, 1), sub_clock(2, 1, 1, 1)])
    );
    l!("poll clock flags", poll(&[sub_clock(1, 1, 0, 2)]));
    l!("poll cpu clock", poll(&[sub_clock(1, 2, 0, 0)]));
    l!("poll bad clock", poll(&[sub_clock(1, 9, 0, 0)]));
    l!("poll bad tag", poll(&[sub_fd(1, 7, 1)]));
    l!("poll stdout", poll(&[sub_fd(1, 2, 1)]));
    l!(
        "poll stdout twice",
        poll(&[sub_fd(1, 2, 1), sub_fd(2, 2, 1)])
    );
    l!(
        "poll stderr clock",
        poll(&[sub_fd(1, 2, 2), sub_clock(2, 1, 1 << 40, 0)])
    );
    l!("poll stdin", poll(&[sub_fd(1, 1, 0)]));
    l!(
        "poll stdin write",
        poll(&[sub_fd(1, 2, 0), sub_clock(2, 1, 1000, 0)])
    );
    l!(
        "poll stdout read",
        poll(&[sub_fd(1, 1, 1), sub_clock(2, 1, 1000, 0)])
    );
    l!("poll bad fd", poll(&[sub_fd(1, 1, 99)]));
    l!(
        "poll bad fd clock",
        poll(&[sub_fd(1, 1, 99), sub_clock(2, 1, 1000, 0)])
    );
    l!(
        "poll dir",
        poll(&[sub_fd(1, 1, d as u32), sub_clock(2, 1, 1000, 0)])
    );
    put(d, "f", "0123456789");
    let f = open(d, "f", 0, ALL, 0).unwrap();
    let r0 = open(d, "f", 0, RD, 0).unwrap();
    l!(
        "poll file",
        poll(&[sub_fd(1, 1, f as u32), sub_fd(2, 2, f as u32)])
    );
    l!(
        "poll file twice",
        poll(&[sub_fd(1, 1, f as u32), sub_fd(2, 1, f as u32)])
    );
    seek(f, 4, 0).unwrap();
    l!("poll file at 4", poll(&[sub_fd(1, 1, f as u32)]));
    seek(f, 0, 2).unwrap();
    l!("poll file at end", poll(&[sub_fd(1, 1, f as u32)]));
    l!(
        "poll read-only for write",
        poll(&[sub_fd(1, 2, r0 as u32), sub_clock(2, 1, 1000, 0)])
    );
    l!(
        "poll many",
        poll(&(0..200).map(|i| sub_clock(i, 1, 0, 1)).collect::<Vec<_>>()).map(|v| v.len())
    );
    close(f).unwrap();
    close(r0).unwrap();
}
