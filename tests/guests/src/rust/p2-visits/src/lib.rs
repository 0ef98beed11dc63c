//! Tells which instance answers, by a number drawn once, and how many requests it has begun.
//! `/wait?ms=N` answers after that time, `/trap` traps, `/grow?pages=N` grows the memory first.
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

struct Visits;
wasip2::http::proxy::export!(Visits);

static INSTANCE: OnceLock<u64> = OnceLock::new();
static VISITS: AtomicU32 = AtomicU32::new(0);

fn number(query: &str, name: &str) -> u64 {
    p2_reply::param(query, name).and_then(|text| text.parse().ok()).unwrap_or(0)
}

impl wasip2::exports::http::incoming_handler::Guest for Visits {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let instance = *INSTANCE.get_or_init(wasip2::random::random::get_random_u64);
        let visit = VISITS.fetch_add(1, Ordering::Relaxed) + 1;
        let (path, query) = p2_reply::target(&request);
        match path.as_str() {
            "/wait" => {
                let ns = number(&query, "ms") * 1_000_000;
                wasip2::clocks::monotonic_clock::subscribe_duration(ns).block();
            }
            "/trap" => panic!("asked to"),
            "/grow" => {
                core::arch::wasm32::memory_grow(0, number(&query, "pages") as usize);
            }
            _ => {}
        }
        p2_reply::text(out, 200, format!("{instance} {visit}\n"));
    }
}
