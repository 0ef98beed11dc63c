//! Makes messages of every shape: the path says which.
use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response, Scheme, Trailers};
use wasip3::wit_bindgen::{self, FutureReader, StreamReader};
use wasip3::{wit_future, wit_stream};

struct Message;
wasip3::http::service::export!(Message);

type End = Result<Option<Trailers>, ErrorCode>;

fn fields(list: &[(&str, &str)]) -> Fields {
    let all: Vec<_> = list
        .iter()
        .map(|(n, v)| (n.to_string(), v.as_bytes().to_vec()))
        .collect();
    Fields::from_list(&all).unwrap()
}

/// A future of trailers that is written after `ms` milliseconds.
fn later(end: End, ms: u64) -> FutureReader<End> {
    let (tx, rx) = wit_future::new(|| Ok(None));
    wit_bindgen::spawn_local(async move {
        if ms > 0 {
            wait_for(ms * 1_000_000).await;
        }
        let _ = tx.write(end).await;
    });
    rx
}

fn some_trailers() -> End {
    Ok(Some(fields(&[("x-end", "yes"), ("X-End", " twice ")])))
}

fn broken() -> End {
    Err(ErrorCode::InternalError(Some("broken".to_string())))
}

/// A stream with these bytes.
fn bytes(data: &str) -> StreamReader<u8> {
    let (mut tx, rx) = wit_stream::new();
    let data = data.as_bytes().to_vec();
    wit_bindgen::spawn_local(async move {
        tx.write_all(data).await;
    });
    rx
}

fn respond(
    list: &[(&str, &str)],
    contents: Option<StreamReader<u8>>,
    end: FutureReader<End>,
) -> Response {
    Response::new(fields(list), contents, end).0
}

fn text(text: String) -> Response {
    respond(&[], Some(bytes(&text)), later(Ok(None), 0))
}

fn header(request: &Request, name: &str) -> String {
    let all = request.get_headers().get(name);
    all.first()
        .map(|v| String::from_utf8_lossy(v).into_owned())
        .unwrap_or_default()
}

/// What the guest is told about names and values of fields.
fn field_errors() -> String {
    let own = Fields::new();
    let mut out = String::new();
    for (name, value) in [
        ("x-ok", "1"),
        ("X-OK", "2"),
        ("", "x"),
        ("a b", "x"),
        ("a:", "x"),
        ("\u{e9}", "x"),
        ("x", "a\r\nb"),
        ("x", "a\0"),
        ("x", "\t"),
        ("x", "\u{e9}"),
        ("Connection", "close"),
        ("keep-alive", "x"),
        ("Host", "x"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "x"),
        ("proxy-connection", "x"),
        ("http2-settings", "x"),
        ("te", "trailers"),
        ("content-length", "3"),
        ("trailer", "x"),
        ("date", "x"),
    ] {
        out += &format!(
            "{name:?} {value:?}: {:?}\n",
            own.append(name, value.as_bytes())
        );
    }
    out += &format!(
        "all: {:?}\n",
        own.copy_all()
            .into_iter()
            .map(|(n, _)| n)
            .collect::<Vec<_>>()
    );
    out += &format!("large: {:?}\n", own.append("large", &vec![b'x'; 1 << 20]));
    out += &format!("set: {:?}\n", own.set("X-oK", &[b"3".to_vec()]));
    let large = own.set("x-ok", &[vec![b'x'; 1 << 20]]);
    out += &format!("set large: {large:?} {:?}\n", own.get("x-ok"));
    out += &format!(
        "set bad: {:?}\n",
        own.set("x-ok", &[b"4".to_vec(), b"\n".to_vec()])
    );
    out += &format!(
        "taken: {:?} {:?}\n",
        own.get_and_delete("x-ok"),
        own.get("x-ok")
    );
    out += &format!(
        "delete: {:?} {:?} {:?}\n",
        own.delete("none"),
        own.delete("host"),
        own.delete("a b")
    );
    let copy = own.clone();
    let request = Request::new(own, None, later(Ok(None), 0), None).0;
    let view = request.get_headers();
    out += &format!(
        "immutable: {:?} {:?} {:?}\n",
        view.append("a", b"b"),
        view.set("a", &[]),
        view.delete("a")
    );
    out += &format!(
        "copies: {:?} {:?}\n",
        copy.append("a", b"b"),
        view.clone().append("a", b"b")
    );
    out
}

async fn fetch(request: &Request) -> String {
    let kind = header(request, "x-kind");
    let (contents, end) = match kind.as_str() {
        "none" => (None, later(Ok(None), 0)),
        "trailers" => (None, later(some_trailers(), 0)),
        "late" => (None, later(some_trailers(), 50)),
        "broken" => (None, later(broken(), 0)),
        "late-broken" => (None, later(broken(), 50)),
        "body" => (Some(bytes("abc")), later(some_trailers(), 0)),
        "view" => (Some(bytes("abc")), later(Ok(None), 0)),
        _ => (Some(bytes("abc")), later(broken(), 0)),
    };
    let list = match kind.as_str() {
        "view" => fields(&[("content-length", "3"), ("x-space", " x ")]),
        _ => fields(&[("x-value", "1")]),
    };
    let out = Request::new(list, contents, end, None);
    out.0.set_method(&Method::Post).unwrap();
    out.0.set_scheme(Some(&Scheme::Http)).unwrap();
    out.0.set_authority(Some(&header(request, "x-to"))).unwrap();
    out.0.set_path_with_query(Some("/")).unwrap();
    if kind == "given-up" {
        let (_tx, end) = wit_future::new::<End>(|| Ok(None));
        let never = Request::new(Fields::new(), None, end, None).0;
        let call = Box::pin(client::send(never));
        let time = Box::pin(wait_for(20_000_000));
        futures::future::select(call, time).await;
    }
    let view = out.0.get_headers();
    let answer = client::send(out.0).await;
    let sent = out.1.await;
    if kind == "view" {
        return format!("{:?} {:?}", view.get("content-length"), view.get("x-space"));
    }
    match answer {
        Ok(response) => {
            let mut list: Vec<_> = response
                .get_headers()
                .copy_all()
                .into_iter()
                .filter(|(n, _)| n.starts_with("x-"))
                .map(|(n, v)| format!("{n}={}", String::from_utf8_lossy(&v)))
                .collect();
            list.sort();
            format!(
                "{} {} sent={sent:?}",
                response.get_status_code(),
                list.join(" ")
            )
        }
        Err(error) => format!("{error:?} sent={sent:?}"),
    }
}

async fn consume(request: Request, max: usize) -> String {
    let (tx, done) = wit_future::new(|| Ok(()));
    drop(tx);
    let (mut body, end) = Request::consume_body(request, done);
    let mut data = Vec::new();
    while data.len() < max {
        let (result, part) = body
            .read(Vec::with_capacity((max - data.len()).min(4096)))
            .await;
        data.extend(part);
        if !matches!(result, wit_bindgen::StreamResult::Complete(_)) {
            break;
        }
    }
    drop(body);
    let end = end.await.map(|t| t.map(|t| t.copy_all()));
    format!("{} {end:?}", String::from_utf8_lossy(&data))
}

impl wasip3::exports::http::handler::Guest for Message {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let path = request.get_path_with_query().unwrap_or_default();
        Ok(match path.as_str() {
            "/none" => respond(&[("x-a", "1")], None, later(Ok(None), 0)),
            "/trailers" => respond(&[("x-a", "1")], None, later(some_trailers(), 0)),
            "/late" => respond(&[], None, later(some_trailers(), 50)),
            "/broken" => respond(&[], None, later(broken(), 0)),
            "/late-broken" => respond(&[], None, later(broken(), 50)),
            "/body" => respond(&[], Some(bytes("abc")), later(some_trailers(), 0)),
            "/cut" => respond(&[], Some(bytes("abc")), later(broken(), 0)),
            "/short" => respond(
                &[("content-length", "5")],
                Some(bytes("abc")),
                later(Ok(None), 0),
            ),
            "/long" => respond(
                &[("content-length", "2")],
                Some(bytes("abc")),
                later(Ok(None), 0),
            ),
            "/space" => respond(&[("x-space", " \tpadded ")], None, later(Ok(None), 0)),
            "/informational" => {
                let response = respond(&[], None, later(Ok(None), 0));
                response.set_status_code(150).unwrap();
                response
            }
            "/dropped" => {
                drop(respond(&[], Some(bytes("x")), later(some_trailers(), 0)));
                let unsent = Response::new(Fields::new(), Some(bytes("x")), later(Ok(None), 0));
                drop(unsent.0);
                text(format!("{:?}", unsent.1.await))
            }
            "/error" => return Err(ErrorCode::HttpRequestUriInvalid),
            "/fields" => text(field_errors()),
            "/fetch" => text(fetch(&request).await),
            "/consume" => text(consume(request, usize::MAX).await),
            "/three" => text(consume(request, 3).await),
            _ => text(format!("{:?} {path}", request.get_method())),
        })
    }
}
