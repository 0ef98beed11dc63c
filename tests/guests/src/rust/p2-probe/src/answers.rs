//! Questions whose answer is a value.
use crate::{any, file, input, output, tcp_pair, udp_bound};
use std::fmt::Debug;
use wasip2::clocks::{monotonic_clock, wall_clock};
use wasip2::filesystem::preopens;
use wasip2::filesystem::types::{
    DescriptorFlags as Flags, NewTimestamp, OpenFlags as Open, PathFlags,
};
use wasip2::http::types as http;
use wasip2::io::streams::{InputStream, StreamError};
use wasip2::sockets::network::{IpAddressFamily, IpSocketAddress, Ipv4SocketAddress};
use wasip2::sockets::{
    instance_network, ip_name_lookup, tcp, tcp_create_socket, udp, udp_create_socket,
};

fn line(what: &str, answer: impl Debug) {
    let text = format!("{answer:?}");
    // Names of codes without what their crate says of them.
    println!("{what}: {}", text.split(", message").next().unwrap());
}

/// Without the error's text, which is the host's own.
fn told<T: Debug>(answer: Result<T, StreamError>) -> Result<T, &'static str> {
    answer.map_err(|e| match e {
        StreamError::Closed => "closed",
        StreamError::LastOperationFailed(_) => "failed",
    })
}

fn file_streams() {
    let i = input();
    line("read 3", told(i.blocking_read(3)));
    line("skip 2", told(i.blocking_skip(2)));
    line("read 0", told(i.read(0)));
    line("skip 0", told(i.skip(0)));
    line("ready", i.subscribe().ready());
    line("blocking read", told(i.blocking_read(3)));
    line("blocking skip", told(i.blocking_skip(1)));
    line("rest", told(i.blocking_read(100)));
    line("end", told(i.blocking_read(1)));
    line("end again", told(i.blocking_read(1)));
    line("ready at end", i.subscribe().ready());
    line("skip at end", told(i.blocking_skip(1)));
    let o = output();
    line("check", told(o.check_write()).map(|n| n > 0));
    line("write", told(o.write(b"abc")));
    o.blocking_flush().unwrap();
    o.check_write().unwrap();
    line("zeroes", told(o.write_zeroes(2)));
    line("flush", told(o.flush()));
    line("blocking flush", told(o.blocking_flush()));
    line(
        "blocking zeroes",
        told(o.blocking_write_zeroes_and_flush(3)),
    );
    line("splice", told(o.blocking_splice(&input(), 4)));
    line("splice 0", told(o.splice(&input(), 0)));
    line("blocking splice", told(o.blocking_splice(&input(), 100)));
    let done = input();
    while told(done.blocking_read(100)).is_ok() {}
    line("splice from the end", told(o.blocking_splice(&done, 4)));
    line(
        "blocking splice from the end",
        told(o.blocking_splice(&done, 4)),
    );
    line("content", file("out").read(100, 0));
    let f = file("out");
    line(
        "append",
        told(
            f.append_via_stream()
                .unwrap()
                .blocking_write_and_flush(b"+"),
        ),
    );
    line("appended", f.stat().unwrap().size);
    line(
        "far",
        told(
            f.write_via_stream(u64::MAX)
                .and_then(|o| Ok(o.blocking_write_and_flush(b"x")))
                .unwrap_or(Err(StreamError::Closed)),
        )
        .is_err(),
    );
    let dir = preopens::get_directories().into_iter().next().unwrap().0;
    let r = dir
        .open_at(PathFlags::empty(), "out", Open::empty(), Flags::READ)
        .unwrap();
    line("read only", r.write(b"x", 0).is_err());
    line(
        "read only append",
        r.append_via_stream()
            .map(|o| told(o.blocking_write_and_flush(b"x")).is_err())
            .unwrap_or(true),
    );
    let w = dir
        .open_at(PathFlags::empty(), "out", Open::empty(), Flags::WRITE)
        .unwrap();
    line("write only", w.read(1, 0).is_err());
    line("past the end", f.read(10, 1000));
    line("at the end", f.read(10, f.stat().unwrap().size));
    line("up to the end", f.read(1000, 10));
    line(
        "directory",
        (dir.read(1, 0).is_err(), dir.write(b"x", 0).is_err()),
    );
    line(
        "times",
        f.set_times(
            NewTimestamp::Timestamp(wall_clock::Datetime {
                seconds: 5,
                nanoseconds: 6,
            }),
            NewTimestamp::NoChange,
        ),
    );
    line(
        "its time",
        f.stat()
            .unwrap()
            .data_access_timestamp
            .map(|t| (t.seconds, t.nanoseconds)),
    );
}

fn opening() {
    let dir = preopens::get_directories().into_iter().next().unwrap().0;
    dir.create_directory_at("dir").unwrap();
    dir.symlink_at("file", "link").unwrap();
    dir.symlink_at("dir", "dirlink").unwrap();
    drop(file("file"));
    for (how_name, how) in [
        ("none", Open::empty()),
        ("create", Open::CREATE),
        ("exclusive", Open::EXCLUSIVE),
        ("truncate", Open::TRUNCATE),
        ("directory", Open::DIRECTORY),
        ("create exclusive", Open::CREATE | Open::EXCLUSIVE),
        ("directory create", Open::DIRECTORY | Open::CREATE),
    ] {
        for (flag_name, flag) in [
            ("-", Flags::empty()),
            ("r", Flags::READ),
            ("w", Flags::WRITE),
            ("rw", Flags::READ | Flags::WRITE),
            ("m", Flags::MUTATE_DIRECTORY),
        ] {
            for path in [
                "file", "dir", "missing", "link", "dirlink", "file/", "../x", "/x", "",
            ] {
                for (follow_name, follow) in [
                    ("", PathFlags::empty()),
                    (" following", PathFlags::SYMLINK_FOLLOW),
                ] {
                    line(
                        &format!("open {path:?} [{how_name}] {flag_name}{follow_name}"),
                        dir.open_at(follow, path, how, flag)
                            .and_then(|d| d.get_flags()),
                    );
                    let _ = dir.unlink_file_at("missing");
                }
            }
        }
    }
}

fn tcp_states() {
    let network = instance_network::instance_network();
    let s = tcp_create_socket::create_tcp_socket(IpAddressFamily::Ipv4).unwrap();
    let all = |name: &str, s: &tcp::TcpSocket| {
        line(&format!("{name} finish bind"), s.finish_bind());
        line(
            &format!("{name} finish connect"),
            s.finish_connect().map(drop),
        );
        line(&format!("{name} finish listen"), s.finish_listen());
        line(&format!("{name} accept"), s.accept().map(drop));
        line(
            &format!("{name} shutdown"),
            s.shutdown(tcp::ShutdownType::Both),
        );
        line(&format!("{name} local"), s.local_address().map(drop));
        line(&format!("{name} remote"), s.remote_address().map(drop));
        line(&format!("{name} listening"), s.is_listening());
        line(&format!("{name} backlog"), s.set_listen_backlog_size(9));
        line(&format!("{name} hops"), s.set_hop_limit(9));
        line(
            &format!("{name} keep alive"),
            s.set_keep_alive_enabled(true),
        );
    };
    all("unbound", &s);
    line("unbound listen", s.start_listen());
    line("start bind", s.start_bind(&network, any()));
    line("start bind twice", s.start_bind(&network, any()));
    line("binding connect", s.start_connect(&network, any()));
    line("binding listen", s.start_listen());
    line("finish bind", s.finish_bind());
    all("bound", &s);
    line("bound bind", s.start_bind(&network, any()));
    line("start listen", s.start_listen());
    line("start listen twice", s.start_listen());
    line("finish listen", s.finish_listen());
    all("listening", &s);
    line("listening bind", s.start_bind(&network, any()));
    line("listening connect", s.start_connect(&network, any()));
    line("listening listen", s.start_listen());
    let address = s.local_address().unwrap();
    drop(s);
    let c = tcp_create_socket::create_tcp_socket(IpAddressFamily::Ipv4).unwrap();
    line("connect to port 0", c.start_connect(&network, any()));
    let c = tcp_create_socket::create_tcp_socket(IpAddressFamily::Ipv4).unwrap();
    line("connect to nobody", c.start_connect(&network, address));
    line("connect twice", c.start_connect(&network, address));
    c.subscribe().block();
    line("refused", c.finish_connect().map(drop));
    all("refused", &c);
    line("refused bind", c.start_bind(&network, any()));
    let (client, server, ci, co, si, so) = tcp_pair();
    all("client", &client);
    drop((ci, co));
    drop((si, so, server));
    let (client, server, ci, co, si, so) = tcp_pair();
    line("nothing", told(ci.read(10)));
    line("write", told(co.blocking_write_and_flush(b"hello")));
    line("read", told(si.blocking_read(10)));
    line("shut", client.shutdown(tcp::ShutdownType::Send));
    line("write then", told(co.check_write()).is_err());
    line("end", told(si.blocking_read(10)));
    line("other way", told(so.blocking_write_and_flush(b"back")));
    line("arrives", told(ci.blocking_read(10)));
    line("shut receive", client.shutdown(tcp::ShutdownType::Receive));
    line("read then", told(ci.blocking_read(10)));
    drop((si, so, server));
    drop((ci, co, client));
}

fn read_all(i: &InputStream) -> usize {
    let mut n = 0;
    while let Ok(part) = i.blocking_read(65536) {
        n += part.len();
    }
    n
}

fn tcp_bytes() {
    let (_client, server, ci, co, si, so) = tcp_pair();
    drop(ci);
    drop(so);
    drop(si);
    drop(server);
    let mut broken = false;
    for _ in 0..1000 {
        if told(co.blocking_write_and_flush(&[0; 4096])).is_err() {
            broken = true;
            break;
        }
    }
    line("writes end", broken);
    line("then", told(co.check_write()));
    let (_client, _server, ci, co, si, _so) = tcp_pair();
    drop(ci);
    told(co.blocking_write_and_flush(b"last")).unwrap();
    drop(co);
    drop(_client);
    line("read to the end", read_all(&si));
}

fn datagrams() {
    let (a, b) = (udp_bound(), udp_bound());
    let to_b = b.local_address().unwrap();
    let (ar, at) = a.stream(None).unwrap();
    let (br, _bt) = b.stream(None).unwrap();
    let one = |to| udp::OutgoingDatagram {
        data: b"one".to_vec(),
        remote_address: to,
    };
    line("permits", at.check_send().map(|n| n > 0));
    line("send", at.send(&[one(Some(to_b)), one(Some(to_b))]));
    br.subscribe().block();
    line("got", br.receive(1).map(|l| l.len()));
    br.subscribe().block();
    line(
        "got",
        br.receive(10)
            .map(|l| l.iter().map(|d| d.data.clone()).collect::<Vec<_>>()),
    );
    line("got nothing", br.receive(10).map(|l| l.len()));
    line("receive 0", br.receive(0).map(|l| l.len()));
    at.check_send().unwrap();
    line("send nowhere", at.send(&[one(None)]));
    at.check_send().unwrap();
    line("send to port 0", at.send(&[one(Some(any()))]));
    at.check_send().unwrap();
    line(
        "send one, then nowhere",
        at.send(&[one(Some(to_b)), one(None)]),
    );
    drop((ar, at));
    line("remote", a.remote_address().map(drop));
    let (ar, at) = a.stream(Some(to_b)).unwrap();
    line("remote", a.remote_address().is_ok());
    at.check_send().unwrap();
    line("send", at.send(&[one(None)]));
    at.check_send().unwrap();
    line("send same", at.send(&[one(Some(to_b))]));
    at.check_send().unwrap();
    line(
        "send other",
        at.send(&[one(Some(a.local_address().unwrap()))]),
    );
    drop((ar, at));
    line("back to any", a.stream(None).map(drop));
    line("remote", a.remote_address().map(drop));
    line("to port 0", a.stream(Some(any())).map(drop));
    let u = udp_create_socket::create_udp_socket(IpAddressFamily::Ipv4).unwrap();
    line("unbound stream", u.stream(None).map(drop));
    line("unbound local", u.local_address().map(drop));
    line("unbound finish", u.finish_bind());
    let network = instance_network::instance_network();
    line("bind", u.start_bind(&network, any()));
    line("bind twice", u.start_bind(&network, any()));
    line("finish", u.finish_bind());
    line("bind again", u.start_bind(&network, any()));
    line(
        "not ours",
        udp_create_socket::create_udp_socket(IpAddressFamily::Ipv4)
            .unwrap()
            .start_bind(
                &network,
                IpSocketAddress::Ipv4(Ipv4SocketAddress {
                    port: 0,
                    address: (192, 0, 2, 1),
                }),
            ),
    );
}

fn lookups() {
    let network = instance_network::instance_network();
    for name in ["127.0.0.1", "::1", "", "a b", "localhost"] {
        match ip_name_lookup::resolve_addresses(&network, name) {
            Ok(l) => {
                l.subscribe().block();
                let first = l.resolve_next_address();
                line(
                    name,
                    if name == "localhost" {
                        first.map(|a| {
                            assert!(a.is_some());
                            None
                        })
                    } else {
                        first
                    },
                );
                while let Ok(Some(_)) = l.resolve_next_address() {}
                line("and then", l.resolve_next_address());
            }
            Err(e) => line(name, e),
        }
    }
}

fn clocks() {
    let p = monotonic_clock::subscribe_duration(u64::MAX);
    line("far", p.ready());
    line("past", monotonic_clock::subscribe_instant(0).ready());
    let now = monotonic_clock::now();
    monotonic_clock::subscribe_duration(2_000_000).block();
    line("waited", monotonic_clock::now() - now >= 2_000_000);
    line(
        "resolution",
        (
            monotonic_clock::resolution() > 0,
            wall_clock::resolution().nanoseconds > 0,
        ),
    );
}

fn requests() {
    let r = http::OutgoingRequest::new(http::Fields::new());
    for path in [
        "/", "/a?b#c", "/a b", "?q", "", "*", "/%zz", "/\u{e9}", "/`",
    ] {
        line(
            &format!("path {path:?}"),
            (r.set_path_with_query(Some(path)), r.path_with_query()),
        );
    }
    for authority in ["a", "a:80", "a:", "a:99999", "", "a b", "[::1]:80", "a/b"] {
        line(
            &format!("authority {authority:?}"),
            (r.set_authority(Some(authority)), r.authority()),
        );
    }
    for method in ["GET", "get", "X-Y", "a b", ""] {
        line(
            &format!("method {method:?}"),
            r.set_method(&http::Method::Other(method.to_string())),
        );
        line("is", r.method());
    }
    for scheme in ["http", "HTTPS", "ftp", "1a", "a:", ""] {
        line(
            &format!("scheme {scheme:?}"),
            r.set_scheme(Some(&http::Scheme::Other(scheme.to_string()))),
        );
        line("is", r.scheme());
    }
    let s = http::OutgoingResponse::new(http::Fields::new());
    for status in [0, 99, 100, 200, 599, 999, 1000, 65535] {
        line(&format!("status {status}"), s.set_status_code(status));
    }
    let f = http::Fields::new();
    for (name, value) in [
        ("x-ok", "1"),
        ("X-OK", "2"),
        ("", "x"),
        ("a b", "x"),
        ("x", "a\r\nb"),
        ("x", "\t"),
        ("x", " a "),
        ("Connection", "x"),
        ("keep-alive", "x"),
        ("Host", "x"),
        ("transfer-encoding", "x"),
        ("upgrade", "x"),
        ("proxy-connection", "x"),
        ("proxy-authenticate", "x"),
        ("proxy-authorization", "x"),
        ("http2-settings", "x"),
        ("te", "x"),
        ("trailer", "x"),
        ("expect", "x"),
        ("content-length", "x"),
        ("custom-forbidden-header", "x"),
    ] {
        line(
            &format!("append {name:?} {value:?}"),
            f.append(name, value.as_bytes()),
        );
    }
    line(
        "get",
        (
            f.get("x-Ok"),
            f.get("none"),
            f.get("a b"),
            f.has("X-ok"),
            f.has("a b"),
        ),
    );
    line(
        "set",
        (
            f.set("x-ok", &[b"a".to_vec(), b"b".to_vec()]),
            f.get("x-ok"),
        ),
    );
    line("set none", (f.set("x-ok", &[]), f.has("x-ok")));
    line(
        "delete",
        (
            f.delete("x"),
            f.delete("none"),
            f.delete("host"),
            f.delete("a b"),
        ),
    );
    let request = http::OutgoingRequest::new(f);
    let view = request.headers();
    line(
        "immutable",
        (
            view.append("a", b"b"),
            view.set("a", &[]),
            view.delete("te"),
            view.clone().append("a", b"b"),
        ),
    );
    drop((view, request));
    line(
        "list",
        http::Fields::from_list(&[("a b".to_string(), vec![])]).map(drop),
    );
    line(
        "list forbidden",
        http::Fields::from_list(&[("host".to_string(), vec![])]).map(drop),
    );
}

pub fn print() {
    opening();
    file_streams();
    tcp_states();
    tcp_bytes();
    datagrams();
    lookups();
    clocks();
    requests();
}
