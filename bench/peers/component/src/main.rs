// SPDX-License-Identifier: Apache-2.0
//! The measures of bench/component.c on the same guests, by wasmtime's own component support: the
//! Rust crate with typed functions and `InstancePre`, or its component C API.
//! Usage: bench-component-peer crate|c-api GUESTS INSTANCE

mod c_api;
mod rust;

use std::time::Duration;

pub const SMALL: usize = 4096;
pub const LARGE: usize = 1 << 20;
pub const TEXT: u32 = 1 << 16;
pub const PARKED: u32 = 1000;

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(20);

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

#[repr(C)]
#[derive(Default)]
struct Mallinfo2 {
    fields: [usize; 10],
}

unsafe extern "C" {
    fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
    fn mallinfo2() -> Mallinfo2;
}

const CLOCK_THREAD_CPUTIME_ID: i32 = 3;

/// CPU time of the thread, as bench/component.c takes it.
fn now() -> Duration {
    let mut time = Timespec { seconds: 0, nanoseconds: 0 };
    unsafe { clock_gettime(CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.seconds as u64, time.nanoseconds as u32)
}

/// Bytes that malloc has given out.
pub fn allocated() -> usize {
    const UORDBLKS: usize = 7;
    unsafe { mallinfo2() }.fields[UORDBLKS]
}

pub fn report(name: &str, value: f64) {
    println!("{name} {value:.3}");
}

/// Times `repeat(n)` with an n that takes long enough, and reports the median for one.
pub fn measure(name: &str, mut repeat: impl FnMut(u32)) {
    let mut n = 1u32;
    loop {
        let start = now();
        repeat(n);
        let took = now() - start;
        if took >= ROUND / 4 || n >= 100_000_000 {
            break;
        }
        n *= if took < ROUND / 40 { 8 } else { 2 };
    }
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = now();
            repeat(n);
            (now() - start).as_nanos() as f64 / f64::from(n)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    report(name, times[ROUNDS / 2]);
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "crate", guests, instance] => rust::run(guests, instance).unwrap(),
        [_, "c-api", guests, instance] => c_api::run(guests, instance),
        _ => {
            eprintln!("usage: bench-component-peer crate|c-api GUESTS INSTANCE");
            std::process::exit(2);
        }
    }
}
