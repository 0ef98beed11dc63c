//! Behaves badly, one way a path, with handlers of WASI 0.3. An answer that was
//! given whole must arrive whole, one that was not must not look like it.
use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response, Scheme};
use wasip3::wit_bindgen::{FutureWriter, StreamResult, StreamWriter};
use wasip3::{wit_bindgen, wit_future, wit_stream};

type Trailers = FutureWriter<Result<Option<Fields>, ErrorCode>>;

struct Rogue;
wasip3::http::service::export!(Rogue);

impl wasip3::exports::http::handler::Guest for Rogue {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let full = request.get_path_with_query().unwrap_or_default();
        let (path, query) = full.split_once('?').unwrap_or((&full, ""));
        match path {
            "/" => Ok(reply(|out, end| async move { whole(b"behaving\n", out, end).await })),
            "/trap" => panic!("told to panic"),
            // Traps in the middle of the body.
            "/half" => Ok(reply(|mut out, end| async move {
                let _open = end;
                out.write_all(b"first half\n".to_vec()).await;
                panic!("in the middle");
            })),
            // Traps behind the body, when nobody knows yet whether trailers follow.
            "/no-trailers" => Ok(reply(|mut out, end| async move {
                let _open = end;
                out.write_all(b"all but trailers\n".to_vec()).await;
                drop(out);
                panic!("before the trailers");
            })),
            // Drops the end of the body without a word about trailers: there are none.
            "/dropped-trailers" => Ok(reply(|mut out, end| async move {
                out.write_all(b"answered\n".to_vec()).await;
                drop(end);
            })),
            // Says that the body is broken.
            "/error-trailers" => Ok(reply(|mut out, end| async move {
                out.write_all(b"broken\n".to_vec()).await;
                drop(out);
                let _ = end.write(Err(ErrorCode::InternalError(Some("no".into())))).await;
            })),
            // Answers, then traps, or never ends.
            "/late-trap" => Ok(reply(|out, end| async move {
                whole(&[b'a'; 20_000], out, end).await;
                panic!("too late");
            })),
            "/late-spin" => Ok(reply(|out, end| async move {
                whole(b"answered\n", out, end).await;
                loop {
                    core::hint::black_box(());
                }
            })),
            // Fetch a URL and drop at once the future that tells how sending went; with `res` also
            // the one that says how the answer was consumed.
            "/copy" => fetch(query, false, 0).await,
            "/pass" => fetch(query, true, 0).await,
            // Sends more than the peer may care to read before it answers.
            "/upload" => fetch(query, true, 8 << 20).await,
            _ => Err(ErrorCode::InternalError(Some("no such misdeed".into()))),
        }
    }
}

fn reply<F, R>(write: F) -> Response
where
    F: FnOnce(StreamWriter<u8>, Trailers) -> R + 'static,
    R: std::future::Future<Output = ()> + 'static,
{
    let (out, contents) = wit_stream::new();
    let (end, trailers) = wit_future::new(|| Ok(None));
    wit_bindgen::spawn_local(async move { write(out, end).await });
    Response::new(Fields::new(), Some(contents), trailers).0
}

async fn whole(text: &[u8], mut out: StreamWriter<u8>, end: Trailers) {
    out.write_all(text.to_vec()).await;
    drop(out);
    let _ = end.write(Ok(None)).await;
}

async fn fetch(url: &str, passing: bool, size: usize) -> Result<Response, ErrorCode> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (_, no_trailers) = wit_future::new(|| Ok(None));
    let contents = (size > 0).then(|| {
        let (mut out, contents) = wit_stream::new();
        wit_bindgen::spawn_local(async move {
            out.write_all(vec![b'u'; size]).await;
        });
        contents
    });
    let (request, went) = Request::new(Fields::new(), contents, no_trailers, None);
    if size > 0 {
        request.set_method(&Method::Post).unwrap();
    }
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    request.set_scheme(Some(&scheme)).unwrap();
    request.set_authority(Some(authority)).unwrap();
    request.set_path_with_query(Some(if path.is_empty() { "/" } else { path })).unwrap();
    if path.ends_with("before") {
        drop(went);
        return relay(client::send(request).await?, passing);
    }
    let answer = client::send(request).await?;
    drop(went);
    relay(answer, passing)
}

fn relay(answer: Response, passing: bool) -> Result<Response, ErrorCode> {
    let (done, consumed) = wit_future::new(|| Ok(()));
    let (mut body, trailers) = Response::consume_body(answer, consumed);
    drop(done);
    if passing {
        return Ok(Response::new(Fields::new(), Some(body), trailers).0);
    }
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
    });
    Ok(Response::new(Fields::new(), Some(contents), trailers).0)
}
