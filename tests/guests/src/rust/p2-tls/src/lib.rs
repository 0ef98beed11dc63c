//! A command: `p2-tls IP PORT NAME` sends standard input to a TLS server that must prove to be NAME, ends its
//! side, and copies the answer to standard output. Tells failures on standard error and exits with 1.
use std::io::{Read, Write};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};
use wasip2::sockets::network::{IpAddressFamily, IpSocketAddress, Ipv4SocketAddress};
use wasip2::sockets::tcp::TcpSocket;
use wasip2::sockets::{instance_network::instance_network, tcp_create_socket::create_tcp_socket};

wit_bindgen::generate!({
    path: ["../../../../../wit/wasi-0.2/io.wit", "../../../../../wit/wasi-draft/tls.wit"],
    features: ["tls"],
    inline: "package guest:tls;
        world tls { import wasi:tls/types@0.2.0-draft; }",
    world: "guest:tls/tls",
    with: {
        "wasi:io/error@0.2.12": wasip2::io::error,
        "wasi:io/poll@0.2.12": wasip2::io::poll,
        "wasi:io/streams@0.2.12": wasip2::io::streams,
    },
    generate_all,
});
use wasi::tls::types::{ClientConnection, ClientHandshake};

struct Command;
wasip2::cli::command::export!(Command);

impl wasip2::exports::cli::run::Guest for Command {
    fn run() -> Result<(), ()> {
        let args: Vec<String> = std::env::args().collect();
        talk(&args).map_err(|why| eprintln!("{why}"))
    }
}

fn talk(args: &[String]) -> Result<(), String> {
    let [_, ip, port, name] = args else { return Err("usage: p2-tls IP PORT NAME".into()) };
    let ip: std::net::Ipv4Addr = ip.parse().map_err(|_| "not an address")?;
    let [a, b, c, d] = ip.octets();
    let port = port.parse().map_err(|_| "not a port")?;
    let (_socket, input, output) = connect(Ipv4SocketAddress { port, address: (a, b, c, d) })?;
    let (connection, input, output) = secure(name, input, output)?;
    let mut text = Vec::new();
    std::io::stdin().read_to_end(&mut text).map_err(|e| e.to_string())?;
    for chunk in text.chunks(4096) {
        output.blocking_write_and_flush(chunk).map_err(reason)?;
    }
    connection.close_output();
    loop {
        match input.blocking_read(64 * 1024) {
            Ok(bytes) => {
                let mut out = std::io::stdout();
                out.write_all(&bytes).and_then(|()| out.flush()).map_err(|e| e.to_string())?;
            }
            Err(StreamError::Closed) => return Ok(()),
            Err(e) => return Err(reason(e)),
        }
    }
}

fn connect(to: Ipv4SocketAddress) -> Result<(TcpSocket, InputStream, OutputStream), String> {
    let socket = create_tcp_socket(IpAddressFamily::Ipv4).map_err(|e| e.to_string())?;
    socket
        .start_connect(&instance_network(), IpSocketAddress::Ipv4(to))
        .map_err(|e| e.to_string())?;
    socket.subscribe().block();
    let (input, output) = socket.finish_connect().map_err(|e| e.to_string())?;
    Ok((socket, input, output))
}

fn secure(
    name: &str,
    input: InputStream,
    output: OutputStream,
) -> Result<(ClientConnection, InputStream, OutputStream), String> {
    let future = ClientHandshake::finish(ClientHandshake::new(name, input, output));
    future.subscribe().block();
    match future.get() {
        Some(Ok(Ok(streams))) => Ok(streams),
        Some(Ok(Err(e))) => Err(e.to_debug_string()),
        other => Err(format!("no outcome: {other:?}")),
    }
}

fn reason(e: StreamError) -> String {
    match e {
        StreamError::Closed => "closed".into(),
        StreamError::LastOperationFailed(e) => e.to_debug_string(),
    }
}
