//! Tests of the harness itself.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::link::Link;
use crate::server::{Kind, Server};
use crate::wait::{eventually, within};

/// The answer to a handshake, or nothing where the connection is reset.
async fn request(port: u16) -> String {
    let mut answer = String::new();
    if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await {
        let request = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.ok();
        stream.read_to_string(&mut answer).await.ok();
    }
    answer
}

fn port(url: &str) -> u16 {
    url.rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .expect("a port at the end")
}

// What is asked here is plain HTTP.
scenario!(starts_restarts_and_stops on node_4_8 Node48, node_4_8_msgpack Node48Msgpack, node_3_1 Node31, python Python, socketioxide Socketioxide);
async fn starts_restarts_and_stops(kind: Kind) {
    let mut server = Server::start(kind).await;
    assert_eq!(server.sockets("/").await, 0);
    assert!(
        within("a handshake", request(server.port))
            .await
            .contains("\"sid\"")
    );
    server.restart().await;
    let port = server.port;
    assert!(
        within("a handshake", request(port))
            .await
            .contains("\"sid\"")
    );
    server.stop().await;
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
}

scenario!(a_link_forwards_breaks_and_recovers on socketioxide Socketioxide);
async fn a_link_forwards_breaks_and_recovers(kind: Kind) {
    let server = Server::start(kind).await;
    let link = Link::to(server.port).await;
    let entry = port(&link.url(""));
    assert!(
        within("a handshake", request(entry))
            .await
            .contains("\"sid\"")
    );

    link.stall(true);
    let waiting = tokio::spawn(request(entry));
    eventually("the second connection", || link.accepted() == 2).await;
    link.cut();
    assert_eq!(within("the cut", waiting).await.expect("no panic"), "");

    link.stall(false);
    link.break_down();
    assert_eq!(within("the refusal", request(entry)).await, "");
    link.lead_to(server.port);
    assert!(
        within("a handshake", request(entry))
            .await
            .contains("\"sid\"")
    );
}
