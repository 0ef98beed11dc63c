//! wasi:sockets/ip-name-lookup with names that need no server.
use crate::Log;
use wasip3::sockets::ip_name_lookup::resolve_addresses;

pub async fn probe(log: &mut Log) {
    for name in [
        "127.0.0.1",
        "::1",
        "[::1]",
        "0.0.0.0",
        "255.255.255.255",
        "1.2.3",
        "127.1",
        "0x7f000001",
        "::ffff:127.0.0.1",
        "fe80::1%lo",
        "",
        " ",
        "a b",
        "-a",
        "a..b",
        ".",
        "host:80",
        "http://a",
        "nul\0",
        "\u{e9}\u{301}\u{ff0f}",
    ] {
        log.line(
            &format!("{name:?}"),
            resolve_addresses(name.to_string()).await,
        );
    }
    log.line(
        "localhost",
        resolve_addresses("localhost".to_string())
            .await
            .map(|l| !l.is_empty()),
    );
    log.line("long", resolve_addresses("a".repeat(300)).await);
    log.line("longer", resolve_addresses("a".repeat(100_000)).await);
    // Dropping the call gives it up.
    let call = Box::pin(resolve_addresses("unknown.invalid".to_string()));
    drop(call);
    log.line(
        "invalid",
        resolve_addresses("unknown.invalid".to_string())
            .await
            .is_err(),
    );
}
