//! `GET /KEY` answers with one setting, `GET /` with all of them, sorted.
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

wit_bindgen::generate!({
    path: "../../../../../wit/wasi-draft/config.wit",
    inline: "package guest:settings;
        world settings { import wasi:config/store@0.2.0-rc.1; }",
    world: "guest:settings/settings",
    generate_all,
});
use wasi::config::store;

struct Settings;
wasip2::http::proxy::export!(Settings);

impl wasip2::exports::http::incoming_handler::Guest for Settings {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let (path, _) = p2_reply::target(&request);
        match path.trim_start_matches('/') {
            "" => {
                let mut all = store::get_all().unwrap();
                all.sort();
                let lines: Vec<String> = all.iter().map(|(k, v)| format!("{k}={v}\n")).collect();
                p2_reply::text(out, 200, lines.concat());
            }
            key => match store::get(key) {
                Ok(Some(value)) => p2_reply::text(out, 200, value),
                Ok(None) => p2_reply::text(out, 404, "no such setting\n"),
                Err(e) => p2_reply::text(out, 500, format!("{e:?}\n")),
            },
        }
    }
}
