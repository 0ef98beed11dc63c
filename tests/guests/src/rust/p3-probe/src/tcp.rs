//! TCP of wasi:sockets: states, errors, both ends of connections.
use crate::{soon, Log};
use futures::join;
use wasip3::sockets::types::{
    ErrorCode, IpAddressFamily as Family, IpSocketAddress as Address, Ipv4SocketAddress,
    Ipv6SocketAddress, TcpSocket,
};
use wasip3::wit_bindgen::{StreamReader, StreamResult};
use wasip3::wit_stream;

pub fn v4(a: u8, b: u8, c: u8, d: u8, port: u16) -> Address {
    Address::Ipv4(Ipv4SocketAddress {
        port,
        address: (a, b, c, d),
    })
}

pub fn v6(address: [u16; 8], port: u16) -> Address {
    let [a, b, c, d, e, f, g, h] = address;
    Address::Ipv6(Ipv6SocketAddress {
        port,
        flow_info: 0,
        address: (a, b, c, d, e, f, g, h),
        scope_id: 0,
    })
}

pub fn port_of(address: &Address) -> u16 {
    match address {
        Address::Ipv4(a) => a.port,
        Address::Ipv6(a) => a.port,
    }
}

/// An address without its port when that is the kernel's choice.
pub fn shape(address: Result<Address, ErrorCode>) -> Result<(String, bool), ErrorCode> {
    address.map(|a| match a {
        Address::Ipv4(a) => (format!("{:?}", a.address), a.port != 0),
        Address::Ipv6(a) => (format!("{:?}", a.address), a.port != 0),
    })
}

fn any() -> Address {
    v4(127, 0, 0, 1, 0)
}

fn listener() -> (TcpSocket, StreamReader<TcpSocket>, Address) {
    let socket = TcpSocket::create(Family::Ipv4).unwrap();
    socket.bind(any()).unwrap();
    let accepted = socket.listen().unwrap();
    let address = socket.get_local_address().unwrap();
    (socket, accepted, address)
}

async fn pair() -> (TcpSocket, TcpSocket) {
    let (_socket, mut accepted, address) = listener();
    let client = TcpSocket::create(Family::Ipv4).unwrap();
    let (connected, server) = join!(client.connect(address), accepted.next());
    connected.unwrap();
    (client, server.unwrap())
}

fn unbound(log: &mut Log) {
    for family in [Family::Ipv4, Family::Ipv6] {
        let s = TcpSocket::create(family).unwrap();
        log.line("family", s.get_address_family());
        log.line("listening", s.get_is_listening());
        log.line("local", shape(s.get_local_address()));
        log.line("remote", shape(s.get_remote_address()));
        log.line("backlog 0", s.set_listen_backlog_size(0));
        log.line("backlog", s.set_listen_backlog_size(1));
        log.line("backlog huge", s.set_listen_backlog_size(u64::MAX));
        log.line("keep-alive", s.get_keep_alive_enabled());
        log.line("keep-alive on", s.set_keep_alive_enabled(true));
        log.line("keep-alive is on", s.get_keep_alive_enabled());
        log.line("idle 0", s.set_keep_alive_idle_time(0));
        log.line("idle 1ns", s.set_keep_alive_idle_time(1));
        log.line("idle is", s.get_keep_alive_idle_time());
        log.line("idle huge", s.set_keep_alive_idle_time(u64::MAX));
        log.line("idle huge is", s.get_keep_alive_idle_time());
        log.line("interval 0", s.set_keep_alive_interval(0));
        log.line("interval 1.5s", s.set_keep_alive_interval(1_500_000_000));
        log.line("interval is", s.get_keep_alive_interval());
        log.line("interval huge", s.set_keep_alive_interval(u64::MAX));
        log.line("count 0", s.set_keep_alive_count(0));
        log.line("count 3", s.set_keep_alive_count(3));
        log.line("count is", s.get_keep_alive_count());
        log.line("count huge", s.set_keep_alive_count(u32::MAX));
        log.line("hops 0", s.set_hop_limit(0));
        log.line("hops 42", s.set_hop_limit(42));
        log.line("hops are", s.get_hop_limit());
        log.line("hops 255", s.set_hop_limit(255));
        log.line("receive 0", s.set_receive_buffer_size(0));
        log.line("receive 1", s.set_receive_buffer_size(1));
        log.line("receive 65536", s.set_receive_buffer_size(65536));
        log.line("receive is", s.get_receive_buffer_size());
        log.line("receive huge", s.set_receive_buffer_size(u64::MAX));
        log.line("send 0", s.set_send_buffer_size(0));
        log.line("send 65536", s.set_send_buffer_size(65536));
        log.line("send is", s.get_send_buffer_size());
    }
}

async fn binding(log: &mut Log) {
    let cases = [
        ("loopback", any()),
        ("unspecified", v4(0, 0, 0, 0, 0)),
        ("multicast", v4(224, 0, 0, 1, 0)),
        ("broadcast", v4(255, 255, 255, 255, 0)),
        ("not ours", v4(192, 0, 2, 1, 0)),
        ("v6 loopback", v6([0, 0, 0, 0, 0, 0, 0, 1], 0)),
        ("v6 unspecified", v6([0; 8], 0)),
        ("v6 multicast", v6([0xff02, 0, 0, 0, 0, 0, 0, 1], 0)),
        ("v6 mapped", v6([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1], 0)),
        ("v6 not ours", v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 0)),
    ];
    for family in [Family::Ipv4, Family::Ipv6] {
        for (name, address) in cases {
            let s = TcpSocket::create(family).unwrap();
            log.line(&format!("{family:?} bind {name}"), s.bind(address));
            log.line(
                &format!("{family:?} bound {name}"),
                shape(s.get_local_address()),
            );
            log.line(&format!("{family:?} bind {name} again"), s.bind(any()));
            // Ends on its own only where it fails.
            if ![
                "loopback",
                "v6 loopback",
                "unspecified",
                "v6 unspecified",
                "not ours",
                "v6 not ours",
            ]
            .contains(&name)
            {
                let s = TcpSocket::create(family).unwrap();
                let mut to = address;
                match &mut to {
                    Address::Ipv4(a) => a.port = 1,
                    Address::Ipv6(a) => a.port = 1,
                }
                log.line(&format!("{family:?} connect {name}"), s.connect(to).await);
                log.line(
                    &format!("{family:?} bind after {name}"),
                    s.bind(if family == Family::Ipv4 {
                        any()
                    } else {
                        v6([0, 0, 0, 0, 0, 0, 0, 1], 0)
                    }),
                );
            }
        }
    }
    for (name, to) in [
        ("port 0", v4(127, 0, 0, 1, 0)),
        ("0.0.0.0", v4(0, 0, 0, 0, 9)),
        ("v6 port 0", v6([0, 0, 0, 0, 0, 0, 0, 1], 0)),
        ("::", v6([0; 8], 9)),
    ] {
        let family = if matches!(to, Address::Ipv4(_)) {
            Family::Ipv4
        } else {
            Family::Ipv6
        };
        let s = TcpSocket::create(family).unwrap();
        log.line(&format!("connect {name}"), s.connect(to).await);
    }
    let s = TcpSocket::create(Family::Ipv4).unwrap();
    s.bind(any()).unwrap();
    let t = TcpSocket::create(Family::Ipv4).unwrap();
    log.line("bind in use", t.bind(s.get_local_address().unwrap()));
    log.line("bind elsewhere then", t.bind(any()));
}

async fn states(log: &mut Log) {
    let all = |log: &mut Log, name: &str, s: &TcpSocket| {
        log.line(&format!("{name} bind"), s.bind(any()));
        log.line(&format!("{name} is listening"), s.get_is_listening());
        log.line(&format!("{name} local"), shape(s.get_local_address()));
        log.line(&format!("{name} remote"), shape(s.get_remote_address()));
        log.line(&format!("{name} backlog"), s.set_listen_backlog_size(5));
        log.line(&format!("{name} hops"), s.get_hop_limit().map(drop));
        log.line(
            &format!("{name} keep-alive"),
            s.set_keep_alive_enabled(true),
        );
    };
    async fn io(log: &mut Log, name: &str, s: &TcpSocket) {
        let (rx, done) = s.receive();
        log.line(
            &format!("{name} receive"),
            soon(rx.collect()).await.map(|d| d.len()),
        );
        log.line(&format!("{name} receive ends"), soon(done).await);
        let (mut tx, rx) = wit_stream::new();
        let done = s.send(rx);
        log.line(
            &format!("{name} send"),
            soon(tx.write_all(vec![1, 2, 3])).await.map(|d| d.len()),
        );
        drop(tx);
        log.line(&format!("{name} send ends"), soon(done).await);
    }
    let s = TcpSocket::create(Family::Ipv4).unwrap();
    io(log, "unbound", &s).await;
    s.bind(any()).unwrap();
    all(log, "bound", &s);
    io(log, "bound", &s).await;
    let (s, accepted, address) = listener();
    all(log, "listening", &s);
    log.line("listening listen", s.listen().map(drop));
    log.line("listening connect", s.connect(address).await);
    io(log, "listening", &s).await;
    drop((s, accepted));
    let s = TcpSocket::create(Family::Ipv4).unwrap();
    log.line("implicit listen", s.listen().map(drop));
    log.line("implicit local", shape(s.get_local_address()));
    // Nobody listens there any more.
    let s = TcpSocket::create(Family::Ipv4).unwrap();
    log.line("refused", s.connect(address).await);
    all(log, "closed", &s);
    log.line("closed listen", s.listen().map(drop));
    log.line("closed connect", s.connect(address).await);
    io(log, "closed", &s).await;
    let (client, server) = pair().await;
    for (name, s) in [("client", &client), ("server", &server)] {
        all(log, name, s);
        log.line(&format!("{name} listen"), s.listen().map(drop));
        log.line(&format!("{name} connect"), s.connect(address).await);
    }
    log.line(
        "ends meet",
        port_of(&client.get_local_address().unwrap())
            == port_of(&server.get_remote_address().unwrap()),
    );
    // While it connects.
    let (_l, mut accepted, address) = listener();
    let c = TcpSocket::create(Family::Ipv4).unwrap();
    let (one, two, _server) = join!(c.connect(address), c.connect(address), accepted.next());
    log.line("connect twice", (one, two));
}

async fn bytes(log: &mut Log) {
    let (client, server) = pair().await;
    let (mut tx, rx) = wit_stream::new();
    let sent = client.send(rx);
    let (mut got, received) = server.receive();
    log.line("write", tx.write_all(b"hello".to_vec()).await.len());
    let (result, data) = got.read(Vec::with_capacity(3)).await;
    log.line(
        "read some",
        (matches!(result, StreamResult::Complete(3)), data),
    );
    let (_, data) = got.read(Vec::with_capacity(30)).await;
    log.line("read rest", data);
    // Nothing is sent twice, and nothing received.
    let (mut tx2, rx2) = wit_stream::new();
    let again = client.send(rx2);
    log.line("send again keeps", tx2.write_all(vec![9]).await.len());
    log.line("send again", soon(again).await);
    let (rx2, again) = server.receive();
    log.line(
        "receive again",
        (rx2.collect().await.len(), soon(again).await),
    );
    // Sockets may go before their streams.
    drop((client, server));
    log.line(
        "write without socket",
        tx.write_all(b"more".to_vec()).await.len(),
    );
    drop(tx);
    log.line("sent", sent.await);
    log.line("rest", got.collect().await);
    log.line("received", received.await);

    // Both ways at once, more than buffers hold.
    let (client, server) = pair().await;
    let (mut tx, rx) = wit_stream::new();
    let sent = client.send(rx);
    let (got, received) = server.receive();
    let echoed = server.send(got);
    let (back, done) = client.receive();
    let data: Vec<u8> = (0..2_000_000u32).map(|i| (i % 251) as u8).collect();
    let (left, back) = join!(
        async {
            let left = tx.write_all(data.clone()).await.len();
            drop(tx);
            left
        },
        back.collect()
    );
    log.line("echo", (left, back == data));
    log.line(
        "echo ends",
        (sent.await, received.await, echoed.await, done.await),
    );
}

async fn ends(log: &mut Log) {
    // The reader goes away: the receive direction is shut, the other one works.
    let (client, server) = pair().await;
    let (got, received) = server.receive();
    drop(got);
    log.line("dropped receive", soon(received).await);
    let (mut tx, rx) = wit_stream::new();
    let sent = server.send(rx);
    let (back, _) = client.receive();
    tx.write_all(b"still".to_vec()).await;
    drop(tx);
    log.line("other way", back.collect().await);
    log.line("other way ends", sent.await);

    // The writer goes away without a byte: the peer sees the end.
    let (client, server) = pair().await;
    let (tx, rx) = wit_stream::new::<u8>();
    let sent = client.send(rx);
    drop(tx);
    log.line("empty send", sent.await);
    let (got, received) = server.receive();
    log.line("empty receive", (got.collect().await, received.await));

    // The future goes away, bytes flow on.
    let (client, server) = pair().await;
    let (mut tx, rx) = wit_stream::new();
    drop(client.send(rx));
    let (got, received) = server.receive();
    drop(received);
    tx.write_all(b"bytes".to_vec()).await;
    drop(tx);
    log.line("without futures", got.collect().await);

    // Everything of the peer goes away: the end, then a broken connection for the writer.
    let (client, server) = pair().await;
    let (got, received) = client.receive();
    drop(server);
    log.line("peer gone", (got.collect().await, received.await.is_ok()));
    let (mut tx, rx) = wit_stream::new();
    let sent = client.send(rx);
    let mut left = 0;
    for _ in 0..100 {
        left = tx.write_all(vec![0; 65536]).await.len();
        if left > 0 {
            break;
        }
    }
    log.line("writer learns it", left > 0);
    log.line(
        "broken",
        matches!(
            sent.await,
            Err(ErrorCode::ConnectionBroken | ErrorCode::ConnectionReset)
        ),
    );

    // The peer resets: data that it has not read.
    let (client, server) = pair().await;
    let (mut tx, rx) = wit_stream::new();
    let _sent = client.send(rx);
    tx.write_all(b"unread".to_vec()).await;
    let (got, received) = client.receive();
    wasip3::clocks::monotonic_clock::wait_for(50_000_000).await;
    drop(server);
    log.line("reset", (got.collect().await, received.await));

    // A read is given up, the bytes are still there.
    let (client, server) = pair().await;
    let (mut got, received) = server.receive();
    {
        let read = Box::pin(got.read(Vec::with_capacity(10)));
        let time = Box::pin(wasip3::clocks::monotonic_clock::wait_for(20_000_000));
        match futures::future::select(read, time).await {
            futures::future::Either::Left(_) => log.line("early read", "?"),
            futures::future::Either::Right((_, mut read)) => {
                log.line("cancelled read", read.as_mut().cancel().1.len())
            }
        }
    }
    let (mut tx, rx) = wit_stream::new();
    let sent = client.send(rx);
    tx.write_all(b"late".to_vec()).await;
    drop(tx);
    log.line("later", (got.collect().await, received.await, sent.await));

    // A write into a full connection is given up.
    let (client, server) = pair().await;
    let (mut tx, rx) = wit_stream::new();
    let sent = client.send(rx);
    let big = 50_000_000;
    let left = {
        let write = Box::pin(tx.write(vec![7; big]));
        let time = Box::pin(wasip3::clocks::monotonic_clock::wait_for(50_000_000));
        match futures::future::select(write, time).await {
            futures::future::Either::Left(((_, rest), _)) => rest.remaining(),
            futures::future::Either::Right((_, mut write)) => write.as_mut().cancel().1.remaining(),
        }
    };
    drop(tx);
    let (got, received) = server.receive();
    let (data, sent) = join!(got.collect(), async { sent.await });
    log.line(
        "partial write",
        (left > 0 && data.len() + left == big, sent, received.await),
    );
}

async fn listening(log: &mut Log) {
    // Connections wait; the stream goes on after its socket.
    let (socket, mut accepted, address) = listener();
    drop(socket);
    let mut clients = Vec::new();
    for _ in 0..3 {
        let c = TcpSocket::create(Family::Ipv4).unwrap();
        log.line("connect before accept", c.connect(address).await);
        clients.push(c);
    }
    for _ in 0..3 {
        log.line(
            "accepted",
            accepted
                .next()
                .await
                .map(|s| s.get_remote_address().is_ok()),
        );
    }
    log.line("nobody else", soon(accepted.next()).await.map(|_| "?"));
    drop(accepted);
    let c = TcpSocket::create(Family::Ipv4).unwrap();
    log.line("after the stream", c.connect(address).await);
    // The same port can be had again at once.
    let s = TcpSocket::create(Family::Ipv4).unwrap();
    log.line("bind again", s.bind(address));
    drop(clients);

    // Inherited options.
    let s = TcpSocket::create(Family::Ipv4).unwrap();
    s.bind(any()).unwrap();
    s.set_keep_alive_enabled(true).unwrap();
    s.set_keep_alive_idle_time(42_000_000_000).unwrap();
    s.set_keep_alive_interval(7_000_000_000).unwrap();
    s.set_keep_alive_count(5).unwrap();
    s.set_hop_limit(42).unwrap();
    s.set_receive_buffer_size(32768).unwrap();
    s.set_send_buffer_size(32768).unwrap();
    let mut accepted = s.listen().unwrap();
    let c = TcpSocket::create(Family::Ipv4).unwrap();
    let (_, a) = join!(c.connect(s.get_local_address().unwrap()), accepted.next());
    let a = a.unwrap();
    log.line(
        "inherited",
        (
            a.get_address_family(),
            a.get_keep_alive_enabled(),
            a.get_keep_alive_idle_time(),
            a.get_keep_alive_interval(),
            a.get_keep_alive_count(),
            a.get_hop_limit(),
            a.get_receive_buffer_size(),
            a.get_send_buffer_size(),
        ),
    );

    // An attempt is given up: to an address that never answers, or by dropping a call.
    let c = TcpSocket::create(Family::Ipv4).unwrap();
    log.line(
        "given up",
        soon(c.connect(v4(192, 0, 2, 1, 9))).await.is_none() || true,
    );
    log.line("closed by it", c.listen().map(drop).is_err());
    let (s, accepted, address) = listener();
    let c = TcpSocket::create(Family::Ipv4).unwrap();
    log.line(
        "v6 to v4",
        TcpSocket::create(Family::Ipv6)
            .unwrap()
            .connect(address)
            .await,
    );
    log.line("connect", c.connect(address).await);
    drop((s, accepted)); // with a connection that nobody took
    let (got, received) = c.receive();
    log.line(
        "reset by it",
        (got.collect().await.len(), received.await.is_err()),
    );
    let (_s, accepted, address) = six();
    let c = TcpSocket::create(Family::Ipv6).unwrap();
    let mut accepted = accepted;
    let (one, two) = join!(c.connect(address), accepted.next());
    log.line("v6", (one, two.is_some(), shape(c.get_remote_address())));
}

fn six() -> (TcpSocket, StreamReader<TcpSocket>, Address) {
    let socket = TcpSocket::create(Family::Ipv6).unwrap();
    socket.bind(v6([0, 0, 0, 0, 0, 0, 0, 1], 0)).unwrap();
    let accepted = socket.listen().unwrap();
    let address = socket.get_local_address().unwrap();
    (socket, accepted, address)
}

pub async fn probe(log: &mut Log) {
    unbound(log);
    binding(log).await;
    states(log).await;
    bytes(log).await;
    ends(log).await;
    listening(log).await;
}
