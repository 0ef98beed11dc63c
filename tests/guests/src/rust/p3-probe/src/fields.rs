//! The fields of wasi:http: names, values, order, and views that stay as they are.
use crate::Log;
use wasip3::http::types::{Fields, HeaderError, Request};
use wasip3::wit_future;

const NAMES: [&str; 24] = [
    "a",
    "A-B",
    "",
    " ",
    "a b",
    "a:",
    ":path",
    "a\0",
    "a\n",
    "\u{fc}",
    "!#$%&'*+-.^_`|~09",
    "(",
    "\u{7f}",
    "host",
    "Host",
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
    "te",
    "trailer",
    "content-type",
    "set-cookie",
];

const VALUES: [&[u8]; 12] = [
    b"", b" ", b" a ", b"a\tb", b"\0", b"a\nb", b"\r", b"\x7f", b"\x80", b"\xff", b"\x01", b"\x1f",
];

const LENGTHS: [&str; 10] = [
    "0",
    "1",
    "",
    "a",
    "-1",
    "+1",
    "1, 1",
    " 5 ",
    "9223372036854775807",
    "9223372036854775808",
];

fn all(fields: &Fields) -> Vec<(String, String)> {
    let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
    fields
        .copy_all()
        .into_iter()
        .map(|(name, value)| (name, text(value)))
        .collect()
}

fn list(entries: &[(&str, &str)]) -> Result<Vec<(String, String)>, HeaderError> {
    let entries: Vec<_> = entries
        .iter()
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect();
    Fields::from_list(&entries).map(|fields| all(&fields))
}

fn names(log: &mut Log) {
    for name in NAMES {
        let f = Fields::new();
        log.line(&format!("append {name:?}"), f.append(name, b"1"));
        log.line(
            &format!("set {name:?}"),
            f.set(name, &[b"1".to_vec(), b"2".to_vec()]),
        );
        log.line(&format!("get {name:?}"), (f.get(name), f.has(name)));
        log.line(&format!("get and delete {name:?}"), f.get_and_delete(name));
        log.line(&format!("delete {name:?}"), f.delete(name));
        log.line(&format!("list {name:?}"), list(&[("x", "1"), (name, "2")]));
    }
}

fn values(log: &mut Log) {
    let lengths = LENGTHS.map(|length| ("content-length", length.as_bytes()));
    let others = VALUES.map(|value| ("x", value));
    for (name, value) in others.into_iter().chain(lengths) {
        let f = Fields::new();
        let text = String::from_utf8_lossy(value);
        log.line(&format!("append {name} {text:?}"), f.append(name, value));
        log.line(
            &format!("set {name} {text:?}"),
            f.set(name, &[value.to_vec()]),
        );
        log.line(
            &format!("list {name} {text:?}"),
            Fields::from_list(&[(name.to_string(), value.to_vec())]).map(drop),
        );
        log.line(&format!("get {name} {text:?}"), f.get(name));
    }
}

fn order(log: &mut Log) {
    let f = Fields::new();
    for (name, value) in [("b", "1"), ("A", "2"), ("B", "3"), ("a", "4"), ("c", "5")] {
        f.append(name, value.as_bytes()).unwrap();
    }
    log.line("order", all(&f));
    log.line("get", (f.get("B"), f.has("a"), f.has("d")));
    let copy = f.clone();
    copy.append("d", b"6").unwrap();
    log.line("copy", (all(&copy).len(), all(&f).len()));
    log.line("get and delete", (f.get_and_delete("B"), all(&f)));
    log.line("delete", (f.delete("d"), f.delete("C"), all(&f)));
}

fn immutable(log: &mut Log) {
    let f = Fields::new();
    f.append("x", b"1").unwrap();
    let (_, end) = wit_future::new(|| Ok(None));
    let (request, _sent) = Request::new(f, None, end, None);
    let view = request.get_headers();
    log.line("append to view", view.append("y", b"1"));
    log.line("set in view", view.set("x", &[]));
    log.line("delete in view", view.delete("x"));
    log.line("delete nothing in view", view.delete("y"));
    log.line("get and delete in view", view.get_and_delete("x"));
    let copy = view.clone();
    log.line(
        "append to copy of view",
        (copy.append("y", b"1"), all(&copy)),
    );
    drop(request);
    log.line("view", all(&view));
}

pub fn probe(log: &mut Log) {
    names(log);
    values(log);
    order(log);
    immutable(log);
}
