//! Makes one outgoing request to the URL in the header `x-url` and passes the
//! answer on: chunk by chunk, or with `x-pass: 1` by handing the stream over.
//! Time-outs in milliseconds come from `x-connect`, `x-first-byte` and
//! `x-between-bytes`. A request that fails is answered with 502 and the error-code.
use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Request, RequestOptions, Response, Scheme};
use wasip3::wit_bindgen::{FutureReader, StreamResult};
use wasip3::{wit_bindgen, wit_future, wit_stream};

struct Fetch;
wasip3::http::service::export!(Fetch);

impl wasip3::exports::http::handler::Guest for Fetch {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let headers = request.get_headers();
        let text = |name: &str| {
            headers.get(name).pop().map(|v| String::from_utf8_lossy(&v).into_owned())
        };
        let Some(url) = text("x-url") else {
            return Ok(reply(400, "no x-url\n".to_string()));
        };
        let ns = |name: &str| Some(text(name)?.parse::<u64>().ok()? * 1_000_000);
        let times = [ns("x-connect"), ns("x-first-byte"), ns("x-between-bytes")];
        let (outgoing, went) = get(&url, times);
        let answer = match client::send(outgoing).await {
            Ok(answer) => answer,
            Err(why) => return Ok(reply(502, format!("{why:?}\n"))),
        };
        let status = answer.get_status_code();
        let (done, consumed) = wit_future::new(|| Ok(()));
        let (mut body, trailers) = Response::consume_body(answer, consumed);
        let response = if text("x-pass").is_some() {
            // The answer counts as consumed once ours has gone out.
            let (response, sent) = Response::new(Fields::new(), Some(body), trailers);
            wit_bindgen::spawn_local(async move {
                let _ = done.write(sent.await).await;
                let _ = went.await;
            });
            response
        } else {
            let (mut output, contents) = wit_stream::new();
            wit_bindgen::spawn_local(async move {
                loop {
                    let (result, chunk) = body.read(Vec::with_capacity(16 * 1024)).await;
                    if !output.write_all(chunk).await.is_empty()
                        || !matches!(result, StreamResult::Complete(_))
                    {
                        break;
                    }
                }
                drop(output);
                let _ = done.write(Ok(())).await;
                let _ = went.await;
            });
            Response::new(Fields::new(), Some(contents), trailers).0
        };
        response.set_status_code(status).unwrap();
        Ok(response)
    }
}

/// A request, and the future that tells how sending it went. The connection
/// lives as long as that future's reader, so it must outlive the answer's body.
fn get(
    url: &str,
    times: [Option<u64>; 3],
) -> (Request, FutureReader<Result<(), ErrorCode>>) {
    let options = (times != [None; 3]).then(|| {
        let options = RequestOptions::new();
        options.set_connect_timeout(times[0]).unwrap();
        options.set_first_byte_timeout(times[1]).unwrap();
        options.set_between_bytes_timeout(times[2]).unwrap();
        options
    });
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (request, went) = Request::new(Fields::new(), None, trailers, options);
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    request.set_scheme(Some(&scheme)).unwrap();
    request.set_authority(Some(authority)).unwrap();
    request.set_path_with_query(Some(if path.is_empty() { "/" } else { path })).unwrap();
    (request, went)
}

fn reply(status: u16, text: String) -> Response {
    let (mut body, contents) = wit_stream::new();
    let (_, trailers) = wit_future::new(|| Ok(None));
    wit_bindgen::spawn_local(async move {
        body.write_all(text.into_bytes()).await;
    });
    let (response, _) = Response::new(Fields::new(), Some(contents), trailers);
    response.set_status_code(status).unwrap();
    response
}
