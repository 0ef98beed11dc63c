//! The command `p2-tls` for WASI 0.3: `p3-tls IP PORT NAME` sends standard input to a TLS server that must prove to
//! be NAME, ends its side, and copies the answer to standard output.
use futures::join;
use std::io::{Read, Write};
use wasip3::sockets::types::{IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, TcpSocket};
use wasip3::wit_bindgen::{StreamReader, StreamResult};

wit_bindgen::generate!({
    path: "../../../../../wit/wasi-draft/tls-0.3.wit",
    inline: "package guest:tls;
        world tls { import wasi:tls/client@0.3.0-draft; }",
    world: "guest:tls/tls",
    generate_all,
});
use wasi::tls::client::Connector;

struct Command;
wasip3::cli::command::export!(Command);

impl wasip3::exports::cli::run::Guest for Command {
    async fn run() -> Result<(), ()> {
        let args: Vec<String> = std::env::args().collect();
        talk(&args).await.map_err(|why| eprintln!("{why}"))
    }
}

async fn talk(args: &[String]) -> Result<(), String> {
    let [_, ip, port, name] = args else { return Err("usage: p3-tls IP PORT NAME".into()) };
    let ip: std::net::Ipv4Addr = ip.parse().map_err(|_| "not an address")?;
    let [a, b, c, d] = ip.octets();
    let port = port.parse().map_err(|_| "not a port")?;
    let socket = TcpSocket::create(IpAddressFamily::Ipv4).map_err(|e| e.to_string())?;
    let to = IpSocketAddress::Ipv4(Ipv4SocketAddress { port, address: (a, b, c, d) });
    socket.connect(to).await.map_err(|e| e.to_string())?;

    let (mut clear, clear_text) = wasip3::wit_stream::new();
    let connector = Connector::new();
    let (encrypted, encrypting) = connector.send(clear_text);
    let sending = socket.send(encrypted);
    let (received, receiving) = socket.receive();
    let (answer, decrypting) = connector.receive(received);
    Connector::connect(connector, name.clone()).await.map_err(|e| e.to_debug_string())?;

    let mut text = Vec::new();
    std::io::stdin().read_to_end(&mut text).map_err(|e| e.to_string())?;
    let write = async {
        let left = clear.write_all(text).await;
        drop(clear);
        left.len()
    };
    let (left, copied) = join!(write, copy(answer));
    copied?;
    if left > 0 {
        return Err(format!("{left} bytes were not sent"));
    }
    encrypting.await.map_err(|e| e.to_debug_string())?;
    decrypting.await.map_err(|e| e.to_debug_string())?;
    sending.await.map_err(|e| e.to_string())?;
    drop(receiving);
    Ok(())
}

async fn copy(mut from: StreamReader<u8>) -> Result<(), String> {
    let mut out = std::io::stdout();
    loop {
        let (result, bytes) = from.read(Vec::with_capacity(16 * 1024)).await;
        out.write_all(&bytes).and_then(|()| out.flush()).map_err(|e| e.to_string())?;
        if !matches!(result, StreamResult::Complete(_)) {
            return Ok(());
        }
    }
}
