//! Logs one line per level, with the request's path as the message.
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

wit_bindgen::generate!({
    path: "../../../../../wit/wasi-draft/logging.wit",
    inline: "package guest:audit;
        world audit { import wasi:logging/logging@0.1.0-draft; }",
    world: "guest:audit/audit",
    generate_all,
});
use wasi::logging::logging::{log, Level};

struct Audit;
wasip2::http::proxy::export!(Audit);

impl wasip2::exports::http::incoming_handler::Guest for Audit {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let (path, _) = p2_reply::target(&request);
        let levels =
            [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error, Level::Critical];
        for level in levels {
            log(level, "audit", &path);
        }
        p2_reply::text(out, 200, "logged 6 lines\n");
    }
}
