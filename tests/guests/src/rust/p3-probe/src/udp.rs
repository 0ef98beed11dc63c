//! UDP of wasi:sockets.
use crate::tcp::{port_of, shape, v4, v6};
use crate::{soon, Log};
use futures::join;
use wasip3::sockets::types::{IpAddressFamily as Family, IpSocketAddress as Address, UdpSocket};

fn any() -> Address {
    v4(127, 0, 0, 1, 0)
}

fn bound() -> (UdpSocket, Address) {
    let s = UdpSocket::create(Family::Ipv4).unwrap();
    s.bind(any()).unwrap();
    let address = s.get_local_address().unwrap();
    (s, address)
}

async fn errors(log: &mut Log) {
    for family in [Family::Ipv4, Family::Ipv6] {
        let s = UdpSocket::create(family).unwrap();
        log.line("family", s.get_address_family());
        log.line("local", shape(s.get_local_address()));
        log.line("remote", shape(s.get_remote_address()));
        log.line("disconnect", s.disconnect());
        log.line("receive", soon(s.receive()).await);
        log.line("send nowhere", s.send(vec![1], None).await);
        log.line("hops 0", s.set_unicast_hop_limit(0));
        log.line("hops 9", s.set_unicast_hop_limit(9));
        log.line("hops are", s.get_unicast_hop_limit());
        log.line("buffer 0", s.set_receive_buffer_size(0));
        log.line("buffer 65536", s.set_receive_buffer_size(65536));
        log.line("buffer is", s.get_receive_buffer_size());
        log.line("send buffer 0", s.set_send_buffer_size(0));
        log.line("send buffer 65536", s.set_send_buffer_size(65536));
        log.line("send buffer is", s.get_send_buffer_size());
        for (name, to) in [
            ("port 0", v4(127, 0, 0, 1, 0)),
            ("0.0.0.0", v4(0, 0, 0, 0, 9)),
            ("v4", v4(127, 0, 0, 1, 9)),
            ("v6 port 0", v6([0, 0, 0, 0, 0, 0, 0, 1], 0)),
            ("::", v6([0; 8], 9)),
            ("v6", v6([0, 0, 0, 0, 0, 0, 0, 1], 9)),
            ("mapped", v6([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1], 9)),
            ("broadcast", v4(255, 255, 255, 255, 9)),
        ] {
            let s = UdpSocket::create(family).unwrap();
            log.line(&format!("{family:?} connect {name}"), s.connect(to));
            log.line(&format!("{family:?} remote {name}"), s.get_remote_address());
            let s = UdpSocket::create(family).unwrap();
            if name != "broadcast" {
                log.line(
                    &format!("{family:?} send {name}"),
                    s.send(vec![1], Some(to)).await,
                );
            }
            log.line(
                &format!("{family:?} local {name}"),
                s.get_local_address().is_ok(),
            );
        }
        for (name, at) in [
            ("loopback", any()),
            ("multicast", v4(224, 0, 0, 1, 0)),
            ("not ours", v4(192, 0, 2, 1, 0)),
            ("v6", v6([0, 0, 0, 0, 0, 0, 0, 1], 0)),
            ("mapped", v6([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1], 0)),
        ] {
            let s = UdpSocket::create(family).unwrap();
            log.line(&format!("{family:?} bind {name}"), s.bind(at));
            log.line(&format!("{family:?} bind {name} again"), s.bind(at));
            log.line(
                &format!("{family:?} bound {name}"),
                shape(s.get_local_address()),
            );
        }
    }
    let (_s, address) = bound();
    let t = UdpSocket::create(Family::Ipv4).unwrap();
    log.line("in use", t.bind(address));
    log.line("elsewhere", t.bind(any()));
}

async fn datagrams(log: &mut Log) {
    let (a, at) = bound();
    let (b, bt) = bound();
    log.line("send", a.send(b"one".to_vec(), Some(bt)).await);
    log.line("send empty", a.send(vec![], Some(bt)).await);
    let (data, from) = b.receive().await.unwrap();
    log.line("got", (data, port_of(&from) == port_of(&at)));
    log.line("got empty", b.receive().await.unwrap().0);
    let (waited, _) = join!(b.receive(), a.send(b"later".to_vec(), Some(bt)));
    log.line("waited", waited.unwrap().0);
    log.line("nothing", soon(b.receive()).await.map(|r| r.is_ok())); // the call is cancelled
    log.line("send", a.send(b"after".to_vec(), Some(bt)).await);
    log.line("got", b.receive().await.unwrap().0);
    let (one, two, _, _) = join!(
        b.receive(),
        b.receive(),
        a.send(b"x".to_vec(), Some(bt)),
        a.send(b"y".to_vec(), Some(bt))
    );
    let mut both = [one.unwrap().0, two.unwrap().0];
    both.sort();
    log.line("two readers", both);
    for size in [1500, 60_000, 65_507, 65_508, 65_536] {
        log.line(
            &format!("send {size}"),
            a.send(vec![5; size], Some(bt)).await,
        );
        log.line(
            &format!("got {size}"),
            soon(b.receive()).await.map(|r| r.map(|d| d.0.len())),
        );
    }
    let c = UdpSocket::create(Family::Ipv4).unwrap();
    log.line("unbound send", c.send(b"c".to_vec(), Some(bt)).await);
    log.line("bound by it", shape(c.get_local_address()));
    log.line("bind then", c.bind(any()));
    log.line("its data", b.receive().await.unwrap().0);
}

async fn connected(log: &mut Log) {
    let (a, at) = bound();
    let (b, bt) = bound();
    let (c, ct) = bound();
    log.line("connect", a.connect(bt));
    log.line(
        "remote",
        port_of(&a.get_remote_address().unwrap()) == port_of(&bt),
    );
    log.line("send", a.send(b"1".to_vec(), None).await);
    log.line("send same", a.send(b"2".to_vec(), Some(bt)).await);
    log.line("send other", a.send(b"3".to_vec(), Some(ct)).await);
    log.line(
        "got",
        (b.receive().await.unwrap().0, b.receive().await.unwrap().0),
    );
    log.line(
        "stranger sends",
        c.send(b"stranger".to_vec(), Some(at)).await,
    );
    log.line("friend sends", b.send(b"friend".to_vec(), Some(at)).await);
    log.line("got", a.receive().await.unwrap().0);
    log.line("reconnect", a.connect(ct));
    log.line("send", a.send(b"4".to_vec(), None).await);
    log.line("got", c.receive().await.unwrap().0);
    log.line("bad reconnect", a.connect(v4(0, 0, 0, 0, 1)));
    log.line(
        "remote then",
        a.get_remote_address().map(|r| port_of(&r) == port_of(&ct)),
    );
    log.line("disconnect", a.disconnect());
    log.line("disconnect again", a.disconnect());
    log.line("remote", shape(a.get_remote_address()));
    log.line(
        "local",
        a.get_local_address().map(|r| port_of(&r) == port_of(&at)),
    );
    log.line("send", a.send(b"5".to_vec(), None).await);
    log.line("send", a.send(b"6".to_vec(), Some(bt)).await);
    log.line("got", b.receive().await.unwrap().0);
    log.line("anybody", c.send(b"anybody".to_vec(), Some(at)).await);
    log.line("got", a.receive().await.unwrap().0);
    // What came before the connection from somebody else is not told.
    let (d, dt) = bound();
    c.send(b"early".to_vec(), Some(dt)).await.unwrap();
    log.line("connect", d.connect(bt));
    b.send(b"right".to_vec(), Some(dt)).await.unwrap();
    log.line("got", d.receive().await.unwrap().0);
    // Nobody is there: the kernel tells it afterwards.
    drop(b);
    log.line("send", a.connect(bt));
    log.line("send", a.send(b"7".to_vec(), None).await);
    wasip3::clocks::monotonic_clock::wait_for(20_000_000).await;
    log.line("refused", soon(a.receive()).await);
    let e = UdpSocket::create(Family::Ipv4).unwrap();
    log.line("connect unbound", e.connect(ct));
    log.line("local", shape(e.get_local_address()));
    let f = UdpSocket::create(Family::Ipv6).unwrap();
    f.bind(v6([0, 0, 0, 0, 0, 0, 0, 1], 0)).unwrap();
    let g = UdpSocket::create(Family::Ipv6).unwrap();
    log.line(
        "v6 send",
        g.send(b"six".to_vec(), Some(f.get_local_address().unwrap()))
            .await,
    );
    log.line("v6 got", f.receive().await.map(|r| (r.0, shape(Ok(r.1)))));
}

pub async fn probe(log: &mut Log) {
    errors(log).await;
    datagrams(log).await;
    connected(log).await;
}
