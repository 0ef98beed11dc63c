//! Tells which instance answers, by a number drawn once, how many requests it has begun, and how
//! many of them were under way. `/wait?ms=N` answers after that time, `/trap` traps.
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::{wit_bindgen, wit_future, wit_stream};

struct Visits;
wasip3::http::service::export!(Visits);

static INSTANCE: OnceLock<u64> = OnceLock::new();
static VISITS: AtomicU32 = AtomicU32::new(0);
static LIVE: AtomicU32 = AtomicU32::new(0);

impl wasip3::exports::http::handler::Guest for Visits {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let instance = *INSTANCE.get_or_init(wasip3::random::random::get_random_u64);
        let visit = VISITS.fetch_add(1, Ordering::Relaxed) + 1;
        let live = LIVE.fetch_add(1, Ordering::Relaxed) + 1;
        let target = request.get_path_with_query().unwrap_or_default();
        if let Some(ms) = target.strip_prefix("/wait?ms=") {
            let ns = ms.parse::<u64>().unwrap_or(0) * 1_000_000;
            wasip3::clocks::monotonic_clock::wait_for(ns).await;
        } else if target == "/trap" {
            panic!("asked to");
        }
        LIVE.fetch_sub(1, Ordering::Relaxed);
        let (mut output, contents) = wit_stream::new();
        wit_bindgen::spawn_local(async move {
            output.write_all(format!("{instance} {visit} {live}\n").into_bytes()).await;
        });
        let (_, trailers) = wit_future::new(|| Ok(None));
        Ok(Response::new(Fields::new(), Some(contents), trailers).0)
    }
}
