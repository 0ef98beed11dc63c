//! What WASI 0.2 answers: `answers` prints a line for each question; `trap NAME` does what may
//! end the instance, and `traps` names them.
mod answers;

use wasip2::clocks::monotonic_clock;
use wasip2::filesystem::preopens;
use wasip2::filesystem::types::{
    Descriptor, DescriptorFlags as Flags, OpenFlags as Open, PathFlags,
};
use wasip2::http::types as http;
use wasip2::io::{poll, streams};
use wasip2::sockets::network::{IpAddressFamily, IpSocketAddress, Ipv4SocketAddress};
use wasip2::sockets::{
    instance_network, ip_name_lookup, tcp, tcp_create_socket, udp, udp_create_socket,
};

pub fn any() -> IpSocketAddress {
    IpSocketAddress::Ipv4(Ipv4SocketAddress {
        port: 0,
        address: (127, 0, 0, 1),
    })
}

pub fn file(name: &str) -> Descriptor {
    let dir = preopens::get_directories().into_iter().next().unwrap().0;
    dir.open_at(
        PathFlags::empty(),
        name,
        Open::CREATE,
        Flags::READ | Flags::WRITE,
    )
    .unwrap()
}

pub fn output() -> streams::OutputStream {
    file("out").write_via_stream(0).unwrap()
}

pub fn input() -> streams::InputStream {
    let f = file("in");
    f.write(b"0123456789", 0).unwrap();
    f.read_via_stream(0).unwrap()
}

pub fn tcp_pair() -> (
    tcp::TcpSocket,
    tcp::TcpSocket,
    streams::InputStream,
    streams::OutputStream,
    streams::InputStream,
    streams::OutputStream,
) {
    let network = instance_network::instance_network();
    let listener = tcp_create_socket::create_tcp_socket(IpAddressFamily::Ipv4).unwrap();
    listener.start_bind(&network, any()).unwrap();
    listener.finish_bind().unwrap();
    listener.start_listen().unwrap();
    listener.finish_listen().unwrap();
    let client = tcp_create_socket::create_tcp_socket(IpAddressFamily::Ipv4).unwrap();
    client
        .start_connect(&network, listener.local_address().unwrap())
        .unwrap();
    client.subscribe().block();
    let (ci, co) = client.finish_connect().unwrap();
    listener.subscribe().block();
    let (server, si, so) = listener.accept().unwrap();
    (client, server, ci, co, si, so)
}

pub fn udp_bound() -> udp::UdpSocket {
    let s = udp_create_socket::create_udp_socket(IpAddressFamily::Ipv4).unwrap();
    s.start_bind(&instance_network::instance_network(), any())
        .unwrap();
    s.finish_bind().unwrap();
    s
}

const TRAPS: &[(&str, fn())] = &[
    ("poll nothing", || drop(poll::poll(&[]))),
    ("poll the same twice", || {
        let p = monotonic_clock::subscribe_duration(0);
        assert_eq!(poll::poll(&[&p, &p]), [0, 1]);
    }),
    ("write without permit", || drop(output().write(b"x"))),
    ("write nothing without permit", || {
        output().write(b"").unwrap()
    }),
    ("write beyond permit", || {
        let o = output();
        let n = o.check_write().unwrap();
        drop(o.write(&vec![0; n as usize + 1]));
    }),
    ("write twice with one permit", || {
        let o = output();
        let n = o.check_write().unwrap();
        o.write(&vec![0; n as usize]).unwrap();
        drop(o.write(b"x"));
    }),
    ("write zeroes without permit", || {
        drop(output().write_zeroes(1))
    }),
    ("write after flush", || {
        let o = output();
        o.check_write().unwrap();
        o.flush().unwrap();
        drop(o.write(b"x"));
    }),
    ("write 4096 and flush", || {
        output().blocking_write_and_flush(&[0; 4096]).unwrap()
    }),
    ("write 4097 and flush", || {
        drop(output().blocking_write_and_flush(&[0; 4097]))
    }),
    ("write 4097 zeroes and flush", || {
        drop(output().blocking_write_zeroes_and_flush(4097))
    }),
    ("input before its pollable", || {
        let i = input();
        let p = i.subscribe();
        drop(i);
        drop(p);
    }),
    ("output before its pollable", || {
        let o = output();
        let p = o.subscribe();
        drop(o);
        drop(p);
    }),
    ("tcp before its pollable", || {
        let (c, ..) = tcp_pair();
        let p = c.subscribe();
        drop(c);
        drop(p);
    }),
    ("tcp before its streams", || {
        let (c, s, i, o, ..) = tcp_pair();
        drop((c, s));
        drop((i, o));
    }),
    ("udp before its pollable", || {
        let u = udp_bound();
        let p = u.subscribe();
        drop(u);
        drop(p);
    }),
    ("udp before its streams", || {
        let u = udp_bound();
        let s = u.stream(None).unwrap();
        drop(u);
        drop(s);
    }),
    ("udp streams twice", || {
        let u = udp_bound();
        let one = u.stream(None).unwrap();
        drop(u.stream(None));
        drop(one);
    }),
    ("udp streams anew", || {
        let u = udp_bound();
        drop(u.stream(None).unwrap());
        drop(u.stream(None).unwrap());
    }),
    ("datagrams without permit", || {
        let u = udp_bound();
        let (_r, s) = u.stream(None).unwrap();
        let to = u.local_address().unwrap();
        drop(s.send(&[udp::OutgoingDatagram {
            data: vec![1],
            remote_address: Some(to),
        }]));
    }),
    ("no datagrams without permit", || {
        let u = udp_bound();
        let (_r, s) = u.stream(None).unwrap();
        assert_eq!(s.send(&[]).unwrap(), 0);
    }),
    ("datagrams beyond permit", || {
        let u = udp_bound();
        let (_r, s) = u.stream(None).unwrap();
        let to = u.local_address().unwrap();
        let n = s.check_send().unwrap();
        let all: Vec<_> = (0..=n)
            .map(|_| udp::OutgoingDatagram {
                data: vec![1],
                remote_address: Some(to),
            })
            .collect();
        drop(s.send(&all));
    }),
    ("lookup before its pollable", || {
        let l =
            ip_name_lookup::resolve_addresses(&instance_network::instance_network(), "127.0.0.1")
                .unwrap();
        let p = l.subscribe();
        drop(l);
        drop(p);
    }),
    ("request before its headers", || {
        let r = http::OutgoingRequest::new(http::Fields::new());
        let h = r.headers();
        drop(r);
        drop(h);
    }),
    ("response before its headers", || {
        let r = http::OutgoingResponse::new(http::Fields::new());
        let h = r.headers();
        drop(r);
        drop(h);
    }),
    ("request before its body", || {
        let r = http::OutgoingRequest::new(http::Fields::new());
        let b = r.body().unwrap();
        drop(r);
        drop(b);
    }),
    ("body before its stream", || {
        let r = http::OutgoingRequest::new(http::Fields::new());
        let b = r.body().unwrap();
        let s = b.write().unwrap();
        drop(b);
        drop(s);
    }),
    ("body finished before its stream", || {
        let r = http::OutgoingRequest::new(http::Fields::new());
        let b = r.body().unwrap();
        let s = b.write().unwrap();
        drop(http::OutgoingBody::finish(b, None));
        drop(s);
    }),
    ("body twice", || {
        let r = http::OutgoingRequest::new(http::Fields::new());
        let b = r.body().unwrap();
        assert!(r.body().is_err());
        let s = b.write().unwrap();
        assert!(b.write().is_err());
        drop(s);
        assert!(b.write().is_err());
        http::OutgoingBody::finish(b, None).unwrap();
        assert!(r.body().is_err());
    }),
    ("descriptor before its streams", || {
        let f = file("f");
        let (i, o) = (
            f.read_via_stream(0).unwrap(),
            f.append_via_stream().unwrap(),
        );
        drop(f);
        drop((i, o));
    }),
    ("directory before its entries", || {
        let dir = preopens::get_directories().into_iter().next().unwrap().0;
        let l = dir.read_directory().unwrap();
        drop(dir);
        while l.read_directory_entry().unwrap().is_some() {}
    }),
    ("random without end", || {
        drop(wasip2::random::random::get_random_bytes(u64::MAX))
    }),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["answers"] => answers::print(),
        ["traps"] => TRAPS.iter().for_each(|(name, _)| println!("{name}")),
        ["trap", name] => TRAPS.iter().find(|(n, _)| n == name).unwrap().1(),
        _ => std::process::exit(2),
    }
}
