//! A P3 command that tries what an interface may answer and prints a line for
//! each: `fs` in its first preopened folder, `fields` of HTTP, `tcp`, `udp` and `names` on
//! loopback. The lines are the same in every run.
mod fields;
mod fs;
mod names;
mod tcp;
mod udp;

use wasip3::cli::environment;

struct Probe;
wasip3::cli::command::export!(Probe);

pub struct Log;

impl Log {
    pub fn line(&mut self, what: &str, answer: impl std::fmt::Debug) {
        println!("{what}: {answer:?}");
    }
}

/// What comes within a second, or None.
pub async fn soon<T>(answer: impl std::future::IntoFuture<Output = T>) -> Option<T> {
    let answer = Box::pin(answer.into_future());
    let time = Box::pin(wasip3::clocks::monotonic_clock::wait_for(1_000_000_000));
    match futures::future::select(answer, time).await {
        futures::future::Either::Left((answer, _)) => Some(answer),
        futures::future::Either::Right(_) => None,
    }
}

impl wasip3::exports::cli::run::Guest for Probe {
    async fn run() -> Result<(), ()> {
        let args = environment::get_arguments();
        match args.get(1).map(String::as_str) {
            Some("fields") => fields::probe(&mut Log),
            Some("fs") => fs::probe(&mut Log).await,
            Some("tcp") => tcp::probe(&mut Log).await,
            Some("udp") => udp::probe(&mut Log).await,
            Some("names") => names::probe(&mut Log).await,
            _ => return Err(()),
        }
        Ok(())
    }
}
